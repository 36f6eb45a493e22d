"""The training loop: what a run's outcome depends on, and what it does not."""

import collections
import dataclasses
import logging

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import aevb.training.loop as loop
from aevb.objectives import SGVBB, Bound, LearnedBaseline, MovingAverage, Objective, ScoreFunction, row_bounds
from aevb.training import (
    Optimizer,
    TrainingData,
    TrainingState,
    evaluation_key,
    load_checkpoint,
    save_checkpoint,
)
from aevb.training.chunk import minibatches
from oracles import same_bits, tiny
from short_suite import short
from training_runs import DATA, PLAN, comparable, run, without_clock

LARGE_STEPS = dataclasses.replace(PLAN, optimizer=Optimizer("adam", 0.1))


@pytest.fixture(scope="module")
def whole():
    """An uninterrupted run in chunks of one step each, as if every chunk took too long for a longer one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "CHUNK_SECONDS", 0.0)
        return run()


class Tally(Objective):
    """Counts rows and adds up their first column, which names them."""

    estimand = "nothing"

    def __call__(self, key, model, posterior, batch):
        """Parts that are known per row."""
        value = -jnp.sum(jnp.square(posterior.sample(key)), axis=-1)
        draw = jax.random.uniform(key, (batch.n_rows,))
        parts = {
            "rows": jnp.ones(batch.n_rows),
            "names": batch.x[:, 0],
            "pixels": batch.x[:, 1],
            "draw": draw,
        }
        return Bound(value, parts, value)


def same_outcome(a, b):
    assert comparable(a.progress) == comparable(b.progress)
    assert same_bits(a.autoencoder, b.autoencoder)
    assert same_bits(a.optimizer_state, b.optimizer_state)
    assert same_bits(a.best_autoencoder, b.best_autoencoder)


def test_the_run_is_what_the_tests_below_need(whole):
    end = whole[-1].progress
    assert len(whole) == 18  # chunks end inside epochs
    assert (end.status, end.epoch, end.batch, end.step, end.samples_seen) == ("finished", 3, 0, 18, 66)
    assert [(r["epoch"], r["step"], r["samples_seen"]) for r in end.history] == [
        (1, 6, 22),
        (2, 12, 44),
        (3, 18, 66),
    ]
    names = {f"{split}_{part}" for split in ("train", "validation", "test") for part in ("bound", "kl")}
    assert names <= set(end.history[0])
    for record in end.history:
        for split in ("train", "validation", "test"):
            parts = record[f"{split}_reconstruction"] - record[f"{split}_kl"]
            assert record[f"{split}_bound"] == pytest.approx(parts, abs=1e-4)


def test_does_not_depend_on_how_steps_fall_into_chunks(whole, monkeypatch):
    monkeypatch.setattr(loop, "CHUNK_SECONDS", np.inf)
    monkeypatch.setattr(loop, "MAX_CHUNK_STEPS", 4)
    states = run()
    assert [s.progress.step for s in states] == [1, 3, 6, 10, 12, 16, 18]
    same_outcome(states[-1], whole[-1])


def test_does_not_depend_on_the_clock(whole, monkeypatch):
    monkeypatch.setattr(loop, "CHUNK_SECONDS", np.inf)  # every chunk was quick: the next one is twice as long
    states = run()
    assert [s.progress.step for s in states] == [1, 3, 6, 12, 18]
    same_outcome(states[-1], whole[-1])


def test_resumed_at_any_chunk_gives_the_same_bits(whole, tmp_path):
    for state in whole[:-1]:
        save_checkpoint(tmp_path / "state", state, DATA.digest)
        # Weights of another seed: everything that matters must come from the file.
        fresh = TrainingState.start(tiny(seed=9), SGVBB(), PLAN.optimizer)
        loaded = load_checkpoint(tmp_path / "state", fresh, DATA.digest)
        assert loaded.progress == state.progress
        same_outcome(run(state=loaded)[-1], whole[-1])


@pytest.mark.parametrize(
    "baseline",
    [
        pytest.param(MovingAverage, marks=pytest.mark.long),
        lambda: LearnedBaseline(5, hidden=(3,), key=jax.random.key(1)),
    ],
)
def test_what_an_objective_keeps_and_learns_is_resumed_too(baseline, tmp_path):
    def start(seed=0):
        return TrainingState.start(tiny(seed=seed), ScoreFunction(2, baseline()), PLAN.optimizer)

    states = run(state=start())
    assert not same_bits(states[0].objective, states[-1].objective)
    for state in (states[0], states[-2]):
        save_checkpoint(tmp_path / "state", state, DATA.digest)
        loaded = load_checkpoint(tmp_path / "state", start(seed=9), DATA.digest)
        end = run(state=loaded)[-1]
        assert same_bits(end.objective, states[-1].objective)
        same_outcome(end, states[-1])


def test_a_finished_run_stays_finished(whole):
    assert run(state=whole[-1]) == []


def test_a_finished_run_can_be_prolonged(whole):
    """More epochs with a state at the end of a shorter run: as if they had been asked for at once."""
    short = run(epochs=2)[-1]
    running = short.noted(status="running")
    same_outcome(run(state=running)[-1], whole[-1])
    assert [s.progress.status for s in run(state=running, epochs=2)] == ["finished"]


def test_the_seed_decides(whole):
    same_outcome(run()[-1], whole[-1])
    other = run(seed=4)[-1]
    assert not same_bits(other.autoencoder, whole[-1].autoencoder)
    assert other.progress.history[0]["test_bound"] != whole[-1].progress.history[0]["test_bound"]


def test_compiles_once_and_nothing_after_the_first_epoch():
    """Counts what JAX says that it compiles, in shapes that no other test has compiled."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    rows = np.random.default_rng(0).uniform(size=(23, 7)).astype(np.float32)
    data = TrainingData(rows, rows[:3], rows[3:7])
    logger = logging.getLogger("jax")
    logger.addHandler(handler)
    try:
        with jax.log_compiles():
            start, after = TrainingState.start(tiny(d=7), SGVBB(), PLAN.optimizer), {}
            for state in loop.train(start, PLAN, data):
                after[state.progress.epoch] = sum(m.startswith("Compiling") for m in messages)
    finally:
        logger.removeHandler(handler)
    compiled = collections.Counter(m.split()[1] for m in messages if m.startswith("Compiling"))
    assert compiled["jit(run_chunk)"] == 1
    assert compiled["jit(_block_bounds)"] == 1  # validation and test rows in blocks of one shape
    assert after[3] == after[1]


