"""Incomplete Gamma and Beta functions: derivatives against 40 digits of mpmath, quantiles against SciPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from aevb.distributions.incomplete import beta_cdf, beta_quantile, betaln, gamma_quantile
from family_table import compiled

# a, b, y, I, dI/da, dI/db with x = sigmoid(y), by mpmath 1.3 in 40 digits (scripted as finite differences of its
# betainc with steps of 1e-12).
BETA = np.array(
    [
        (0.025, 0.05, -22.28652973123262, 0.38263317681591136, -13.600014080280634, 2.5652992857785892),
        (0.025, 0.05, 31.696926645449068, 0.9315402146425251, -1.8308414412220335, 3.0801834733362936),
        (0.025, 0.5, 2.421405944342906, 0.9858090849290488, -0.5486657346338742, 0.06175344421188578),
        (0.025, 1.0, -2.95642392208026, 0.9275783309494575, -2.7893406199634807, 0.03633088094547772),
        (0.025, 30.0, -10.343641588861999, 0.8520836611895228, -5.472464757512086, 0.0007210611468528518),
        (0.025, 1000.0, -13.774723781565294, 0.8540297112315283, -5.407381129682871, 2.133946830949977e-05),
        (0.3, 0.05, -1.3571794374470116, 0.09513543572136889, -0.40548475653883465, 1.6622742234621406),
        (0.3, 0.5, -6.990736465213288, 0.08985830450713927, -0.6997447640098992, 0.08970457258992387),
        (0.3, 0.5, 9.209040638404955, 0.9956059463631134, -0.011149833243269451, 0.04486595989610086),
        (0.3, 1.0, 0.7740464965194515, 0.8924669847165845, -0.33844060980294977, 0.1807953004243159),
        (0.3, 30.0, -4.40433858156953, 0.7584932238788619, -0.7995157185348989, 0.0057884038820196),
        (0.3, 1000.0, -9.040410400784191, 0.5720379696906498, -1.1630076315594917, 0.0001566343737612944),
        (2.5, 0.05, 1.3597272619115184, 0.03061713849417338, -0.014926221046057219, 0.6177041928662401),
        (2.5, 0.5, -2.4839002763794413, 0.000574593591131011, -0.0015750242229797863, 0.001625772653070082),
        (2.5, 0.5, 7.749445195654413, 0.9647717478960492, -0.007732041278182696, 0.24180210613657216),
        (2.5, 1.0, 2.059009604297728, 0.7406812265651727, -0.08893653976746166, 0.40033893710351187),
        (2.5, 30.0, -2.403403678001127, 0.6220122783447958, -0.2419169337953624, 0.01975902248659562),
        (2.5, 1000.0, -6.323503701425662, 0.3896991482245577, -0.2703896734168544, 0.0005387224040042875),
        (100.0, 0.05, 5.314834482042293, 0.02940036315635322, -0.00030554345065522394, 0.6008005102391211),
        (100.0, 0.5, 2.2698902418018467, 9.46382671917133e-06, -9.740601094581181e-07, 4.055609321068756e-05),
        (100.0, 0.5, 9.840958053667322, 0.9179267774368777, -0.00040993796338834217, 0.432909037386139),
        (100.0, 1.0, 5.375170185988091, 0.6300573323134113, -0.00291051494185551, 0.4843529752831553),
        (100.0, 30.0, 1.2322302229094415, 0.5389051085204548, -0.01895252328379192, 0.06432139024064427),
        (100.0, 1000.0, -2.3683964812948877, 0.27658811097708175, -0.03233598653867354, 0.003124716554287968),
        (1000.0, 0.05, 7.651608186735497, 0.030247544007298205, -3.0789761606654146e-05, 0.6176841193848318),
        (
            1000.0,
            0.5,
            4.709229781592525,
            2.2819191289271498e-05,
            -2.1511588953009977e-07,
            9.697270059635493e-05,
        ),
        (1000.0, 0.5, 11.938411476466419, 0.9089956726941067, -4.531566171197611e-05, 0.4613968056623561),
        (1000.0, 1.0, 7.629891222603316, 0.6153304924455468, -0.00029880188393006436, 0.48815972953214193),
        (1000.0, 30.0, 3.5279775935636555, 0.5226757667340501, -0.002133247392810284, 0.07226099683707966),
        (
            1000.0,
            1000.0,
            -0.03162277660168379,
            0.23978209809039921,
            -0.007004418897345566,
            0.0068945516260185144,
        ),
    ]
)
SHAPES = np.array([0.025, 0.3, 1.0, 2.5, 100.0, 1e4])
PROBABILITIES = np.array([1e-12, 1e-3, 0.1, 0.5, 0.9, 0.999, 1 - 1e-9])


@functools.cache
def computed():
    a, b, p = (v.ravel() for v in np.meshgrid(SHAPES, SHAPES, PROBABILITIES, indexing="ij"))

    @compiled
    def program(known, a, b, p):
        def slopes(function, *arguments):
            value, linear = jax.linearize(function, *arguments)
            zeros = [jnp.zeros_like(v) for v in arguments]
            return value, [
                linear(*zeros[:i], jnp.ones_like(v), *zeros[i + 1 :]) for i, v in enumerate(arguments)
            ]

        y = beta_quantile(a, b, p)
        return {
            "known": slopes(beta_cdf, *known),
            "beta_cdf": slopes(beta_cdf, a, b, y),
            "beta_quantile": slopes(beta_quantile, a, b, p),
            "gamma_quantile": slopes(gamma_quantile, a, p),
            "betaln": betaln(a, b),
        }

    with jax.enable_x64(True):
        return a, b, p, jax.device_get(program(tuple(BETA[:, :3].T), a, b, p))


def test_beta_cdf_and_its_derivatives_are_mpmaths():
    value, (in_a, in_b, in_y) = computed()[-1]["known"]
    a, b, y, exact, exact_in_a, exact_in_b = BETA.T
    np.testing.assert_allclose(value, exact, rtol=1e-10)
    np.testing.assert_allclose(in_a, exact_in_a, rtol=1e-9)
    np.testing.assert_allclose(in_b, exact_in_b, rtol=1e-9)
    log_density = -a * np.logaddexp(0, -y) - b * np.logaddexp(0, y) - special.betaln(a, b)
    np.testing.assert_allclose(in_y, np.exp(log_density), rtol=1e-10)


def test_betaln_is_scipys():
    """Which `jax.scipy.special.betaln` is not, to 7e-7 at (10, 2.5)."""
    a, b, _, results = computed()
    np.testing.assert_allclose(results["betaln"], special.betaln(a, b), rtol=1e-10, atol=1e-9)


def test_beta_quantiles_are_scipys():
    a, b, p, results = computed()
    y, (in_a, in_b, in_p) = results["beta_quantile"]
    x, expected = special.expit(y), special.betaincinv(a, b, p)
    np.testing.assert_allclose(x, expected, rtol=1e-8, atol=1e-300)
    _, (cdf_in_a, cdf_in_b, density) = results["beta_cdf"]
    known = np.abs(y) < 600  # not where x has underflowed
    for slope, cdf_slope in ((in_a, cdf_in_a), (in_b, cdf_in_b), (in_p, -1)):
        np.testing.assert_allclose(slope[known], (-cdf_slope / density)[known], rtol=1e-12)


def test_gamma_quantiles_are_scipys():
    a, _, p, results = computed()
    log_x, (in_a, in_p) = results["gamma_quantile"]
    expected = special.gammaincinv(a, p)
    np.testing.assert_allclose(np.exp(log_x), expected, rtol=1e-9, atol=1e-300)
    known = expected > 1e-280
    density = np.exp(a * log_x - expected - special.gammaln(a))
    np.testing.assert_allclose((in_p * density)[known], 1, rtol=1e-8)
    step = 1e-4 * a
    upper, lower = (special.gammaincinv(a + sign * step, p) for sign in (1, -1))
    with np.errstate(all="ignore"):
        finite_difference = (np.log(upper) - np.log(lower)) / (2 * step)
    near = known & (p > 1e-4) & (p < 0.9999)
    np.testing.assert_allclose(in_a[near], finite_difference[near], rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantiles_beyond_the_smallest_number_stay_on_a_logarithmic_scale(dtype):
    """x = (p a B(a, b))^(1 / a), or (p Gamma(a + 1))^(1 / a), underflows, and its logarithm does not."""
    a, b, p = 0.01, 3.0, 1e-6
    with jax.enable_x64(dtype == np.float64):
        program = compiled(lambda a, b, p: (beta_quantile(a, b, p), gamma_quantile(a, p)))
        beta, gamma = program(*(dtype(v) for v in (a, b, p)))
    assert float(beta) == pytest.approx((np.log(p * a) + special.betaln(a, b)) / a, rel=1e-5)
    assert float(gamma) == pytest.approx((np.log(p) + special.gammaln(a + 1)) / a, rel=1e-5)
