"""The bound of each row as a mean over draws, with the Monte Carlo error that one draw does not have."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row, map_rows, row_keys
from aevb.errors import InvalidRecipeError
from aevb.inference.marginal import PerRow, Rows, Show, error_of_mean, show_nothing
from aevb.models import Model, Recognition
from aevb.objectives import Objective
from aevb.typing import PRNGKey, Tree

BLOCK_ROWS = 1000
# The fewest draws from which the spread of a row's bound is told, and the most that are made of it.
FEWEST_DRAWS, MOST_DRAWS = 32, 1024
# The Monte Carlo error of the mean that is aimed at, as a share of its sampling error.
ERROR_SHARE = 0.1
# How many more draws are made than the first ones call for, as those tell the spread with an error of their own.
MARGIN = 1.25

Sums = dict[str, Float[np.ndarray, " rows"]]


def mean_bounds(
    objective: Objective,
    model: Model,
    recognition: Recognition,
    x: Rows,
    key: PRNGKey,
    n_draws: int | None = None,
    show: Show = show_nothing,
) -> dict[str, PerRow]:
    """The bound of each row and its parts, nats: means over draws of z.

    A single draw, which is what training needs, has an expectation below log p(x), and is itself often above it.

    Args:
        objective: whose bound.
        model: p(z) p(x|z).
        recognition: from rows to q(z|x), a tree of arrays to JAX.
        x: the rows, scaled units, NaN where a value is missing.
        key: random key. Draws are the same for every number of them: those of a smaller one are the first of a
            larger.
        n_draws: evaluations of the objective per row, each with fresh noise. None for so many that the Monte Carlo
            error of the mean over these rows is below a tenth of its sampling error, from 32 to 1024. With a number,
            what a row is given depends on the key and its own values only; with None also on how many that was.
        show: called with the share of the work that is done.

    Returns:
        Arrays of shape `(rows,)` under `bound`, under each part's name, and under `monte_carlo_error` the standard
        error of each `bound`: how far another run may lie. That of their mean is
        `error_of_mean(found["bound"], found["monte_carlo_error"])`.

    Raises:
        InvalidRecipeError: `n_draws` below 2, from which no error can be told.
    """
    if n_draws is not None and n_draws < 2:
        raise InvalidRecipeError(
            f"the error of a bound is told from the spread of at least 2 draws, not {n_draws}"
        )

    def drawn(first: int, last: int) -> Sums:
        count = jnp.asarray(first), jnp.asarray(last)
        return map_rows(lambda b: _block(objective, model, recognition, b, key, *count), x, BLOCK_ROWS, show)

    n = FEWEST_DRAWS if n_draws is None else n_draws
    sums = drawn(0, n)
    if n_draws is None and (wanted := _draws_wanted(_finished(sums, n))) > n:
        sums, n = _joined(sums, n, drawn(n, wanted), wanted - n), wanted
    return _finished(sums, n)


def _draws_wanted(found: dict[str, PerRow]) -> int:
    """How many draws bring the error of the mean down, judged from the first ones."""
    error = error_of_mean(found["bound"], found["monte_carlo_error"])
    n_rows = len(found["bound"])
    sampling = np.std(found["bound"], ddof=1, dtype=np.float64) / math.sqrt(n_rows) if n_rows > 1 else 0.0
    if error == 0 or not math.isfinite(error) or not math.isfinite(sampling):
        return FEWEST_DRAWS  # nothing is drawn, or nothing is to be had
    aim = ERROR_SHARE * sampling
    if error <= aim:
        return FEWEST_DRAWS
    wanted = FEWEST_DRAWS * MARGIN * (error / aim) ** 2 if aim > 0 else math.inf
    return int(min(wanted, MOST_DRAWS))


def _finished(sums: Sums, n: int) -> dict[str, PerRow]:
    means = {name: values for name, values in sums.items() if name != "spread"}
    with np.errstate(all="ignore"):  # where the bound is not finite, nor is its error
        error = np.sqrt(np.maximum(sums["spread"], 0.0) / ((n - 1) * n))
    return {**means, "monte_carlo_error": error}


def _joined(a: Sums, n_a: int, b: Sums, n_b: int) -> Sums:
    """The means and the squared deviations of both sets of draws together (Chan, Golub & LeVeque 1983)."""
    share = n_b / (n_a + n_b)
    joined = {name: a[name] + share * (b[name] - a[name]) for name in a if name != "spread"}
    between = n_a * share * np.square(b["bound"] - a["bound"])
    return {**joined, "spread": a["spread"] + b["spread"] + between}


@eqx.filter_jit
def _block(
    objective: Objective,
    model: Model,
    recognition: Recognition,
    batch: Batch,
    key: PRNGKey,
    first: Array,
    last: Array,
) -> dict[str, Float[Array, " batch"]]:
    """The means over draws number `first` to `last`, and the sum of squares of the bound around its own (Welford)."""
    # Once per row, as a recognition model may be a search.
    posteriors = each_row(lambda key, row: recognition(row), key, batch)
    keys = row_keys(key, batch)

    def draw(number: Array) -> dict[str, Float[Array, " batch"]]:
        def one_row(key: PRNGKey, posterior: Tree, row: Batch) -> dict[str, Float[Array, ""]]:
            bound = objective(jax.random.fold_in(key, number), model, posterior, row)
            return jax.tree.map(lambda term: term[0], {"bound": bound.value, **bound.parts})

        return jax.vmap(one_row)(keys, posteriors, batch.rows)

    def add(number: Array, sums: dict[str, Float[Array, " batch"]]) -> dict[str, Float[Array, " batch"]]:
        terms, spread = draw(number), sums["spread"]
        means = {name: sums[name] + (terms[name] - sums[name]) / (number - first + 1) for name in terms}
        step = (terms["bound"] - sums["bound"]) * (terms["bound"] - means["bound"])
        return {**means, "spread": spread + step}

    shapes = eqx.filter_eval_shape(draw, first)
    none = {name: jnp.zeros(shape.shape, shape.dtype) for name, shape in shapes.items()}
    return jax.lax.fori_loop(first, last, add, {**none, "spread": none["bound"]})
