"""Bidirectional Monte Carlo: log p(x) between a lower and an upper estimate, on rows drawn from the model."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, map_rows
from aevb.chains.chunks import BLOCK_ROWS
from aevb.errors import InvalidRecipeError
from aevb.inference.annealed import Annealed
from aevb.inference.annealing import FORWARD, REVERSE
from aevb.inference.marginal import MarginalEstimate, Rows, Show, show_nothing
from aevb.models import Model, Recognition
from aevb.typing import PRNGKey


@dataclasses.dataclass(frozen=True)
class Sandwich:
    """log p(x) of rows drawn from the model, from below and from above.

    Args:
        lower: by annealed importance sampling, biased down.
        upper: by the same chains in reverse from the code that a row was drawn from, biased up. Its Monte Carlo error
            is that of other chains from the same code.
        x: the rows, scaled units.
        z: their codes.
    """

    lower: MarginalEstimate
    upper: MarginalEstimate
    x: Rows
    z: Float[np.ndarray, "rows latents"]

    @property
    def width(self) -> float:
        """The mean of upper - lower over the rows, nats: its expectation is what the two biases add up to."""
        return float(np.mean(self.upper.log_p - self.lower.log_p))

    @property
    def width_error(self) -> float:
        """The standard error of `width` over rows, which are independent."""
        gaps = self.upper.log_p - self.lower.log_p
        return float(np.std(gaps, ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else float("nan")


def sandwich(
    model: Model,
    recognition: Recognition | None,
    n_rows: int,
    key: PRNGKey,
    method: Annealed,
    show: Show = show_nothing,
) -> Sandwich:
    """Bound log p(x) from both sides on rows that are drawn from the model (Grosse et al. 2015; Wu et al. 2017).

    The code of such a row is one exact draw from p(z|x), from which the reverse chains on the same path start: the
    expectation of -log mean(1/w) lies above log p(x). How far apart the two are says how well `method` does on
    rows like those of the model.

    Args:
        model: p(z) p(x|z).
        recognition: from rows to q(z|x); None where chains start from the prior.
        n_rows: rows to draw.
        key: random key.
        method: the settings.
        show: called with the share of the work that is done, from time to time.

    Raises:
        InvalidRecipeError: no row, or the model or its codes do not suit the method.
    """
    if n_rows < 1:
        raise InvalidRecipeError(f"the number of simulated rows must be at least 1, not {n_rows}")
    simulation_key, key = jax.random.split(key)
    run = method.annealing(model, recognition, n_rows, 2, key, show)
    n_blocks = -(-n_rows // BLOCK_ROWS)
    drawn = [_simulate(model, key) for key in jax.random.split(simulation_key, n_blocks)]
    z, x = (
        np.concatenate([np.asarray(part) for part in parts])[:n_rows] for parts in zip(*drawn, strict=True)
    )

    def block(both: Batch) -> dict[str, dict[str, Array | np.ndarray]]:
        batch, z = dataclasses.replace(both, x=both.x[:, : x.shape[1]]), both.x[:, x.shape[1] :]
        path = run.path(batch)
        u = jnp.repeat(_points(model, z)[:, None], method.n_chains, axis=1)
        return {"lower": run.weights(batch, path, FORWARD), "upper": run.weights(batch, path, REVERSE, u)}

    found = map_rows(block, np.concatenate([x, z], axis=1), BLOCK_ROWS)
    lower = method.estimate("down", found["lower"]["log_w"], found["lower"]["acceptance"])
    upper = method.estimate("up", found["upper"]["log_w"], found["upper"]["acceptance"])
    return Sandwich(lower, upper, x, z)


@eqx.filter_jit
def _simulate(model: Model, key: PRNGKey) -> tuple[Array, Array]:
    z, batch = model.simulate(key, model.example(BLOCK_ROWS))
    return model.space.columns(z), batch.x


@eqx.filter_jit
def _points(model: Model, z: Float[Array, "rows columns"]) -> Float[Array, "rows dims"]:
    return model.space.point(model.space.from_columns(z))
