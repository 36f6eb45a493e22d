"""Generative models p(z) p(x|z), recognition models q(z|x), and how they are kept on disk."""

from aevb.datasets import Support
from aevb.models.auto_encoder import AutoEncoder
from aevb.models.bayesian import BayesianDecoder, DecoderEnsemble
from aevb.models.codes import AmortizedPosterior, CodeDistribution, FamilyPrior, Posterior, joined, total
from aevb.models.conditional import Conditional
from aevb.models.constant import Constant, learned, split_learned
from aevb.models.decoders import Decoder
from aevb.models.encoders import Encoder, FamilyRecognition
from aevb.models.heads import code_width, head
from aevb.models.latent_variable_model import LatentVariableModel
from aevb.models.likelihoods import LIKELIHOODS, Likelihood
from aevb.models.model import Model
from aevb.models.priors import Prior, choose_prior
from aevb.models.recognition import Recognition, RecognitionModel
from aevb.models.row_table import RowTable
from aevb.models.saved import load_model, save_model
from aevb.models.space import CodeSpace, Site

__all__ = [
    "LIKELIHOODS",
    "AmortizedPosterior",
    "AutoEncoder",
    "BayesianDecoder",
    "CodeDistribution",
    "CodeSpace",
    "Conditional",
    "Constant",
    "Decoder",
    "DecoderEnsemble",
    "Encoder",
    "FamilyPrior",
    "FamilyRecognition",
    "LatentVariableModel",
    "Likelihood",
    "Model",
    "Posterior",
    "Prior",
    "Recognition",
    "RecognitionModel",
    "RowTable",
    "Site",
    "Support",
    "choose_prior",
    "code_width",
    "head",
    "joined",
    "learned",
    "load_model",
    "save_model",
    "split_learned",
    "total",
]
