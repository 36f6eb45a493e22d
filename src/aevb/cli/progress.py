"""How a training run shows on the terminal: a live bar, plain lines where there is no terminal, or nothing."""

import time
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from aevb.run import Run, summary
from aevb.training import Plan, TrainingState

# Between plain lines of a run whose epochs are short.
LINE_SECONDS = 2.0


class Reporter(Protocol):
    """What a run tells as it goes on."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *exception: object) -> None: ...

    def show(self, state: TrainingState) -> None:
        """The state after a chunk of steps."""
        ...

    def close(self) -> None:
        """The run is complete, and everything is in its folder."""
        ...


def make_reporter(run: Run, quiet: bool) -> Reporter:
    """The reporter that suits the terminal."""
    console = Console(highlight=False)
    if quiet:
        return _Quiet()
    _introduce(console, run)
    return _Bar(console, run) if console.is_terminal else _Lines(console, run)


class _Quiet:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def show(self, state: TrainingState) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines:
    """A line per evaluation, at most one every few seconds but always the last."""

    def __init__(self, console: Console, run: Run):
        self._console, self._run = console, run
        self._shown = len(run.state.progress.history)
        self._shown_at = -LINE_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def show(self, state: TrainingState) -> None:
        progress = state.progress
        self._run_state = state
        due = time.monotonic() - self._shown_at > LINE_SECONDS or progress.status != "running"
        if len(progress.history) > self._shown and due:
            self._shown, self._shown_at = len(progress.history), time.monotonic()
            record = progress.history[-1]
            test = f"  test {record['test_elbo']:.2f}" if "test_elbo" in record else ""
            self._console.print(
                f"epoch {record['epoch']}  train {record['train_elbo']:.2f}"
                f" (reconstruction {record['train_reconstruction']:.2f}, kl {record['train_kl']:.2f}){test}"
                f"  {record['examples_per_second']:,.0f} examples/s  {record['seconds']:.1f} s"
            )

    def close(self) -> None:
        _conclude(self._console, self._run, self._run_state)


class _Bar:
    """A live bar over the run's budget."""

    def __init__(self, console: Console, run: Run):
        self._console, self._run = console, run
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[terms]}"),
            TextColumn("{task.fields[speed]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("", total=1.0, epoch="0", terms="compiling", speed="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def show(self, state: TrainingState) -> None:
        self._run_state = state
        progress, plan = state.progress, self._run.assembly.plan
        done = _share_done(state, plan, self._run)
        epochs = f"{progress.epoch}/{plan.epochs}" if plan.epochs is not None else str(progress.epoch)
        self._bar.update(self._task, completed=done, epoch=epochs, **_latest(state))

    def close(self) -> None:
        _conclude(self._console, self._run, self._run_state)


def _latest(state: TrainingState) -> dict[str, str]:
    """The bound on training rows since the last evaluation, or just after one, that evaluation's."""
    progress = state.progress
    if progress.sum_rows:
        means = {name: total / progress.sum_rows for name, total in progress.sums.items()}
        speed = progress.sum_rows / max(progress.training_seconds, 1e-9)
        terms = f"train {means['bound']:.1f} (reconstruction {means['reconstruction']:.1f}, kl {means['kl']:.1f})"
        if progress.history and "test_elbo" in progress.history[-1]:
            terms += f" test {progress.history[-1]['test_elbo']:.1f}"
        return {"terms": terms, "speed": f"{speed:,.0f}/s"}
    return {}


def _share_done(state: TrainingState, plan: Plan, run: Run) -> float:
    progress = state.progress
    shares = [0.0]
    if plan.epochs is not None:
        shares.append(progress.samples_seen / (plan.epochs * len(run.assembly.data.train)))
    if plan.steps is not None:
        shares.append(progress.step / plan.steps)
    if plan.seconds is not None:
        shares.append(progress.seconds / plan.seconds)
    return min(1.0, max(shares))


def _introduce(console: Console, run: Run) -> None:
    data = run.assembly.data
    rows = f"{len(data.train):,} training rows"
    rows += f", {len(data.validation):,} validation rows" if data.validation is not None else ""
    rows += f", {len(data.test):,} test rows" if data.test is not None else ", no test rows"
    console.print(f"{run.recipe.data}: {rows} of {run.dataset.n_features} features; {run.assembly.likelihood} likelihood")
    if run.assembly.bound == "cross-entropy bound":
        console.print(
            "The pixels are grey and the likelihood is Bernoulli, as in many papers: what is maximized is a "
            "cross-entropy bound, not a bound on a log density. --binarize dynamic makes it one."
        )


def _conclude(console: Console, run: Run, state: TrainingState) -> None:
    """The table at the end."""
    record = state.progress.best or (state.progress.history[-1] if state.progress.history else {})
    table = Table(title=f"{run.assembly.bound}, nats per data point", title_justify="left")
    for column in ("rows", "bound", "reconstruction", "kl"):
        table.add_column(column, justify="left" if column == "rows" else "right")
    for split in ("train", "validation", "test"):
        if f"{split}_elbo" in record:
            values = (record[f"{split}_{name}"] for name in ("elbo", "reconstruction", "kl"))
            table.add_row(split, *(f"{value:.2f}" for value in values))
    console.print(table)
    chosen = f"epoch {record.get('epoch')}, the best by validation rows" if state.progress.best else "the last"
    console.print(f"{state.progress.status} after {state.progress.seconds:.1f} s; the model is {chosen}")
    console.print(f"model, records and figures are in {run.folder.path}")


__all__ = ["Reporter", "make_reporter", "summary"]
