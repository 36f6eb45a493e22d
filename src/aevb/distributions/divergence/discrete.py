"""Divergences of discrete distributions from their logits, which NumPyro has from probabilities only."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Value = Float[Array, "..."]


def bernoulli(q: Any, p: Any) -> Value:
    """sum_k q_k log(q_k / p_k) over both outcomes."""
    ones, zeros = (
        jax.nn.sigmoid(sign * q.logits)
        * (jax.nn.log_sigmoid(sign * q.logits) - jax.nn.log_sigmoid(sign * p.logits))
        for sign in (1, -1)
    )
    return ones + zeros


def categorical(q: Any, p: Any) -> Value:
    """sum_k q_k log(q_k / p_k), where q_k > 0."""
    return _relative_entropy(jax.nn.log_softmax(q.logits), jax.nn.log_softmax(p.logits))


def categorical_codes(q: Any, p: Any) -> Value:
    """That of all variables together."""
    return jnp.sum(_relative_entropy(q.log_probabilities, p.log_probabilities), axis=-1)


def _relative_entropy(log_q: Value, log_p: Value) -> Value:
    possible = log_q > -jnp.inf
    log_ratio = jnp.where(possible, log_q, 0.0) - jnp.where(possible, log_p, 0.0)
    return jnp.sum(jnp.exp(log_q) * log_ratio, axis=-1)
