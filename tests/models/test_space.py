"""Where codes lie: sites, coordinates without limits, columns, and all codes of discrete sites."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.distributions import constraints
from scipy.stats import gamma, multivariate_normal

from aevb.batch import Batch
from aevb.distributions import FAMILIES
from aevb.models import CodeSpace, FamilyPrior, Prior, Site, joined
from oracles import tiny

SPACE = CodeSpace(
    {
        "a": Site((2,)),
        "b": Site((), constraints.positive),
        "c": (Site((2, 3), constraints.unit_interval), Site((4,), constraints.simplex)),
    }
)
RNG = np.random.default_rng(0)


def codes(*lead):
    shares = RNG.dirichlet(np.ones(4), lead)
    return jax.tree.map(
        jnp.asarray,
        {
            "a": RNG.normal(size=(*lead, 2)).astype(np.float32),
            "b": RNG.gamma(2, size=lead).astype(np.float32),
            "c": (RNG.random((*lead, 2, 3)).astype(np.float32), shares.astype(np.float32)),
        },
    )


def same(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def test_names_and_sizes():
    assert SPACE.site_names == ("a", "b", "c_0", "c_1")
    assert SPACE.names[:4] == ("a1", "a2", "b1", "c_01")
    assert (SPACE.width, SPACE.n_variables, SPACE.n_dims) == (13, 13, 12)
    assert CodeSpace(Site((2,))).names == ("z1", "z2")
    assert (SPACE.only, SPACE.n_codes, SPACE.is_continuous) == (None, None, True)


@pytest.mark.parametrize("lead", [(), (3,), (5, 3)])
def test_columns_and_points_lead_back_to_the_codes(lead):
    z = codes(*lead)
    assert SPACE.columns(z).shape == (*lead, 13)
    same(SPACE.from_columns(SPACE.columns(z)), z, rtol=0)
    u = SPACE.point(z)
    assert u.shape == (*lead, 12)
    same(SPACE.code(u), z, rtol=2e-5, atol=1e-6)
    assert SPACE.contains(z).shape == SPACE.log_volume(u).shape == lead
    assert np.all(SPACE.contains(z))


def test_the_volume_is_that_of_the_jacobian():
    u = jnp.asarray(RNG.normal(size=12))
    free = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]  # all columns but the last share, which the others give
    jacobian = jax.jacobian(lambda u: SPACE.columns(SPACE.code(u)))(u)[jnp.asarray(free)]
    expected = np.linalg.slogdet(np.asarray(jacobian, float))[1]
    assert float(SPACE.log_volume(u)) == pytest.approx(expected, rel=1e-4)


def test_codes_outside_of_any_site_are_outside():
    z = codes(3)
    z["b"] = z["b"].at[1].set(-1.0)
    z["c"] = (z["c"][0].at[2, 1, 1].set(2.0), z["c"][1])
    assert SPACE.contains(z).tolist() == [True, False, False]


def test_a_code_at_the_edge_of_its_support_has_a_finite_point():
    space = CodeSpace(Site((2,), constraints.unit_interval))
    assert np.all(np.isfinite(space.point(jnp.asarray([0.0, 1.0]))))


def test_discrete_codes_are_enumerated():
    space = CodeSpace(
        {"bits": Site((2,), values=np.array([[0.0], [1.0]])), "kind": Site((3,), values=np.eye(3))}
    )
    found = space.enumerate()
    assert (space.n_codes, space.n_variables, space.is_continuous) == (12, 3, False)
    assert found.shape == (12, 5)
    assert len(np.unique(found, axis=0)) == 12
    np.testing.assert_array_equal(found[:, 2:].sum(1), 1)
    assert set(np.unique(found)) == {0.0, 1.0}
    mixed = CodeSpace({"kind": Site((3,), values=np.eye(3)), "z": Site((1,))})
    assert (mixed.n_codes, mixed.is_continuous) == (None, False)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_familys_prior_has_a_space(family):
    prior = FamilyPrior(Prior(family, 3, 4)(), 500)
    z = prior.sample(jax.random.key(0))
    space = prior.space
    assert space.is_continuous == (FAMILIES[family].route != "discrete")
    assert z.shape == (500, space.width)
    assert np.all(space.contains(z))
    np.testing.assert_allclose(joined(prior.log_prob_by_part(z)).sum(-1), prior.log_prob(z), rtol=2e-4)
    low, high = space.only.interval
    assert np.all((np.asarray(z) >= low) & (np.asarray(z) <= high))
    if not space.is_continuous:
        assert {tuple(row) for row in np.asarray(z).tolist()} <= {
            tuple(row) for row in space.enumerate().tolist()
        }


def test_a_prior_has_quantiles_and_a_spread():
    prior = FamilyPrior(Prior("gamma", 2)(), 4)
    p = np.array([0.1, 0.5])
    np.testing.assert_allclose(
        prior.quantiles(jnp.asarray(p)), np.tile(gamma.ppf(p, 1)[:, None], (1, 2)), rtol=1e-4
    )
    same((prior.summary(), prior.spread()), (np.ones((4, 2)), np.ones((4, 2))), rtol=1e-5)
    assert FamilyPrior(Prior("dirichlet", 3)(), 4).quantiles(jnp.asarray(p)) is None


def test_the_density_of_points_is_that_of_codes_with_the_volume():
    """log u of a draw from Gamma(1, 1) has the density exp(u - e^u)."""
    space = CodeSpace(Site((1,), constraints.positive))
    u = jnp.linspace(-3, 2, 7)[:, None]
    got = FamilyPrior(Prior("gamma", 1)(), 7).log_prob(space.code(u)) + space.log_volume(u)
    np.testing.assert_allclose(got, (u - jnp.exp(u))[:, 0], rtol=1e-5, atol=1e-6)


def test_a_models_space_is_that_of_its_prior():
    model = tiny().model
    assert model.space.only.shape == (2,)
    z, batch = model.simulate(jax.random.key(0), Batch(jnp.zeros((7, 5))))
    assert z.shape == (7, 2)
    assert batch.x.shape == (7, 5)
    expected = multivariate_normal(np.zeros(2)).logpdf(np.asarray(z))
    np.testing.assert_allclose(model.prior_of(batch).log_prob(z), expected, rtol=1e-5)
