"""Gamma variates against SciPy: their law, their implicit derivative, and the special functions beside them."""

from contextlib import nullcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special
from scipy.stats import kstest

from aevb.distributions.gamma_derivative import digamma, implicit_derivative, lgamma, trigamma
from aevb.distributions.gamma_sampler import log_gamma
from short_suite import short

CONCENTRATIONS = np.array([1e-3, 0.05, 0.3, 0.97, 1.0, 1.5, 4.0, 30.0, 1e4, 1e6])
DTYPES = [jnp.float32, jnp.float64]
sample = jax.jit(
    log_gamma, static_argnums=2
)  # compiled once for each shape, which is what takes the time here
derivative = jax.jit(implicit_derivative)


def precision(dtype):
    return jax.enable_x64(True) if dtype == jnp.float64 else nullcontext()


def log_lower_tail(a, log_z):
    """log F, by its leading term z^a / Gamma(a + 1) where z would underflow."""
    within = np.log(special.gammainc(a, np.exp(np.maximum(log_z, -50))))
    return np.where(log_z < -50, a * log_z - special.gammaln(a + 1), within)


def quantiles(a, p):
    """log z at F = p and, in the last columns, at 1 - F = p, for a column of concentrations and a row of p."""
    leading = (np.log(p) + special.gammaln(a + 1)) / a
    z = np.stack([special.gammaincinv(a, p), special.gammainccinv(a, p)])
    lower, upper = np.log(np.maximum(z, 1e-200))
    return np.concatenate([np.where(leading < -50, leading, lower), upper], axis=1)


def draw(dtype, a, shape, seed=0):
    with precision(dtype):
        log_z = sample(jax.random.key(seed), jnp.asarray(a, dtype), shape)
        assert log_z.dtype == dtype
        assert log_z.shape == shape
        return np.asarray(log_z, float)


@pytest.mark.parametrize("dtype", short(jnp.float32, of=DTYPES))
def test_law(dtype, assert_jointly_normal):
    """By Kolmogorov and Smirnov, with a false-alarm rate of 1e-6 over all concentrations, and by E[log z] = psi(a)."""
    n = 50_000 if dtype == jnp.float32 else 20_000
    log_z = draw(dtype, CONCENTRATIONS[:, None], (CONCENTRATIONS.size, n))
    for a, row in zip(CONCENTRATIONS, log_z, strict=True):
        p = kstest(np.exp(log_lower_tail(a, row)), "uniform").pvalue
        assert p > 1e-6 / CONCENTRATIONS.size, (a, p)
    variance = special.polygamma(1, CONCENTRATIONS) / n
    assert_jointly_normal((log_z.mean(1) - special.digamma(CONCENTRATIONS)) / np.sqrt(variance))


@pytest.mark.long
@pytest.mark.parametrize("a", [0.05, 1.0])
def test_elements_are_independent(a, assert_jointly_normal):
    """Of the rows, some are drawn again together: 5% at most. No two hold the same number but by chance."""
    log_z = draw(jnp.float32, a, (8, 40_000))
    normal = special.ndtri(np.exp(log_lower_tail(a, log_z)))
    pairs = np.triu_indices(8, 1)
    assert_jointly_normal(np.corrcoef(normal)[pairs] * np.sqrt(normal.shape[1]))
    assert sum(np.sum(log_z[i] == log_z[j]) for i, j in zip(*pairs, strict=True)) < 30


def test_exact_derivative_is_that_of_scipys_distribution_function():
    """d log z / da = -(dF/da) / (z f) by finite differences of the smaller tail, to the digits that they have."""
    a = np.array([0.01, 0.05, 0.3, 1.0, 2.5, 10.0, 100.0, 1e4])[:, None]
    p = np.array([1e-6, 1e-3, 0.1, 0.3, 0.499])[None]
    log_z = quantiles(a, p)
    z, h = np.exp(log_z), 3e-3 * np.minimum(a, np.sqrt(a))
    upper = np.arange(log_z.shape[1]) >= p.size

    def log_tail(a):
        return np.where(upper, np.log(special.gammaincc(a, z)), log_lower_tail(a, log_z))

    slope = (8 * (log_tail(a + h) - log_tail(a - h)) - log_tail(a + 2 * h) + log_tail(a - 2 * h)) / (12 * h)
    density = np.exp(a * log_z - z - special.gammaln(a))
    expected = np.where(upper, 1, -1) * slope * np.exp(log_tail(a)) / density
    with jax.enable_x64(True):
        got = derivative(*map(jnp.asarray, np.broadcast_arrays(a, log_z)))
    np.testing.assert_allclose(got, expected, rtol=3e-8)


