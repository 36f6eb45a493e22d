import dataclasses

import numpy as np
import pytest
from scipy import stats
from scipy.special import entr

from aevb import plots
from aevb import run as runs
from aevb.models import LatentVariableModel, Prior
from aevb.report import draw_figures
from aevb.report.codes import codes_figure, divergence_figure, two_latents
from aevb.report.decoded import decoded_figure, quantiles
from aevb.report.draw import _bound_label, _trained_value
from command_line import is_png, quick_compilation  # noqa: F401
from oracles import tiny
from short_suite import short

RNG = np.random.default_rng(0)
ALWAYS = {"kl_per_latent", "learning_curve", "reconstructions", "samples"}
PLANE = {"codes", "manifold"}


def save(path, labels, images):
    x = RNG.random((40, 5, 4)) if images else RNG.normal(size=(40, 3))
    np.savez(path, x=x, **({"y": RNG.integers(0, 3, 40)} if labels else {}))


@pytest.mark.parametrize(
    ("images", "latents", "labels", "expected"),
    [
        pytest.param(True, 2, True, ALWAYS | PLANE, marks=pytest.mark.long),
        pytest.param(True, 1, False, ALWAYS | {"manifold"}, marks=pytest.mark.long),
        pytest.param(False, 4, True, ALWAYS | PLANE, marks=pytest.mark.long),
        (False, 1, False, ALWAYS),
    ],
)
def test_every_run_gets_the_pictures_that_suit_it(tmp_path, images, latents, labels, expected):
    save(tmp_path / "data.npz", labels, images)
    settings = {"data": str(tmp_path / "data.npz"), "latents": latents, "hidden": (4,), "epochs": 1}
    run = runs.execute(runs.start(settings, tmp_path / "run"), lambda state: None, lambda: False)
    records = list(run.state.progress.history)
    paths = draw_figures(run.trained, run.dataset, records, run.folder.figures)
    assert {path.stem for path in paths} == expected
    assert all(path.stat().st_size < 200_000 and is_png(path) for path in paths)
    if not images and latents == 1:
        # without an evaluation there is no curve, and without test rows, training ones
        bare = dataclasses.replace(run.dataset, x_test=None, y_test=None)
        paths = draw_figures(run.trained, bare, [], tmp_path / "more")
        assert {path.stem for path in paths} == expected - {"learning_curve"}


# --- every kind of code -----------------------------------------------------------------------------


KL = {
    "gamma": [0.1, 2, 3],
    "dirichlet": [1.5],
    "elliptical": [1.5],
    "bernoulli": [0.1, 0.6, 0.3, 0.2, 0.5, 0.4],
}


def untrained(tmp_path, images=True, *, posterior, latents, **settings):
    """A model with its initial weights, and random codes and divergences such as its posterior could have."""
    save(tmp_path / "data.npz", labels=True, images=images)
    settings = {
        "data": str(tmp_path / "data.npz"),
        "hidden": (4,),
        "posterior": posterior,
        "latents": latents,
    } | settings
    model = runs.start(settings, tmp_path / "run").trained
    rng = np.random.default_rng(0)
    codes = {
        "gamma": lambda: rng.exponential(size=(40, latents)),
        "bernoulli": lambda: rng.random((40, latents)),
        "dirichlet": lambda: rng.dirichlet(np.ones(latents), 40),
        "categorical": lambda: rng.dirichlet(
            np.ones(model.recipe.posterior.n_categories), (40, latents)
        ).reshape(40, -1),
    }.get(posterior, lambda: rng.normal(size=(40, latents)) * (1 + np.arange(latents)))()
    if posterior == "categorical":
        by_variable = codes.reshape(40, latents, -1)
        return model, codes, np.log(by_variable.shape[2]) - entr(by_variable).sum(2).mean(0)
    return model, codes, np.array(KL.get(posterior, np.ones(latents)))


def title(figure):
    heading = figure.get_suptitle() or figure.axes[0].get_title()
    return " ".join(heading.replace("\u00a0", " ").replace("\u2011", "-").split())


