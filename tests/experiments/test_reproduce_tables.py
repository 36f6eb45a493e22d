"""Experiments of tables and likelihoods: small runs, and their parts against answers found another way."""

import dataclasses
import json
import math
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from aevb.batch import Batch
from aevb.distributions import ContinuousBernoulli
from aevb.errors import NonFiniteBoundError
from aevb.experiments.reproduce import figure_3, linear_vae, training_jobs
from aevb.experiments.reproduce.best_draws import BestOfDraws
from aevb.experiments.reproduce.continuous_bernoulli import ContinuousBernoulliScores
from aevb.experiments.reproduce.experiment import Setting, Size
from aevb.experiments.reproduce.figure_3 import Figure3
from aevb.experiments.reproduce.figure_3_results import published_curve, verdicts_of
from aevb.experiments.reproduce.full_vb import FullVB
from aevb.experiments.reproduce.iwae_table import IWAETable
from aevb.experiments.reproduce.limited_logits import (
    LIMIT,
    LimitedDecoder,
    interpolated_logits,
    logits_of_mean,
)
from aevb.experiments.reproduce.linear_vae import LinearVAE, exact_bounds, ppca, synthetic
from aevb.experiments.reproduce.published_tables import continuous_bernoulli_bound, iwae_nll
from aevb.models import LIKELIHOODS, AutoEncoder, Decoder
from aevb.networks import MLP
from aevb.objectives import SGVBA, row_bounds
from aevb.plots.comparisons import Compared, Panel, Series, curves_beside_published, numbers_beside_published
from command_line import quick_compilation  # noqa: F401
from oracles import tiny

TINY = Size(share=0.0005, data="digits")


def run(experiment, size, folder, keep=lambda key: True):
    """All jobs in order, with shares of the work that rise, and results that are JSON."""
    results = {}
    for job in experiment.jobs(size, None):
        if not keep(job.key):
            continue
        shown = []
        setting = Setting(size, None, Path(folder) / job.key, shown.append)
        given = {key: results[key] for key in job.needs}
        results[job.key] = json.loads(json.dumps(job.run(setting, given), allow_nan=False))
        assert shown == sorted(shown)
        assert shown[-1] <= 1
        assert job.cost > 0
        assert job.key.startswith(tuple(experiment.parts) or "")
    return results


def written(experiment, results, size):
    """The report's parts: verdicts, and a table with a line for each of its rows."""
    verdicts = experiment.verdicts(results, size)
    assert all(verdict.text.endswith(".") for verdict in verdicts)
    figures = experiment.figures(results, size)
    assert set(figures) == {experiment.name}
    assert experiment.notes(size).endswith(".")
    return verdicts, experiment.tables(results, size), figures[experiment.name]


@pytest.mark.long
def test_figure_3_at_a_small_size(tmp_path):
    results = run(Figure3(), TINY, tmp_path, lambda key: key != "1000-wake-sleep")
    assert set(results) == {"1000-aevb", "1000-mcem"}
    points = results["1000-aevb"]["points"]
    assert [point["samples"] for point in points] == [500, 1000, 2500]
    # 64 pixels at probability 1/2 each: where the weights start from, but for their noise.
    assert -55 < points[0]["train"]["mean"] < -20
    check = points[-1]["check"]
    apart = check["hmc-density"]["mean"] - check["annealed"]["mean"]
    assert abs(apart) < 6 * math.hypot(check["hmc-density"]["error"], check["annealed"]["error"]) + 0.05
    verdicts, table, figure = written(Figure3(), results, TINY)
    assert len(verdicts) == 2 + 2
    n_points = len(points) + len(results["1000-mcem"]["points"])
    assert sum(line.startswith("| 1,000 |") for line in table.splitlines()) == n_points
    assert len(figure.axes) == 2


def test_chains_start_at_the_draw_that_explains_a_row_best():
    model = tiny("bernoulli", d=6).model
    encoder = BestOfDraws(model, jax.random.key(3))
    x = np.random.default_rng(0).integers(0, 2, (5, 6)).astype(np.float32)
    found = AutoEncoder(model, encoder).posterior(Batch(jnp.asarray(x)))
    probability = np.asarray(
        jax.nn.sigmoid(model.decoder.heads["logits"](model.decoder.network(encoder.draws)))
    )
    log_p = x @ np.log(probability).T + (1 - x) @ np.log1p(-probability).T
    assert encoder.draws.shape == (4096, 2)
    np.testing.assert_array_equal(found.distribution.mean, encoder.draws[log_p.argmax(axis=1)])
    assert found.distribution.variance.max() < 0.02


