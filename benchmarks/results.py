"""results.json, one section per benchmark, and RESULTS.md, which is rendered from it as a whole."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
JSON = HERE / "results.json"
MARKDOWN = HERE / "RESULTS.md"

QUIET_SHARE = 0.05  # beyond this, threads that spin while they wait (PyTorch's) lose far more than others do

Section = dict[str, Any]

TITLES = {
    "aevb": "aevb",
    "pytorch": "PyTorch script, items as torchvision makes them",
    "pytorch-tensors": "PyTorch script, items are bare tensors",
    "pythae": "Pythae",
    "pyro": "Pyro",
    "numpyro": "NumPyro, scanned epoch",
    "floor": "floor: matrix products only",
}


def update(name: str, section: Section, folder: Path = HERE) -> None:
    """Put one section into results.json, keep the others, render RESULTS.md anew; each write is atomic."""
    path = folder / JSON.name
    stored: dict[str, Section] = json.loads(path.read_text()) if path.exists() else {}
    stored[name] = section
    _write(path, json.dumps(stored, indent=1) + "\n")
    _write(folder / MARKDOWN.name, render(stored))


def _write(path: Path, text: str) -> None:
    """Replace a file in one step."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)


def render(stored: dict[str, Section]) -> str:
    """Return RESULTS.md: a header and each known section that was measured, in a fixed order."""
    parts = ["# Benchmarks\n\nWritten by `make bench` from `results.json`, which holds every raw timing.\n"]
    parts += [write(stored[name]) for name, write in SECTIONS.items() if name in stored]
    return "\n".join(parts)


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def machine_line(about: dict[str, Any]) -> str:
    """Return the sentence on the machine."""
    share = about.get("others_share")
    others = "" if share is None else f"; other processes used {100 * share:.1f}% of these cores meanwhile"
    return (
        f"Machine: {about['cpu']}, {about['cores_used']} of {about['cores']} cores, {about['memory_gb']} GB, "
        f"{about['system']}, Python {about['python']}; load before the run {about['load_before']}{others}; "
        f"{about['date']}.\n"
    )


def busy_note(about: dict[str, Any]) -> str:
    """Return a warning if other processes took more of the cores than a fair race can bear."""
    if (about.get("others_share") or 0.0) <= QUIET_SHARE:
        return ""
    return "**Not a fair race: the machine was busy with other work. Run it again when it is quiet.**\n"


def _epoch(section: Section) -> str:
    """Render the race."""
    contestants: dict[str, Section] = section["contestants"]
    rounds = max(len(c["seconds"]) for c in contestants.values())
    coverages = {c["aevb_ratio"]["coverage"] for c in contestants.values() if "aevb_ratio" in c}
    level = f"{100 * min(coverages):.1f}%" if coverages else "95%"
    rows = [_epoch_row(name, c) for name, c in contestants.items()]
    header = [
        "",
        "s/epoch, median (range)",
        f"aevb / it (median, {level} interval)",
        "bar",
        "verdict",
        "last loss",
    ]
    used = "; ".join(
        f"{TITLES[name]}: " + ", ".join(f"{p} {v}" for p, v in c["versions"].items())
        for name, c in contestants.items()
    )
    return f"""## Seconds per epoch

The same VAE for all: 784-400-20-400-784, ReLU, grey MNIST under a Bernoulli, Adam 1e-3, minibatches of 128,
one sample, 60,000 rows shuffled each epoch, two threads. "Last loss" is the mean negative bound of the last
timed training epoch, in nats (a cross-entropy bound: the pixels are grey).

{busy_note(section["machine"])}
{table(header, rows)}
Method:
- Every contestant is a process of its own in its own environment; the floor shares aevb's.
- {section["warm_up_epochs"]} epochs of each are discarded (compilation), then {rounds} rounds are timed.
- In each round each trains one epoch, in random order, while all the others wait.
- A ratio is taken within a round; given are the median over rounds and a distribution-free interval for it
  (order statistics, binomial).
- A bar is met when the whole interval lies within it, missed when the whole interval lies beyond it,
  otherwise "undecided".

Command: `python -m benchmarks.harness --rounds {rounds} --seed {section["seed"]}`.
{machine_line(section["machine"])}
Versions: {used}.
"""


def _epoch_row(name: str, contestant: Section) -> list[str]:
    """Return a contestant's line of the table."""
    loss = "" if name == "floor" else f"{contestant['loss'][-1]:.1f}"
    timed = contestant["seconds"]
    seconds = f"{contestant['median_seconds']:.2f} ({min(timed):.2f} to {max(timed):.2f})"
    ratio = contestant.get("aevb_ratio")
    if ratio is None:
        return [TITLES[name], seconds, "", "", "", loss]
    interval = f"{ratio['median']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"
    bar = f"{ratio['bar']:.2f}" if "bar" in ratio else ""
    return [TITLES[name], seconds, interval, bar, ratio.get("verdict", ""), loss]