def test_training_sums_count_every_row_once_an_epoch(monkeypatch):
    monkeypatch.setattr(loop, "MAX_CHUNK_STEPS", 4)
    x = np.zeros((22, 5), np.float32)
    x[:, 0] = 2.0 ** np.arange(22)  # every set of rows has a sum of its own
    state = run(objective=Tally(), data=TrainingData(x), epochs=2, seed=1)[-1]
    assert [r["train_rows"] for r in state.progress.history] == [1.0, 1.0]
    assert [r["train_names"] * 22 for r in state.progress.history] == [2.0**22 - 1] * 2
    draws = [r["train_draw"] for r in state.progress.history]
    assert draws[0] != draws[1]  # noise is drawn anew


@pytest.mark.parametrize(("n_rows", "batch_size", "steps"), [(22, 4, 6), (20, 4, 5), (3, 100, 1), (1, 1, 1)])
def test_minibatches_hold_every_row_once(n_rows, batch_size, steps):
    order = minibatches(2, 0, n_rows, min(batch_size, n_rows))
    assert order.shape[0] == steps
    assert sorted(order[order >= 0]) == list(range(n_rows))
    assert np.all(order[:-1] >= 0)


def test_every_epoch_and_seed_has_an_order_of_its_own():
    orders = {tuple(minibatches(epoch, seed, 30, 7).ravel()) for epoch in range(4) for seed in range(4)}
    assert len(orders) == 16