def test_figure_3_chooses_a_step_at_length():
    jobs = {job.key: job for job in Figure3().jobs(Size(), None)}
    assert len(jobs) == 12
    assert jobs["50000-mcem"].needs == ("50000-mcem-step",)


@pytest.mark.long
def test_figure_3_chooses_the_step_under_which_training_rows_are_likeliest(tmp_path, monkeypatch):
    setting = Setting(TINY, None, tmp_path, lambda share: None)
    chosen = figure_3._choose(1000, "wake-sleep", setting, {})
    assert set(chosen["values"]) == {"0.01", "0.02", "0.1"}
    assert all(-64 < value < -15 for value in chosen["values"].values())
    assert chosen["values"][f"{chosen['learning_rate']:g}"] == max(chosen["values"].values())

    def diverges(*args):
        raise NonFiniteBoundError("it diverged")

    monkeypatch.setattr(figure_3, "trained", diverges)
    with pytest.raises(NonFiniteBoundError, match="every step size"):
        figure_3._choose(1000, "wake-sleep", setting, {})


def test_figure_3_is_held_against_the_published_order():
    def result(train, test, samples=5e6):
        split = {"error": 0.1, "reliable": 1.0, "rows": 1000}
        check = {"hmc-density": {"mean": -140.0} | split, "annealed": {"mean": -140.1} | split}
        point = {"train": {"mean": train} | split, "test": {"mean": test} | split}
        return {
            "learning_rate": 0.02,
            "n_train": 1000,
            "points": [{"samples": samples, "check": check} | point],
        }

    as_published = {
        "1000-aevb": result(-118, -143),
        "1000-wake-sleep": result(-130, -147),
        "1000-mcem": result(-123, -144),
    }
    order, *_ = verdicts_of(as_published, on_mnist=True)
    assert order.holds
    swapped = as_published | {"1000-mcem": result(-117, -144)}
    assert not verdicts_of(swapped, on_mnist=True)[0].holds
    (against,) = [
        v.text
        for v in verdicts_of(as_published, on_mnist=True)
        if v.text.startswith("N_train = 1,000, AEVB, train")
    ]
    assert "behind the paper" in against
    assert "(-118.0 ± 0.1, published -117.9), within 2 of it" in against  # read off between two points
    worse = {"1000-aevb": result(-121, -139)}
    train, test, check = verdicts_of(worse, on_mnist=True)
    assert "behind the paper at 5,000,000 samples by 3.1 nats" in train.text
    assert not train.holds
    assert "ahead of the paper at 5,000,000 samples by 4.3 nats" in test.text
    assert test.holds
    assert check.holds
    worse["1000-aevb"]["points"][0]["check"]["annealed"]["mean"] = -141.0
    assert not verdicts_of(worse, on_mnist=True)[-1].holds
    assert [v.holds for v in verdicts_of(as_published, on_mnist=False)] == [None, None, True, True, True]
    assert published_curve(50_000, "mcem", "train") is not None


@pytest.mark.long
def test_full_vb_at_a_small_size(tmp_path):
    results = run(FullVB(), TINY, tmp_path, lambda key: key.startswith("100-") and "map" not in key)
    assert len(results) == 4
    assert all(-64 < result["mean"] < -15 for result in results.values())
    verdicts, table, _ = written(FullVB(), results, TINY)
    expected = np.mean([results[f"100-full-vb-{s}"]["mean"] - results[f"100-ml-{s}"]["mean"] for s in (0, 1)])
    assert f"full VB minus maximum likelihood is {expected:+.2f}" in verdicts[0].text
    assert "| 100 |" in table


