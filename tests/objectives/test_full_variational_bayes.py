"""Full variational Bayes against posteriors of weights that are known."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from aevb import inference
from aevb.assembly import assemble
from aevb.batch import Batch
from aevb.datasets import Dataset
from aevb.distributions import LogVarianceNormal
from aevb.errors import InvalidRecipeError
from aevb.inference import Quadrature
from aevb.inference.for_use import as_trained, for_use
from aevb.models import (
    LIKELIHOODS,
    AutoEncoder,
    BayesianDecoder,
    Conditional,
    Constant,
    DecoderEnsemble,
    Encoder,
    LatentVariableModel,
    Prior,
)
from aevb.networks import MLP
from aevb.objectives import (
    SGVBA,
    SGVBB,
    FullVariationalBayes,
    MaximumAPosteriori,
    MonteCarloEM,
    Reconstruction,
    Renyi,
    WakeSleep,
)
from aevb.recipe import Recipe
from aevb.training import Optimizer, Plan, TrainingData, TrainingState, train
from oracles import tiny

KEY = jax.random.key(0)
S2 = 0.5
N = 60


class LinearInWeights(Conditional):
    """x|z, theta ~ N(A theta, s^2): codes do nothing, and the posterior of theta is Gaussian, whatever they are."""

    theta: jax.Array
    design: Constant

    @property
    def likelihood(self):
        return LIKELIHOODS["gaussian"]

    @property
    def is_density(self):
        return True

    def __call__(self, z):
        loc = jnp.broadcast_to(self.design.value @ self.theta, (*z.shape[:-1], len(self.design.value)))
        return LogVarianceNormal(loc, jnp.full_like(loc, np.log(S2)))


def trained_on(x, design, n_samples=4):
    decoder = BayesianDecoder(
        LinearInWeights(jnp.zeros(design.shape[1]), Constant(jnp.asarray(design, jnp.float32)))
    )
    d = x.shape[1]
    model = LatentVariableModel(Prior("gaussian", 1), decoder, Constant(jnp.zeros(d)))
    encoder = Encoder(MLP(d, (), key=KEY), d, 1, key=KEY)
    optimizer = Optimizer("adam", 3e-2, "cosine", total_steps=3000)
    plan = Plan(optimizer, batch_size=len(x), epochs=None, steps=3000, evaluate_every=10**6)
    objective = FullVariationalBayes(SGVBB(), n_samples)
    *_, state = train(
        TrainingState.start(AutoEncoder(model, encoder), objective, optimizer), plan, TrainingData(x)
    )
    return state.autoencoder


@pytest.mark.parametrize(
    "design",
    [
        pytest.param(np.diag([1.0, 2.0, 0.5]), marks=pytest.mark.long),
        np.array([[1.0, 0.8], [0.3, 1.0], [0.9, -0.2]]),
    ],
)
def test_weights_get_their_exact_or_mean_field_posterior(design):
    """With A'A diagonal the posterior factorizes and is found; else the optimum of mean field is: the exact mean, and
    variances 1 / precision_ii, smaller than the marginal ones (Bishop 2006, section 10.1.2)."""
    d, m = design.shape
    x = np.random.default_rng(0).normal(size=(N, d)).astype(np.float32) * np.sqrt(S2) + design.sum(1).astype(
        np.float32
    )
    precision = np.eye(m) + N * design.T @ design / S2
    mean = np.linalg.solve(precision, design.T @ x.sum(0).astype(float) / S2)
    decoder = trained_on(x, design).model.decoder
    sd = np.exp(np.asarray(decoder.log_sd.theta))
    np.testing.assert_allclose(decoder.mean.theta, mean, atol=0.1 * sd.min())
    np.testing.assert_allclose(sd, 1 / np.sqrt(np.diag(precision)), rtol=0.05)


def test_predictive_density_averages_over_the_weights():
    """log p(x) of a new row under N(A mean, s^2 I + A cov A'); the mean over draws comes near it, and plugging in the
    mean of the weights does not."""
    design, n_draws = np.eye(2), 1000
    decoder = BayesianDecoder(LinearInWeights(jnp.array([1.0, -1.0]), Constant(jnp.eye(2))))
    decoder = eqx.tree_at(lambda b: b.log_sd.theta, decoder, jnp.log(jnp.array([0.8, 0.6])))
    x = np.array([[3.0, -2.0], [1.0, 0.5]], np.float32)
    exact = multivariate_normal(
        [1.0, -1.0], S2 * np.eye(2) + design @ np.diag([0.64, 0.36]) @ design.T
    ).logpdf(x)
    plugged_in = multivariate_normal([1.0, -1.0], S2 * np.eye(2)).logpdf(x)
    ensemble = DecoderEnsemble(decoder, n_draws, KEY)
    model = LatentVariableModel(Prior("gaussian", 1), ensemble, Constant(jnp.zeros(2)))
    encoder = Encoder(MLP(2, (), key=KEY), 2, 1, key=KEY)
    found = inference.log_marginal(model, AutoEncoder(model, encoder).posterior, x, KEY, Quadrature())
    theta = np.asarray(ensemble.decoders.theta, float)
    likelihoods = np.exp(-0.5 * np.sum((x[:, None] - theta) ** 2, axis=2) / S2)
    error = likelihoods.std(1) / likelihoods.mean(1) / np.sqrt(n_draws)
    assert np.all(np.abs(found.log_p - exact) < 5 * error)
    assert error.max() < 0.1
    assert np.all(np.abs(plugged_in - exact) > 0.2)


def test_moments_and_draws_of_the_predictive_distribution():
    decoder = BayesianDecoder(LinearInWeights(jnp.array([1.0, -1.0]), Constant(jnp.eye(2))))
    decoder = eqx.tree_at(lambda b: b.log_sd.theta, decoder, jnp.log(jnp.array([0.8, 0.6])))
    ensemble = DecoderEnsemble(decoder, 5, KEY)
    p, theta = ensemble(jnp.zeros((20000, 1))), np.asarray(ensemble.decoders.theta)
    np.testing.assert_allclose(p.mean[0], theta.mean(0), rtol=1e-5)
    np.testing.assert_allclose(p.variance[0], S2 + theta.var(0), rtol=1e-5)
    value = jnp.full((20000, 2), 0.3)
    by_hand = np.log(
        np.mean([np.exp(-0.5 * (0.3 - t) ** 2 / S2) / np.sqrt(2 * np.pi * S2) for t in theta], axis=0)
    )
    np.testing.assert_allclose(p.log_prob(value)[0], by_hand, rtol=1e-5)
    draws = np.asarray(p.sample(KEY))
    np.testing.assert_allclose(draws.mean(0), theta.mean(0), atol=0.05)
    np.testing.assert_allclose(draws.var(0), S2 + theta.var(0), rtol=0.08)
    # The features of a simulated row come from one decoder, so that they vary together.
    model = LatentVariableModel(Prior("gaussian", 1), ensemble, Constant(jnp.zeros(2)))
    x = model.simulate(KEY, Batch(jnp.zeros((20000, 2))))[1].x
    np.testing.assert_allclose(
        np.cov(np.asarray(x).T), S2 * np.eye(2) + np.cov(theta.T, bias=True), atol=0.05
    )


def test_divergence_is_that_of_gaussians_and_counts_once():
    decoder = BayesianDecoder(tiny().model.decoder)
    weights = jax.tree.leaves(decoder.mean)
    sds = [np.exp(np.asarray(leaf, float)) for leaf in jax.tree.leaves(decoder.log_sd)]
    expected = sum(
        np.sum(0.5 * (np.asarray(w, float) ** 2 + s**2 - 1) - np.log(s))
        for w, s in zip(weights, sds, strict=True)
    )
    assert float(decoder.kl()) == pytest.approx(expected, rel=1e-5)
    model = tiny().model.with_decoder(decoder)
    autoencoder = AutoEncoder(model, tiny().encoder)
    batch = Batch(jax.random.uniform(KEY, (4, 5)))
    bound = FullVariationalBayes(SGVBA(), 3).for_training(KEY, autoencoder, batch)
    assert float(bound.global_term) == pytest.approx(-expected, rel=1e-5)


def test_weights_are_drawn_once_for_a_minibatch():
    """Two equal rows with equal codes have equal likelihoods, under any one draw."""
    decoder = BayesianDecoder(LinearInWeights(jnp.zeros(2), Constant(jnp.eye(2))))
    decoder = eqx.tree_at(lambda b: b.log_sd.theta, decoder, jnp.zeros(2))
    model = LatentVariableModel(Prior("gaussian", 1), decoder, Constant(jnp.zeros(2)))
    autoencoder = AutoEncoder(model, Encoder(MLP(2, (), key=KEY), 2, 1, key=KEY))
    batch = Batch(jnp.ones((2, 2)))
    values = [
        FullVariationalBayes(SGVBB())
        .for_training(jax.random.key(i), autoencoder, batch)
        .parts["reconstruction"]
        for i in range(2)
    ]
    assert float(values[0][0]) == float(values[0][1])
    assert float(values[0][0]) != float(values[1][0])


def test_for_use_and_back():
    model = tiny().model.with_decoder(BayesianDecoder(tiny().model.decoder))
    trained = AutoEncoder(model, tiny().encoder)
    used = for_use(trained, 0)
    assert isinstance(used.model.decoder, DecoderEnsemble)
    assert as_trained(used).model.decoder is model.decoder
    x = np.full((1, 5), np.nan, np.float32)
    with pytest.raises(InvalidRecipeError, match="not carried through an imputation"):
        inference.impute(used.model, used.posterior, x, KEY, inference.ImportanceImputation(10))


NO_BOUNDS = {
    "WakeSleep": WakeSleep,
    "Reconstruction": Reconstruction,
    "Renyi": lambda: Renyi(-1.0, 3),
    "MonteCarloEM": lambda: MonteCarloEM(tiny().model, 3, key=KEY),
}


@pytest.mark.parametrize("name", NO_BOUNDS)
@pytest.mark.parametrize("wrap", [lambda objective: objective, MaximumAPosteriori])
def test_refuses_what_is_no_bound(name, wrap):
    with pytest.raises(
        InvalidRecipeError, match=rf"{name} maximizes no bound .* leave weight_posterior at point"
    ):
        FullVariationalBayes(wrap(NO_BOUNDS[name]()))


@pytest.mark.parametrize("objective", ["autoencoder", "wake-sleep", "mcem"])
def test_a_recipe_with_what_is_no_bound_is_refused(objective):
    recipe = Recipe(latents=1, hidden=(2,), objective=objective, weight_posterior="gaussian", test=0.0)
    with pytest.raises(InvalidRecipeError, match="maximizes no bound"):
        assemble(recipe, Dataset("made up", np.random.default_rng(0).normal(size=(20, 3))))