def _posteriors(section: Section) -> str:
    """Render the race between posteriors."""
    rows = []
    for name, contestant in section["contestants"].items():
        ratio, timed = contestant.get("ratio"), contestant["seconds"]
        what = "Gaussian / it" if name == "before" else "it / Gaussian"
        compared = ["", "", ""]
        if ratio is not None:
            interval = f"{what}: {ratio['median']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})"
            compared = [interval, f"{ratio['bar']:.2f}", ratio["verdict"]]
        title = f"Gaussian, at {section['before']}" if name == "before" else name.capitalize()
        seconds = f"{contestant['median_seconds']:.2f} ({min(timed):.2f} to {max(timed):.2f})"
        rows.append([title, seconds, *compared])
    rounds = len(section["contestants"]["gaussian"]["seconds"])
    header = ["posterior", "s/epoch, median (range)", "ratio, median (interval)", "bar", "verdict"]
    return f"""## Seconds per epoch by posterior

The network and the method of the race above; each posterior under its default prior and objective.

{busy_note(section["machine"])}
{table(header, rows)}
Command: `python -m benchmarks.posteriors --rounds {rounds} --seed {section["seed"]}`.
{machine_line(section["machine"])}"""


def _speedrun(section: Section) -> str:
    """Render the time to the bound."""
    header = ["run", "seed", "seconds to the bound", "at epoch", "test bound there", "seconds to the end"]
    rows = [
        [str(number), str(run["seed"]), _number(run["seconds"]), _number(run["epoch"], 0),
         _number(run["test_bound"], 2), _number(run["total_seconds"])]
        for number, run in enumerate(section["runs"], start=1)
    ]  # fmt: skip
    return f"""## Speedrun: from a cold start to a test bound of {section["bound"]}

Median: **{_number(section["median_seconds"])} s**; bar: {section["bar"]:.0f} s; {section["verdict"]}.

{table(header, rows)}
Method: `{section["command"]}` with a fresh folder each time; the clock runs from the start of the process
until the line with that bound is seen in its metrics (looked for every 20 ms), so imports, compilation and
evaluation count. Cold: the process and its caches of compiled programs, fonts and downloads. Not cold:
Python's own bytecode and the file system's cache.

Command: `python -m benchmarks.speedrun --repeats {len(section["runs"])}`.
{machine_line(section["machine"])}"""


def _tutorial(section: Section) -> str:
    """Render the tutorial network's test bounds."""
    header = [
        "epoch",
        "published test bound",
        f"ours, mean of {len(section['runs'])} seeds",
        "bar",
        "verdict",
    ]
    rows = [
        [
            str(row["epoch"]),
            f"{row['published']:.2f}",
            f"{row['mean']:.2f} (standard error {row['standard_error']:.2f})",
            f"{row['bar']:.2f}",
            row["verdict"],
        ]
        for row in section["rows"]
    ]
    return f"""## Test bound of the tutorial network

The defaults of `aevb train mnist`: 784-400-20-400-784, ReLU, Adam 1e-3, minibatches of 128, one sample, grey MNIST
under a Bernoulli; the published values are a widely used PyTorch tutorial's log. Nats per image, a cross-entropy bound.

{table(header, rows)}
Command: `python -m benchmarks.tutorial`.
{machine_line(section["machine"])}"""


def _importance_weighted(section: Section) -> str:
    """Render what more importance samples in training are worth."""
    header = [
        "trained with",
        "log p(x), nats (sampling error)",
        "gain over K = 1 (paired error)",
        "bar",
        "verdict",
    ]
    rows = []
    for row in section["rows"]:
        gain, error, bar = row["gain"], row["gain_error"], section["bar"]
        compared = ["", "", ""]
        if error:
            met = "met" if gain - 2 * error >= bar else "missed" if gain + 2 * error < bar else "undecided"
            compared = [f"{gain:.2f} ({error:.2f})", f"{bar:g}", met]
        rows.append([row["name"], f"{row['log_p']:.2f} ({row['sampling_error']:.2f})", *compared])
    return f"""## Importance-weighted training

784-200-200-50-200-200-784, tanh, MNIST binarized anew whenever it is seen; {section["epochs"]} epochs of Adam, step
2e-3 down to 0 on a cosine, minibatches of 100, LeCun initial weights, one seed. log p(x) of the first
{section["n_rows"]:,} test rows by importance sampling with {section["n_samples"]:,} draws a row; the rows are the same
for all, so that the gain's error is paired.

{table(header, rows)}
Command: `python -m benchmarks.importance_weighted --epochs {section["epochs"]}`.
{machine_line(section["machine"])}"""