def test_exact_derivative_is_continuous_where_its_formula_changes():
    below, above = 1 - 1e-14, 1 + 1e-14
    at_small_z = np.meshgrid([1e-3, 0.05, 1.0, 3.0, 20.0, 100.0], [-50 * below, -50 * above])
    at_large_a = np.meshgrid(
        [1e6 * below, 1e6 * above], np.log(1e6) + 1e-3 * np.array([-6.0, -2, -0.1, 0.1, 2, 6])
    )
    arguments = np.stack([at_small_z, np.swapaxes(at_large_a, 1, 2)])
    with jax.enable_x64(True):
        small_z, large_a = derivative(jnp.asarray(arguments[:, 0]), jnp.asarray(arguments[:, 1]))
    np.testing.assert_allclose(*small_z, rtol=1e-12)
    np.testing.assert_allclose(*large_a, rtol=2e-10)


def relative_error(a, log_z):
    """Of the approximate derivative, at arguments as float32 holds them."""
    a, log_z = (np.asarray(part, np.float32) for part in np.broadcast_arrays(a, log_z))
    got = derivative(a, log_z)
    with jax.enable_x64(True):
        expected = derivative(*(jnp.asarray(part, jnp.float64) for part in (a, log_z)))
    return np.max(np.abs(np.asarray(got, float) / np.asarray(expected) - 1))


def test_approximate_derivative_has_the_stated_error():
    a = np.geomspace(0.05, 1e4, 101)[:, None]
    log_z = quantiles(a, special.expit(np.linspace(special.logit(1e-6), 0, 60))[None])
    assert relative_error(a, log_z) < 1.2e-4


def test_approximate_derivative_is_sane_beyond_its_range():
    assert relative_error(np.geomspace(1e4, 1e10, 50)[:, None], 0) < 1e-4
    tails = np.array([1e-7, 1e-9, 1e-12])[None]
    a = np.geomspace(0.05, 1e4, 101)[:, None]
    assert relative_error(a, quantiles(a, tails)) < 5e-3
    a = np.geomspace(1e-6, 0.05, 101)[:, None]
    p = special.expit(np.linspace(special.logit(1e-6), -0.01, 60))[None]
    assert relative_error(a, quantiles(a, p)[:, : p.size]) < 1e-3
    a, log_z = np.meshgrid(np.geomspace(1e-15, 1e30, 91), [-1e6, -1e3, -88, -1, 0, 1, 20, 87, 1e3, 1e6])
    got = derivative(jnp.asarray(a, jnp.float32), jnp.asarray(log_z, jnp.float32))
    assert np.all(np.isfinite(got))
    assert np.all(np.asarray(got) >= 0)


@pytest.mark.parametrize("dtype", short(jnp.float32, of=DTYPES))
def test_derivatives_of_expectations(dtype, assert_jointly_normal):
    """d E[log z] / da = psi'(a) and d E[z] / da = 1, as the means of the implicit derivatives."""
    a, n = np.array([0.05, 0.5, 1.0, 3.0, 20.0, 1e3]), 50_000 if dtype == jnp.float32 else 2_000

    @jax.jit
    def draw_and_differentiate(key, a):
        return jax.jvp(lambda a: log_gamma(key, a, (n, *a.shape)), (a,), (jnp.ones_like(a),))

    with precision(dtype):
        log_z, of_log = draw_and_differentiate(jax.random.key(1), jnp.asarray(a, dtype))
    assert of_log.dtype == dtype
    of_log = np.asarray(of_log, float)
    for got, expected in ((of_log, special.polygamma(1, a)), (np.exp(log_z) * of_log, 1)):
        assert_jointly_normal((got.mean(0) - expected) / (got.std(0) / np.sqrt(n)))


def test_second_derivative_in_single_precision():
    """That of the quantile function of SciPy, by finite differences."""
    a, h = np.array([0.3, 2.0, 30.0]), 1e-3

    @jax.jit
    @jax.vmap
    def draw_and_differentiate(a):
        def draw(a):
            return log_gamma(jax.random.key(3), a)

        return draw(a), jax.grad(jax.grad(draw))(a)

    log_z, got = (np.asarray(part, float) for part in draw_and_differentiate(jnp.asarray(a, jnp.float32)))
    p = special.gammainc(a, np.exp(log_z))
    minus, here, plus = (np.log(special.gammaincinv(a * (1 + k * h), p)) for k in (-1, 0, 1))
    np.testing.assert_allclose(got, (plus - 2 * here + minus) / (a * h) ** 2, rtol=1e-3)


