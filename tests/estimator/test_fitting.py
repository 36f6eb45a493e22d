"""A fit that is interrupted, shown, saved and gone on with."""

import io
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from sklearn.base import clone

import aevb
from aevb import SGD, VAE
from aevb.errors import NonFiniteBoundError
from aevb.estimator import fitting
from aevb.estimator.progress import progress
from aevb.training.gradient_ascent import GradientAscent
from command_line import aevb as command
from command_line import quick_compilation, write_table  # noqa: F401

X = np.random.default_rng(0).normal(size=(60, 3))
SMALL = VAE(n_latents=1, hidden=(2,), epochs=4, batch_size=20, n_importance_samples=5, random_state=0)


@pytest.fixture(scope="module")
def fitted():
    return clone(SMALL).fit(X)


class TestInterruption:
    def interrupted(self, monkeypatch, steps):
        """A fit that Ctrl-C stops inside the chunk that would take it beyond so many steps."""
        take_steps = GradientAscent.steps

        def take(self, state, *others):
            if state.progress.step >= steps:
                raise KeyboardInterrupt
            return take_steps(self, state, *others)

        monkeypatch.setattr(GradientAscent, "steps", take)
        vae = clone(SMALL)
        with pytest.raises(KeyboardInterrupt) as stopped:
            vae.fit(X)
        monkeypatch.undo()
        return vae, stopped.value

    def test_inside_a_chunk_keeps_what_was_learned(self, monkeypatch, fitted):
        vae, stopped = self.interrupted(monkeypatch, 6)
        assert [record["epoch"] for record in vae.history_] == [1, 2]
        assert vae.history_[-1]["train_bound"] == fitted.history_[1]["train_bound"]
        assert np.isfinite(vae.score_samples(X)).all()
        assert "as of step 6, after 2 full epochs" in stopped.__notes__[0]
        assert np.array_equal(vae.partial_fit(X).partial_fit(X).transform(X), fitted.transform(X))

    def test_between_chunks_keeps_what_was_learned(self, monkeypatch):
        train = fitting.train

        def stop_after_two(*arguments):
            for n, state in enumerate(train(*arguments)):
                yield state
                if n == 1:
                    raise KeyboardInterrupt

        monkeypatch.setattr(fitting, "train", stop_after_two)
        vae = clone(SMALL)
        with pytest.raises(KeyboardInterrupt):
            vae.fit(X)
        assert vae.model_ is not None
        assert vae.transform(X).shape == (60, 1)

    def test_before_the_first_step_leaves_the_estimator_as_it_was(self, monkeypatch):
        vae, stopped = self.interrupted(monkeypatch, 0)
        assert not hasattr(vae, "model_")
        assert not hasattr(stopped, "__notes__")


def show(console, epochs=2):
    fit = clone(SMALL).set_params(epochs=epochs)._start(X)
    with progress(1, fit, console) as shown:
        return fit.run(shown, lambda fit: None)


class TestVerbose:
    def test_is_silent_by_default(self, capfd):
        clone(SMALL).set_params(epochs=1).fit(X)
        assert capfd.readouterr() == ("", "")

    def test_a_file_gets_lines(self, capfd):
        clone(SMALL).set_params(epochs=2, validation=0.2, verbose=1).fit(X)
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("epoch 1/2  bound -")
        last = err.splitlines()[-1]
        assert last.startswith("finished after ")
        assert " and 2 epochs: evidence lower bound -" in last
        assert "on validation rows, nats per row (the model is that of epoch 2)" in last

    def test_a_terminal_gets_a_bar(self):
        screen = io.StringIO()
        show(Console(file=screen, force_terminal=True, width=80, color_system=None))
        assert "epoch 2/2 ━" in screen.getvalue()
        assert "finished after" in screen.getvalue().splitlines()[-1]

    def test_a_notebook_gets_a_widget(self, monkeypatch):
        """With IPython's and ipywidgets' parts that Rich calls, as neither is installed with the tests."""
        shown = []
        output = type(
            "Output",
            (),
            {
                "__enter__": lambda self: self,
                "__exit__": lambda self, *error: None,
                "clear_output": lambda self, wait: shown.append("cleared"),
                "close": lambda self: shown.append("closed"),
            },
        )
        display = types.ModuleType("IPython.display")
        display.display = lambda what, **about: shown.append(what)
        widgets = types.ModuleType("ipywidgets")
        widgets.Output = output
        widgets.__spec__ = types.SimpleNamespace(name="ipywidgets")
        for name, module in {
            "IPython": types.ModuleType("IPython"),
            "IPython.display": display,
            "ipywidgets": widgets,
        }.items():
            monkeypatch.setitem(sys.modules, name, module)
        show(Console(force_jupyter=True))
        assert any(isinstance(what, output) for what in shown)
        assert "cleared" in shown

    def test_a_notebook_without_widgets_gets_lines(self, monkeypatch, recwarn):
        written = []
        console = Console(force_jupyter=True)
        monkeypatch.setattr(console, "print", lambda line, **about: written.append(line))
        show(console)
        assert written[0].startswith("epoch 1/2")
        assert written[-1].startswith("finished")
        assert not recwarn.list

    def test_an_interruption_is_said(self):
        console = Console(file=io.StringIO(), width=80)
        fit = clone(SMALL)._start(X)
        with pytest.raises(KeyboardInterrupt), progress(1, fit, console):
            raise KeyboardInterrupt
        assert console.file.getvalue().startswith("interrupted after 0.0 s and 0 epochs")


class TestHistory:
    def test_is_saved_and_loaded(self, fitted, tmp_path):
        fitted.save(tmp_path / "model")
        loaded = aevb.load(tmp_path / "model")
        assert loaded.history_ == fitted.history_
        assert loaded.n_iter_ == 4
        loaded.partial_fit(X)
        assert [record["epoch"] for record in loaded.history_] == [1, 2, 3, 4, 5]
        assert loaded.history_[-1]["samples_seen"] == 300

    @pytest.mark.long
    def test_of_a_run_is_that_of_its_folder(self, tmp_path):
        write_table(tmp_path / "table.csv")
        options = ("--label", "kind", "--latents", 1, "--hidden", 2, "--epochs", 2, "--out", tmp_path / "run")
        assert command("train", tmp_path / "table.csv", *options).code == 0
        loaded = aevb.load(tmp_path / "run")
        assert [record["epoch"] for record in loaded.history_] == [1, 2]
        assert loaded.n_iter_ == 2
        assert "train_bound" in loaded.history_[0]

    def test_of_a_fit_that_diverged_ends_before_it(self):
        vae = clone(SMALL).set_params(optimizer=SGD(learning_rate=1e30), verbose=1)
        with pytest.raises(NonFiniteBoundError):
            vae.fit(X)
        assert vae.history_ == []


@pytest.mark.parametrize(
    ("epoch", "batch", "budget", "share"),
    [(0, 0, {}, 0.0), (2, 0, {}, 0.5), (1, 1, {}, 1 / 3), (9, 0, {}, 1.0), (0, 2, {"steps": 4}, 0.5)],
)
def test_the_share_that_is_done(epoch, batch, budget, share):
    fit = clone(SMALL)._start(X)
    at = replace(fit.state.progress, epoch=epoch, batch=batch, step=3 * epoch + batch)
    fit = replace(fit, state=replace(fit.state, progress=at), plan=replace(fit.plan, **budget))
    assert fit.share_done == pytest.approx(share)
