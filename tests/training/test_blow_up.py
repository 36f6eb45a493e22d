"""A bound that is finite and worse than knowing nothing is noticed; one that is on its way is let be."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import aevb.training.blow_up as blow_up
from aevb.objectives import SGVBB, Bound, Objective
from aevb.training import Optimizer, TrainingData, TrainingState, load_checkpoint, save_checkpoint
from oracles import same_bits, tiny
from training_runs import DATA, PLAN, comparable, run


class Path(Objective):
    """A bound that goes a given way: the bias of a decoder counts steps, and the bound is linear between `values`."""

    estimand = "nothing"
    values: tuple[float, ...] = eqx.field(static=True)

    def __call__(self, key, model, posterior, batch):
        """The bias grows by exactly the learning rate, 1, per step."""
        bias = model.decoder.heads["loc"].bias[0]
        at = jnp.interp(bias, jnp.arange(len(self.values)), jnp.array(self.values))
        value = jnp.full(batch.n_rows, at)
        return Bound(value, {"reconstruction": value, "kl": 0 * value}, jnp.full(batch.n_rows, bias))


def follow(values, data=DATA, **changes):
    """A run whose steps have these bounds, six an epoch, held against -3 where nothing else is said."""
    plan = dataclasses.replace(PLAN, optimizer=Optimizer("sgd", 1.0, clip_norm=0.0), independent=-3.0)
    plan = dataclasses.replace(plan, **{"epochs": len(values) // 6, **changes})
    autoencoder = eqx.tree_at(lambda a: a.model.decoder.heads["loc"].bias, tiny(), jnp.zeros(5))
    state = TrainingState.start(autoencoder, Path(tuple(values)), plan.optimizer)
    return run(plan, state=state, data=data)


def test_a_run_that_ends_far_below_has_blown_up_and_keeps_its_best_model():
    data = TrainingData(DATA.train)
    states = follow([-5.0] * 6 + [-2.0] * 6 + [-1e6] * 6, data)
    end = states[-1]
    assert end.progress.status == "blown up"
    for fragment in ("step 18", "-1e+06", "began at -5", "independent columns has -3"):
        assert fragment in end.progress.message
    assert end.progress.chosen["epoch"] == 2
    assert float(end.chosen.model.decoder.heads["loc"].bias[0]) == 12.0
    assert float(end.autoencoder.model.decoder.heads["loc"].bias[0]) == 18.0


@pytest.mark.parametrize(
    ("values", "independent"),
    [
        ([-500.0] * 6 + [-400.0] * 6, -3.0),  # still below independent columns, but above where it began
        ([-5.0] * 6 + [-1e6] * 6 + [-2.0] * 6, -3.0),  # recovers
        ([-5.0] * 6 + [-9.0] * 6, -3.0),  # a little lower than it began
        ([-5.0] * 6 + [-90.0] * 6, -100.0),  # lower than it began, but better than independent columns
        ([-5.0] * 6 + [-1e6] * 6, None),  # nothing to hold it against
    ],
)
def test_a_run_on_its_way_is_let_be(values, independent):
    states = follow(values, independent=independent)
    assert {state.progress.status for state in states} == {"running", "finished"}


def test_one_row_far_out_at_the_very_end_is_no_blow_up():
    states = follow([-5.0] * 12 + [-2.0] * 6 + [-1e6] * 2, epochs=None, steps=19)
    assert states[-1].progress.status == "finished"


def test_a_run_is_not_waited_for_without_end(monkeypatch):
    monkeypatch.setattr(blow_up, "STEPS", 10)
    end = follow([-5.0] * 6 + [-1e6] * 30)[-1].progress
    assert (end.status, end.step) == ("blown up", 18)


def test_many_steps_far_below_among_better_ones_are_no_blow_up():
    """Rows far out in nearly half of the minibatches, whose mean bound says nothing of the other rows."""
    assert follow(([-5.0] * 4 + [-1e6] * 2) * 3)[-1].progress.status == "finished"


def test_the_best_model_of_training_survives_a_checkpoint(tmp_path):
    data = TrainingData(DATA.train)
    values = [-5.0] * 6 + [-2.0] * 6 + [-1e6] * 12
    states = follow(values, data)
    middle = next(state for state in states if state.progress.step > 12)
    save_checkpoint(tmp_path / "state", middle, data.digest)
    start = dataclasses.replace(states[0], best_autoencoder=None)
    loaded = load_checkpoint(tmp_path / "state", start, data.digest)
    plan = dataclasses.replace(
        PLAN, optimizer=Optimizer("sgd", 1.0, clip_norm=0.0), independent=-3.0, epochs=4
    )
    end = run(plan, state=loaded, data=data)[-1]
    assert comparable(end.progress) == comparable(states[-1].progress)
    assert same_bits(end.chosen, states[-1].chosen)


def test_counts_steps_far_below_both():
    bounds = np.array([-8.9, -9.1, -11.1, np.nan])
    assert blow_up.count_fallen(bounds, -7.0, -9.0, 2) == 1
    assert blow_up.count_fallen(bounds, -7.0, -9.0, 0) == 2
    assert blow_up.count_fallen(bounds, -7.0, None, 2) == 0


def test_a_step_size_of_3_blows_up_and_is_noticed():
    """With the objective and rows of a healthy run, which raises nothing."""
    plan = dataclasses.replace(PLAN, independent=-5.0)
    data = TrainingData(DATA.train)
    assert run(plan, data=data)[-1].progress.status == "finished"
    end = run(dataclasses.replace(plan, optimizer=Optimizer("adam", 3.0)), SGVBB(), data)[-1]
    assert end.progress.status in ("blown up", "diverged")
    assert end.chosen is end.best_autoencoder
