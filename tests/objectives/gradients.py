"""Many independent gradients of an objective, and one test of all their coordinates against an exact gradient."""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.optimize import brentq
from scipy.stats import f, ncf

from aevb.models import AmortizedPosterior, split_learned
from conftest import FALSE_ALARM

POWER = 0.99
# Most of the time goes into compiling; unoptimized machine code takes a third of that and is fast enough.
compiled = functools.partial(eqx.filter_jit, compiler_options={"xla_backend_optimization_level": 0})


def amortized(model, encoder, batch):
    return AmortizedPosterior(encoder(batch), model.prior_of(batch))


@compiled
def _draws(objective, model, encoder, batch, keys, posterior):
    learned, rest = split_learned((model, encoder))

    def surrogate(learned, key):
        model, encoder = eqx.combine(learned, rest)
        bound = objective(key, model, posterior(model, encoder, batch), batch)
        return batch.mean(bound.surrogate)

    def one(key):
        return tuple(ravel_pytree(part)[0] for part in jax.grad(surrogate)(learned, key))

    return jax.vmap(one)(keys)


def double(tree):
    """The same in double precision."""
    return jax.tree.map(lambda w: jnp.asarray(np.asarray(w, float)) if eqx.is_inexact_array(w) else w, tree)


def gradient_draws(objective, model, encoder, batch, n, seed=0, posterior=amortized):
    """`n` gradients of the mean surrogate, each from noise of its own, with respect to `{"decoder", "encoder"}`.

    In double precision: in single, rounding is a bias that many draws bring to light. The prior's learned arrays, if
    there are any, are the decoder's first.
    """
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), n)
        drawn = _draws(*double((objective, model, encoder, batch)), keys, posterior)
    return dict(zip(("decoder", "encoder"), (np.asarray(g, float) for g in drawn), strict=True))


def exact_gradients(values, model, encoder):
    """The gradient of each of `values(model, encoder)` in double precision, in the order of `gradient_draws`."""
    with jax.enable_x64(True):
        learned, rest = split_learned(double((model, encoder)))
        jacobian = compiled(jax.jacrev(lambda learned: values(*eqx.combine(learned, rest))))(learned)
        return {
            name: np.concatenate(
                [np.asarray(leaf).reshape(len(leaf), -1) for leaf in jax.tree.leaves(part)], axis=1
            )
            for name, part in zip(("decoder", "encoder"), jacobian, strict=True)
        }


def exact_gradient(value, model, encoder):
    """The same of one value."""
    gradients = exact_gradients(lambda model, encoder: value(model, encoder)[None], model, encoder)
    return {name: rows[0] for name, rows in gradients.items()}


@dataclasses.dataclass(frozen=True)
class BiasTest:
    """Hotelling's T^2 of the hypothesis that `draws` have the mean `exact`, over all coordinates at once.

    Args:
        p_value: how often unbiased draws lie as far from `exact`, as far as their mean is normal.
        detectable: the length, relative to that of `exact`, from which a bias in whatever direction is found at the
            rate `FALSE_ALARM` of false alarms with a probability of `POWER` or more.
        bias: the length of the difference of means, relative to that of `exact`.
    """

    p_value: float
    detectable: float
    bias: float

    @classmethod
    def of(cls, draws, exact):
        n, difference, length = len(draws), draws.mean(0) - exact, np.linalg.norm(exact)
        variances, directions = np.linalg.eigh(np.cov(draws.T))
        # Weights that act on few rows move in few directions. In the others every draw is the same.
        moves = variances > 1e-10 * variances[-1]
        assert np.abs(difference @ directions[:, ~moves]).max(initial=0) < 1e-5 * length
        rank = int(moves.sum())
        t2 = n * np.sum((difference @ directions[:, moves]) ** 2 / variances[moves])
        freedom, scale = (rank, n - rank), (n - rank) / (rank * (n - 1))
        critical = f.isf(FALSE_ALARM, *freedom)
        needed = brentq(lambda shift: ncf.sf(critical, *freedom, shift) - POWER, 1.0, 1000.0)
        detectable = np.sqrt(needed * variances[-1] / n)
        return cls(
            float(f.sf(t2 * scale, *freedom)), detectable / length, float(np.linalg.norm(difference) / length)
        )


def assert_unbiased(draws, exact, detectable):
    """No bias is found, and one of the relative length `detectable` would have been."""
    result = BiasTest.of(draws, exact)
    assert result.p_value > FALSE_ALARM, result
    assert result.detectable < detectable, result
    return result
