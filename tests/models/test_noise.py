"""What noise makes of a likelihood, and what is left of x: against integrals and Bayes' rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from aevb.distributions import LogitBernoulli, LogVarianceNormal
from aevb.errors import InvalidRecipeError
from aevb.models.noise import BitFlips, GaussianNoise, NoisyDecoder
from oracles import tiny

MASK = jnp.array([[True, True, False]])


def test_gaussian_noise_by_quadrature():
    loc, variance, sd, y = (
        np.array([0.3, -2.0, 1.0]),
        np.array([0.5, 4.0, 0.1]),
        np.array([0.7, 0.1, 2.0]),
        0.9,
    )
    p, noise = LogVarianceNormal(jnp.asarray(loc), jnp.asarray(np.log(variance))), GaussianNoise(sd)
    clean = noise.clean(p, jnp.full((1, 3), y), MASK)
    x = np.linspace(-30, 30, 600_001)
    for j in range(3):
        joint = stats.norm.pdf(x, loc[j], np.sqrt(variance[j])) * stats.norm.pdf(y, x, sd[j])
        evidence = np.trapezoid(joint, x)
        assert float(noise.observed(p).log_prob(y)[j]) == pytest.approx(np.log(evidence), rel=1e-5)
        mean = np.trapezoid(x * joint, x) / evidence
        spread = np.trapezoid((x - mean) ** 2 * joint, x) / evidence
        expected = (mean, spread) if MASK[0, j] else (loc[j], variance[j])
        assert (clean.mean[0, j], clean.variance[0, j]) == pytest.approx(expected, rel=1e-5)


def test_flipped_bits_by_bayes_rule():
    logits, rate = np.array([0.4, -3.0, 2.0]), 0.2
    p, noise = LogitBernoulli(jnp.asarray(logits)), BitFlips(rate)
    one = 1 / (1 + np.exp(-logits))
    seen = one * (1 - rate) + (1 - one) * rate
    np.testing.assert_allclose(noise.observed(p).mean, seen, rtol=1e-5)
    for y, right, wrong in ((1.0, 1 - rate, rate), (0.0, rate, 1 - rate)):
        clean = noise.clean(p, jnp.full((1, 3), y), MASK).mean[0]
        expected = one * right / (one * right + (1 - one) * wrong)
        np.testing.assert_allclose(clean, np.where(MASK[0], expected, one), rtol=1e-5)


def test_certain_pixels_stay_finite():
    p, noise = LogitBernoulli(jnp.array([200.0, -200.0])), BitFlips(0.01)
    np.testing.assert_allclose(noise.observed(p).mean, [0.99, 0.01], rtol=1e-4)
    assert np.all(np.isfinite(noise.observed(p).log_prob(jnp.array([0.0, 1.0]))))


def test_noise_is_added_as_stated():
    x = jnp.ones((20_000, 2)) * jnp.array([0.0, 1.0])
    flipped = np.asarray(BitFlips(0.1).add(jax.random.key(0), x))
    assert set(np.unique(flipped)) == {0.0, 1.0}
    changed = np.abs(flipped - np.asarray(x)).mean(0)
    np.testing.assert_allclose(changed, 0.1, atol=5 * np.sqrt(0.09 / 20_000))  # false alarm 1e-6
    noise = np.asarray(GaussianNoise(np.array([0.5, 3.0])).add(jax.random.key(0), x)) - np.asarray(x)
    np.testing.assert_allclose(noise.std(0), [0.5, 3.0], rtol=5 / np.sqrt(40_000))
    np.testing.assert_allclose(noise.mean(0) / [0.5, 3.0], 0, atol=5 / np.sqrt(20_000))


def test_a_noisy_model_is_a_model():
    model = tiny("bernoulli").model
    noisy = model.seen_through(BitFlips(0.3))
    assert isinstance(noisy.decoder, NoisyDecoder)
    assert not noisy.decoder.is_density


@pytest.mark.parametrize("sd", [0.0, -1.0, np.nan, np.inf])
def test_impossible_deviations_are_refused(sd):
    with pytest.raises(InvalidRecipeError, match="above 0 and finite"):
        GaussianNoise(np.array([1.0, sd]))


@pytest.mark.parametrize("rate", [0.0, 0.5, 0.7, -0.1, np.nan])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(InvalidRecipeError, match="between 0 and 1/2"):
        BitFlips(rate)


@pytest.mark.parametrize(
    ("noise", "likelihood", "advice"),
    [
        (BitFlips(0.1), "gaussian", "`binarize='dynamic'` or `binarize='static'`"),
        (BitFlips(0.1), "continuous-bernoulli", "`likelihood='bernoulli'`"),
        (GaussianNoise(np.ones(5)), "bernoulli", "`likelihood='gaussian'`"),
        (GaussianNoise(np.ones(5)), "continuous-bernoulli", "or another gaussian one"),
    ],
)
def test_pairs_without_a_closed_form_are_refused(noise, likelihood, advice):
    with pytest.raises(InvalidRecipeError, match=advice):
        tiny(likelihood).model.seen_through(noise)
