"""Elliptical distributions: three laws of the radius against SciPy and quadrature, at the centre, and in gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from aevb.distributions import FAMILIES, Elliptical, EllipticalStudentT, Gamma, Weibull
from aevb.distributions.radii import ChiRadius, StudentTRadius
from family_table import compiled
from short_suite import short

LOC = np.array([1.0, -2.0, 0.5])
TRIL = np.array([[2.0, 0.0, 0.0], [-0.7, 0.3, 0.0], [0.4, 0.9, 1.5]])
DF = np.array([0.6, 1.5, 2.5, 5.0, 40.0, 1e3])
N_DRAWS = 3000
FALSE_ALARM = 1e-6  # per test


def student(df, loc=LOC, tril=TRIL):
    return EllipticalStudentT(jnp.asarray(df), jnp.asarray(loc), jnp.asarray(tril))


@functools.cache
def drawn():
    """Draws of Student's t for all DF, their slopes in each parameter along one direction, and densities."""
    directions = {"df": np.ones(6), "loc": np.array([0.3, -1.0, 2.0]), "tril": np.tril(np.ones((3, 3)))}

    @compiled
    def program(parameters):
        x, linear = jax.linearize(lambda p: student(**p).sample(jax.random.key(0), (N_DRAWS,)), parameters)
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        slopes = {key: linear({**zeros, key: jnp.asarray(tangent)}) for key, tangent in directions.items()}
        d = student(**parameters)
        return (
            x,
            slopes,
            d.log_prob(x),
            d.entropy(),
            d.variance,
            d.mean,
            (d.median, FAMILIES["elliptical"].point_summary(d)),
        )

    with jax.enable_x64(True):
        return directions, *jax.device_get(program({"df": DF, "loc": LOC, "tril": TRIL}))


def test_student_t_is_scipys():
    _, x, _, log_prob, entropy, variance, mean, (median, point) = drawn()
    for i, df in enumerate(DF):
        reference = stats.multivariate_t(LOC, TRIL @ TRIL.T, df)
        np.testing.assert_allclose(log_prob[:20, i], reference.logpdf(x[:20, i]), rtol=1e-10)
        assert entropy[i] == pytest.approx(reference.entropy(), rel=1e-10)
        covariance = df / (df - 2) * np.diag(TRIL @ TRIL.T) if df > 2 else np.full(3, np.inf)
        np.testing.assert_allclose(variance[i], covariance, rtol=1e-10)
        np.testing.assert_array_equal(mean[i], LOC if df > 1 else np.full(3, np.nan))
    np.testing.assert_array_equal(median, np.broadcast_to(LOC, (6, 3)))
    np.testing.assert_array_equal(point, median)


def test_normal_is_scipys(assert_jointly_normal):
    with jax.enable_x64(True):

        @compiled
        def program(loc, tril):
            d = Elliptical.normal(loc, tril)
            x = d.sample(jax.random.key(0), (20_000,))
            return x, d.log_prob(x[:20]), d.entropy(), d.variance, d.mean

        x, log_prob, entropy, variance, mean = jax.device_get(program(LOC, TRIL))
    reference = stats.multivariate_normal(LOC, TRIL @ TRIL.T)
    np.testing.assert_allclose(log_prob, reference.logpdf(x[:20]), rtol=1e-12)
    assert entropy == pytest.approx(reference.entropy(), rel=1e-12)
    np.testing.assert_allclose(variance, np.diag(TRIL @ TRIL.T), rtol=1e-12)
    np.testing.assert_array_equal(mean, LOC)
    z = np.linalg.solve(TRIL, (x - LOC).T)
    assert_jointly_normal(z.mean(1) * np.sqrt(20_000))
    products = np.array([z[i] * z[j] - (i == j) for i in range(3) for j in range(i + 1)])
    assert_jointly_normal(products.mean(1) / (products.std(1) / np.sqrt(20_000)))