@pytest.mark.long
def test_continuous_bernoulli_at_a_small_size(tmp_path):
    results = run(ContinuousBernoulliScores(), TINY, tmp_path)
    assert set(results) == {"limited", "bernoulli", "unlimited"}
    verdicts, table, _ = written(ContinuousBernoulliScores(), results, TINY)
    assert "order, lambda within" in verdicts[0].text
    assert verdicts[0].holds is None
    assert f"{results['bernoulli']['naive']['mean']:.1f}" in table
    assert continuous_bernoulli_bound("trained") == 1470


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_continuous_bernoulli_is_held_against_the_published_numbers(share):
    def results(trained, interpolated, naive):
        of = {"sampling_error": 0.7}
        plain = {"interpolated": of | {"mean": interpolated}, "naive": of | {"mean": naive}}
        return {"limited": {"trained": of | {"mean": trained}}, "bernoulli": plain}

    def said(*means):
        return [(v.text, v.holds) for v in ContinuousBernoulliScores().verdicts(results(*means), Size(share))]

    (order, holds), *against = said(1478.0, 1400.0, 1141.0)
    assert order.startswith("In the published order")
    if share < 1:
        assert holds is None
        assert not against
        return
    assert holds
    assert [holds for _, holds in against] == [True, False, True]
    assert "+8.0 against the published 1470, within 10 of it" in against[0][0]
    assert "-16.0 against the published 1416, not within 10 of it" in against[1][0]
    (order, holds), *_ = said(1400.0, 1478.0, 1141.0)
    assert order.startswith("Not in the published order")
    assert not holds


@pytest.mark.parametrize("reading", ["naive", "through-mean", "interpolated"])
def test_scores_of_a_bernoulli_are_normalized_and_limited(reading):
    key = jax.random.key(0)
    decoder = Decoder(LIKELIHOODS["bernoulli"], MLP(2, (3,), key=key), 2, 4, key=key)
    decoder = eqx.tree_at(lambda d: d.heads["logits"].bias, decoder, jnp.array([-30.0, -1.0, 0.3, 4.0]))
    p = LimitedDecoder(decoder, reading, LIMIT)(jnp.zeros((1, 2)))
    x = np.linspace(0, 1, 20_001)
    density = np.exp(np.asarray(p.log_prob(jnp.asarray(x[:, None, None], jnp.float32)), float))[:, 0]
    assert np.trapezoid(density, x, axis=0) == pytest.approx(1, abs=1e-4)
    assert np.log(density.max()) == pytest.approx(np.log(LIMIT / (1 - 2e-4)), abs=1e-3)
    bernoulli = jax.nn.sigmoid(decoder(jnp.zeros((1, 2))).logits)[0]
    if reading == "through-mean":
        assert np.asarray(p.mean[0, 1:3]) == pytest.approx(np.asarray(bernoulli[1:3]), abs=1e-4)


def test_limits_hold_in_training_too():
    key = jax.random.key(0)
    for likelihood in ("bernoulli", "continuous-bernoulli"):
        decoder = Decoder(LIKELIHOODS[likelihood], MLP(2, (3,), key=key), 2, 4, key=key)
        far = eqx.tree_at(lambda d: d.heads["logits"].bias, decoder, jnp.full(4, 50.0))
        p = LimitedDecoder(far, limit=LIMIT)(jnp.zeros((1, 2)))
        assert np.asarray(p.logits) == pytest.approx(LIMIT)
        assert LimitedDecoder(decoder).is_density == (likelihood != "bernoulli")
        same = LimitedDecoder(decoder)(jnp.ones((1, 2))).logits
        assert np.asarray(same) == pytest.approx(np.asarray(decoder(jnp.ones((1, 2))).logits))


def test_logits_of_a_mean_are_found():
    logits = jnp.array([-12.0, -6.0, -2.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 2.0, 6.0])
    found = ContinuousBernoulli(logits_of_mean(logits)).mean
    assert np.asarray(found) == pytest.approx(np.asarray(jax.nn.sigmoid(logits)), rel=2e-5)


def test_interpolated_logits_are_exact_at_knots():
    lam = np.linspace(0, 1 + 1e-4, 100)[[5, 30, 49, 80]]
    mean = np.asarray(ContinuousBernoulli(jnp.asarray(np.log(lam / (1 - lam)))).mean)
    found = interpolated_logits(jnp.asarray(np.log(mean / (1 - mean))))
    assert 1 / (1 + np.exp(-np.asarray(found))) == pytest.approx(lam, abs=1e-4)


@pytest.mark.long
def test_the_iwae_table_at_a_small_size(tmp_path):
    results = run(IWAETable(), TINY, tmp_path, lambda key: key != "k5-vae")
    assert set(results) == {"k1-vae", "k5-iwae"}
    assert all(15 < result["nll"] < 64 for result in results.values())
    verdicts, table, _ = written(IWAETable(), results, TINY)
    assert verdicts == []
    assert "86.76" not in table  # of MNIST
    assert "86.76" in IWAETable().tables(results, Size(0.5))
    full = {"k5-iwae": results["k5-iwae"] | {"nll": 86.0}, "k5-vae": results["k5-iwae"] | {"nll": 86.5}}
    first, second, gain = IWAETable().verdicts(full, Size())
    assert "0.46 above the published 85.54" in first.text
    assert first.holds
    assert second.holds
    assert "+0.50" in gain.text
    assert iwae_nll("dreg", 50, "reimplementation") == 84.32