def test_shapes():
    key = jax.random.key(0)
    for concentration, shape, expected in (
        ((), None, ()),
        ((3,), None, (3,)),
        ((3, 1), (2, 3, 5), (2, 3, 5)),
        ((), (7, 11), (7, 11)),
        ((0,), None, (0,)),
    ):
        got = jax.eval_shape(lambda a, shape=shape: log_gamma(key, a, shape), jnp.ones(concentration))
        assert got.shape == expected
    with pytest.raises(ValueError, match="broadcast"):
        log_gamma(key, jnp.ones(3), (2,))
    assert sample(key, jnp.ones(0)).shape == (0,)
    assert sample(jax.random.PRNGKey(0), jnp.bfloat16(2)).dtype == jnp.bfloat16


@pytest.mark.long
def test_goes_through_vmap_with_a_key_per_row():
    keys, a = jax.random.split(jax.random.key(0), 50), jnp.linspace(0.05, 3, 50 * 20).reshape(50, 20)
    rows = np.stack([sample(key, row) for key, row in zip(keys, a, strict=True)])
    np.testing.assert_allclose(jax.jit(jax.vmap(log_gamma))(keys, a), rows, rtol=1e-5, atol=1e-5)
    assert np.unique(rows).size == rows.size


def test_values_do_not_compile_again_and_gradients_sum_the_implicit_derivative():
    traces = []

    @jax.jit
    def gradient(a, key):
        traces.append(a)
        log_z, pull = jax.vjp(lambda a: log_gamma(key, a, (64,)), a)
        return pull(jnp.ones_like(log_z))[0], jnp.sum(implicit_derivative(jnp.broadcast_to(a, (64,)), log_z))

    for seed, a in enumerate((1e-3, 0.5, 1.0, 700.0)):
        got, expected = gradient(jnp.float32(a), jax.random.key(seed))
        assert float(got) == pytest.approx(float(expected), rel=1e-5)
    assert len(traces) == 1


def test_extreme_concentrations():
    """Tiny and huge ones are finite; what is none gives NaN, and the loop ends."""
    a = jnp.array([1e-15, 1e-9, 1e-4, 1e4, 1e9, 1e15, 1e30], jnp.float32)
    log_z = sample(jax.random.key(0), a, (1000, a.size))
    assert np.all(np.isfinite(log_z))
    assert np.all(np.isfinite(derivative(jnp.broadcast_to(a, log_z.shape), log_z)))
    np.testing.assert_allclose(log_z[:, -2:], np.broadcast_to(np.log([1e15, 1e30]), (1000, 2)), rtol=1e-6)
    log_z = sample(jax.random.key(0), jnp.array([jnp.nan, -0.5, -3.0, -1e30, 1.0, 1.0, 1.0]), log_z.shape)
    assert np.isnan(log_z).all(axis=0).tolist() == [True] * 4 + [False] * 3


@pytest.mark.parametrize(("dtype", "tolerance"), [(jnp.float32, 1e-6), (jnp.float64, 1e-14)])
def test_special_functions(dtype, tolerance):
    """To `tolerance` of the value, or of 1 beside the zeros of psi and log Gamma."""
    x = np.geomspace(1e-6, 1e8, 3001).astype(dtype).astype(float)

    @jax.jit
    def values_and_derivatives(x):
        ones = jnp.ones_like(x)
        return jax.jvp(lgamma, (x,), (ones,)), jax.jvp(digamma, (x,), (ones,)), trigamma(x)

    with precision(dtype):
        (log_gamma_x, of_lgamma), (psi, of_digamma), psi_1 = values_and_derivatives(jnp.asarray(x, dtype))
    np.testing.assert_allclose(log_gamma_x, special.gammaln(x), rtol=3 * tolerance, atol=tolerance)
    np.testing.assert_allclose(psi, special.digamma(x), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(psi_1, special.polygamma(1, x), rtol=tolerance)
    np.testing.assert_allclose(of_lgamma, psi, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(of_digamma, psi_1, rtol=tolerance)


def test_special_functions_know_their_domain():
    for function in map(jax.jit, (digamma, trigamma)):
        got = function(jnp.array([-1.5, 0.0, jnp.nan, 1e-15, 1e30]))
        assert np.isfinite(got).tolist() == [False, False, False, True, True]
