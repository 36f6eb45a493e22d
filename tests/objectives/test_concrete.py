"""The Concrete relaxation: its value is the discrete bound, its gradient that of the relaxed objective."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aevb.models import total
from aevb.objectives import Concrete
from conftest import FALSE_ALARM
from objectives.discrete import Discrete
from objectives.gradients import BiasTest, assert_unbiased, compiled, exact_gradient, gradient_draws
from short_suite import short

BERNOULLI, CATEGORICAL = Discrete(3, 2), Discrete(2, 3)
N_DRAWS = 50_000


@pytest.mark.parametrize(
    "case", short(CATEGORICAL, of=[BERNOULLI, CATEGORICAL]), ids=["bernoulli", "categorical"]
)
def test_its_value_is_the_bound_of_discrete_codes(case, assert_jointly_normal):
    posterior = case.posterior(case.model, case.encoder, case.batch)

    @compiled
    def draws(keys):
        return jax.vmap(lambda key: Concrete(0.5, 2)(key, case.model, posterior, case.batch))(keys)

    bound = draws(jax.random.split(jax.random.key(0), 5000))
    value = np.asarray(bound.value, float)
    exact = case.elbo(case.model, case.encoder)
    assert_jointly_normal((value.mean(0) - exact) / (value.std(0) / np.sqrt(len(value))))
    np.testing.assert_allclose(bound.parts["kl"][0], total(posterior.divergence(None)), rtol=1e-5)
    np.testing.assert_allclose(bound.parts["reconstruction"] - bound.parts["kl"], value, rtol=1e-4, atol=1e-4)
    surrogate = np.asarray(bound.surrogate, float)  # of relaxed codes: another number
    assert np.abs(surrogate.mean(0) - exact).max() > 5 * (surrogate.std(0) / np.sqrt(len(value))).max()


def test_its_gradient_is_that_of_the_relaxed_objective():
    """By quadrature over log y / (1 - y) of one relaxed y, a logistic variable of scale 1 / temperature."""
    case, temperature = Discrete(1, 2), 0.5
    t = np.linspace(-80.0, 80.0, 8001)

    def relaxed(model, encoder):
        batch = type(case.batch)(case.batch.x.astype(float))
        q = case.posterior(model, encoder, batch)
        logit = q.logits[:, 0, 1] - q.logits[:, 0, 0]
        log_density = jax.scipy.stats.logistic.logpdf(
            jnp.asarray(t)[:, None], logit / temperature, 1 / temperature
        )
        codes = jnp.broadcast_to(jax.nn.sigmoid(jnp.asarray(t))[:, None, None], (len(t), batch.n_rows, 1))
        mean = jnp.sum(jnp.exp(log_density) * model.log_likelihood(batch, codes), axis=0) * (t[1] - t[0])
        return jnp.mean(mean - total(q.divergence(None)))

    exact = exact_gradient(relaxed, case.model, case.encoder)
    draws = gradient_draws(
        Concrete(temperature), case.model, case.encoder, case.batch, N_DRAWS, posterior=case.posterior
    )
    assert_unbiased(draws["decoder"], exact["decoder"], 0.01)
    assert_unbiased(draws["encoder"], exact["encoder"], 0.02)


@pytest.mark.long
@pytest.mark.parametrize("case", [BERNOULLI, CATEGORICAL], ids=["bernoulli", "categorical"])
def test_its_bias_is_found_and_falls_with_the_temperature(case):
    exact = exact_gradient(lambda *parts: jnp.mean(case.elbo(*parts)), case.model, case.encoder)
    bias = {"decoder": [], "encoder": []}
    for temperature in (1.0, 0.1):
        objective = Concrete(temperature)
        assert objective.is_biased
        draws = gradient_draws(
            objective, case.model, case.encoder, case.batch, N_DRAWS, posterior=case.posterior
        )
        for part, sizes in bias.items():
            found = BiasTest.of(draws[part], exact[part])
            sizes.append(found.bias)
            assert found.p_value < FALSE_ALARM
    for sizes in bias.values():
        assert sizes[0] > 2 * sizes[1]  # noise included