@pytest.mark.long
def test_the_linear_vae_at_a_small_size(tmp_path):
    results = run(LinearVAE(), Size(share=0.001), tmp_path, lambda key: key.startswith("synthetic"))
    verdicts, _, _ = written(
        LinearVAE(),
        results | {f"digits-{k}": results[f"synthetic-{k}"] for k in ("vae", "autoencoder")},
        TINY,
    )
    gaps = [point["gap"] for point in results["synthetic-vae"]["points"]]
    assert gaps[-1] < gaps[0]
    assert min(gaps) > 0
    assert len(verdicts) == 6


def test_the_exact_likelihood_is_that_of_a_gaussian():
    x = np.asarray(synthetic(200, 6, 2).x_train, float)
    log_p, basis = ppca(x, 2)
    covariance = np.cov(x.T, bias=True)
    values = np.linalg.eigvalsh(covariance)[::-1]
    noise = values[2:].mean()
    fitted = basis @ np.diag(values[:2] - noise) @ basis.T + noise * np.eye(6)
    assert log_p == pytest.approx(multivariate_normal(x.mean(axis=0), fitted).logpdf(x).mean(), abs=1e-9)
    assert linear_vae.scikit_learn_score(x, 2) == pytest.approx(log_p, abs=1e-3)


@pytest.mark.long
def test_exact_bounds_are_the_mean_over_draws(tmp_path):
    setting = Setting(Size(), None, tmp_path, lambda share: None)
    settings = {"latents": 2, "hidden": (), "likelihood": "gaussian-isotropic", "scale": "none", "steps": 40}
    model = training_jobs.trained(settings | {"learning_rate": 0.05}, synthetic(50, 6, 2), setting)
    x = synthetic(50, 6, 2).x_train
    n = 4000
    found = row_bounds(SGVBA(n), model.autoencoder.model, model.recognition, x, jax.random.key(1))["bound"]
    one = row_bounds(SGVBA(1), model.autoencoder.model, model.recognition, x, jax.random.key(2))["bound"]
    exact = exact_bounds(model, x.astype(float))
    spread = np.std(one - exact)
    scores = (found - exact) / (spread / math.sqrt(n))
    assert np.abs(scores).max() < 8  # rows differ in their spread


def test_a_run_goes_on_from_its_checkpoint(tmp_path):
    settings = {"latents": 2, "hidden": (4,), "batch_size": 10, "schedule": "cosine", "steps": 12}

    def weights(folder, stop_at):
        setting = Setting(Size(), None, folder, lambda share: None)
        data = synthetic(50, 6, 2)
        found = training_jobs.measured(settings, data, setting, [stop_at], lambda model, step: step)
        assert found == [stop_at]
        return jax.tree.leaves(training_jobs.trained(settings, data, setting).autoencoder)

    def interrupted(folder):
        setting = Setting(Size(), None, folder, lambda share: None)
        data = dataclasses.replace(synthetic(50, 6, 2))

        def measure(model, step):
            if step == 7 and not (folder / "once").exists():
                (folder / "once").touch()
                raise KeyboardInterrupt
            return step

        with pytest.raises(KeyboardInterrupt):
            training_jobs.measured(settings, data, setting, [3, 7, 12], measure)
        assert training_jobs.measured(settings, data, setting, [3, 7, 12], measure) == [3, 7, 12]
        return jax.tree.leaves(training_jobs.trained(settings, data, setting).autoencoder)

    for one, other in zip(weights(tmp_path / "a", 12), interrupted(tmp_path / "b"), strict=True):
        assert np.array_equal(one, other)


def test_pictures_of_numbers_and_curves():
    rows = [Compared("a", 1.0, 0.1, (("published", 1.2),)), Compared("b", None, 0.0, (("published", 0.8),))]
    axes = numbers_beside_published(rows, "nats", "t").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    points = np.array([[10, 1.0], [100, np.nan], [1000, 3.0]])
    series = [Series("AEVB", points, np.array([0.1, 0.1, 0.1])), Series("AEVB", points, is_published=True)]
    figure = curves_beside_published([Panel("t", series, "x", "y")])
    assert len(figure.axes[0].lines[0].get_xdata()) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["AEVB", "ours", "published"]
