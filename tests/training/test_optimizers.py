"""Every optimizer against Optax, and the steps of training against gradients that are computed elsewhere."""

import dataclasses
from typing import get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import norm

from aevb.batch import Batch
from aevb.models import learned, split_learned, total
from aevb.models.likelihoods.likelihood import CLIP_NORM
from aevb.objectives import Bound, MaximumAPosteriori, Objective
from aevb.training import Optimizer, Plan, TrainingData, TrainingState
from aevb.training.chunk import minibatches
from aevb.training.optimizers import OptimizerName
from oracles import tiny
from short_suite import short
from training_runs import DATA, run

RATE = 0.01
OPTAX = {
    "sgd": optax.sgd(RATE),
    "momentum": optax.sgd(RATE, momentum=0.9),
    "adagrad": optax.adagrad(RATE, initial_accumulator_value=0.0, eps=1e-10),
    "rmsprop": optax.rmsprop(RATE),
    "adam": optax.adam(RATE),
    "adamw": optax.adamw(RATE, weight_decay=0.1),
}


class AtTheMean(Objective):
    """The bound with z at the posterior's mean: a function of the weights without noise."""

    estimand = "the bound at the posterior's mean"

    def __call__(self, key, model, posterior, batch):
        """No draw."""
        fit, kl = model.log_likelihood(batch, posterior.distribution.mean), total(posterior.divergence(None))
        return Bound(fit - kl, {"reconstruction": fit, "kl": kl}, fit - kl)


def test_adagrad_starts_from_an_empty_sum():
    """So that its first step is as long for every weight (Duchi et al. 2011)."""
    rule = Optimizer("adagrad", RATE).build()
    gradient = jnp.asarray([3.0, -1e-3, 0.0])
    step, state = rule.update(gradient, rule.init(gradient))
    np.testing.assert_allclose(step, [-RATE, RATE, 0.0], rtol=1e-3)
    step, _ = rule.update(2 * gradient, state)
    np.testing.assert_allclose(step, [-RATE * 2 / 5**0.5, RATE * 2 / 5**0.5, 0.0], rtol=1e-3)


def steps_by_hand(rule, autoencoder, n_steps):
    """Full-batch gradient steps, one at a time."""
    learned, rest = split_learned(autoencoder)
    batch = Batch(jnp.asarray(DATA.train))

    @jax.jit
    def step(learned, state):
        def loss(learned):
            current = eqx.combine(learned, rest)
            return -jnp.mean(AtTheMean()(None, current.model, current.posterior(batch), batch).value)

        value, gradient = jax.value_and_grad(loss)(learned)
        updates, state = rule.update(gradient, state, learned)
        return optax.apply_updates(learned, updates), state, value

    state, losses = rule.init(learned), []
    for _ in range(n_steps):
        learned, state, value = step(learned, state)
        losses.append(float(value))
    return learned, losses


@pytest.mark.parametrize("name", short("adam", "sgd", of=OPTAX))
def test_takes_the_steps_of_optax_and_improves_the_bound(name):
    autoencoder = tiny()
    expected, losses = steps_by_hand(OPTAX[name], autoencoder, 12)
    plan = Plan(Optimizer(name, RATE, weight_decay=0.1, clip_norm=0.0), batch_size=22, epochs=12)
    start = TrainingState.start(autoencoder, AtTheMean(), plan.optimizer)
    end = run(plan, data=TrainingData(DATA.train), state=start)[-1]
    weights = learned(end.autoencoder)
    for got, wanted in zip(jax.tree.leaves(weights), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=2e-5)
    bounds = [record["train_bound"] for record in end.progress.history]
    np.testing.assert_allclose(bounds, -np.array(losses), rtol=1e-4)
    assert bounds[-1] > bounds[0]


def test_every_optimizer_is_tested():
    assert set(OPTAX) == set(get_args(OptimizerName))


def rates(optimizer, n):
    """The step sizes of the first `n` steps."""
    rule = optimizer.build()
    weight = jnp.asarray(np.zeros(1, np.float32))
    update = jax.jit(rule.update)
    state, taken = rule.init(weight), []
    for _ in range(n):
        change, state = update(weight + 1, state, weight)
        taken.append(-float(change[0]))
    return np.array(taken)


def test_the_constant_schedule():
    np.testing.assert_allclose(rates(Optimizer("sgd", 0.1), 4), 0.1)


def test_warm_up_rises_from_zero():
    np.testing.assert_allclose(
        rates(Optimizer("sgd", 0.1, warmup_steps=4), 7), [0, 0.025, 0.05, 0.075, *[0.1] * 3]
    )


def test_the_cosine_ends_at_zero():
    expected = 0.1 * (1 + np.cos(np.pi * np.arange(11) / 10)) / 2
    np.testing.assert_allclose(
        rates(Optimizer("sgd", 0.1, "cosine", total_steps=10), 11), expected, atol=1e-8
    )


def test_the_cosine_after_a_warm_up():
    got = rates(Optimizer("sgd", 0.1, "cosine", warmup_steps=4, total_steps=12), 14)
    expected = [*(0.1 * np.arange(4) / 4), *(0.1 * (1 + np.cos(np.pi * np.arange(9) / 8)) / 2), 0]
    np.testing.assert_allclose(got, expected, atol=1e-8)


