"""Likelihoods p(x|z) by name. A new one is a class in one of these files, and a row of this table."""

from aevb.models.likelihoods.bernoulli import Bernoulli, ContinuousBernoulliLikelihood
from aevb.models.likelihoods.categories import Categorical, Ordinal
from aevb.models.likelihoods.counts import NegativeBinomial, Poisson, ZeroInflatedNegativeBinomial
from aevb.models.likelihoods.gaussian import Gaussian, GaussianDiagonal, GaussianIsotropic, GaussianSigmoid
from aevb.models.likelihoods.likelihood import Likelihood
from aevb.models.likelihoods.positive import Beta, Gamma, LogNormal
from aevb.models.likelihoods.real import Laplace, StudentT

LIKELIHOODS: dict[str, Likelihood] = {
    likelihood.name: likelihood
    for likelihood in (
        *(Bernoulli(), ContinuousBernoulliLikelihood(), Beta()),
        *(Gaussian(), GaussianDiagonal(), GaussianIsotropic(), GaussianSigmoid(), StudentT(), Laplace()),
        *(LogNormal(), Gamma()),
        *(Poisson(), NegativeBinomial(), ZeroInflatedNegativeBinomial()),
        *(Categorical(), Ordinal()),
    )
}

__all__ = ["LIKELIHOODS", "Likelihood"]
