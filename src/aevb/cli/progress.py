"""How a training run shows: a live bar on a terminal, a line per evaluation elsewhere, nothing if quiet."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from aevb.cli.densities import repeated_note
from aevb.cli.terminal import write
from aevb.objectives import ELBO, Objective
from aevb.run import Run
from aevb.training import TrainingState

# Between plain lines of a run whose epochs are short.
LINE_SECONDS = 1.0
# From this width on, the bar's terms are written in full.
WIDE = 110

Show = Callable[[TrainingState], None]


@contextmanager
def progress(console: Console, run: Run) -> Iterator[Show]:
    """What to call with the state after every chunk of steps, for as long as the context lasts."""
    if not console.is_terminal or console.quiet:
        yield _lines(console, run)
        return
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
        TextColumn("{task.fields[terms]}"),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(compact=True),
        TextColumn("left"),
    )
    with Progress(*columns, console=console, expand=True) as bar:
        task = bar.add_task("", total=1.0, epoch=_epoch(run, run.state), terms="compiling", speed="")

        def show(state: TrainingState) -> None:
            terms, speed = _latest(state, wide=console.width >= WIDE)
            done = _share_done(run, state)
            bar.update(task, completed=done, epoch=_epoch(run, state), terms=terms, speed=speed)

        yield show


def introduce(console: Console, run: Run) -> None:
    """What is about to be trained, and on what."""
    data = run.assembly.data
    rows = f"{len(data.train):,} training rows"
    rows += f", {len(data.validation):,} validation rows" if data.validation is not None else ""
    rows += f", {len(data.test):,} test rows" if data.test is not None else ", no test rows"
    write(console, f"{run.recipe.data}: {rows} of {run.dataset.n_features} features")
    is_density = run.assembly.likelihood.is_density
    about = {"is_density": is_density, "image_shape": run.dataset.image_shape}
    repeated = repeated_note(run.dataset.x_train, run.dataset.feature_names, **about)
    for note in (*run.dataset.notes, *([repeated] if repeated else ())):
        write(console, note)
    recipe = run.recipe
    write(console, f"budget: {_budget(run)}")
    write(
        console,
        f"{run.assembly.likelihood.name} likelihood, {recipe.latents} latents, {recipe.posterior.name} posterior, "
        f"{recipe.prior} prior, {recipe.objective.name}",
    )
    if recipe.missing == "nan":
        missing = float(np.isnan(data.train).mean())
        write(console, f"{missing:.1%} of the training rows' values are missing, at random as is assumed")
    if not recipe.has_encoder:
        kept = "parameters of q(z)" if recipe.objective.has_encoder else "a chain of draws of z"
        write(
            console,
            f"Every training row has {kept} of its own. For other rows, q(z) is searched for in every evaluation: "
            "--evaluate-every makes them fewer.",
        )
    if not run.assembly.is_normalized:
        write(
            console,
            "The pixels are grey and the likelihood is Bernoulli, as in many papers: what is reported is a "
            f"{run.assembly.bound}, and log p(x|z) in it is no log density. --likelihood continuous-bernoulli or "
            "--binarize dynamic makes it one.",
        )


def _budget(run: Run) -> str:
    """How long training may take, what chooses the model, and how the step size goes."""
    recipe, per_epoch = run.recipe, run.assembly.plan.steps_per_epoch(len(run.assembly.data.train))
    limits = (
        f"{recipe.epochs:,} epochs ({recipe.epochs * per_epoch:,} steps)" if recipe.epochs else "",
        f"{recipe.steps:,} steps" if recipe.steps else "",
        f"{recipe.minutes:g} minutes" if recipe.minutes else "",
    )
    upper = "up to " if recipe.patience else ""
    parts = [upper + " or ".join(filter(None, limits))]
    if recipe.validation:
        parts.append(f"the best model on {recipe.validation:.0%} validation rows is kept")
    if recipe.patience:
        parts.append(f"stops early after {recipe.patience} evaluations without a better one")
    parts.append(
        "the step size falls to zero" if recipe.optimizer.schedule == "cosine" else "constant step size"
    )
    return ", ".join(parts)


def conclude(console: Console, run: Run) -> None:
    """The value that was reached, and where everything is."""
    state = run.state.progress
    record = state.chosen or {}
    table = Table(title=f"{run.assembly.bound}, nats per data point", title_justify="left", title_style="")
    for column in ("rows", _value_heading(run.assembly.objective), "reconstruction", "kl"):
        table.add_column(column, justify="left" if column == "rows" else "right")
    for split in ("train", "validation", "test"):
        if f"{split}_bound" in record:
            values = (record[f"{split}_{name}"] for name in ("bound", "reconstruction", "kl"))
            table.add_row(split, *(f"{value:.2f}" for value in values))
    console.print(table)
    if run.assembly.objective.value_name != ELBO:
        write(console, run.assembly.objective.parts_note)
    chosen = (
        f"that of epoch {record.get('epoch')}, the best on validation rows"
        if state.chooses_best
        else "the last"
    )
    epochs = f"{state.epoch} epoch{'s' * (state.epoch != 1)}"
    write(console, f"{state.status} after {state.seconds:.1f} s and {epochs}; the model is {chosen}")
    write(console, f"model and records are in {run.folder.path}")


def _value_heading(objective: Objective) -> str:
    return "bound" if objective.is_bound else "value"


def _lines(console: Console, run: Run) -> Show:
    """A line per evaluation, at most one every few seconds but always the last."""
    shown, shown_at = len(run.state.progress.history), -LINE_SECONDS

    def show(state: TrainingState) -> None:
        nonlocal shown, shown_at
        history, now = state.progress.history, time.monotonic()
        if len(history) > shown and (now - shown_at > LINE_SECONDS or state.progress.status != "running"):
            shown, shown_at = len(history), now
            record = history[-1]
            others = (
                f"  {split} {record[key]:.2f}"
                for split in ("validation", "test")
                if (key := f"{split}_bound") in record
            )
            write(
                console,
                f"epoch {record['epoch']}  train {record['train_bound']:.2f}"
                f" (reconstruction {record['train_reconstruction']:.2f}, kl {record['train_kl']:.2f})"
                f"{''.join(others)}  {record['examples_per_second']:,.0f} examples/s  {record['seconds']:.1f} s",
            )

    return show


def _epoch(run: Run, state: TrainingState) -> str:
    """The epoch that is being taken, and how many there are to be."""
    done, budget = state.progress.epoch, run.assembly.plan.epochs
    return str(done + 1) if budget is None else f"{min(done + 1, budget)}/{budget}"


def _latest(state: TrainingState, *, wide: bool) -> tuple[str, str]:
    """The value on training rows since the last evaluation, or just after one, that evaluation's; and the speed."""
    at, heading = state.progress, _value_heading(state.objective)
    record = at.history[-1] if at.history else {}
    if at.sum_rows:
        value, reconstruction, kl = (
            at.sums[name] / at.sum_rows for name in ("bound", "reconstruction", "kl")
        )
        speed = at.sum_rows / max(at.training_seconds, 1e-9)
    elif record:
        value, reconstruction, kl = (record[f"train_{name}"] for name in ("bound", "reconstruction", "kl"))
        speed = record["examples_per_second"]
    else:
        return "", ""
    if not wide:
        return f"{heading} {value:.1f} (rec {reconstruction:.1f}, kl {kl:.1f})", f"{speed:,.0f}/s"
    test = f", test {record['test_bound']:.1f}" if "test_bound" in record else ""
    terms = f"{heading} {value:.1f} (reconstruction {reconstruction:.1f}, kl {kl:.1f}){test}"
    return terms, f"{speed:,.0f} examples/s"


def _share_done(run: Run, state: TrainingState) -> float:
    """How much of the budget is used up: of the one that will end the run, if there are several."""
    at, plan = state.progress, run.assembly.plan
    shares = [0.0]
    if plan.epochs is not None:
        shares.append(at.samples_seen / (plan.epochs * len(run.assembly.data.train)))
    if plan.steps is not None:
        shares.append(at.step / plan.steps)
    if plan.seconds is not None:
        shares.append(at.seconds / plan.seconds)
    return min(1.0, max(shares))