def test_clipping_limits_the_norm_of_the_whole_gradient():
    def change(clip_norm):
        optimizer = Optimizer("sgd", 1.0, clip_norm=clip_norm)
        end = run(Plan(optimizer, batch_size=22, epochs=1), AtTheMean(), TrainingData(DATA.train))[-1]
        leaves = (jax.tree.leaves(eqx.filter(a, eqx.is_array)) for a in (end.autoencoder, tiny()))
        return np.concatenate([np.ravel(np.asarray(a) - np.asarray(b)) for a, b in zip(*leaves, strict=True)])

    free, clipped, unaffected = (change(limit) for limit in (0.0, 0.01, 1e6))
    assert np.linalg.norm(free) > 0.1
    assert np.linalg.norm(clipped) == pytest.approx(0.01, rel=1e-3)
    np.testing.assert_allclose(clipped, free * 0.01 / np.linalg.norm(free), atol=1e-6)
    np.testing.assert_allclose(unaffected, free, atol=1e-6)


@pytest.mark.parametrize("name", OPTAX)
def test_plain_steps_are_limited_unless_told_otherwise(name):
    """Plain SGD needs it to survive log-variance heads; the other rules scale their steps themselves."""
    limit = {"sgd": 10.0, "momentum": 1.0}.get(name)

    def update(clip_norm, length):
        rule = Optimizer(name, 1.0, clip_norm=clip_norm, weight_decay=0.0).build()
        weight = jnp.asarray(np.zeros(1, np.float32))
        return float(rule.update(weight + length, rule.init(weight), weight)[0][0])

    if limit is None:
        assert update(None, 1e4) == update(0.0, 1e4)
    else:
        assert update(None, 1e4) == pytest.approx(-limit)
        assert update(None, limit / 2) == pytest.approx(-limit / 2)
        assert update(0.0, 1e4) == pytest.approx(-1e4)


# --- one step of maximum a posteriori against arithmetic in NumPy ------------------------------------

NAMES = [(part, kind) for part in ("loc", "log_variance") for kind in ("weight", "bias")]


def to_vector(autoencoder):
    return np.concatenate(
        [
            np.ravel(np.transpose(np.asarray(getattr(heads[part], kind), float)))
            for heads in (autoencoder.model.decoder.heads, autoencoder.encoder.heads)
            for part, kind in NAMES
        ]
    )


def soft_clipped(x):
    x = 12 - np.logaddexp(0, 12 - x)
    return -12 + np.logaddexp(0, x + 12)


def objective_by_hand(flat, x, n_rows, d, k):
    """mean_i [log p(x_i|mu_i) - KL_i] + log N(theta; 0, I) / N, theta the weights of the decoder alone."""
    sizes = [(d, k), (d,), (d, k), (d,), (k, d), (k,), (k, d), (k,)]
    arrays = [
        part.reshape(size)
        for part, size in zip(np.split(flat, np.cumsum([np.prod(s) for s in sizes])[:-1]), sizes, strict=True)
    ]
    w, b, wv, bv, a, c, av, cv = arrays
    mu, log_v = x @ a.T + c, soft_clipped(x @ av.T + cv)
    fit = norm.logpdf(x, mu @ w.T + b, np.exp(0.5 * soft_clipped(mu @ wv.T + bv))).sum(1)
    kl = 0.5 * np.sum(np.exp(log_v) + mu**2 - 1 - log_v, axis=1)
    prior = sum(norm.logpdf(array).sum() for array in arrays[:4])
    return np.mean(fit - kl) + prior / n_rows


@pytest.mark.parametrize(
    "batch_size", [7, 4]
)  # the full batch; and a last minibatch of three rows and padding
def test_a_step_of_map_is_the_gradient_with_the_prior_over_n(batch_size):
    d, k, rate = 3, 2, 0.05
    x = np.random.default_rng(0).normal(size=(7, d)).astype(np.float32)
    plan = Plan(Optimizer("sgd", rate, clip_norm=0.0), batch_size=batch_size, epochs=None, steps=1, seed=5)
    objective = MaximumAPosteriori(AtTheMean())
    state = TrainingState.start(tiny(d=d, k=k, hidden=()), objective, plan.optimizer)
    order = minibatches(0, 5, 7, batch_size)
    for i, rows in enumerate(order):
        after = run(dataclasses.replace(plan, steps=i + 1), data=TrainingData(x), state=state)[-1]
        assert after.progress.step == i + 1
        before, rows = to_vector(state.autoencoder), x[rows[rows >= 0]].astype(float)
        expected = approx_fprime(before, objective_by_hand, 1e-7, rows, 7, d, k)
        np.testing.assert_allclose(
            (to_vector(after.autoencoder) - before) / rate, expected, rtol=2e-3, atol=5e-5
        )
        progress = dataclasses.replace(after.progress, status="running")
        state = dataclasses.replace(after, progress=progress)
    assert len(rows) == (7 if batch_size == 7 else 3)


@pytest.mark.parametrize(("limit", "least", "most"), [(0.0, 10, 40), (CLIP_NORM, 0, 1e-3)])
def test_one_huge_gradient_throws_adam_off_unless_gradients_are_limited(limit, least, most):
    """One of 1e6 among many of 1 moves a weight by up to 1/sqrt(1 - 0.999) = 31 steps more than one of 1 does."""
    rule = Optimizer("adam", RATE, clip_norm=limit).build()
    weight = jnp.zeros(1)
    usual = rule.init(weight)
    update = jax.jit(rule.update)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], 600)
    for sign in signs:
        _, usual = update(jnp.asarray([sign]), usual)

    def moved(first):
        state, total = usual, 0.0
        for gradient in (first, *signs[:50]):
            step, state = update(jnp.asarray([gradient]), state)
            total += float(step[0])
        return total

    assert least <= abs(moved(1e6) - moved(1.0)) / RATE <= most
