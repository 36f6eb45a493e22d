"""Divergences of random vectors: Dirichlet, elliptical and independent ones, and of discrete codes."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import expit, gammaln, log_softmax, psi

from aevb.distributions import (
    BernoulliCodes,
    CategoricalCodes,
    Dirichlet,
    Elliptical,
    EllipticalStudentT,
    LogVarianceNormal,
    kl_divergence,
)

RNG = np.random.default_rng(0)
D = 3
ROOTS = np.tril(RNG.normal(size=(2, 4, D, D)), -1) + np.eye(D) * np.exp(RNG.normal(size=(2, 4, 1, D)) / 2)
LOCS = RNG.normal(size=(2, 4, D))


def of_normals(mean, covariance, loc, root):
    """KL of normal distributions, by matrix inverses."""
    precision = np.linalg.inv(root @ root.T)
    trace = np.trace(precision @ covariance) + (mean - loc) @ precision @ (mean - loc) - len(mean)
    return 0.5 * (trace - np.linalg.slogdet(precision @ covariance)[1])


@jax.jit
def of_two_dirichlets(a, alpha):
    return kl_divergence(Dirichlet(a), dist.Dirichlet(alpha))


@pytest.mark.parametrize("alpha", [[1.0, 1.0, 1.0], [0.02, 3.0, 40.0], [300.0, 200.0, 1e4]])
@pytest.mark.parametrize("a", [[1.0, 1.0, 1.0], [0.3, 2.0, 1.5], [310.0, 190.0, 1.01e4]])
def test_of_dirichlets(a, alpha):
    a, alpha = np.array(a), np.array(alpha)
    normalizers = gammaln(a.sum()) - gammaln(a).sum() - gammaln(alpha.sum()) + gammaln(alpha).sum()
    expected = normalizers + (a - alpha) @ (psi(a) - psi(a.sum()))
    with jax.enable_x64(True):
        got = of_two_dirichlets(a, alpha)
    assert float(got) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert float(got) >= -1e-15


def vectors():
    """Makers of (q, its mean, its covariance, its entropy less that of the normal), from location and root."""

    def of_radius(radius, square, negentropy):
        def make(loc, root):
            return Elliptical(radius, loc, root), square * root @ root.T, negentropy

        return make

    def student_t(loc, root):
        lacking = (
            stats.multivariate_normal(cov=7 / 5 * np.eye(D)).entropy()
            - stats.multivariate_t(shape=np.eye(D), df=7).entropy()
        )
        return EllipticalStudentT(jnp.asarray(7.0), loc, root), 7 / 5 * root @ root.T, lacking

    def numpyros_student_t(loc, root):
        _, covariance, lacking = student_t(loc, root)
        return dist.MultivariateStudentT(7.0, jnp.asarray(loc), jnp.asarray(root)), covariance, lacking

    def laplace(loc, root):
        scale = np.diagonal(root)
        lacking = D * (stats.norm.entropy() + 0.5 * np.log(2) - stats.laplace.entropy())
        return dist.Laplace(jnp.asarray(loc), jnp.asarray(scale)).to_event(1), 2 * np.diag(scale**2), lacking

    yield "normal", lambda loc, root: (Elliptical.normal(loc, root), root @ root.T, 0.0)
    yield (
        "numpyro's normal",
        lambda loc, root: (dist.MultivariateNormal(loc, scale_tril=root), root @ root.T, 0.0),
    )
    yield "t", student_t
    yield "numpyro's t", numpyros_student_t
    yield "independent", laplace
    # A Gamma radius r with shape 2 and rate 1: f(z) = r e^-r / (4 pi r^2), of entropy H(r) + 2 E[log r] + log 4 pi.
    entropy = stats.gamma(2).entropy() + 2 * psi(2) + np.log(4 * np.pi)
    square = 6 / D
    lacking = D * (stats.norm.entropy() + 0.5 * np.log(square)) - entropy
    yield "Gamma radius", of_radius(dist.Gamma(2.0, 1.0), square, lacking)


def normals(loc, root):
    """Normal distributions, with their roots."""
    scale = np.diagonal(root)
    yield Elliptical.normal(jnp.asarray(loc), jnp.asarray(root)), root
    yield dist.MultivariateNormal(jnp.asarray(loc), scale_tril=jnp.asarray(root)), root
    yield dist.Normal(jnp.asarray(loc), jnp.asarray(scale)).to_event(1), np.diag(scale)
    yield LogVarianceNormal(jnp.asarray(loc), jnp.asarray(2 * np.log(scale))).to_event(1), np.diag(scale)


@pytest.mark.parametrize(("name", "make"), list(vectors()))
def test_from_normal_vectors(name, make):
    """KL(q || p) = KL(N(mean_q, covariance_q) || p) + what entropy q lacks, by linear algebra in NumPy."""
    with jax.enable_x64(True):
        for i in range(2):
            q, covariance, lacking = make(LOCS[0, i], ROOTS[0, i])
            for p, root in normals(LOCS[1, i], ROOTS[1, i]):
                expected = of_normals(LOCS[0, i], covariance, LOCS[1, i], root) + lacking
                assert float(kl_divergence(q, p)) == pytest.approx(expected, rel=1e-9), (name, p)


def test_of_elliptical_distributions_of_one_shape_is_that_of_their_radii():
    loc, root = LOCS[0, 0], ROOTS[0, 0]
    radii = stats.f(D, 5), stats.chi2(D, scale=1 / D)  # of r^2 / d
    expected, _ = quad(
        lambda x: radii[0].pdf(x) * (radii[0].logpdf(x) - radii[1].logpdf(x)),
        0,
        np.inf,
        epsabs=1e-10,
        limit=200,
    )
    with jax.enable_x64(True):
        q, p = EllipticalStudentT(jnp.asarray(5.0), loc, root), Elliptical.normal(loc, root)
        assert float(kl_divergence(q, p)) == pytest.approx(expected, rel=1e-8)


def test_vectors_have_finite_gradients_where_the_variance_is_infinite():
    df = jnp.asarray([1.0, 2.0, 2.5, 9.0])

    def kl(df, loc, root):
        return kl_divergence(EllipticalStudentT(df, loc, root), Elliptical.normal(jnp.zeros(D), jnp.eye(D)))

    @jax.jit
    def value_and_gradients(*parameters):
        value, pull_back = jax.vjp(kl, *parameters)
        return value, pull_back(jnp.ones(4))

    value, gradients = value_and_gradients(df, *map(jnp.float32, (LOCS[0], ROOTS[0])))
    assert list(np.isinf(value)) == [True, True, False, False]
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


def test_gradients_of_vectors_are_those_of_finite_differences():
    def kl(df, loc, root, other):
        return kl_divergence(EllipticalStudentT(df, loc, root), Elliptical.normal(jnp.zeros(D), other))

    at = (np.array(5.0), LOCS[0, 0], ROOTS[0, 0], ROOTS[1, 0])
    along = (np.array(1.0), RNG.normal(size=D), *np.tril(RNG.normal(size=(2, D, D))))
    with jax.enable_x64(True):
        value_and_gradient = jax.jit(jax.value_and_grad(kl, argnums=(0, 1, 2, 3)))
        gradient = value_and_gradient(*at)[1]
        after, before = (
            value_and_gradient(*(x + h * v for x, v in zip(at, along, strict=True)))[0] for h in (1e-6, -1e-6)
        )
    got = sum(np.sum(np.asarray(g) * v) for g, v in zip(gradient, along, strict=True))
    assert got == pytest.approx((float(after) - float(before)) / 2e-6, rel=1e-6)


def test_a_batch_of_vectors_may_be_made_an_event_with_normal_ones():
    @jax.jit
    def divergences(loc, root):
        q, p = Elliptical.normal(loc, root), dist.Normal(jnp.zeros((4, D)), 1.0)
        expanded = LogVarianceNormal(jnp.zeros(()), jnp.zeros(())).expand((D,))
        pairs = (q, p.to_event(1)), (q, expanded.to_event(1)), (q.to_event(1), p.to_event(2))
        return [kl_divergence(*pair) for pair in pairs]

    each, expanded, together = divergences(*map(jnp.float32, (LOCS[0], ROOTS[0])))
    assert each.shape == (4,)
    np.testing.assert_allclose(expanded, each, rtol=1e-5)
    assert float(together) == pytest.approx(float(np.sum(each)), rel=1e-6)


def test_unknown_vectors_are_refused():
    loc, root = jnp.zeros(D), jnp.eye(D)
    t = EllipticalStudentT(jnp.asarray(5.0), loc, root)
    with pytest.raises(
        NotImplementedError, match=r"KL\(EllipticalStudentT \|\| EllipticalStudentT\).*sgvb-a"
    ):
        kl_divergence(t, t)
    with pytest.raises(NotImplementedError, match="sgvb-a"):
        kl_divergence(Elliptical(dist.HalfCauchy(1.0), loc, root), Elliptical.normal(loc, root))


def test_of_discrete_codes():
    a, b = RNG.normal(size=(2, 5)) * 3
    probability = expit(a)
    expected = probability * np.log(probability / expit(b)) + expit(-a) * np.log(expit(-a) / expit(-b))
    np.testing.assert_allclose(
        kl_divergence(BernoulliCodes(jnp.asarray(a)), BernoulliCodes(jnp.asarray(b))), expected, rtol=1e-4
    )
    a, b = RNG.normal(size=(2, 4, 2, 3))
    log_q, log_p = log_softmax(a, -1), log_softmax(b, -1)
    expected = np.sum(np.exp(log_q) * (log_q - log_p), axis=-1)
    got = kl_divergence(dist.CategoricalLogits(jnp.asarray(a)), dist.CategoricalLogits(jnp.asarray(b)))
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    codes = kl_divergence(CategoricalCodes(jnp.asarray(a)), CategoricalCodes(jnp.asarray(b)))
    np.testing.assert_allclose(codes, expected.sum(-1), rtol=1e-4)


def test_of_impossible_and_certain_codes():
    def kl(a, b):
        return kl_divergence(BernoulliCodes(a), BernoulliCodes(b))

    value, gradients = jax.value_and_grad(lambda *x: kl(*x).sum(), argnums=(0, 1))(
        jnp.asarray([1e4, -1e4, 0.0]), jnp.asarray([0.0, 2.0, 0.0])
    )
    assert float(value) == pytest.approx(np.log(2) + np.log1p(np.exp(2)), rel=1e-6)
    assert np.all(np.isfinite(gradients))
    q, p = (CategoricalCodes(jnp.asarray([logits])) for logits in ([0.0, -jnp.inf], [0.0, 0.0]))
    assert float(kl_divergence(q, p)) == pytest.approx(np.log(2), rel=1e-6)
    assert float(kl_divergence(p, q)) == np.inf