def test_pixels_are_drawn_anew_each_time():
    """Mean and variance over 200 epochs of 22 draws from Bernoulli(0.3): within 5 standard errors (6e-7)."""
    x = np.full((22, 5), 0.3, np.float32)
    plan = {"epochs": 200, "batch_size": 22, "binarize": True}
    records = run(objective=Tally(), data=TrainingData(x), **plan)[-1].progress.history
    means = np.array([r["train_pixels"] for r in records])
    np.testing.assert_allclose(means * 22, np.round(means * 22), atol=1e-4)  # counts: each pixel is 0 or 1
    variance = 0.3 * 0.7 / 22
    assert abs(means.mean() - 0.3) < 5 * np.sqrt(variance / 200)
    assert abs(means.var() / variance - 1) < 5 * np.sqrt(2 / 200)


@pytest.mark.long
def test_binary_rows_stay_as_they_are_when_drawn():
    x = np.zeros((22, 5), np.float32)
    x[:, 0], x[::2, 1] = 1, 1
    record = run(objective=Tally(), data=TrainingData(x), epochs=1, binarize=True)[-1].progress.history[0]
    assert (record["train_names"], record["train_pixels"]) == (1.0, 0.5)


@pytest.mark.parametrize("n", [1, 5, 6, 13])
def test_a_budget_of_steps(n):
    state = run(epochs=None, steps=n)[-1]
    assert (state.progress.status, state.progress.step) == ("finished", n)
    assert state.progress.samples_seen == 22 * (n // 6) + 4 * (n % 6)
    assert state.progress.history[-1]["step"] == n
    assert [r["step"] for r in state.progress.history[:-1]] == list(range(6, n, 6))


def test_a_budget_of_seconds():
    states = run(epochs=None, seconds=1e-9)
    assert [s.progress.status for s in states] == ["finished"]
    assert states[0].progress.step == 1
    assert len(states[0].progress.history) == 1


def test_the_smallest_budget_ends_the_run():
    assert run(epochs=1, steps=100)[-1].progress.step == 6
    assert run(epochs=100, steps=7)[-1].progress.step == 7


def test_steps_are_the_same_whatever_the_budget(whole):
    assert same_bits(run(epochs=None, steps=18)[-1].autoencoder, whole[-1].autoencoder)


def test_evaluates_every_so_many_epochs(whole):
    history = run(epochs=5, evaluate_every=2)[-1].progress.history
    assert [r["epoch"] for r in history] == [2, 4, 5]
    first, second = whole[-1].progress.history[:2]
    assert history[0]["train_bound"] == pytest.approx((first["train_bound"] + second["train_bound"]) / 2)
    assert history[0]["test_bound"] == second["test_bound"]


def test_the_validation_rows_choose_the_model():
    states = run(LARGE_STEPS, epochs=12)
    end = states[-1].progress
    bounds = [r["validation_bound"] for r in end.history]
    assert 0 < int(np.argmax(bounds)) < len(bounds) - 1, (
        "the best model should be neither the first nor the last"
    )
    assert without_clock(end.best) == without_clock(end.history[int(np.argmax(bounds))])
    chosen = states[-1].chosen
    assert not same_bits(chosen, states[-1].autoencoder)
    key = evaluation_key(PLAN.seed)
    again = row_bounds(SGVBB(), chosen.model, chosen.posterior, DATA.validation, key)["bound"].mean(
        dtype=np.float64
    )
    assert again == end.best["validation_bound"]
    tested = row_bounds(SGVBB(), chosen.model, chosen.posterior, DATA.test, key)["bound"].mean(
        dtype=np.float64
    )
    assert tested == end.best["test_bound"]


def test_the_test_rows_choose_nothing(whole):
    data = TrainingData(DATA.train, DATA.validation, DATA.test[::-1] + 5)
    end = run(data=data)[-1]
    assert same_bits(end.chosen, whole[-1].chosen)
    assert end.progress.history[-1]["test_bound"] != whole[-1].progress.history[-1]["test_bound"]


def test_without_validation_rows_the_last_model_is_kept():
    end = run(data=TrainingData(DATA.train, None, DATA.test))[-1]
    assert end.best_autoencoder is not None  # for a run that blows up
    assert end.progress.chosen is end.progress.history[-1]
    assert end.chosen is end.autoencoder


def test_patience():
    patient = run(LARGE_STEPS, epochs=12)[-1].progress
    bounds = [r["validation_bound"] for r in patient.history]
    best, since = 0, None
    for i, bound in enumerate(bounds):
        best = i if bound > bounds[best] else best
        if i - best >= 2:
            since = i
            break
    assert since is not None
    assert since < 11
    early = run(LARGE_STEPS, epochs=12, patience=2)[-1].progress
    assert early.status == "stopped early"
    assert early.epoch == since + 1
    assert without_clock(early.best) == without_clock(patient.history[best])


def test_a_bound_that_is_no_number_is_never_the_best(monkeypatch):
    values = iter([np.nan, -3.0, np.nan])

    def bounds(*arguments):
        return {"bound": np.array([next(values)])}

    monkeypatch.setattr(loop, "row_bounds", bounds)
    end = run(data=TrainingData(DATA.train, DATA.validation))[-1].progress
    assert end.best["validation_bound"] == -3.0


class Exploding(Objective):
    """A bound that is fine until a weight of the decoder has grown past a limit, and then is infinite or NaN."""

    estimand = "nothing"
    where: str = eqx.field(static=True)

    def __call__(self, key, model, posterior, batch):
        """Ascends a bias by exactly the learning rate per step."""
        bias = model.decoder.heads["loc"].bias[0]
        limit = 4.5
        value = jnp.full(batch.n_rows, 1.0) * bias
        parts = {"reconstruction": value, "kl": jnp.zeros(batch.n_rows)}
        if self.where == "gradient":  # sqrt has an infinite slope at zero
            value = value + 0 * jnp.sqrt(jnp.maximum(limit - bias, 0.0))
            return Bound(value, parts, value)
        bad = jnp.where(bias > limit, jnp.inf, 0.0)
        parts = {**parts, self.where: parts[self.where] + bad}
        return Bound(value - bad, parts, value - bad)


# After five steps the bias is 5: its bound is bad, and its gradient makes the weights of step 6 NaN.
@pytest.mark.parametrize(
    ("where", "good_steps", "term"),
    [
        ("reconstruction", 4, "reconstruction is inf"),
        ("kl", 4, "kl is inf"),
        ("gradient", 5, "reconstruction is nan"),
    ],
)
def test_a_diverging_run_stops_before_the_step_that_does_it(where, good_steps, term):
    autoencoder = tiny()
    autoencoder = eqx.tree_at(lambda a: a.model.decoder.heads["loc"].bias, autoencoder, jnp.zeros(5))
    start = TrainingState.start(autoencoder, Exploding(where), Optimizer("sgd", 1.0))
    plan = dataclasses.replace(PLAN, optimizer=Optimizer("sgd", 1.0))
    end = run(plan, state=start)[-1]
    assert end.progress.status == "diverged"
    assert end.progress.step == good_steps
    assert end.progress.message.startswith(f"step {good_steps + 1}, after which")
    assert term in end.progress.message
    assert all(np.all(np.isfinite(leaf)) for leaf in end.arrays)
    good = run(plan, state=start, epochs=None, steps=good_steps)[-1]
    assert same_bits(end.autoencoder, good.autoencoder)
    assert same_bits(end.optimizer_state, good.optimizer_state)


@pytest.mark.parametrize("learning_rate", short(1e38, of=[1e6, 1e38]))
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_huge_learning_rate_leaves_finite_weights(name, learning_rate):
    optimizer = Optimizer(name, learning_rate)
    end = run(dataclasses.replace(PLAN, optimizer=optimizer), epochs=20)[-1]
    assert all(
        np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(eqx.filter(end.autoencoder, eqx.is_array))
    )
    if end.progress.status == "diverged":
        assert end.progress.message.startswith(f"step {end.progress.step + 1}, after which")
        good = run(
            dataclasses.replace(PLAN, optimizer=optimizer), epochs=None, steps=max(end.progress.step, 1)
        )[-1]
        if end.progress.step:
            assert same_bits(end.autoencoder, good.autoencoder)
    else:
        assert learning_rate < 1e38
