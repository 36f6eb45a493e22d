"""The score function and its baselines."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aevb.batch import Batch
from aevb.models import split_learned
from aevb.objectives import (
    SGVBA,
    LearnedBaseline,
    LeaveOneOut,
    MaximumAPosteriori,
    MovingAverage,
    NoBaseline,
    ScoreFunction,
)
from objectives.discrete import Discrete
from objectives.gradients import assert_unbiased, compiled, exact_gradient, gradient_draws
from oracles import LinearGaussian, same_bits, tiny
from short_suite import short

N_DRAWS = 50_000
BERNOULLI, CATEGORICAL = Discrete(3, 2), Discrete(2, 3)


def learned_baseline(n_features=3):
    return LearnedBaseline(n_features, (4,), key=jax.random.key(0))


BASELINES = {
    "none": (1, NoBaseline),
    "moving-average": (1, lambda: MovingAverage().updated(BERNOULLI.batch, jnp.full(3, -9.0))),
    "leave-one-out": (3, LeaveOneOut),
    "learned": (1, lambda: learned_baseline().updated(BERNOULLI.batch, jnp.array([-10.0, -8.0, -20.0]))),
}
CASES = [*((BERNOULLI, name) for name in BASELINES), (CATEGORICAL, "leave-one-out")]


@pytest.fixture(scope="module")
def exact():
    return {
        case: exact_gradient(lambda *parts, case=case: jnp.mean(case.elbo(*parts)), case.model, case.encoder)
        for case in (BERNOULLI, CATEGORICAL)
    }


@pytest.mark.parametrize(
    ("case", "name"),
    short(*CASES[-2:], of=CASES),
    ids=[f"{case.shape[1]} categories, {name}" for case, name in CASES],
)
def test_over_all_discrete_codes_no_bias_is_found(case, name, exact):
    """As in test_bias.py; a bias of 6% of the decoder's gradient and 20% of the encoder's would be found."""
    n_samples, baseline = BASELINES[name]
    objective = ScoreFunction(n_samples, baseline())
    assert not objective.is_biased
    draws = gradient_draws(objective, case.model, case.encoder, case.batch, N_DRAWS, posterior=case.posterior)
    assert_unbiased(draws["decoder"], exact[case]["decoder"], 0.06)
    assert_unbiased(draws["encoder"], exact[case]["encoder"], 0.2)


def test_its_value_is_that_of_the_pathwise_estimator_in_the_same_noise():
    autoencoder, batch = (
        tiny(),
        Batch(jnp.asarray(np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32))),
    )

    @compiled
    def bound(objective):
        return objective(jax.random.key(0), autoencoder.model, autoencoder.posterior(batch), batch)

    score, path = bound(ScoreFunction(2, LeaveOneOut())), bound(SGVBA(2))
    np.testing.assert_array_equal(score.value, path.value)
    assert same_bits(score.parts, path.parts)
    assert not np.allclose(score.surrogate, path.surrogate)


@pytest.mark.long
def test_its_variance_is_orders_of_magnitude_above_the_pathwise_one():
    oracle = LinearGaussian.random(30, 4, orthogonal=True)
    autoencoder = oracle.autoencoder(oracle.imperfect_encoder())
    batch = Batch(jnp.asarray(oracle.sample(8)))
    variance = {}
    for objective in (ScoreFunction(), SGVBA()):
        draws = gradient_draws(objective, autoencoder.model, autoencoder.encoder, batch, 2000)
        variance[type(objective)] = draws["encoder"].var(0).sum()
    assert variance[ScoreFunction] > 100 * variance[SGVBA]


def test_leave_one_out_is_the_mean_of_the_others():
    log_w = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    got = LeaveOneOut()(jnp.asarray(log_w), Batch(jnp.zeros((3, 1))))
    expected = [np.delete(log_w, i, axis=0).mean(0) for i in range(4)]
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_the_moving_average_forgets_and_starts_without_a_bias():
    values = np.random.default_rng(0).normal(-100, 5, size=(6, 4)).astype(np.float32)
    batch, baseline = Batch(jnp.zeros((4, 1))), MovingAverage(decay=0.8)
    assert baseline(jnp.zeros((1, 4)), batch) == 0
    for n, row in enumerate(values, start=1):
        baseline = baseline.updated(batch, jnp.asarray(row))
        weights = 0.8 ** np.arange(n)[::-1]
        expected = np.average(values[:n].mean(1), weights=weights)
        np.testing.assert_allclose(baseline(jnp.zeros((1, 4)), batch)[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "baseline", [MovingAverage(), learned_baseline(5)], ids=["moving average", "learned"]
)
def test_padding_rows_do_not_count(baseline):
    autoencoder, x = tiny(), np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    rows = Batch(jnp.asarray(x[:2]))
    padded = Batch(jnp.asarray(x), weight=jnp.asarray(np.array([1, 1, 0, 0], np.float32)))

    @compiled
    def after(batch, spoil):
        bound = ScoreFunction(1, baseline)(
            jax.random.key(0), autoencoder.model, autoencoder.posterior(batch), batch
        )
        # The noise of a batch depends on its size, so the values are written over.
        value = jnp.arange(batch.n_rows, dtype=jnp.float32) ** 2 - 50
        value = jnp.where(jnp.arange(batch.n_rows) < 2, value, spoil)
        bound = eqx.tree_at(lambda b: b.value, bound, value)
        return ScoreFunction(1, baseline).updated(batch, bound)

    expected = after(rows, 0.0)
    assert same_bits(after(padded, 1e6), expected)
    assert same_bits(after(padded, jnp.nan), expected)
    assert not same_bits(expected, ScoreFunction(1, baseline))


X = np.random.default_rng(1).normal(size=(16, 5)).astype(np.float32) * np.linspace(0.5, 5, 16)[:, None]
X = X.astype(np.float32)


def trained(objective, n_steps, autoencoder, batch):
    """The objective after so many steps of Adam on its own arrays, the model held fixed."""
    rule = optax.adam(3e-2)

    @compiled
    def train(objective):
        def one(i, carry):
            objective, state = carry
            gradient, _, objective = step(
                objective, autoencoder, batch, jax.random.fold_in(jax.random.key(1), i)
            )
            updates, state = rule.update(gradient[1], state)
            return eqx.apply_updates(objective, jax.tree.map(jnp.negative, updates)), state

        start = objective, rule.init(split_learned(objective)[0])
        return jax.lax.fori_loop(0, n_steps, one, start)[0]

    return train(objective)


@pytest.mark.long
def test_a_learned_baseline_lowers_the_variance_more_than_a_running_mean():
    autoencoder, batch = tiny(), Batch(jnp.asarray(X))
    learned = trained(ScoreFunction(1, learned_baseline(5)), 300, autoencoder, batch)
    mean = ScoreFunction(1, eqx.tree_at(lambda b: b.mean, MovingAverage(), learned.baseline.mean))
    variance = [
        gradient_draws(objective, autoencoder.model, autoencoder.encoder, batch, 2000)["encoder"].var(0).sum()
        for objective in (mean, learned)
    ]
    assert variance[0] > 3 * variance[1]


def step(objective, autoencoder, batch, key):
    """The gradients with respect to the autoencoder and the objective, the bound, and the next objective."""
    learned, rest = split_learned((autoencoder, objective))

    def surrogate(learned):
        autoencoder, objective = eqx.combine(learned, rest)
        bound = objective(key, autoencoder.model, autoencoder.posterior(batch), batch)
        return batch.mean(bound.surrogate), bound

    gradient, bound = jax.grad(surrogate, has_aux=True)(learned)
    return gradient, bound, objective.updated(batch, bound)


@compiled
def written_out(autoencoder, baseline, batch, key):
    """The same gradients: that of the score function with the baseline as a number, and that of the error."""

    def surrogate(learned, baseline):
        autoencoder = eqx.combine(learned[0], rest[0])
        q = autoencoder.posterior(batch)
        z = jax.lax.stop_gradient(q.sample(key))
        log_p = autoencoder.model.log_likelihood(batch, z) + autoencoder.model.log_prior(z, batch)
        return jnp.mean(jax.lax.stop_gradient(log_p - q.log_prob(z) - baseline) * q.log_prob(z) + log_p)

    def error(learned):
        baseline = eqx.combine(learned[1], rest[1])
        return -0.5 * jnp.mean(((log_w - mean) / scale - baseline.head(baseline.network(batch.x))[:, 0]) ** 2)

    learned, rest = split_learned((autoencoder, baseline))
    mean, scale = baseline.mean.value, jnp.sqrt(baseline.square.value)
    b = mean + scale * baseline.head(baseline.network(batch.x))[:, 0]
    q = autoencoder.posterior(batch)
    z = q.sample(key)
    model = autoencoder.model
    log_w = model.log_likelihood(batch, z) + model.log_prior(z, batch) - q.log_prob(z)
    return jax.grad(surrogate)(learned, b)[0], jax.grad(error)(learned)[1]


def test_only_a_baselines_own_error_moves_it_and_it_moves_nothing_else():
    autoencoder, batch, key = tiny(), Batch(jnp.asarray(X)), jax.random.key(3)
    objective = MaximumAPosteriori(ScoreFunction(1, learned_baseline(5)))
    gradient, bound, objective = compiled(step)(objective, autoencoder, batch, key)
    assert all(np.all(g == 0) for g in jax.tree.leaves(gradient[1]))  # nothing is known of the scale yet
    baseline = objective.objective.baseline
    np.testing.assert_allclose(baseline.mean.value, np.mean(bound.value), rtol=1e-5)
    np.testing.assert_allclose(baseline.square.value, np.var(bound.value), rtol=1e-4)
    gradient, _, after = compiled(step)(objective, autoencoder, batch, key)
    both = written_out(autoencoder, baseline, batch, key)
    assert len(jax.tree.leaves(gradient[1])) == 4
    for got, expected in zip((gradient[0], gradient[1].objective.baseline), both, strict=True):
        for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
            assert np.abs(other).max() > 1e-3
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())
    assert not same_bits(after.objective.baseline.mean, baseline.mean)
