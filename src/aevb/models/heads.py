"""From a network's features to distributions over codes: the heads of an encoder, family by family.

Features near 0, as fresh networks give, make locations near 0 and scales, rates and shapes near 1. Every parameter
is held where float32 samples, densities and their gradients are finite.
"""

import dataclasses
import math
from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from aevb.distributions import FAMILIES, Distribution
from aevb.models.conditional import LOG_VARIANCE_LIMITS, soft_clip

Link = Callable[[Array], Array]
ERLANG_SHAPE = 2
REAL, POSITIVE, UNIT = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class Head:
    """How features become one family's distributions.

    Args:
        features: what each linear layer gives, in order.
        build: from one array of features for each, last axis latents, to the distribution of all latents.
        interval: the smallest interval that holds every code the head can give; None for codes that have no
            interval each: points of a simplex, one-hot vectors.
        width: features per layer, for a number of latents.
    """

    features: tuple[str, ...]
    build: Callable[..., Distribution]
    interval: tuple[float, float] | None
    width: Callable[[str, int], int] = lambda name, n_latents: n_latents


def _loc(h: Array) -> Array:
    return h


def _scale(h: Array) -> Array:
    """A standard deviation whose logarithm is half a log-variance, as in a Gaussian's head."""
    return jnp.exp(0.5 * soft_clip(h, *LOG_VARIANCE_LIMITS))


def _shape(h: Array) -> Array:
    """From 1/7, under which float32 draws of a Gamma would underflow, to 3000."""
    return jnp.exp(soft_clip(h, -2.0, 8.0))


def _beta_shape(h: Array) -> Array:
    """From 1/2: below, float32 has too few numbers near 1 for a Beta's draws."""
    return jnp.exp(soft_clip(h, math.log(0.5), 8.0))


def _log_scale(h: Array) -> Array:
    """The scale of a logarithm, at most e: exp(10 scales) is still far from overflow."""
    return jnp.exp(0.5 * soft_clip(h, LOG_VARIANCE_LIMITS[0], 2.0))


def _log_loc(h: Array) -> Array:
    return soft_clip(h, -10.0, 10.0)


def _above(least: float, link: Link) -> Link:
    return lambda h: least + link(h)


def _head(name: str, interval: tuple[float, float], **links: Link) -> Head:
    """One layer per parameter, each latent on its own."""

    def build(*features: Array) -> Distribution:
        values = {parameter: link(h) for (parameter, link), h in zip(links.items(), features, strict=True)}
        return FAMILIES[name].distribution(**values, validate_args=False).to_event(1)

    return Head(tuple(links), build, interval)


def _erlang(rate: Array) -> Distribution:
    return FAMILIES["erlang"].distribution(ERLANG_SHAPE, _scale(rate), validate_args=False).to_event(1)


def _reciprocal(low: Array, ratio: Array) -> Distribution:
    low = jnp.exp(_log_loc(low))
    high = low * jnp.exp(_log_scale(ratio))
    return FAMILIES["reciprocal"].distribution(low, high, validate_args=False).to_event(1)


def _uniform(middle: Array, width: Array) -> Distribution:
    half = _scale(width)
    return FAMILIES["uniform"].distribution(middle - half, middle + half, validate_args=False).to_event(1)


def _triangular(mode: Array, left: Array, right: Array) -> Distribution:
    corners = (mode - _scale(left), mode, mode + _scale(right))
    return FAMILIES["triangular"].distribution(*corners, validate_args=False).to_event(1)


def _gaussian(loc: Array, log_variance: Array) -> Distribution:
    log_variance = soft_clip(log_variance, *LOG_VARIANCE_LIMITS)
    return FAMILIES["gaussian"].distribution(loc, log_variance, validate_args=False).to_event(1)


def _elliptical(df: Array, loc: Array, scale_tril: Array) -> Distribution:
    """The lower triangle row by row; its diagonal is made positive."""
    n = loc.shape[-1]
    rows, columns = jnp.tril_indices(n)
    entries = jnp.where(rows == columns, _scale(scale_tril), scale_tril)
    tril = jnp.zeros((*scale_tril.shape[:-1], n, n), scale_tril.dtype).at[..., rows, columns].set(entries)
    return FAMILIES["elliptical"].distribution(4 + _shape(df[..., 0]), loc, tril, validate_args=False)


def _dirichlet(concentration: Array) -> Distribution:
    return FAMILIES["dirichlet"].distribution(_shape(concentration), validate_args=False)


def _categorical(n_categories: int) -> Head:
    def build(logits: Array) -> Distribution:
        by_variable = logits.reshape(*logits.shape[:-1], -1, n_categories)
        return FAMILIES["categorical"].distribution(by_variable)

    def width(name: str, n_latents: int) -> int:
        return n_latents * n_categories

    return Head(("logits",), build, None, width)


def _elliptical_width(name: str, n_latents: int) -> int:
    return {"df": 1, "loc": n_latents, "scale_tril": n_latents * (n_latents + 1) // 2}[name]


# The floors of alpha, df and df2 keep the fourth moment of z finite, and so the variance of a bound with z^2 in it.
HEADS: dict[str, Head] = {
    "exponential": _head("exponential", POSITIVE, rate=_scale),
    "cauchy": _head("cauchy", REAL, loc=_loc, scale=_scale),
    "logistic": _head("logistic", REAL, loc=_loc, scale=_scale),
    "rayleigh": _head("rayleigh", POSITIVE, scale=_scale),
    "pareto": _head("pareto", POSITIVE, scale=_scale, alpha=_above(4.0, _shape)),
    "weibull": _head("weibull", POSITIVE, scale=_scale, concentration=_shape),
    "reciprocal": Head(("low", "ratio"), _reciprocal, POSITIVE),
    "gompertz": _head("gompertz", POSITIVE, concentration=_scale, rate=_scale),
    "gumbel": _head("gumbel", REAL, loc=_loc, scale=_scale),
    "erlang": Head(("rate",), _erlang, POSITIVE),
    "continuous-bernoulli": _head("continuous-bernoulli", UNIT, logits=_loc),
    "laplace": _head("laplace", REAL, loc=_loc, scale=_scale),
    "elliptical": Head(("df", "loc", "scale_tril"), _elliptical, REAL, _elliptical_width),
    "student-t": _head("student-t", REAL, df=_above(4.0, _shape), loc=_loc, scale=_scale),
    "uniform": Head(("middle", "half_width"), _uniform, REAL),
    "triangular": Head(("mode", "left", "right"), _triangular, REAL),
    "gaussian": Head(("loc", "log_variance"), _gaussian, REAL),
    "log-normal": _head("log-normal", POSITIVE, loc=_log_loc, scale=_log_scale),
    "gamma": _head("gamma", POSITIVE, concentration=_shape, rate=_scale),
    "dirichlet": Head(("concentration",), _dirichlet, None),
    "beta": _head("beta", UNIT, concentration1=_beta_shape, concentration0=_beta_shape),
    "chi-squared": _head("chi-squared", POSITIVE, df=_shape),
    "f": _head("f", POSITIVE, df1=_shape, df2=_above(8.0, _shape)),
    "bernoulli": _head("bernoulli", UNIT, logits=_loc),
}


def head(family: str, n_categories: int) -> Head:
    """The head of a family by name; only `categorical` looks at the number of categories.

    Raises:
        KeyError: an unknown name.
    """
    return _categorical(n_categories) if family == "categorical" else HEADS[family]


def code_width(family: str, n_latents: int, n_categories: int) -> int:
    """The length of a code: the number of latents, times the number of categories for categorical ones."""
    return n_latents * n_categories if family == "categorical" else n_latents
