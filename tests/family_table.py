"""Every family of numbers in a row: settings over edges of the parameter range, and SciPy's distribution of them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from scipy import stats
from scipy.special import exprel

# Of no use to what runs once: programs of special functions compile in half of the time without.
QUICKLY = {"xla_backend_optimization_level": 0}


def compiled(function):
    return jax.jit(function, compiler_options=QUICKLY)


class ScipyContinuousBernoulli:
    """What SciPy lacks, in plain formulas, with the uniform law at h = 0."""

    def __init__(self, logits):
        self.h = np.where(logits == 0, 1e-300, logits)  # exprel is 1 there

    def logpdf(self, x):
        return self.h * (x - (self.h > 0)) - np.log(exprel(-np.abs(self.h)))

    def cdf(self, x):
        x = np.clip(x, 0, 1)
        start = np.exp(np.where(self.h > 0, self.h * (x - 1), 0))
        z = -np.abs(self.h)
        return start * x * exprel(z * x) / exprel(z)

    def pdf(self, x):
        return np.exp(self.logpdf(x))

    def ppf(self, q):
        h = np.where(np.abs(self.h) < 1e-9, 1.0, self.h)
        with np.errstate(divide="ignore"):
            far = np.logaddexp(np.log1p(-q), np.log(q) + h) / h
        return np.where(np.abs(self.h) < 1e-9, q + 0.5 * self.h * q * (1 - q), far)

    def _moment(self, power):
        nodes, weights = np.polynomial.legendre.leggauss(200)
        x = 0.5 * (nodes[:, None] + 1)
        return np.sum(0.5 * weights[:, None] * x**power * np.exp(self.logpdf(x)), axis=0)

    def mean(self):
        return self._moment(1)

    def var(self):
        return self._moment(2) - self._moment(1) ** 2

    def entropy(self):
        return -self.logpdf(self.mean())  # the logarithm is linear in x


@dataclasses.dataclass
class Row:
    """Settings side by side, one per position of the lists, and SciPy's distribution of them.

    `uncertain` names parameters whose samples come from more than one variate, so that they have no one gradient.
    `side` says on which sides of a setting a parameter may be changed: +1, -1, or 0 for both. `size` says what is a
    large change of it, where that is not its own size.
    """

    settings: dict[str, list[float]]
    scipy: Callable[..., Any]
    static: tuple[int, ...] = ()
    uncertain: tuple[str, ...] = ()
    side: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    size: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    rtol: float = 1e-9

    @property
    def parameters(self):
        return {name: np.array(values, float) for name, values in self.settings.items()}

    def reach(self, parameter):
        """A step for finite differences that is small for the distribution, and not for floating point."""
        return 1e-4 * np.array(self.size.get(parameter, self.settings[parameter]), float)


LOC_SCALE = {"loc": [0.0, -3.0, 1e3, 2.0], "scale": [1.0, 1e-3, 30.0, 1e4]}
SIZE = {"loc": LOC_SCALE["scale"]}
TABLE = {
    "exponential": Row({"rate": [1e-6, 0.5, 1.0, 1e6]}, lambda rate: stats.expon(scale=1 / rate)),
    "cauchy": Row(LOC_SCALE, stats.cauchy, size=SIZE),
    "logistic": Row(LOC_SCALE, stats.logistic, size=SIZE),
    "rayleigh": Row({"scale": [1e-6, 0.5, 1.0, 1e6]}, lambda scale: stats.rayleigh(scale=scale)),
    "pareto": Row(
        {"scale": [1.0, 1e-4, 3.0, 1e4, 2.0], "alpha": [0.3, 1.0, 1.5, 2.5, 50.0]},
        lambda scale, alpha: stats.pareto(alpha, scale=scale),
    ),
    "weibull": Row(
        {"scale": [1.0, 1e-4, 3.0, 1e4], "concentration": [0.3, 1.0, 2.0, 50.0]},
        lambda scale, concentration: stats.weibull_min(concentration, scale=scale),
    ),
    "reciprocal": Row(
        {"low": [1.0, 2.0, 1e-5, 0.5], "high": [3.0, 2.002, 1e5, 1.0]},
        lambda low, high: stats.loguniform(low, high),
        size={"low": [1.0, 0.002, 1e-5, 0.5], "high": [3.0, 0.002, 1e5, 1.0]},
        rtol=1e-6,  # SciPy's variance cancels
    ),
    "gompertz": Row(
        {"concentration": [0.5, 1e-3, 1.0, 30.0, 1e3], "rate": [1.0, 1e-3, 10.0, 0.2, 1.0]},
        lambda concentration, rate: stats.gompertz(concentration, scale=1 / rate),
        rtol=1e-7,  # SciPy integrates for its moments
    ),
    "gumbel": Row(LOC_SCALE, stats.gumbel_r, size=SIZE),
    "erlang": Row({"rate": [1e-3, 0.5, 1.0, 1e3]}, lambda rate: stats.gamma(3, scale=1 / rate), static=(3,)),
    "continuous-bernoulli": Row(
        {"logits": [-80.0, -5.0, -0.11, -0.09, -1e-6, 0.0, 1e-4, 0.09, 0.11, 0.99, 1.01, 80.0]},
        ScipyContinuousBernoulli,
        size={"logits": [1.0] * 12},
        rtol=1e-8,
    ),
    "laplace": Row(LOC_SCALE, stats.laplace, size=SIZE),
    "student-t": Row(
        {
            "df": [0.6, 1.0, 2.0, 2.5, 5.0, 31.0, 33.0, 1e3],
            "loc": [0.0, 1.0, -3.0, 1e3, 2.0, 0.0, 0.0, 0.0],
            "scale": [1.0, 1e-3, 30.0, 1.0, 1e4, 1.0, 1.0, 1.0],
        },
        stats.t,
        uncertain=("df",),
        size={"loc": [1.0, 1e-3, 30.0, 1.0, 1e4, 1.0, 1.0, 1.0]},
    ),
    "uniform": Row(
        {"low": [0.0, -1e3, 5.0], "high": [1.0, 1e3, 5.001]},
        lambda low, high: stats.uniform(low, high - low),
        size={key: [1.0, 2e3, 1e-3] for key in ("low", "high")},
    ),
    "triangular": Row(
        {"low": [0.0, 0.0, -1.0, 5.0], "mode": [1.0, 0.0, 2.0, 5.0004], "high": [3.0, 1.0, 2.0, 5.001]},
        lambda low, mode, high: stats.triang((mode - low) / (high - low), low, high - low),
        size={key: [1.0, 1.0, 1.0, 1e-4] for key in ("low", "mode", "high")},
        side={"low": [0, -1, 0, 0], "mode": [0, 1, -1, 0], "high": [0, 0, 1, 0]},
    ),
    "gaussian": Row(
        {"loc": [0.0, -3.0, 1e3, 2.0], "log_variance": [0.0, -14.0, 7.0, 18.0]},
        lambda loc, log_variance: stats.norm(loc, np.exp(0.5 * log_variance)),
        size={"loc": [1.0, 1e-3, 30.0, 1e4], "log_variance": [1.0] * 4},
    ),
    "log-normal": Row(
        {"loc": [0.0, -3.0, 10.0, 2.0], "scale": [1.0, 1e-3, 2.0, 0.1]},
        lambda loc, scale: stats.lognorm(scale, scale=np.exp(loc)),
        size={"loc": [1.0, 1e-3, 2.0, 0.1]},
    ),
    "gamma": Row(
        {
            "concentration": [0.05, 0.3, 1.0, 2.5, 30.0, 1e3],
            "rate": [1.0, 1e-4, 1e4, 0.5, 3.0, 1.0],
        },
        lambda concentration, rate: stats.gamma(concentration, scale=1 / rate),
    ),
    "beta": Row(
        {
            "concentration1": [0.05, 0.5, 1.0, 2.5, 30.0, 1e3, 0.3],
            "concentration0": [0.3, 1.0, 1.0, 0.7, 4.0, 500.0, 100.0],
        },
        lambda concentration1, concentration0: stats.beta(concentration1, concentration0),
        uncertain=("concentration1", "concentration0"),
    ),
    "chi-squared": Row({"df": [0.6, 1.0, 2.0, 5.0, 100.0, 1e3]}, stats.chi2),
    "f": Row(
        {"df1": [0.6, 1.0, 2.0, 5.0, 100.0, 3.0], "df2": [0.6, 2.0, 5.0, 4.5, 30.0, 1e3]},
        lambda df1, df2: stats.f(df1, df2),
        uncertain=("df1", "df2"),
        rtol=1e-8,
    ),
}