def _marginal(section: Section) -> str:
    """Render how fast log p(x) is estimated."""
    floor, ratio = section["rates"]["products"], section["ratio"]
    low, high = 1 / ratio["high"], 1 / ratio["low"]
    share = f"{1 / ratio['median']:.2f} ({low:.2f}-{high:.2f})"
    rows = [
        ["the decoder's matrix products alone", f"{floor:,.0f}", "1"],
        ["aevb", f"{section['rates']['aevb']:,.0f}", f"{share}, bar {section['bar']:g}, {ratio['verdict']}"],
    ]
    if section["peer_rate"]:
        rate = section["peer_rate"]
        rows.append(["plain PyTorch, a loop over images", f"{rate:,.0f}", f"{rate / floor:.2f}"])
    memory = f"Peak memory of the process: {section['peak_gb']:.2f} GB; bar: {section['memory_bar_gb']:g} GB."
    if "all_seconds" in section:
        memory = f"All {section['all_rows']:,} images once: {section['all_seconds']:.0f} s. {memory}"
    return f"""## Speed of log p(x)

Importance sampling with K = {section["samples"]:,} draws a row from the recognition model of 784-400-20-400-784;
{section["rows"]} images a round, {len(section["seconds"]["aevb"])} rounds in turn with the products; the shares are
medians of paired ratios with their 95% intervals. PyTorch: {section["peer_rows"]} images, once.

{table(["", "codes a second", "share of the products' rate"], rows)}
{memory}

Command: `python -m benchmarks.marginal --all`.
{machine_line(section["machine"])}"""


def _monte_carlo_em(section: Section) -> str:
    """Render how fast the chains of Monte Carlo EM move."""
    rates, ratio = section["rates"], section["ratio"]
    rows = [
        ["their matrix products alone", f"{rates['products']:,.0f}"],
        ["aevb, the chains", f"{rates['aevb']:,.0f}"],
        [f"aevb, with {section['updates']} updates of the weights", f"{rates['aevb with updates']:,.0f}"],
    ]
    return f"""## Speed of Monte Carlo EM

Chains of {section["rows"]:,} MNIST images under 784-100-3, a transition of {section["leapfrog"]} leapfrog steps each in
a round of EM; {len(section["seconds"]["aevb"])} turns of {section["sweeps"]} rounds. The chains alone take
{ratio["median"]:.2f} times as long as their matrix products (interval {ratio["low"]:.2f} to {ratio["high"]:.2f}).

{table(["", "transitions a second"], rows)}
Command: `python -m benchmarks.monte_carlo_em`.
{machine_line(section["machine"])}
"""


def _sandwich(section: Section) -> str:
    """Render how closely log p(x) of simulated rows is bounded from both sides."""
    header = [
        "side",
        "mean log p(x), nats (Monte Carlo error)",
        "effective chains",
        "acceptance",
        "reliable rows",
    ]
    rows = [
        [name, f"{side['mean']:.3f} ({side['monte_carlo_error']:.3f})", f"{side['effective_chains']:.1f}",
         f"{side['acceptance']:.2f}", f"{100 * side['reliable']:.0f}%"]
        for name, side in section["sides"].items()
    ]  # fmt: skip
    return f"""## Two-sided bounds on log p(x)

Annealed importance sampling from q(z|x) and, on the same path, back from the code that a row was drawn from: rows
simulated from the tutorial network after {section["epochs"]} epochs; {section["n_rows"]} rows, {section["n_chains"]}
chains, {section["n_temperatures"]} temperatures, {section["n_leapfrog"]} leapfrog steps, start: {section["start"]}.

Mean width: **{section["width"]:.3f} nats** (standard error {section["width_error"]:.3f}) in {section["seconds"]:.0f} s,
compilation included; bar: {section["width_bar"]:g} nats within {section["minutes_bar"]:g} minutes on two cores;
{section["verdict"]}.

{busy_note(section["machine"])}
{table(header, rows)}
Command: `{section["command"]}`.
{machine_line(section["machine"])}"""


