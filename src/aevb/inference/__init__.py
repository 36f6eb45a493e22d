"""What a trained model is for: likelihoods, codes, reconstructions, samples."""

from aevb.inference.codes import decode, encode, kl_per_latent, sample
from aevb.inference.marginal import MarginalEstimate, log_marginal

__all__ = ["MarginalEstimate", "decode", "encode", "kl_per_latent", "log_marginal", "sample"]
