import numpy as np
import pytest

from aevb import run as runs
from aevb.figures import draw_figures
from command_line import is_png, quick_compilation  # noqa: F401

RNG = np.random.default_rng(0)
ALWAYS = {"kl_per_latent", "learning_curve", "reconstructions", "samples"}
PLANE = {"codes", "manifold"}


def save(path, labels, images):
    x = RNG.random((40, 5, 4)) if images else RNG.normal(size=(40, 3))
    np.savez(path, x=x, **({"y": RNG.integers(0, 3, 40)} if labels else {}))


@pytest.mark.parametrize(
    ("images", "latents", "labels", "expected"),
    [
        (True, 2, True, ALWAYS | PLANE),
        (True, 1, False, ALWAYS | {"manifold"}),
        (False, 4, True, ALWAYS | PLANE),
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
    if (
        not images and latents == 1
    ):  # without an evaluation there is no curve, and without test rows, training ones
        import dataclasses

        bare = dataclasses.replace(run.dataset, x_test=None, y_test=None)
        paths = draw_figures(run.trained, bare, [], tmp_path / "more")
        assert {path.stem for path in paths} == expected - {"learning_curve"}


def test_two_latents_are_chosen_by_their_divergence():
    from aevb.figures import _two_latents

    assert _two_latents(np.array([0.1, 0.2])) == ([0, 1], ("z 1", "z 2"))
    pair, labels = _two_latents(np.array([3.0, 0.1, 4.0, 0.2]))
    assert pair == [0, 2]
    assert labels[1] == "z 3 (KL 4 nats, top 2 of 4)"