def _imputation(section: Section) -> str:
    """Render the errors of filled-in values, each difference with the verdict on it."""
    rows, notes = [], []
    for share in section["shares"]:
        percent, best = f"{100 * share['share']:.0f}%", min(share["rows"], key=lambda row: row["test_rmse"])
        rows.append([percent, "aevb", f"{share['train_rmse']:.4f}", f"{share['test_rmse']:.4f}", "", ""])
        for row in share["rows"]:
            apart, error = row["test"]["difference"], row["test"]["error"]
            verdict = "ahead" if apart + 2 * error < 0 else "behind" if apart - 2 * error > 0 else "level"
            name = f"{row['name']} (the best of the others)" if row is best else row["name"]
            errors = [f"{row[f'{split}_rmse']:.4f}" for split in ("train", "test")]
            rows.append([percent, name, *errors, f"{apart:+.4f} ({error:.4f})", verdict])
        covered, loss = share["covered"], share["loss"]
        notes.append(
            f"- {percent} missing: 90% intervals between quantiles of draws cover {100 * covered['share']:.1f}% of the "
            f"hidden test values (standard error {100 * covered['error']:.1f}%; bar: 85 to 95%); learning from these "
            f"rows instead of complete ones costs {loss['mean']:.2f} nats ({loss['error']:.2f}) of log p(x) of a "
            f"complete test row; {100 * share['reliable']:.0f}% of test rows reliable."
        )
    header = ["missing", "method", "RMSE, training rows", "RMSE, test rows", "aevb less it, test", "aevb is"]
    recipe = ", ".join(f"{name} {value}" for name, value in section["recipe"].items())
    listed = "\n".join(notes)
    return f"""## Missing values

The digits, 1,497 training and 300 test rows of 64 pixels, made continuous by uniform noise of one of their 17 levels;
values are missing completely at random in both, and the same for all methods, which learn from the incomplete training
rows. aevb: {recipe}; then {section["n_samples"]:,} importance samples a row from posteriors refined row by row. A
difference is between RMSEs over the same hidden values, its standard error over rows; "ahead" and "behind" are by more
than two of them.

{table(header, rows)}
{listed}

Command: `python -m benchmarks.imputation`.
{machine_line(section["machine"])}"""


def _resources(title: str, unit: str, section: Section) -> str:
    """Render one measured number against its bar."""
    return f"""## {title}

**{section["value"]:.2f} {unit}**; bar: {section["bar"]:g} {unit}; {section["verdict"]}. Measured on
`{section["command"]}` with empty caches, on two cores.

Command: `python -m benchmarks.memory_and_demo`.
{machine_line(section["machine"])}"""


def _earlier(section: Section) -> str:
    """Render this tree beside an earlier commit."""
    seconds, first = section["epoch_seconds"], section["first_result_seconds"]
    compared = {
        "s/epoch, tutorial network": (seconds["aevb"], seconds["earlier"], section["epoch"]),
        "s/epoch, against the floor": (seconds["aevb"], seconds["floor"], section["floor"]),
        "s to a first result, cold": (
            first["aevb"]["cold"],
            first["earlier"]["cold"],
            section["first_result"]["cold"],
        ),
        "s to a first result, warm": (
            first["aevb"]["warm"],
            first["earlier"]["warm"],
            section["first_result"]["warm"],
        ),
    }
    rows = [
        [
            what,
            f"{a:.2f}",
            f"{b:.2f}",
            f"{c['median']:.3f} ({c['low']:.3f} to {c['high']:.3f})",
            f"{c['bar']}",
            c["verdict"],
        ]
        for what, (a, b, c) in compared.items()
    ]
    header = ["", "this tree", "the other", "ratio, median (interval)", "bar", "verdict"]
    return f"""## Beside commit {section["commit"]}

The epoch is that of the race above; a first result is `aevb train digits --epochs 1`, from empty caches or from the
compilation cache that this filled, to the end of the command, pictures included. Runs are interleaved.

{busy_note(section["machine"])}
{table(header, rows)}
Command: `python -m benchmarks.earlier`.
{machine_line(section["machine"])}"""


def _number(value: float | None, digits: int = 1) -> str:
    """Return a number, or "never"."""
    return "never" if value is None else f"{value:.{digits}f}"


SECTIONS: dict[str, Callable[[Section], str]] = {
    "epoch": _epoch,
    "earlier": _earlier,
    "posteriors": _posteriors,
    "tutorial": _tutorial,
    "importance_weighted": _importance_weighted,
    "marginal": _marginal,
    "monte_carlo_em": _monte_carlo_em,
    "sandwich": _sandwich,
    "imputation": _imputation,
    "speedrun": _speedrun,
    "memory": lambda section: _resources("Peak memory of training", "GB", section),
    "demo": lambda section: _resources("Wall-clock time of the demo", "s", section),
}
