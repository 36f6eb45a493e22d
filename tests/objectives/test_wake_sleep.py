"""Wake-sleep: what each phase moves, where it ends on a model whose optimum is known, and what its dreams are."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb import VAE, Posterior
from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.models import AutoEncoder, learned
from aevb.objectives import SGVBA, MaximumAPosteriori, WakeSleep
from aevb.objectives.map import log_normal_prior
from aevb.training import Optimizer, Plan, TrainingData, TrainingState, train
from oracles import LinearGaussian, tiny
from short_suite import short

KEY = jax.random.key(0)
BATCH = Batch(jax.random.uniform(KEY, (6, 5)))


@eqx.filter_jit
def gradient(objective, autoencoder, batch=BATCH, key=KEY):
    def total(autoencoder):
        return jnp.sum(objective.for_training(key, autoencoder, batch).surrogate)

    return eqx.filter_grad(total)(autoencoder)


def test_value_is_the_bound_and_each_phase_moves_its_own_weights():
    autoencoder = tiny()
    model, posterior = autoencoder.model, autoencoder.posterior(BATCH)
    ours, elbo = (objective(KEY, model, posterior, BATCH) for objective in (WakeSleep(), SGVBA()))
    np.testing.assert_allclose(ours.value, elbo.value, rtol=1e-6)
    wake = eqx.filter_grad(
        lambda autoencoder: jnp.sum(
            WakeSleep()(KEY, autoencoder.model, autoencoder.posterior(BATCH), BATCH).surrogate
        )
    )(autoencoder)
    assert all(not np.any(leaf) for leaf in jax.tree.leaves(wake.encoder))
    both = gradient(WakeSleep(), autoencoder)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(learned(both.encoder)))
    # The sleep phase adds nothing to the decoder: its gradient is that of log p(x, z) at draws of q alone.
    wake_key, _ = jax.random.split(KEY)
    z = posterior.sample(wake_key)
    expected = eqx.filter_grad(lambda m: jnp.sum(m.log_likelihood(BATCH, z) + m.log_prior(z, BATCH)))(model)
    for ours, exact in zip(jax.tree.leaves(both.model), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-6)


@pytest.mark.long
def test_reaches_the_optimum_of_a_linear_gaussian_model(trained_linear):
    """One latent, so that q(z|x) can be exact; the best likelihood is that of probabilistic PCA, in closed form."""
    autoencoder, x, best = trained_linear(WakeSleep())
    decoder = autoencoder.model.decoder
    learned_model = LinearGaussian(
        np.asarray(decoder.heads["loc"].weight, float).T,
        np.asarray(decoder.heads["loc"].bias, float),
        np.full(x.shape[1], float(decoder.free["log_variance"][0])),
    )
    assert best - np.mean(learned_model.log_marginal(x)) == pytest.approx(0.0, abs=0.01)
    # The sleep phase has found the posterior of the model that was learned, not of some other one.
    a, c, covariance = learned_model.encoder_map
    q = autoencoder.posterior(Batch(jnp.asarray(x[:50]))).distribution.base_dist
    np.testing.assert_allclose(q.loc, x[:50] @ a.T + c, atol=0.05)
    np.testing.assert_allclose(np.exp(q.log_variance), covariance[0, 0], rtol=0.15)


@pytest.fixture
def trained_linear():
    def run(objective):
        oracle = dataclasses.replace(LinearGaussian.random(4, 1, seed=3), log_variance=np.full(4, -1.0))
        x = oracle.sample(2000)
        _, best = LinearGaussian.ppca(x.astype(float), 1)
        start = tiny("gaussian-isotropic", 4, 1, ())
        optimizer = Optimizer("adam", 1e-2, "cosine", total_steps=4000)
        plan = Plan(optimizer, batch_size=200, epochs=None, steps=4000, evaluate_every=10**6)
        state = TrainingState.start(start, objective, optimizer)
        *_, state = train(state, plan, TrainingData(x))
        return state.autoencoder, x, best / len(x)

    return run


def test_dreams():
    """Sampled dreams are values that the likelihood can give, means are not; both have the row's missing values."""
    autoencoder = tiny("bernoulli")
    seen = []

    class Spy(eqx.Module):
        encoder: eqx.Module

        def features(self, batch):
            seen.append(batch)
            return self.encoder.features(batch)

        def __getattr__(self, name):
            return getattr(self.encoder, name)

    spying = AutoEncoder(autoencoder.model, autoencoder.encoder)
    object.__setattr__(spying, "encoder", Spy(autoencoder.encoder))
    mask = jnp.arange(5) < 3
    batch = Batch(BATCH.x, jnp.broadcast_to(mask, BATCH.x.shape))
    for dreams, binary in (("sampled", True), ("means", False)):
        seen.clear()
        WakeSleep(dreams=dreams).for_training(KEY, spying, batch)
        awake, dream = seen
        np.testing.assert_array_equal(awake.x, batch.x)
        assert np.isin(np.asarray(dream.x), (0.0, 1.0)).all() == binary
        np.testing.assert_array_equal(dream.mask, batch.mask)


def test_prior_of_the_weights_is_on_both_networks():
    autoencoder = tiny()
    bound = MaximumAPosteriori(WakeSleep()).for_training(KEY, autoencoder, BATCH)
    expected = log_normal_prior(autoencoder.model) + log_normal_prior(autoencoder.encoder)
    assert float(bound.global_term) == pytest.approx(float(expected), rel=1e-6)
    twice = MaximumAPosteriori(MaximumAPosteriori(WakeSleep())).for_training(KEY, autoencoder, BATCH)
    assert float(twice.global_term) == pytest.approx(2 * float(expected), rel=1e-6)
    other = MaximumAPosteriori(SGVBA()).for_training(KEY, autoencoder, BATCH)
    assert float(other.global_term) == pytest.approx(float(log_normal_prior(autoencoder.model)), rel=1e-6)


@pytest.mark.long
def test_more_draws_are_a_mean():
    """The gradient of eight draws varies an eighth as much, phases included: the F test's limit at 1e-6."""
    autoencoder = tiny()

    def biases(objective, key):
        slope = gradient(objective, autoencoder, key=key)
        return slope.encoder.heads["loc"].bias, slope.model.decoder.heads["loc"].bias

    spread = {}
    for n in (1, 8):
        keys = jax.random.split(jax.random.key(n), 64)
        drawn = jax.vmap(lambda key, n=n: biases(WakeSleep(n), key))(keys)
        spread[n] = np.array([np.var(np.asarray(slopes), axis=0, ddof=1).mean() for slopes in drawn])
    assert np.all((spread[1] / spread[8] > 4) & (spread[1] / spread[8] < 16))


def test_refusals():
    with pytest.raises(InvalidRecipeError, match="at least 1 sample"):
        WakeSleep(0)


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"posterior": "gamma", "prior": "gaussian"}, "supports of the two differ"),
        ({"posterior": Posterior(recognition="per-row")}, "nobody's rows"),
    ],
)
def test_refuses_what_dreams_cannot_teach(settings, fragment):
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(InvalidRecipeError, match=fragment):
        VAE(2, (4,), objective="wake-sleep", epochs=1, **settings).fit(x)


@pytest.mark.parametrize("posterior", short("gamma", of=["gaussian", "gamma", "bernoulli"]))
def test_takes_posteriors_with_their_own_prior(posterior):
    x = np.random.default_rng(0).normal(size=(20, 3))
    vae = VAE(2, (4,), objective="wake-sleep", posterior=posterior, epochs=1).fit(x)
    assert np.isfinite(vae.history_[-1]["train_bound"])