def tiles(figure, n, side=8):
    """The images of a manifold without gaps, in the order of the codes, shape (n * n, pixels)."""
    shown = np.asarray(figure.axes[0].images[0].get_array())
    return shown.reshape(n, shown.shape[0] // n, n, -1).transpose(0, 2, 1, 3).reshape(n * n, -1)


DIGITS = {
    "gamma": (2, ALWAYS | PLANE),
    "beta": (3, ALWAYS | PLANE),
    "dirichlet": (4, (ALWAYS | PLANE) - {"kl_per_latent"}),
    "categorical": (2, ALWAYS | PLANE),
}


@pytest.mark.parametrize("family", short("categorical", of=DIGITS))
def test_codes_of_every_kind_are_drawn_for_digits(tmp_path, family):
    """With initial weights: `test_posteriors.py` trains every family on them."""
    latents, expected = DIGITS[family]
    settings = {"data": "digits", "posterior": family, "latents": latents, "hidden": (8,)}
    run = runs.start(settings, tmp_path / "run")
    paths = draw_figures(run.trained, run.dataset, [{"samples_seen": 0, "test_bound": -9.0}], tmp_path)
    assert {path.stem for path in paths} == expected
    assert all(path.stat().st_size < 200_000 and is_png(path) for path in paths)


@pytest.mark.parametrize("images", short(True, of=[True, False]))
def test_positive_codes_are_decoded_at_quantiles_of_their_prior(tmp_path, images):
    model, codes, kl = untrained(tmp_path, images, posterior="gamma", latents=3)
    figure = decoded_figure(model, codes, kl)
    pair, labels = two_latents(codes, kl)
    z = np.full((400, 3), np.log(2))  # the median of the standard exponential, which Gamma(1, 1) is
    z[:, pair] = plots.manifold_grid(20, np.tile(stats.expon.ppf(plots.grid_probabilities(20)), (2, 1)))
    x = model.decode(z)
    shown = tiles(figure, 20) if images else np.asarray(figure.axes[0].images[0].get_array()).reshape(400, 1)
    np.testing.assert_allclose(shown, x if images else x[:, :1], atol=1e-5)
    assert "even steps of the gamma prior's probability, other latents at its median" in title(figure)
    axes = figure.axes[0]
    named = (
        (axes.get_xlabel(), axes.get_ylabel()) if images else (figure.get_supxlabel(), figure.get_supylabel())
    )
    assert named == labels
    for axis in (axes.xaxis, axes.yaxis):
        written = [float(label.get_text()) for label in axis.get_ticklabels()]
        assert len(written) >= 4
        np.testing.assert_allclose(axis.get_majorticklocs(), stats.expon.cdf(written), atol=0.01)


def test_the_gaussians_titles_are_as_ever(tmp_path):
    model, codes, kl = untrained(tmp_path, posterior="gaussian", latents=3)
    assert (
        title(decoded_figure(model, codes, kl)) == "Means of p(x|z) over the latent plane, other latents at 0"
    )


PRIORS = {
    "gaussian": stats.norm(),
    "gamma": stats.expon(),
    "log-normal": stats.lognorm(1),
    "cauchy": stats.cauchy(),
    "beta": stats.uniform(),
    "f": stats.f(4, 8),
    "pareto": stats.pareto(2),
    "elliptical": stats.t(5),
}


@pytest.mark.parametrize("family", PRIORS)
def test_quantiles_are_the_priors_own(family):
    p = [0.025, 0.5, 0.9]
    expected = np.tile(PRIORS[family].ppf(p), (2, 1))
    # The elliptical prior's are those of draws: 0.1 is 6 standard errors of the least certain one.
    atol = 0.1 if family == "elliptical" else 1e-4
    autoencoder = tiny()
    model = LatentVariableModel(Prior(family, 2), autoencoder.model.decoder, autoencoder.model.log_scale)
    np.testing.assert_allclose(quantiles(model, p), expected, atol=atol, rtol=1e-4)


@pytest.mark.parametrize("images", short(False, of=[True, False]))
def test_pure_components_of_a_dirichlet_are_decoded(tmp_path, images):
    model, codes, kl = untrained(tmp_path, images, posterior="dirichlet", latents=4)
    assert f"KL {kl[0]:.2g} nats" in title(codes_figure(model, codes, kl, None, "Test"))
    figure = decoded_figure(model, codes, kl)
    assert title(figure) == "Means of p(x|z) with one component of z at 1, the others at 0"
    x = model.decode(np.eye(4))
    if images:
        assert [text.get_text() for text in figure.axes[0].texts] == ["z 1", "z 2", "z 3", "z 4"]
        return
    for axes, column in zip(figure.axes, x.T, strict=True):
        np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), column, rtol=1e-6)


def test_a_dirichlet_with_two_components_has_no_plane_of_codes(tmp_path):
    model, codes, kl = untrained(tmp_path, posterior="dirichlet", latents=2)
    assert codes_figure(model, codes, kl, None, "Test") is None


def test_categories_of_the_most_informative_latent_are_drawn(tmp_path):
    model, codes, kl = untrained(tmp_path, False, posterior="categorical", latents=3, categories=4)
    p = codes.reshape(-1, 3, 4)
    np.testing.assert_allclose(kl, np.mean(np.sum(p * np.log(4 * p), axis=2), axis=0), rtol=1e-5)
    best = int(kl.argmax())
    scatter = codes_figure(model, codes, kl, None, "Test")
    assert f"probabilities of z {best + 1} (KL {kl[best]:.2g} nats, top of 3)" in title(scatter)
    corners = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]])
    dots = scatter.axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(dots, p[:, best] @ corners, atol=1e-6)
    z = np.zeros((4, 3, 4))
    z[:, np.arange(3), p.mean(0).argmax(1)] = 1
    z[:, best] = np.eye(4)
    figure = decoded_figure(model, codes, kl)
    assert (
        title(figure)
        == f"Means of p(x|z) for each category of z {best + 1} (largest KL), others at their mode"
    )
    for axes, column in zip(figure.axes, model.decode(z.reshape(4, 12)).T, strict=True):
        np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), column, rtol=1e-6)


