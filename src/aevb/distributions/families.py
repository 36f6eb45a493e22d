"""The table of families, by how their samples are reparameterized."""

import dataclasses
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import Distribution, ExpandedDistribution, Independent, constraints

from aevb.distributions.composition import Beta, Chi2, Dirichlet, F, Gamma, LogNormal
from aevb.distributions.continuous_bernoulli import ContinuousBernoulli
from aevb.distributions.discrete import BernoulliCodes, CategoricalCodes
from aevb.distributions.elliptical import EllipticalStudentT
from aevb.distributions.inverse_cdf import (
    Cauchy,
    Erlang,
    Exponential,
    Gompertz,
    Gumbel,
    Logistic,
    Rayleigh,
)
from aevb.distributions.location_scale import Laplace, StudentT, Triangular, Uniform
from aevb.distributions.normal import LogVarianceNormal
from aevb.distributions.parameters import Parameter, Relation, check_parameters
from aevb.distributions.powers import LogUniform, Pareto, Weibull
from aevb.errors import InvalidParameterError

Route = Literal["inverse-cdf", "location-scale", "composition", "discrete"]
Summary = Literal["mean", "median"]

_SUPPORTS = (
    (constraints.real, "real numbers"),
    (constraints.real_vector, "real vectors"),
    (constraints.positive, "x > 0"),
    (constraints.unit_interval, "0 < x < 1"),
    (constraints.simplex, "positive vectors that sum to 1"),
)


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of distributions, and how to build a member whose parameters are checked.

    Args:
        name: its key in `FAMILIES`.
        distribution: its class, whose positional arguments are the parameters; it checks what NumPyro's classes check.
        route: how a sample is reparameterized (Kingma & Welling 2014, section 2.4).
        parameters: in the order of the class's arguments.
        support: a constraint, or in words where it moves with the parameters.
        support_moves: whether it does; the score function estimator is then biased.
        summary: the point that stands for a distribution: the mean, or the median where the mean may be infinite or
            missing. The elliptical family's is its centre.
        event_dim: dimensions of one event.
        formula: how a sample is made from noise.
        density: the density at x, up to a factor that does not depend on x if it says "proportional to".
    """

    name: str
    distribution: type[Distribution]
    route: Route
    parameters: tuple[Parameter, ...]
    support: constraints.Constraint | str
    formula: str
    density: str
    support_moves: bool = False
    summary: Summary = "mean"
    event_dim: int = 0

    @property
    def support_in_words(self) -> str:
        """The support, for a reader."""
        return next((words for support, words in _SUPPORTS if support is self.support), str(self.support))

    def __call__(self, **parameters: Any) -> Distribution:
        """The distribution with these parameters, each checked as in `check_parameters`.

        Raises:
            InvalidParameterError: a name or value is wrong; it says which, what it must be and what came.
        """
        checked = check_parameters(self.name, self.parameters, parameters)
        try:
            return self.distribution(**checked, validate_args=False)
        except (TypeError, ValueError) as error:
            shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in checked.items())
            raise InvalidParameterError(f"{self.name}: shapes do not fit together: {shapes}") from error

    def point_summary(self, distribution: Distribution) -> Float[Array, "..."]:
        """The point that stands for each distribution of a batch, of shape `batch_shape + event_shape`.

        Args:
            distribution: of this family, also with dimensions made events by `to_event` or added by `expand`.
        """
        shape = distribution.shape()
        while isinstance(distribution, Independent | ExpandedDistribution):
            distribution = distribution.base_dist
        return jnp.broadcast_to(getattr(distribution, self.summary), shape)


def _real(name: str, description: str) -> Parameter:
    return Parameter(name, constraints.real, description=description)


def _positive(name: str, description: str) -> Parameter:
    return Parameter(name, constraints.positive, description=description)


def _above(low: str) -> Parameter:
    greater = Relation(f"greater than {low}", (low,), lambda high, low: high > low)
    return Parameter("high", greater, description="upper end")


_BETWEEN = Relation(
    "between low and high", ("low", "high"), lambda mode, low, high: (low <= mode) & (mode <= high)
)
_LOC_SCALE = (_real("loc", "mean"), _positive("scale", "stretches the noise"))
_MEDIAN_SCALE = (_real("loc", "median"), _positive("scale", "stretches the noise"))
_DF = _positive("df", "degrees of freedom")

_INVERSE_CDF = (
    Family(
        "exponential",
        Exponential,
        "inverse-cdf",
        (_positive("rate", "inverse of the mean"),),
        constraints.positive,
        "-log(1 - u) / rate",
        "rate exp(-rate x)",
    ),
    Family(
        "cauchy",
        Cauchy,
        "inverse-cdf",
        _MEDIAN_SCALE,
        constraints.real,
        "loc + scale tan(pi (u - 1/2))",
        "1 / (pi scale (1 + z^2)), z = (x - loc) / scale",
        summary="median",
    ),
    Family(
        "logistic",
        Logistic,
        "inverse-cdf",
        _LOC_SCALE,
        constraints.real,
        "loc + scale log(u / (1 - u))",
        "exp(-z) / (scale (1 + exp(-z))^2), z = (x - loc) / scale",
    ),
    Family(
        "rayleigh",
        Rayleigh,
        "inverse-cdf",
        (_positive("scale", "mode"),),
        constraints.positive,
        "scale sqrt(-2 log(1 - u))",
        "x / scale^2 exp(-x^2 / (2 scale^2))",
    ),
    Family(
        "pareto",
        Pareto,
        "inverse-cdf",
        (_positive("scale", "lower end"), _positive("alpha", "how fast the tail falls")),
        "x > scale",
        "scale (1 - u)^(-1 / alpha)",
        "alpha scale^alpha / x^(alpha + 1)",
        support_moves=True,
        summary="median",
    ),
    Family(
        "weibull",
        Weibull,
        "inverse-cdf",
        (_positive("scale", "stretches the noise"), _positive("concentration", "k")),
        constraints.positive,
        "scale (-log(1 - u))^(1 / k)",
        "k / scale (x / scale)^(k - 1) exp(-(x / scale)^k)",
    ),
    Family(
        "reciprocal",
        LogUniform,
        "inverse-cdf",
        (_positive("low", "lower end"), _above("low")),
        "low <= x <= high",
        "low^(1 - u) high^u",
        "1 / (x log(high / low))",
        support_moves=True,
    ),
    Family(
        "gompertz",
        Gompertz,
        "inverse-cdf",
        (_positive("concentration", "c"), _positive("rate", "b")),
        constraints.positive,
        "log(1 - log(1 - u) / c) / b",
        "c b exp(b x - c (exp(b x) - 1))",
    ),
    Family(
        "gumbel",
        Gumbel,
        "inverse-cdf",
        (_real("loc", "mode"), _positive("scale", "stretches the noise")),
        constraints.real,
        "loc - scale log(-log u)",
        "exp(-z - exp(-z)) / scale, z = (x - loc) / scale",
    ),
    Family(
        "erlang",
        Erlang,
        "inverse-cdf",
        (
            Parameter("shape", constraints.positive_integer, True, "number of events, n"),
            _positive("rate", "events per unit"),
        ),
        constraints.positive,
        "-(log u_1 + ... + log u_n) / rate",
        "rate^n x^(n - 1) exp(-rate x) / (n - 1)!",
    ),
    Family(
        "continuous-bernoulli",
        ContinuousBernoulli,
        "inverse-cdf",
        (_real("logits", "h"),),
        constraints.unit_interval,
        "log(1 + u (exp(h) - 1)) / h",
        "h exp(h x) / (exp(h) - 1)",
    ),
)

_LOCATION_SCALE = (
    Family(
        "laplace",
        Laplace,
        "location-scale",
        _LOC_SCALE,
        constraints.real,
        "loc + scale e, e ~ Laplace(0, 1)",
        "exp(-|x - loc| / scale) / (2 scale)",
    ),
    Family(
        "elliptical",
        EllipticalStudentT,
        "location-scale",
        (
            _DF,
            Parameter("loc", constraints.real_vector, description="centre"),
            Parameter("scale_tril", constraints.lower_cholesky, description="L"),
        ),
        constraints.real_vector,
        "loc + r L n / ||n||, n ~ N(0, I), r^2 = df g1 / g2, g1 ~ Gamma(d / 2, 1), g2 ~ Gamma(df / 2, 1)",
        "proportional to (1 + r^2 / df)^(-(df + d) / 2), r = ||L^-1 (x - loc)||",
        summary="median",
        event_dim=1,
    ),
    Family(
        "student-t",
        StudentT,
        "location-scale",
        (_DF, *_MEDIAN_SCALE),
        constraints.real,
        "loc + scale n sqrt(df / (2 g)), n ~ N(0, 1), g ~ Gamma(df / 2, 1)",
        "proportional to (1 + z^2 / df)^(-(df + 1) / 2), z = (x - loc) / scale",
        summary="median",
    ),
    Family(
        "uniform",
        Uniform,
        "location-scale",
        (_real("low", "lower end"), _above("low")),
        "low <= x <= high",
        "low + (high - low) u",
        "1 / (high - low)",
        support_moves=True,
    ),
    Family(
        "triangular",
        Triangular,
        "location-scale",
        (_real("low", "lower end"), Parameter("mode", _BETWEEN, description="peak"), _above("low")),
        "low <= x <= high",
        "low + sqrt(u (high - low) (mode - low)) up to the mode, and likewise down from high",
        "2 (x - low) / ((high - low) (mode - low)) up to the mode, and likewise down to high",
        support_moves=True,
    ),
    Family(
        "gaussian",
        LogVarianceNormal,
        "location-scale",
        (_real("loc", "mean"), _real("log_variance", "logarithm of the variance s^2")),
        constraints.real,
        "loc + s n, n ~ N(0, 1)",
        "exp(-(x - loc)^2 / (2 s^2)) / (s sqrt(2 pi))",
    ),
)

_COMPOSITION = (
    Family(
        "log-normal",
        LogNormal,
        "composition",
        (_real("loc", "mean of log x"), _positive("scale", "standard deviation of log x")),
        constraints.positive,
        "exp(loc + scale n), n ~ N(0, 1)",
        "exp(-(log x - loc)^2 / (2 scale^2)) / (x scale sqrt(2 pi))",
    ),
    Family(
        "gamma",
        Gamma,
        "composition",
        (_positive("concentration", "a"), _positive("rate", "inverse of the scale")),
        constraints.positive,
        "g / rate, g ~ Gamma(a, 1)",
        "rate^a x^(a - 1) exp(-rate x) / Gamma(a)",
    ),
    Family(
        "dirichlet",
        Dirichlet,
        "composition",
        (Parameter("concentration", constraints.independent(constraints.positive, 1), description="a"),),
        constraints.simplex,
        "g_i / sum_j g_j, g_i ~ Gamma(a_i, 1)",
        "proportional to prod_i x_i^(a_i - 1)",
        event_dim=1,
    ),
    Family(
        "beta",
        Beta,
        "composition",
        (_positive("concentration1", "a"), _positive("concentration0", "b")),
        constraints.unit_interval,
        "g1 / (g1 + g2), g1 ~ Gamma(a, 1), g2 ~ Gamma(b, 1)",
        "x^(a - 1) (1 - x)^(b - 1) / B(a, b)",
    ),
    Family(
        "chi-squared",
        Chi2,
        "composition",
        (_DF,),
        constraints.positive,
        "2 g, g ~ Gamma(df / 2, 1)",
        "x^(df / 2 - 1) exp(-x / 2) / (2^(df / 2) Gamma(df / 2))",
    ),
    Family(
        "f",
        F,
        "composition",
        (_positive("df1", "degrees of freedom above"), _positive("df2", "degrees of freedom below")),
        constraints.positive,
        "df2 g1 / (df1 g2), g1 ~ Gamma(df1 / 2, 1), g2 ~ Gamma(df2 / 2, 1)",
        "proportional to x^(df1 / 2 - 1) (1 + df1 x / df2)^(-(df1 + df2) / 2)",
        # Its mean is infinite up to df2 = 2.
        summary="median",
    ),
)

_DISCRETE = (
    Family(
        "bernoulli",
        BernoulliCodes,
        "discrete",
        (_real("logits", "h = log p / (1 - p)"),),
        "0 or 1",
        "1 if h + l > 0, l ~ Logistic(0, 1)",
        "p^x (1 - p)^(1 - x)",
    ),
    Family(
        "categorical",
        CategoricalCodes,
        "discrete",
        (
            Parameter(
                "logits",
                constraints.independent(constraints.real, 2),
                description="h, per variable and category",
            ),
        ),
        "one-hot vectors",
        "one at argmax_i (h_i + g_i), g_i ~ Gumbel(0, 1)",
        "exp(h_i) / sum_j exp(h_j)",
        event_dim=1,
    ),
)

# u stands for noise from Uniform(0, 1), n for noise from N(0, 1).
FAMILIES: dict[str, Family] = {
    family.name: family for family in (*_INVERSE_CDF, *_LOCATION_SCALE, *_COMPOSITION, *_DISCRETE)
}
