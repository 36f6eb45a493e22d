"""Generative models p(z) p(x|z), recognition models q(z|x), and how they are kept on disk."""

from aevb.datasets import Support
from aevb.models.bayesian import BayesianDecoder, DecoderEnsemble
from aevb.models.conditional import Conditional
from aevb.models.constant import Constant, learned, split_learned
from aevb.models.decoders import Decoder
from aevb.models.encoders import Encoder, RecognitionModel
from aevb.models.heads import code_width, head
from aevb.models.latent_variable_model import AmortizedPosterior, AutoEncoder, LatentVariableModel
from aevb.models.likelihoods import LIKELIHOODS, Likelihood
from aevb.models.priors import Prior, choose_prior
from aevb.models.row_table import RowTable
from aevb.models.saved import load_model, save_model

__all__ = [
    "LIKELIHOODS",
    "AmortizedPosterior",
    "AutoEncoder",
    "BayesianDecoder",
    "Conditional",
    "Constant",
    "Decoder",
    "DecoderEnsemble",
    "Encoder",
    "LatentVariableModel",
    "Likelihood",
    "Prior",
    "RecognitionModel",
    "RowTable",
    "Support",
    "choose_prior",
    "code_width",
    "head",
    "learned",
    "load_model",
    "save_model",
    "split_learned",
]
