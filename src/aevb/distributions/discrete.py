"""Discrete codes: Bernoulli and categorical, with their Concrete relaxations."""
# NumPyro annotates its methods with ArrayLike and `support` as a property, which no subclass of its own follows.
# pyright: reportIncompatibleMethodOverride=false, reportAssignmentType=false

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpyro.distributions import CategoricalLogits, Distribution, constraints

from aevb.distributions.bernoulli import LogitBernoulli
from aevb.typing import PRNGKey

Relaxed = tuple[Float[Array, "..."], Float[Array, "..."]]


class BernoulliCodes(LogitBernoulli):
    """Codes of 0 and 1, as floating-point numbers, element by element.

    Args:
        logits: log p / (1 - p).
    """

    @property
    def code_values(self) -> Float[np.ndarray, "2 1"]:
        """The values that a code takes."""
        return np.array([[0.0], [1.0]])

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws of 0 and 1; not differentiable in the logits."""
        return super().sample(key, sample_shape).astype(jnp.result_type(self.logits))

    def relaxed_sample(self, key: PRNGKey, temperature: float) -> Relaxed:
        """sigmoid((logits + l) / temperature), l ~ Logistic(0, 1), and its limit at temperature 0, from one l.

        The limit is a draw of the Bernoulli itself (Maddison et al. 2017, appendix B).
        """
        noisy = self.logits + jax.random.logistic(key, self.batch_shape, jnp.result_type(self.logits))
        return jax.nn.sigmoid(noisy / temperature), jnp.greater(noisy, 0).astype(noisy.dtype)


class CategoricalCodes(Distribution):
    """Independent categorical variables as one-hot vectors side by side: event shape `(variables * categories,)`.

    Args:
        logits: unnormalized log probabilities, shape `(..., variables, categories)`.
    """

    arg_constraints = {"logits": constraints.real_matrix}  # noqa: RUF012
    support = constraints.real_vector

    def __init__(self, logits: Float[Array, "..."], *, validate_args: bool | None = False):
        self.logits = logits
        *batch_shape, n_variables, n_categories = jnp.shape(logits)
        super().__init__(tuple(batch_shape), (n_variables * n_categories,), validate_args=validate_args)

    @property
    def code_values(self) -> Float[np.ndarray, "categories categories"]:
        """The values that a variable takes, one-hot."""
        return np.eye(jnp.shape(self.logits)[-1])

    @property
    def log_probabilities(self) -> Float[Array, "... variables categories"]:
        """Normalized log probabilities."""
        return jax.nn.log_softmax(self.logits)

    @property
    def by_variable(self) -> CategoricalLogits:
        """Each variable on its own, batch shape `(..., variables)`."""
        return CategoricalLogits(self.logits, validate_args=False)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """One-hot draws; not differentiable in the logits."""
        shape = sample_shape + jnp.shape(self.logits)[:-1]
        return self._one_hot(jax.random.categorical(key, self.logits, shape=shape))

    def log_prob(self, value: Float[Array, "..."], intermediates: None = None) -> Float[Array, "..."]:
        """The log probability of one-hot vectors, summed over variables."""
        one_hot = value.reshape(*value.shape[:-1], *jnp.shape(self.logits)[-2:])
        return jnp.sum(one_hot * self.log_probabilities, axis=(-2, -1))

    def log_prob_by_variable(self, value: Float[Array, "..."]) -> Float[Array, "... variables"]:
        """That of each variable."""
        one_hot = value.reshape(*value.shape[:-1], *jnp.shape(self.logits)[-2:])
        return jnp.sum(one_hot * self.log_probabilities, axis=-1)

    def relaxed_sample(self, key: PRNGKey, temperature: float) -> Relaxed:
        """softmax((logits + g) / temperature), g ~ Gumbel(0, 1), and its limit at temperature 0, from one g.

        The limit is a draw of the categorical itself (Maddison et al. 2017; Jang et al. 2017).
        """
        noisy = self.logits + jax.random.gumbel(key, jnp.shape(self.logits), jnp.result_type(self.logits))
        return self._flat(jax.nn.softmax(noisy / temperature)), self._one_hot(jnp.argmax(noisy, axis=-1))

    @property
    def mean(self) -> Float[Array, "..."]:
        """The probabilities."""
        return self._flat(jnp.exp(self.log_probabilities))

    @property
    def variance(self) -> Float[Array, "..."]:
        """p (1 - p) of each probability."""
        return self.mean * (1 - self.mean)

    def entropy(self) -> Float[Array, "..."]:
        """Summed over variables, nats."""
        log_p = self.log_probabilities
        return -jnp.sum(jnp.exp(log_p) * log_p, axis=(-2, -1))

    def _one_hot(self, categories: Array) -> Array:
        n_categories = jnp.shape(self.logits)[-1]
        return self._flat(jax.nn.one_hot(categories, n_categories, dtype=jnp.result_type(self.logits)))

    def _flat(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-2], -1)


class CategoryCodes(Distribution):
    """A category in each cell, as a floating-point code 0 to C - 1.

    Args:
        log_probabilities: normalized, last axis the categories; the axes before are the batch shape.
    """

    arg_constraints = {"log_probabilities": constraints.real_vector}  # noqa: RUF012
    support = constraints.nonnegative_integer

    def __init__(self, log_probabilities: Float[Array, "..."], *, validate_args: bool | None = False):
        self.log_probabilities = log_probabilities
        super().__init__(jnp.shape(log_probabilities)[:-1], validate_args=validate_args)

    @property
    def _codes(self) -> Float[Array, " categories"]:
        return jnp.arange(self.log_probabilities.shape[-1], dtype=self.log_probabilities.dtype)

    def sample(self, key: PRNGKey, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws of codes."""
        draws = jax.random.categorical(key, self.log_probabilities, shape=sample_shape + self.batch_shape)
        return draws.astype(self.log_probabilities.dtype)

    def log_prob(self, value: Float[Array, "..."], intermediates: None = None) -> Float[Array, "..."]:
        """The log probability of each code; -inf for what is none."""
        log_p = jnp.where(value[..., None] == self._codes, self.log_probabilities, -jnp.inf)
        return jnp.max(log_p, axis=-1)

    @property
    def mean(self) -> Float[Array, "..."]:
        """The mean of the codes."""
        return jnp.sum(jnp.exp(self.log_probabilities) * self._codes, axis=-1)

    @property
    def variance(self) -> Float[Array, "..."]:
        """The variance of the codes."""
        from_mean = self._codes - self.mean[..., None]
        return jnp.sum(jnp.exp(self.log_probabilities) * from_mean**2, axis=-1)