def test_samples_have_the_radius_and_a_uniform_direction():
    """By Kolmogorov-Smirnov: r^2 / d ~ F(d, df), and each coordinate of the direction is uniform on [-1, 1] in 3-D."""
    _, x, *_ = drawn()
    y = np.linalg.solve(TRIL, (x - LOC)[..., None])[..., 0]
    r = np.linalg.norm(y, axis=-1)
    uniform = np.concatenate([stats.f(3, DF).cdf(r**2 / 3)[..., None], 0.5 * (1 + y / r[..., None])], axis=-1)
    for column in uniform.reshape(N_DRAWS, -1).T:
        assert stats.kstest(column, "uniform").pvalue > FALSE_ALARM / 24


@pytest.mark.parametrize("parameter", ["df", "loc", "tril"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients_of_expectations(parameter, assert_jointly_normal):
    """Of functions of w . z, which is a univariate Student's t, against quadrature over its quantiles."""
    directions, x, slopes, *_ = drawn()
    s = np.linspace(-36, 36, 2001)[:, None]
    q, weight = expit(s), (s[1] - s[0]) * expit(s) * expit(-s)
    w = np.array([0.5, -1.0, 0.8])

    def projected(step):
        df, loc, tril = (
            value + step * (key == parameter) * directions[key]
            for key, value in (("df", DF), ("loc", LOC), ("tril", TRIL))
        )
        return stats.t(df, w @ loc, np.linalg.norm(w @ tril))

    h = 1e-4
    y = projected(0).ppf(q)
    in_cdf = (
        8 * (projected(h).cdf(y) - projected(-h).cdf(y)) - projected(2 * h).cdf(y) + projected(-2 * h).cdf(y)
    ) / (12 * h)
    implicit = -in_cdf / projected(0).pdf(y)
    scores = []
    for slope in (lambda y: y / (1 + y**2), lambda y: np.exp(-(y**2)), lambda y: 1 / np.cosh(y - 1) ** 2):
        terms = np.where(weight > 1e-13, weight * slope(y) * implicit, 0)
        pathwise = slope(x @ w) * (slopes[parameter] @ w)
        error = pathwise.std(0, ddof=1) / np.sqrt(N_DRAWS)
        scores.append((pathwise.mean(0) - terms.sum(0)) / error)
    assert_jointly_normal(scores)


@pytest.mark.parametrize("dtype", short(np.float32, of=[np.float32, np.float64]))
def test_the_centre_of_known_laws(dtype):
    dimensions = (1, 2, 3)

    @compiled
    def program(df):
        results = []
        for d in dimensions:
            loc, tril = jnp.zeros(d, dtype), 2 * jnp.eye(d, dtype=dtype)
            laws = Elliptical.normal(loc, tril), EllipticalStudentT(df, loc, tril)
            results.append([jax.value_and_grad(law.log_prob)(loc) for law in laws])
        return results

    with jax.enable_x64(dtype == np.float64):
        results = program(dtype(3))
    for d, (normal, t) in zip(dimensions, results, strict=True):
        zeros, matrix = np.zeros(d), 4 * np.eye(d)
        assert normal[0] == pytest.approx(stats.multivariate_normal(zeros, matrix).logpdf(zeros), rel=1e-6)
        assert t[0] == pytest.approx(stats.multivariate_t(zeros, matrix, 3).logpdf(zeros), rel=1e-6)
        assert normal[0].dtype == t[0].dtype == dtype
        np.testing.assert_array_equal([normal[1], t[1]], 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_centre_of_a_users_law(dtype):
    """In two dimensions the density k r^(k - 1) exp(-r^k) of a radius is finite and positive there for k = 2 only."""

    def log_prob(k, z):
        radius = Weibull(jnp.ones(3, dtype), k, validate_args=False)
        return Elliptical(radius, jnp.zeros(2, dtype), 3 * jnp.eye(2, dtype=dtype)).log_prob(z)

    with jax.enable_x64(dtype == np.float64):
        k, z = np.array([1, 2, 3], dtype), np.zeros(2, dtype)
        program = compiled(lambda k, z: (log_prob(k, z), jax.jacobian(log_prob, argnums=1)(k, z)))
        values, slopes = program(k, z)
    np.testing.assert_allclose(values, [np.inf, np.log(2 / (2 * np.pi * 9)), -np.inf], rtol=1e-5)
    np.testing.assert_array_equal(slopes, 0)


@pytest.mark.parametrize("law", [lambda: Weibull(1.5, 2.5), lambda: Gamma(3.0, 2.0)])
def test_a_users_law_is_normalized_and_sampled(law):
    tril, step = TRIL[:2, :2], 0.04
    axis = np.arange(-12, 12, step)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1) @ tril.T + LOC[:2]

    @compiled
    def program(loc, tril):
        d = Elliptical(law(), loc, tril)
        x = d.sample(jax.random.key(1), (N_DRAWS,))
        r = jnp.linalg.norm(jnp.linalg.solve(tril, (x - loc).T), axis=0)
        return jnp.sum(jnp.exp(d.log_prob(grid.astype(np.float32)))), law().cdf(r)

    total, uniform = program(LOC[:2].astype(np.float32), tril.astype(np.float32))
    assert total * step**2 * np.prod(np.diag(tril)) == pytest.approx(1, abs=2e-3)
    assert stats.kstest(np.asarray(uniform, float), "uniform").pvalue > FALSE_ALARM
    with pytest.raises(NotImplementedError):
        Elliptical(law(), jnp.zeros(2), jnp.eye(2)).entropy()


def test_gradients_reach_the_parameters_of_a_users_law():
    def draw(scale):
        d = Elliptical(Weibull(scale, 2.0), jnp.zeros(2), jnp.eye(2))
        return jnp.linalg.norm(d.sample(jax.random.key(0)))

    radius, slope = compiled(jax.value_and_grad(draw))(1.7)
    assert float(slope) == pytest.approx(float(radius) / 1.7, rel=1e-5)


def test_radii_are_scipys():
    r = np.array([0.1, 1.0, 3.0])[:, None]

    @compiled
    def program(df):
        laws = ChiRadius(3), StudentTRadius(df, 3)
        return [(law.log_prob(r), law.cdf(r), law.mean, law.variance) for law in laws]

    with jax.enable_x64(True):
        chi, (log_prob, cdf, mean, variance) = jax.device_get(program(DF))
    exact, ratio = stats.chi(3), stats.f(3, DF)
    for value, expected in zip(chi, (exact.logpdf(r), exact.cdf(r), exact.mean(), exact.var()), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(log_prob, ratio.logpdf(r**2 / 3) + np.log(2 * r / 3), rtol=1e-10)
    np.testing.assert_allclose(cdf, ratio.cdf(r**2 / 3), rtol=1e-10)
    roots = [stats.f(3, df).expect(lambda f: np.sqrt(3 * f)) for df in DF[2:]]
    np.testing.assert_allclose(mean[2:], roots, rtol=1e-6)
    assert mean[0] == np.inf
    np.testing.assert_allclose((variance + mean**2)[2:], (3 * DF / (DF - 2))[2:], rtol=1e-12)
    assert np.all(variance[:2] == np.inf)


@pytest.mark.parametrize(
    ("df", "loc", "tril", "batch"),
    short(
        ((), (4, 3), (5, 1, 3, 3), (5, 4)),
        of=[((), (3,), (3, 3), ()), ((4,), (3,), (3, 3), (4,)), ((), (4, 3), (5, 1, 3, 3), (5, 4))],
    ),
)
def test_shapes_broadcast(df, loc, tril, batch):
    @compiled
    def program(key):
        matrix = jnp.broadcast_to(jnp.asarray(TRIL, jnp.float32), tril)
        d = EllipticalStudentT(jnp.full(df, 3.0), jnp.zeros(loc), matrix)
        x = d.sample(key, (7, 2))
        shapes = (d.mean, d.variance, d.median), (d.log_prob(jnp.zeros(3)), d.entropy())
        return x, d.log_prob(x), shapes

    x, log_prob, (of_events, of_batch) = program(jax.random.key(0))
    assert x.shape == (7, 2, *batch, 3)
    assert {part.shape for part in of_events} == {(*batch, 3)}
    assert {part.shape for part in of_batch} == {batch}
    reference = stats.multivariate_t(np.zeros(3), TRIL @ TRIL.T, 3)
    np.testing.assert_allclose(log_prob, reference.logpdf(x), rtol=1e-4)