def test_of_two_categories_the_probability_of_one_is_drawn(tmp_path):
    model, codes, kl = untrained(tmp_path, False, posterior="categorical", latents=3, categories=2)
    scatter = codes_figure(model, codes, kl, None, "Test")
    pair, _ = two_latents(codes[:, 1::2], kl)
    np.testing.assert_array_equal(scatter.axes[0].collections[0].get_offsets(), codes[:, 1::2][:, pair])
    assert title(scatter) == "Test rows: probabilities of category 2"
    assert scatter.axes[0].get_xlim() == pytest.approx((-0.02, 1.02))


def test_zeros_and_ones_are_decoded_in_all_combinations(tmp_path):
    model, codes, kl = untrained(tmp_path, False, posterior="bernoulli", latents=6)
    best = sorted(np.argsort(-kl)[:4])
    figure = decoded_figure(model, codes, kl)
    names = ", ".join(f"z {j + 1}" for j in best)
    assert title(figure) == f"Means of p(x|z) for all values of {names} (largest KL), others at their mode"
    z = np.tile(codes.mean(0) > 0.5, (16, 1)).astype(float)
    z[:, best] = [[i >> 3 & 1, i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(16)]
    axes = figure.axes[0]
    np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), model.decode(z)[:, 0], rtol=1e-6)
    assert axes.get_xticklabels()[6].get_text() == "0110"
    assert codes_figure(model, codes, kl, None, "Test").axes[0].get_xlim() == pytest.approx((-0.02, 1.02))


def test_one_divergence_of_all_latents_is_no_bar_and_the_codes_variance_chooses(tmp_path):
    model, codes, kl = untrained(tmp_path, False, posterior="elliptical", latents=3)
    assert divergence_figure(model, kl) is None
    scatter = codes_figure(model, codes, kl, None, "Test")
    assert title(scatter) == f"Test rows: medians of q(z|x), KL {kl[0]:.2g} nats"
    pair, labels = two_latents(codes, kl)
    assert pair == sorted(np.argsort(-codes.var(0))[:2])
    assert labels[0] == f"z {pair[0] + 1} (variance of codes {codes.var(0)[pair[0]]:.2g}, top 2 of 3)"


def test_an_estimated_divergence_is_called_one(tmp_path):
    model, _, kl = untrained(tmp_path, False, posterior="laplace", prior="logistic", latents=2)
    assert "estimated from 100 draws per row" in title(divergence_figure(model, kl))


def test_two_latents_are_chosen_by_their_divergence():
    assert two_latents(np.zeros((5, 2)), np.array([0.1, 0.2])) == ([0, 1], ("z 1", "z 2"))
    pair, labels = two_latents(np.zeros((5, 4)), np.array([3.0, 0.1, 4.0, 0.2]))
    assert pair == [0, 2]
    assert labels[1] == "z 3 (KL 4 nats, top 2 of 4)"


@pytest.mark.parametrize(
    ("bound", "label"),
    [
        ("evidence lower bound", "Evidence lower bound (nats per data point)"),
        ("cross-entropy bound", "Cross-entropy bound, not of a density (nats per data point)"),
        ("importance-weighted bound (K = 5)", "Importance-weighted bound, K = 5 (nats per data point)"),
        ("Rényi bound (alpha = 0.5, K = 5)", "Rényi bound, alpha = 0.5, K = 5 (nats per data point)"),
        ("Rényi objective (alpha = -1, K = 5)", "Rényi objective, alpha = -1, K = 5 (nats per data point)"),
        (
            "cross-entropy importance-weighted bound (K = 5)",
            "Cross-entropy importance-weighted bound, K = 5, not of a density (nats per data point)",
        ),
    ],
)
def test_the_axis_says_which_bound_it_is(bound, label):
    assert _bound_label(bound).replace("\u00a0", " ").replace("\u2011", "-") == label


@pytest.mark.parametrize(
    ("objective", "value"),
    [
        pytest.param("mcem", "complete-data log-likelihood", marks=pytest.mark.long),
        ("autoencoder", "reconstruction log-likelihood"),
        ("dreg", "importance-weighted bound (K = 5)"),
    ],
)
def test_the_curve_is_called_what_was_trained_and_not_what_it_is_judged_by(tmp_path, objective, value):
    """The same as in the run's records, whose values it shows."""
    save(tmp_path / "data.npz", labels=False, images=False)
    settings = {"data": str(tmp_path / "data.npz"), "latents": 2, "hidden": (4,), "objective": objective}
    run = runs.start(settings, tmp_path / "run")
    assert _trained_value(run.trained) == run.assembly.bound == value
