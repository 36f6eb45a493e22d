"""Bernoulli codes: the sum over all codes against NumPy, and estimators against its gradient."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import bernoulli

from aevb.experiments.gradients import discrete
from aevb.experiments.gradients.estimators import for_discrete_codes
from command_line import quick_compilation  # noqa: F401


def test_the_bound_is_the_sum_over_all_codes():
    subject, x = discrete.linear_bernoulli(0)
    head, logits = subject.encoder.heads["logits"], subject.model.decoder.heads["logits"]
    total = 0.0
    for row in np.asarray(x, float):
        p = expit(row @ np.asarray(head.weight, float) + np.asarray(head.bias, float))
        for code in itertools.product((0, 1), repeat=discrete.N_LATENTS):
            log_q = bernoulli.logpmf(code, p).sum()
            means = expit(np.array(code) @ np.asarray(logits.weight, float) + np.asarray(logits.bias, float))
            log_p = bernoulli.logpmf(row, means).sum() + discrete.N_LATENTS * np.log(0.5)
            total += np.exp(log_q) * (log_p - log_q)
    with jax.enable_x64(True):
        got = discrete.exact_bound(subject, jnp.asarray(x, float))
    assert float(got) == pytest.approx(total / len(x), rel=1e-6)


def test_the_score_function_has_no_bias_and_the_relaxation_has(monkeypatch):
    shown = {("score", 1), ("score, leave one out", 5), ("concrete, T = 2/3", 5)}
    monkeypatch.setattr(
        discrete,
        "for_discrete_codes",
        lambda *given: [e for e in for_discrete_codes(*given) if (e.name, e.samples) in shown],
    )
    encoder = {row.estimator: row for row in discrete.run(n_draws=10_000).tables[0].rows}
    assert [row.bias_found for row in encoder.values()] == [False, False, True]
    assert encoder["score, leave one out"].mean_variance < 0.2 * encoder["score"].mean_variance
    relaxed = encoder["concrete, T = 2/3"]
    assert relaxed.declared_biased
    assert relaxed.estimand.startswith("relaxed objective")
    assert relaxed.held_against == "evidence lower bound"
