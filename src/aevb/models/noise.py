"""Noise that rows were observed through: what it makes of p(x|z), and what is left of x once its noisy value is known.

Only pairs of noise and likelihood with closed forms are here; a noise refuses the other likelihoods.
"""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.distributions import Distribution, LogitBernoulli, LogVarianceNormal
from aevb.errors import InvalidRecipeError
from aevb.models.conditional import Conditional
from aevb.models.decoders import AnyDecoder
from aevb.models.likelihoods import Likelihood
from aevb.typing import Codes, Mask, PRNGKey, Rows


class Noise(eqx.Module):
    """p(y|x), element by element, of what is observed, y, given what there was, x.

    What a subclass says:
        name: the kind, which likelihoods list if they have a closed form with it.
        advice: which likelihoods these are, and how to get one; goes on after a colon.
    """

    name: ClassVar[str]
    advice: ClassVar[str]

    def check(self, likelihood: Likelihood) -> None:
        """Refuse a likelihood with which there is no closed form.

        Raises:
            InvalidRecipeError: says which likelihoods go with this noise.
        """
        if self.name not in likelihood.noise:
            raise InvalidRecipeError(self.advice)

    @abstractmethod
    def observed(self, p: Distribution) -> Distribution:
        """p(y|z) where x ~ p(x|z)."""

    @abstractmethod
    def clean(self, p: Distribution, y: Rows, mask: Mask | None) -> Distribution:
        """p(x|y, z); where `mask` is False, y is missing, and it is p(x|z)."""

    @abstractmethod
    def add(self, key: PRNGKey, x: Rows) -> Rows:
        """A draw of y."""


class GaussianNoise(Noise):
    """y = x + sd e, e ~ N(0, 1), for Gaussian likelihoods.

    With p(x|z) = N(m, v): p(y|z) = N(m, v + sd^2) and p(x|y, z) = N(m + g (y - m), g sd^2), g = v / (v + sd^2)
    (Bishop 2006, equations 2.115 to 2.117).

    Args:
        sd: standard deviation of each feature's noise, in scaled units, shape `(features,)`.

    Raises:
        InvalidRecipeError: one is not above 0 or not finite.
    """

    name: ClassVar[str] = "gaussian"
    advice: ClassVar[str] = (
        "Gaussian noise can be removed under a Gaussian likelihood, with which it has a closed form: train "
        "with `likelihood='gaussian'`, or another gaussian one"
    )
    sd: Float[Array, " features"]

    def __init__(self, sd: Float[np.ndarray, " features"]):
        wrong = sd[~((sd > 0) & np.isfinite(sd))]
        if len(wrong):
            raise InvalidRecipeError(
                f"the standard deviation of noise must be above 0 and finite, not {wrong[0]:g}"
            )
        self.sd = jnp.asarray(sd, jnp.result_type(float))

    def observed(self, p: Distribution) -> Distribution:
        """Variances add."""
        return LogVarianceNormal(p.loc, jnp.logaddexp(p.log_variance, self._log_variance))

    def clean(self, p: Distribution, y: Rows, mask: Mask | None) -> Distribution:
        """A mean of both, each weighted by how exact it is."""
        gain = jax.nn.sigmoid(p.log_variance - self._log_variance)
        log_variance = jnp.log(gain) + self._log_variance
        if mask is not None:
            gain = jnp.where(mask, gain, 0.0)
            log_variance = jnp.where(mask, log_variance, p.log_variance)
        return LogVarianceNormal(p.loc + gain * (y - p.loc), log_variance)

    def add(self, key: PRNGKey, x: Rows) -> Rows:
        """x + sd e."""
        return x + self.sd * jax.random.normal(key, x.shape, x.dtype)

    @property
    def _log_variance(self) -> Float[Array, " features"]:
        return 2 * jnp.log(self.sd)


class BitFlips(Noise):
    """Each value of 0 or 1 is the other one with probability r, for Bernoulli likelihoods.

    With p = p(x = 1|z): p(y = 1|z) = p (1 - r) + (1 - p) r, and by Bayes' rule the log odds of x = 1 given y and z are
    log(p / (1 - p)) + (2 y - 1) log((1 - r) / r).

    Args:
        rate: r.

    Raises:
        InvalidRecipeError: r outside (0, 1/2); at 1/2 nothing is left of the data.
    """

    name: ClassVar[str] = "flips"
    advice: ClassVar[str] = (
        "flipped values are those of 0 and 1, which have a Bernoulli likelihood: train with "
        "`likelihood='bernoulli'`, for pixels with `binarize='dynamic'` or `binarize='static'`"
    )
    rate: float = eqx.field(static=True)

    def __init__(self, rate: float):
        if not 0 < rate < 0.5:
            raise InvalidRecipeError(f"the share of flipped values must lie between 0 and 1/2, not {rate:g}")
        self.rate = rate

    def observed(self, p: Distribution) -> Distribution:
        """From log probabilities, so that no logit is too large."""
        one, zero = jax.nn.log_sigmoid(p.logits), jax.nn.log_sigmoid(-p.logits)
        kept, flipped = np.log1p(-self.rate), np.log(self.rate)
        return LogitBernoulli(
            jnp.logaddexp(one + kept, zero + flipped) - jnp.logaddexp(zero + kept, one + flipped)
        )

    def clean(self, p: Distribution, y: Rows, mask: Mask | None) -> Distribution:
        """The odds of the likelihood times those of the noise."""
        evidence = (2 * y - 1) * (np.log1p(-self.rate) - np.log(self.rate))
        return LogitBernoulli(p.logits + (evidence if mask is None else jnp.where(mask, evidence, 0.0)))

    def add(self, key: PRNGKey, x: Rows) -> Rows:
        """x, or 1 - x."""
        return jnp.where(jax.random.bernoulli(key, self.rate, x.shape), 1 - x, x)


class NoisyDecoder(Conditional):
    """p(y|z), what is observed through noise.

    Args:
        decoder: p(x|z).
        noise: p(y|x).

    Raises:
        InvalidRecipeError: the two have no closed form together.
    """

    decoder: AnyDecoder
    noise: Noise

    def __init__(self, decoder: AnyDecoder, noise: Noise):
        noise.check(decoder.likelihood)
        self.decoder, self.noise = decoder, noise

    @property
    def likelihood(self) -> Likelihood:
        """That of x, whose values y takes, too."""
        return self.decoder.likelihood

    @property
    def is_density(self) -> bool:
        """Whether p(y|z) is a density, as p(x|z) is."""
        return self.decoder.is_density

    def __call__(self, z: Codes) -> Distribution:
        """p(y|z), one distribution per feature."""
        return self.noise.observed(self.decoder(z))
