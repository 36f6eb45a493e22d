"""Generative models p(z) p(x|z), recognition models q(z|x), and how they are kept on disk."""

from aevb.models.conditional import Conditional
from aevb.models.constant import Constant, learned, split_learned
from aevb.models.decoders import BernoulliDecoder, GaussianDecoder, Likelihood, make_decoder
from aevb.models.encoders import GaussianEncoder
from aevb.models.latent_variable_model import AmortizedPosterior, AutoEncoder, LatentVariableModel
from aevb.models.priors import StandardNormalPrior
from aevb.models.saved import load_model, save_model

__all__ = [
    "AmortizedPosterior",
    "AutoEncoder",
    "BernoulliDecoder",
    "Conditional",
    "Constant",
    "GaussianDecoder",
    "GaussianEncoder",
    "LatentVariableModel",
    "Likelihood",
    "StandardNormalPrior",
    "learned",
    "load_model",
    "make_decoder",
    "save_model",
    "split_learned",
]
