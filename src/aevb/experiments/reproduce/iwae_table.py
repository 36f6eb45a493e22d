"""Table 1 of the IWAE paper, models with one stochastic layer: negative log-likelihood of binary digits."""

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from matplotlib.figure import Figure

from aevb.datasets import load
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.published_tables import iwae_nll, published_tables
from aevb.experiments.reproduce.training_jobs import only_training_rows, steps_of, trained
from aevb.experiments.reproduce.written import nats, table
from aevb.inference import Importance
from aevb.plots.comparisons import Compared, numbers_beside_published

# By k: the objectives, each with the name of its row, and epochs at full length.
ROWS: dict[int, tuple[tuple[str, ...], int]] = {
    1: (("vae",), 1000),
    5: (("iwae", "vae", "dreg"), 1500),
    50: (("iwae", "vae", "dreg"), 40),
}
OBJECTIVES = {"vae": "sgvb-b", "iwae": "iwae", "dreg": "dreg"}
NAMES = {"vae": "VAE", "iwae": "IWAE", "dreg": "DReG"}
WARMUP = 3000
BATCH, TEST_ROWS, DRAWS, ACTIVE = 100, 10_000, 5000, 0.01
PUBLISHED_COLUMNS = ("published", "a reimplementation")
FEW = 0.2  # below this share only k = 1 and 5 are done, without DReG
ENOUGH = 0.5  # nats from the published number


class IWAETable(Experiment):
    """The negative log-likelihood of VAE and IWAE with 1, 5 and 50 draws, and of IWAE with DReG gradients."""

    name: ClassVar[str] = "iwae-table"
    title: ClassVar[str] = "Importance weighted autoencoders, one stochastic layer"
    source: ClassVar[str] = (
        "Burda, Grosse & Salakhutdinov (2016), Importance Weighted Autoencoders, arXiv:1509.00519, table 1"
    )
    full_minutes: ClassVar[float] = 300.0
    parts: ClassVar[tuple[str, ...]] = (
        *(f"k{k}" for k in ROWS),
        *(f"k{k}-{method}" for k, (methods, _) in ROWS.items() for method in methods),
    )

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """One for each row of the table; that of k = 1 stands for both, which are one algorithm then."""
        return [
            Job(f"k{k}-{method}", functools.partial(_run, k, method), epochs * (1 + k) / 600)
            for k, (methods, epochs) in ROWS.items()
            for method in methods
            if size.share >= FEW or (k < 50 and method != "dreg")
        ]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """Ours against the published number, where the run is of full length, and more draws against fewer."""
        verdicts = []
        for key, result in results.items():
            k, method = _row(key)
            theirs = iwae_nll(method, k)
            if theirs is not None and size.is_full:
                ahead = theirs - result["nll"]
                where = "below" if ahead >= 0 else "above"
                near = f"{'not ' * (ahead < -ENOUGH)}within {ENOUGH:g} of it or below"
                text = (
                    f"{_label(k, method)}: {result['nll']:.2f} ± {result['sampling_error']:.2f} nats, {abs(ahead):.2f} "
                    f"{where} the published {theirs:.2f}, {near}, after {result['epochs']:g} epochs in place of 3280."
                )
                verdicts.append(Verdict(text, ahead >= -ENOUGH))
        return [*verdicts, *_gains(results, size)]

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """A line for each row of the table."""
        rows = []
        for key, result in results.items():
            k, method = _row(key)
            numbers = [
                ("Burda et al. 2016, 3280 epochs", iwae_nll(method, k)),
                ("a reimplementation", iwae_nll("iwae" if k == 1 else method, k, "reimplementation")),
            ]
            published = tuple((name, value) for name, value in numbers if value is not None)
            label = f"{_label(k, method)}, {result['epochs']:g} epochs"
            rows.append(
                Compared(label, result["nll"], result["error"], () if size.data is not None else published)
            )
        x_label = f"negative log-likelihood of test rows, k = {DRAWS} (nats per data point)"
        data = "MNIST" if size.data is None else size.data
        return {self.name: numbers_beside_published(rows, x_label, f"{data}, binarized dynamically")}

    def tables(self, results: Results, size: Size) -> str:
        """Ours and published, and the active units."""
        header = (
            "model",
            "epochs",
            "NLL",
            "± over rows",
            "± Monte Carlo",
            *PUBLISHED_COLUMNS,
            "k-hat passes",
            "active units",
        )
        rows = []
        for key, result in results.items():
            k, method = _row(key)
            theirs = (iwae_nll(method, k), iwae_nll("iwae" if k == 1 else method, k, "reimplementation"))
            theirs = theirs if size.data is None else (None, None)
            values = ((result["nll"], 2), (result["sampling_error"], 2), (result["error"], 3))
            cells = (*(nats(v, digits) for v, digits in values), *(nats(v, 2) for v in theirs))
            active = f"{result['active']} of {result['latents']}"
            passes = f"{result['reliable']:.0%}"
            rows.append((_label(k, method), f"{result['epochs']:g}", *cells, passes, active))
        return "## Negative log-likelihood of test rows, nats per data point\n\n" + table(header, rows)

    def notes(self, size: Size) -> str:
        """The network, the schedule and the evaluation."""
        return (
            "The table's own network: 50 latents, two hidden layers of 200 tanh units each way. Pixels are drawn anew "
            "from their grey values whenever training sees them; those of the test rows once. Adam with steps of 3e-3 "
            f"after a rise over {WARMUP:,} steps, falling to zero as half a cosine, minibatches of {BATCH}; epochs at "
            "full length: "
            + ", ".join(f"{epochs} for k = {k}" for k, (_, epochs) in ROWS.items())
            + f". The likelihood of {size.of(TEST_ROWS, 20):,} test rows is the importance weighted bound with "
            f"{DRAWS} draws, as in the paper: a lower bound, which falls short of log p(x) where few of the draws "
            "count, and k-hat does not pass; errors are those over rows, and of the draws. A unit is active where "
            f"the variance of E[z|x] over these rows is above {ACTIVE}.\n\nPublished: "
            + published_tables()["iwae"]["source"]
            + "."
        )


