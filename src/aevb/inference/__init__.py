"""What a trained model is for: likelihoods, codes, reconstructions, samples."""

from aevb.inference.codes import decode, encode, kl_per_latent, sample
from aevb.inference.importance import Importance
from aevb.inference.marginal import MarginalEstimate, MarginalMethod, Show, log_marginal, show_nothing

__all__ = [
    "Importance",
    "MarginalEstimate",
    "MarginalMethod",
    "Show",
    "decode",
    "encode",
    "kl_per_latent",
    "log_marginal",
    "sample",
    "show_nothing",
]
