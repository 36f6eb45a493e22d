"""A user's own model, tried before it is trained: whether its methods give what they should."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.models.auto_encoder import AutoEncoder
from aevb.models.space import CodeSpace
from aevb.typing import Codes

ROWS, DRAWS = 2, 3


def check_autoencoder(autoencoder: AutoEncoder) -> None:
    """Refuse a model or a recognition model whose methods give something of another shape than is asked of them.

    They are traced on two rows, with three draws of codes in front, and not computed but for the likelihood of a
    missing cell, which must not depend on what stands in its place.

    Raises:
        InvalidRecipeError: it names the method, what it should give, and what it gave.
    """
    model, space = autoencoder.model, autoencoder.model.space
    if not isinstance(space, CodeSpace):
        raise InvalidRecipeError(f"the model's space must be an aevb.models.CodeSpace, not {space!r}")
    batch, key = model.example(ROWS), jax.random.key(0)
    z, simulated = _traced("simulate", lambda: model.simulate(key, batch))
    _check_codes("simulate", space, z, (ROWS,))
    if not isinstance(simulated, Batch) or simulated.x.shape != batch.x.shape:
        raise InvalidRecipeError(f"simulate must give codes and a Batch of shape {batch.x.shape}")
    q = _traced("posterior", lambda: autoencoder.posterior(batch))
    if q.space.site_names != space.site_names or q.space.width != space.width:
        raise InvalidRecipeError(
            f"the posterior's codes {q.space.names} are not the model's {space.names}: give both the same space"
        )
    draws = lambda: jax.vmap(autoencoder.posterior(batch).sample)(jax.random.split(key, DRAWS))  # noqa: E731
    _check_codes("the posterior's sample", space, _traced("the posterior's sample", draws), (DRAWS, ROWS))
    for name, density in {
        "log_prior": lambda: model.log_prior(draws(), batch),
        "log_likelihood": lambda: model.log_likelihood(batch, draws()),
        "the posterior's log_prob": lambda: autoencoder.posterior(batch).log_prob(draws()),
    }.items():
        _check_shape(name, _traced(name, density), (DRAWS, ROWS), "a number per draw and row")
    cells = _traced("predictive", lambda: model.predictive(batch, draws()).log_prob(batch.x))
    _check_shape("predictive", cells, (DRAWS, *batch.x.shape), "a distribution per draw and cell")
    _check_mask(autoencoder, batch)


def _traced(name: str, function: Callable[[], Any]) -> Any:
    """What a function gives, as shapes."""
    try:
        return eqx.filter_eval_shape(function)
    except Exception as error:  # the user's code may fail in any way
        raise InvalidRecipeError(
            f"{name} fails on {ROWS} rows with codes that have {DRAWS} draws in front of the rows: {error}"
        ) from error


def _check_codes(name: str, space: CodeSpace, z: Codes, lead: tuple[int, ...]) -> None:
    blank = space.from_columns(jnp.zeros((*lead, space.width)))
    expected, found = (jax.tree.map(lambda code: tuple(code.shape), codes) for codes in (blank, z))
    if found != expected:
        raise InvalidRecipeError(f"{name} gives codes of shape {found}, and the space is of {expected}")


def _check_shape(name: str, found: Any, expected: tuple[int, ...], what: str) -> None:
    shape = tuple(getattr(found, "shape", ()))
    if shape != expected:
        raise InvalidRecipeError(f"{name} must give {what}, shape {expected}; it gave {shape}")


def _check_mask(autoencoder: AutoEncoder, batch: Batch) -> None:
    """Refuse a likelihood that sees a missing cell."""
    model, mask = autoencoder.model, jnp.ones(batch.x.shape, bool).at[:, 0].set(False)
    z, simulated = model.simulate(jax.random.key(0), batch)
    first, second = (
        model.log_likelihood(Batch(simulated.x.at[:, 0].set(value), mask), z) for value in (0.0, 1.0)
    )
    if not jnp.array_equal(first, second):
        raise InvalidRecipeError(
            "log_likelihood depends on what stands in the place of a missing value: leave out the cells in which "
            "batch.mask, if there is one, is False"
        )