def _run(k: int, method: str, setting: Setting, needs: Results) -> dict[str, Any]:
    """Train a row of the table and evaluate it."""
    dataset = load(setting.size.data or "mnist", data_dir=setting.data_dir)
    train = only_training_rows(dataset)
    steps = steps_of(setting.size.of(ROWS[k][1] * train.n_train, 500), BATCH, train.n_train)
    settings = {
        "latents": 50,
        "hidden": (200, 200),
        "activation": "tanh",
        "initialization": "lecun",
        "binarize": "dynamic",
        "objective": OBJECTIVES[method],
        "samples": k,
        "batch_size": BATCH,
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "warmup": min(WARMUP, steps // 10),
        "steps": steps,
    }
    model = trained(settings, train, setting.part(0, 2))
    assert dataset.x_test is not None, "named data sets have test rows"
    x = dataset.x_test[: setting.size.of(TEST_ROWS, 20)]
    found = model.log_marginal(x, Importance(DRAWS), seed=0, show=setting.part(1, 2).show)
    variance = np.var(model.encode(x), axis=0, dtype=np.float64)
    return {
        "nll": -found.mean,
        "error": found.mean_monte_carlo_error,
        "sampling_error": found.sampling_error,
        "reliable": float(np.mean(found.reliable)),
        "epochs": round(steps * BATCH / train.n_train, 1),
        "active": int(np.sum(variance > ACTIVE)),
        "latents": len(variance),
    }


def _row(key: str) -> tuple[int, str]:
    k, _, method = key.partition("-")
    return int(k.removeprefix("k")), method


def _label(k: int, method: str) -> str:
    return "VAE = IWAE, k = 1" if k == 1 else f"{NAMES[method]}, k = {k}"


def _gains(results: Results, size: Size) -> list[Verdict]:
    """What the importance weighted bound is worth over that of a VAE with as many draws, on the same rows."""
    verdicts = []
    for k in ROWS:
        if f"k{k}-iwae" in results and f"k{k}-vae" in results:
            ours, theirs = results[f"k{k}-iwae"], results[f"k{k}-vae"]
            gain, error = theirs["nll"] - ours["nll"], math.hypot(ours["error"], theirs["error"])
            text = f"k = {k}: a VAE with as many draws minus IWAE is {gain:+.2f} ± {error:.2f} nats"
            holds = gain > 2 * error if size.is_full else None
            verdicts.append(Verdict(f"{text} (Monte Carlo error, the same rows).", holds))
    return verdicts
