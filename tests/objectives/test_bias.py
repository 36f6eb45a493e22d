"""Every gradient against the gradient of what it declares to estimate, encoder and decoder apart.

Each comparison is one Hotelling test over all coordinates, with a false-alarm rate of 1e-6, and states how large a
bias, relative to the length of the exact gradient and in whatever direction, it would have found with a probability of
at least 0.99.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb.batch import Batch
from aevb.models import AutoEncoder
from aevb.objectives import (
    SGVBA,
    SGVBB,
    ImportanceWeighted,
    LearnedBaseline,
    LeaveOneOut,
    MovingAverage,
    NoBaseline,
    Renyi,
    ScoreFunction,
    StickingTheLanding,
)
from conftest import FALSE_ALARM
from objectives.gradients import (
    POWER,
    BiasTest,
    amortized,
    assert_unbiased,
    exact_gradient,
    exact_gradients,
    gradient_draws,
)
from oracles import LinearGaussian, linear_gaussian_elbo, linear_gaussian_evidence, tiny
from short_suite import short

N_DRAWS = 50_000
N_REPEATS = 150


def test_the_test_of_bias_keeps_its_promises():
    """Its p-values are uniform where there is no bias, and it finds the least favourable bias it claims to find."""
    rng = np.random.default_rng(0)
    exact, factor = rng.normal(size=5), rng.normal(size=(5, 5))
    factor[4] = factor[3]  # two coordinates that move together
    worst = np.linalg.eigh(factor @ factor.T)[1][:, -1]

    def repeats(bias):
        for _ in range(N_REPEATS):
            draws = exact + rng.normal(size=(300, 5)) @ factor.T
            yield BiasTest.of(draws + bias, exact)

    uniform = (np.arange(N_REPEATS) + 0.5) / N_REPEATS
    p_values = np.sort([result.p_value for result in repeats(0.0)])
    assert np.abs(p_values - uniform).max() < 1.63 / np.sqrt(N_REPEATS)  # Kolmogorov, 1%
    size = np.mean([result.detectable for result in repeats(0.0)]) * np.linalg.norm(exact)
    assert np.mean([result.p_value < FALSE_ALARM for result in repeats(size * worst)]) > POWER - 0.02
    assert np.mean([result.p_value < FALSE_ALARM for result in repeats(0.5 * size * worst)]) < 0.5


ORACLE = LinearGaussian.random(3, 2, orthogonal=True)
X = ORACLE.sample(4)
LINEAR = ORACLE.autoencoder(ORACLE.imperfect_encoder(shift=0.4, stretch=0.6))
BATCH = Batch(jnp.asarray(X))


def learned_baseline():
    """As it is after one step: random weights, and a mean and a scale."""
    values = jnp.asarray(np.array([-5.0, -4.0, -9.0, -8.0], np.float32))
    return LearnedBaseline(3, (8,), key=jax.random.key(3)).updated(BATCH, values)


def moving_average():
    return MovingAverage().updated(BATCH, jnp.full(4, -6.5))


# What estimates the gradient of the evidence lower bound, and the size of bias that is found in decoder and encoder.
OF_THE_BOUND = {
    "sgvb-a": (SGVBA, 0.03, 0.03),
    "sgvb-b": (SGVBB, 0.03, 0.03),
    "stl": (lambda: StickingTheLanding(3), 0.03, 0.03),
    "score": (lambda: ScoreFunction(1, NoBaseline()), 0.03, 0.12),
    "score-moving-average": (lambda: ScoreFunction(1, moving_average()), 0.03, 0.05),
    "score-leave-one-out": (lambda: ScoreFunction(2, LeaveOneOut()), 0.03, 0.05),
    "score-learned": (lambda: ScoreFunction(2, learned_baseline()), 0.03, 0.05),
}


@pytest.fixture(scope="module")
def closed_form():
    def value(model, encoder):
        return jnp.mean(linear_gaussian_elbo(AutoEncoder(model, encoder), X.astype(float)))

    return exact_gradient(value, LINEAR.model, LINEAR.encoder)


@pytest.mark.parametrize("name", short("sgvb-a", "stl", "score-leave-one-out", of=OF_THE_BOUND))
def test_on_a_linear_gaussian_model_no_bias_is_found(name, closed_form):
    build, decoder, encoder = OF_THE_BOUND[name]
    draws = gradient_draws(build(), LINEAR.model, LINEAR.encoder, BATCH, N_DRAWS)
    known = closed_form["decoder"] != 0  # not the weights of its log-variance
    assert known.sum() == 12
    assert_unbiased(draws["decoder"][:, known], closed_form["decoder"][known], decoder)
    assert_unbiased(draws["encoder"], closed_form["encoder"], encoder)


CURVED = tiny("gaussian", d=2, k=1, hidden=(3,), seed=2)
ROWS = Batch(jnp.asarray(np.array([[1.0, -0.5], [-1.5, 2.0]], np.float32)))


# How the log weights of two draws make a value, by name.
COMBINATIONS = {
    "mean": lambda a, b: (a + b) / 2,
    "log mean": lambda a, b: jnp.logaddexp(a, b) - np.log(2),
    **{
        f"alpha {alpha}": lambda a, b, p=1 - alpha: (jnp.logaddexp(p * a, p * b) - np.log(2)) / p
        for alpha in (0.5, 3, -1)
    },
}


@pytest.fixture(scope="module")
def by_quadrature():
    """The gradient of E[combination of two log weights], on a fixed grid of z: only densities depend on parameters."""
    z = np.linspace(-9.0, 9.0, 361)

    def values(model, encoder):
        batch = Batch(jnp.asarray(np.asarray(ROWS.x, float)))
        codes = jnp.broadcast_to(jnp.asarray(z)[:, None, None], (len(z), batch.n_rows, 1))
        log_q = amortized(model, encoder, batch).log_prob(codes)
        log_w = model.log_likelihood(batch, codes) + model.log_prior(codes, batch) - log_q
        q = jnp.exp(log_q) * (z[1] - z[0])
        both = q[:, None] * q[None]
        return jnp.stack(
            [
                jnp.mean(jnp.sum(both * combine(log_w[:, None], log_w[None]), axis=(0, 1)))
                for combine in COMBINATIONS.values()
            ]
        )

    gradients = exact_gradients(values, CURVED.model, CURVED.encoder)
    return {name: {part: rows[i] for part, rows in gradients.items()} for i, name in enumerate(COMBINATIONS)}


# The objective, and how it combines the log weights of its draws.
BY_QUADRATURE = {
    "stl": (StickingTheLanding(), "mean"),
    "iwae": (ImportanceWeighted(2), "log mean"),
    "dreg": (ImportanceWeighted(2, "dreg"), "log mean"),
    "renyi-0.5": (Renyi(0.5, 2), "alpha 0.5"),
    "renyi-3": (Renyi(3.0, 2), "alpha 3"),
    "renyi-negative": (Renyi(-1.0, 2), "alpha -1"),
    "score": (ScoreFunction(2, LeaveOneOut()), "mean"),
}


@pytest.mark.parametrize("name", short("iwae", "dreg", "renyi-0.5", of=BY_QUADRATURE))
def test_by_quadrature_no_bias_is_found(name, by_quadrature):
    objective, combination = BY_QUADRATURE[name]
    assert not objective.is_biased
    exact = by_quadrature[combination]
    draws = gradient_draws(objective, CURVED.model, CURVED.encoder, ROWS, N_DRAWS)
    assert_unbiased(draws["decoder"], exact["decoder"], 0.03)
    assert_unbiased(draws["encoder"], exact["encoder"], 0.08)


@pytest.mark.long
def test_sticking_the_landing_with_several_draws_is_biased_in_the_encoder_only(by_quadrature):
    objective = ImportanceWeighted(2, "stl")
    assert objective.is_biased
    exact = by_quadrature["log mean"]
    draws = gradient_draws(objective, CURVED.model, CURVED.encoder, ROWS, N_DRAWS)
    assert_unbiased(draws["decoder"], exact["decoder"], 0.03)
    found = BiasTest.of(draws["encoder"], exact["encoder"])
    assert found.p_value < FALSE_ALARM
    assert found.bias > 0.3  # 0.44 of the gradient's length


@pytest.mark.long
def test_at_the_exact_posterior_the_decoder_ascends_the_evidence():
    """There w is p(x) whatever z, so the bound is the evidence for every K, and its gradient is closed."""
    autoencoder = ORACLE.autoencoder()

    def evidence(model, encoder):
        return jnp.mean(linear_gaussian_evidence(AutoEncoder(model, encoder), X.astype(float)))

    exact = exact_gradient(evidence, autoencoder.model, autoencoder.encoder)
    known = exact["decoder"] != 0
    noise = {}
    for gradient in ("plain", "dreg"):
        objective = ImportanceWeighted(5, gradient)
        draws = gradient_draws(objective, autoencoder.model, autoencoder.encoder, BATCH, 20_000)
        assert_unbiased(draws["decoder"][:, known], exact["decoder"][known], 0.03)
        noise[gradient] = draws["encoder"].std(0).max()
    assert noise["dreg"] < 1e-6  # the weights are rounded to single precision
    assert noise["plain"] > 0.05
