"""A chunk: minibatches that one compiled program runs through."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from aevb.batch import Batch
from aevb.models import AutoEncoder, RowTable, split_learned
from aevb.objectives import Bound, Objective
from aevb.training.optimizers import Optimizer
from aevb.typing import PRNGKey, Scalar, Tree

Trace = dict[str, Float[Array, " steps"]]


def minibatches(epoch: int, seed: int, n_rows: int, batch_size: int) -> Int[np.ndarray, "steps batch"]:
    """The row numbers of an epoch's minibatches: a permutation of all rows, the last minibatch padded with -1."""
    order = np.random.default_rng([seed, epoch]).permutation(n_rows).astype(np.int32)
    padding = -n_rows % batch_size
    return np.pad(order, (0, padding), constant_values=-1).reshape(-1, batch_size)


@eqx.filter_jit
def run_chunk(
    state: tuple[AutoEncoder, Objective, Tree],
    x: Float[Array, "rows features"],
    order: Int[Array, "steps batch"],
    n_steps: Int[Array, ""],
    first_step: Int[Array, ""],
    key: PRNGKey,
    *,
    optimizer: Optimizer,
    binarize: bool,
    missing: bool,
) -> tuple[tuple[AutoEncoder, Objective, Tree], Trace, dict[str, Scalar]]:
    """Take the first `n_steps` steps of `order`, which has one fixed shape so that this compiles once.

    Args:
        state: the autoencoder, what is ascended, and the optimizer's state.
        x: all training rows.
        order: row numbers of each minibatch, -1 for padding.
        n_steps: how many of them to run through.
        first_step: the number of steps taken before, which the randomness of a step depends on.
        key: the run's key.
        optimizer: how to ascend.
        binarize: draw binary pixels from the grey ones.
        missing: give every batch a mask, which leaves out the values that are NaN.

    Returns:
        The new state; for each step the sums over rows of the bound and its parts and the `loss`, the quantity that
        was descended; and the same once more, for the last minibatch after the last step, which tells whether the
        new state is any good.
    """
    autoencoder, objective, optimizer_state = state
    learned, rest = split_learned((autoencoder, objective))
    running, fixed = eqx.partition(rest, eqx.is_array)  # a model's constants, and what an objective keeps
    rule = optimizer.build()
    # The number of a padding row, -1, gets no gradient.
    numbered = isinstance(autoencoder.encoder, RowTable) or objective.knows_rows

    def loss(
        learned: Tree, running: Tree, batch: Batch, key: PRNGKey
    ) -> tuple[Scalar, tuple[dict[str, Scalar], Tree]]:
        autoencoder, objective = eqx.combine(learned, eqx.combine(running, fixed))
        bound: Bound = objective.for_training(key, autoencoder, batch)
        negative = -(batch.mean(bound.surrogate) + bound.global_term / len(x))
        totals = {name: batch.total(part) for name, part in bound.parts.items()}
        _, rest = split_learned((autoencoder, objective.updated(batch, bound)))
        report = {"bound": batch.total(bound.value), "loss": negative, **totals}
        return negative, (report, eqx.filter(rest, eqx.is_array))

    def minibatch(i: Array) -> tuple[Batch, PRNGKey]:
        noise_key, pixel_key = jax.random.split(jax.random.fold_in(key, first_step + i))
        batch = _gather(x, order[i], pixel_key if binarize else None, missing)
        return (dataclasses.replace(batch, index=order[i]) if numbered else batch), noise_key

    def prepared(learned: Tree, running: Tree, batch: Batch, key: PRNGKey) -> Tree:
        autoencoder, objective = eqx.combine(learned, eqx.combine(running, fixed))
        ready = objective.prepared(key, autoencoder.model, batch)
        return eqx.filter(split_learned((autoencoder, ready))[1], eqx.is_array)

    def update(
        batch: Batch, key: PRNGKey, learned: Tree, running: Tree, optimizer_state: Tree
    ) -> tuple[Tree, Tree, Tree, dict[str, Scalar]]:
        gradient, (report, running) = jax.grad(loss, has_aux=True)(learned, running, batch, key)
        updates, optimizer_state = rule.update(gradient, optimizer_state, learned)
        return optax.apply_updates(learned, updates), running, optimizer_state, report

    def step(i: Array, carry: tuple[Tree, Tree, Tree, Trace]) -> tuple[Tree, Tree, Tree, Trace]:
        learned, running, optimizer_state, trace = carry
        batch, noise_key = minibatch(i)
        running = prepared(learned, running, batch, noise_key)
        learned, running, optimizer_state, report = update(
            batch, noise_key, learned, running, optimizer_state
        )
        for n in range(1, objective.steps_per_batch):
            key = jax.random.fold_in(noise_key, n)
            learned, running, optimizer_state, report = update(batch, key, learned, running, optimizer_state)
        trace = {name: trace[name].at[i].set(value) for name, value in report.items()}
        return learned, running, optimizer_state, trace

    _, (report, _) = jax.eval_shape(loss, learned, running, *minibatch(n_steps))
    trace = {name: jnp.zeros(len(order), value.dtype) for name, value in report.items()}
    carry = (learned, running, optimizer_state, trace)
    learned, running, optimizer_state, trace = jax.lax.fori_loop(0, n_steps, step, carry)
    _, (afterwards, _) = loss(learned, running, *minibatch(jnp.maximum(n_steps - 1, 0)))
    autoencoder, objective = eqx.combine(learned, eqx.combine(running, fixed))
    return (autoencoder, objective, optimizer_state), trace, afterwards


def _gather(
    x: Float[Array, "rows features"], rows: Int[Array, " batch"], pixel_key: PRNGKey | None, missing: bool
) -> Batch:
    chosen = x[rows]
    mask = ~jnp.isnan(chosen) if missing else None
    if mask is not None:
        chosen = jnp.where(mask, chosen, 0.0)
    if pixel_key is not None:
        chosen = (jax.random.uniform(pixel_key, chosen.shape) < chosen).astype(x.dtype)
    return Batch(chosen, mask, (rows >= 0).astype(x.dtype))
