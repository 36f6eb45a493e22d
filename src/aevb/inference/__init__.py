"""What a trained model is for: likelihoods, codes, reconstructions, samples."""

from aevb.inference.annealed import Annealed
from aevb.inference.bidirectional import Sandwich, sandwich
from aevb.inference.bounds import mean_bounds
from aevb.inference.chain_imputation import MetropolisWithinGibbs, PseudoGibbs
from aevb.inference.codes import decode, encode, kl_per_latent, sample
from aevb.inference.hmc_density import HMCDensity
from aevb.inference.importance import Importance
from aevb.inference.imputation import Imputation, ImputationMethod, Observation, impute
from aevb.inference.laplace import Laplace
from aevb.inference.marginal import (
    MarginalEstimate,
    MarginalMethod,
    Show,
    error_of_mean,
    log_marginal,
    show_nothing,
)
from aevb.inference.posteriors import PosteriorEstimate, posterior
from aevb.inference.quadrature import Quadrature
from aevb.inference.refined import Refined
from aevb.inference.sampled import HMC, PosteriorSamples, sample_posterior
from aevb.inference.weighted_imputation import ImportanceImputation

__all__ = [
    "HMC",
    "Annealed",
    "HMCDensity",
    "Importance",
    "ImportanceImputation",
    "Imputation",
    "ImputationMethod",
    "Laplace",
    "MarginalEstimate",
    "MarginalMethod",
    "MetropolisWithinGibbs",
    "Observation",
    "PosteriorEstimate",
    "PosteriorSamples",
    "PseudoGibbs",
    "Quadrature",
    "Refined",
    "Sandwich",
    "Show",
    "decode",
    "encode",
    "error_of_mean",
    "impute",
    "kl_per_latent",
    "log_marginal",
    "mean_bounds",
    "posterior",
    "sample",
    "sample_posterior",
    "sandwich",
    "show_nothing",
]
