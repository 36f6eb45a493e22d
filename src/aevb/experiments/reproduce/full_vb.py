"""Full variational Bayes, a distribution over the weights too, against point estimates: where it pays."""

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, ClassVar

import jax
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import t as student_t

from aevb.datasets import Dataset, load
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.training_jobs import only_training_rows, steps_of, trained
from aevb.experiments.reproduce.written import table
from aevb.inference import Importance, Refined, log_marginal
from aevb.plots.comparisons import Panel, Series, curves_beside_published

N_TRAIN = (100, 300, 1000, 10_000)
METHODS: dict[str, dict[str, str]] = {
    "full-vb": {"weight_posterior": "gaussian"},
    "map": {"weight_prior": "normal"},
    "ml": {},
}
NAMES = {"full-vb": "full VB", "map": "MAP", "ml": "maximum likelihood"}
SEEDS = (0, 1, 2)
FALSE_ALARM = 0.05  # of saying that a difference over seeds is clear, for each comparison
SAMPLES, BATCH, LATENTS, HIDDEN = 2_000_000, 100, 10, 200
ROWS, DRAWS, SEARCH_STEPS = 1000, 500, 100
FEW = 0.2  # below this share two numbers of training rows are tried


class FullVB(Experiment):
    """log p(x) of test rows against the number of training rows."""

    name: ClassVar[str] = "full-vb"
    title: ClassVar[str] = "Full variational Bayes against point estimates of the weights"
    source: ClassVar[str] = (
        "Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114v10, appendix F, "
        "which gives the algorithm and no results"
    )
    full_minutes: ClassVar[float] = 75.0
    parts: ClassVar[tuple[str, ...]] = tuple(map(str, N_TRAIN))

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """One for each number of training rows, method and seed."""
        seeds = SEEDS if size.share >= FEW else SEEDS[:2]
        return [
            Job(f"{n}-{method}-{seed}", functools.partial(_run, n, method, seed), _cost(method))
            for n in (N_TRAIN if size.share >= FEW else (N_TRAIN[0], N_TRAIN[2]))
            for seed in seeds
            for method in METHODS
        ]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """Full VB minus each point estimate, over seeds; no result was published."""
        return [
            _difference(n, other, _paired(methods, other))
            for n, methods in _by_method(results).items()
            for other in ("map", "ml")
            if _paired(methods, other)
        ]

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """Means over seeds, with their standard errors."""
        found = _by_method(results)
        absolute = [
            _series(name, {n: found[n][m] for n in found if m in found[n]}) for m, name in NAMES.items()
        ]
        differences = [
            _series(NAMES[m], {n: _paired(found[n], m) for n in found if _paired(found[n], m)})
            for m in ("map", "ml")
        ]
        title = f"{size.data or 'MNIST'}, binary at 1/2, N_z = {LATENTS}"
        axes = {"x_label": "training rows", "ticks": list(found)}
        panels = [
            Panel(title, absolute, y_label="test log p(x) (nats per data point)", **axes),
            Panel("what full VB gains", differences, y_label="full VB minus the other (nats)", **axes),
        ]
        return {self.name: curves_beside_published(panels)}

    def tables(self, results: Results, size: Size) -> str:
        """Means over seeds and their standard errors."""
        found = _by_method(results)
        rows = []
        for n, methods in found.items():
            cells = [
                f"{fmean(methods[m].values()):.2f} ± {_error(list(methods[m].values())):.2f}"
                if m in methods
                else "–"
                for m in NAMES
            ]
            rows.append((f"{n:,}", *cells))
        shares = [
            f"{result['reliable']:.0%}" for result in sorted(results.values(), key=lambda r: r["reliable"])
        ]
        passing = " to ".join(dict.fromkeys((shares[0], shares[-1])))
        return (
            "## Test log p(x), nats per data point\n\n"
            + table(("training rows", *NAMES.values()), rows)
            + f"\n\nOf each run's rows, {passing} have importance weights that pass k-hat."
        )

    def notes(self, size: Size) -> str:
        """How it was trained and measured."""
        return (
            f"Networks: {HIDDEN} ReLU units, {LATENTS} latents; pixels binary at a threshold of 1/2. Adam, 1e-3 "
            f"falling to zero as half a cosine, minibatches of {BATCH}, {_samples(size):,} training samples "
            "whatever the number of rows, and no validation rows: nothing is stopped early. A seed draws the training "
            "rows, the same for all methods, and the initial weights. Full VB and MAP have N(0, 1) as the prior of "
            "every decoder weight.\n\n"
            f"log p(x) of the first {size.of(ROWS, 20)} test rows by importance sampling with {DRAWS} draws from "
            "posteriors that are refined row by row, as an encoder trained on few rows fits others badly; under full "
            "VB p(x) is the mean over 16 draws of the weights. Errors are standard errors over seeds; a difference is "
            f"called clear where Student's t says so at a false-alarm rate of {FALSE_ALARM:.0%}."
        )


def _cost(method: str) -> float:
    return 2.0 if method == "full-vb" else 1.0


def _samples(size: Size) -> int:
    return size.of(SAMPLES, 2000)


def _run(n: int, method: str, seed: int, setting: Setting, needs: Results) -> dict[str, Any]:
    """log p(x) of test rows under a model trained on `n` rows."""
    dataset = load(setting.size.data or "mnist", data_dir=setting.data_dir)
    train = _drawn_rows(dataset, n, seed)
    settings: dict[str, Any] = {
        "latents": LATENTS,
        "hidden": (HIDDEN,),
        "binarize": "static",
        "batch_size": BATCH,
        "schedule": "cosine",
        "steps": steps_of(_samples(setting.size), BATCH, train.n_train),
        "seed": seed,
    }
    model = trained(settings | METHODS[method], train, setting)
    assert dataset.x_test is not None, "named data sets have test rows"
    x, key = model.prepare(dataset.x_test[: setting.size.of(ROWS, 20)]), jax.random.key(seed)
    recognition = Refined(model.autoencoder, key, n_steps=np.asarray(SEARCH_STEPS))
    found = log_marginal(model.autoencoder.model, recognition, x, key, Importance(DRAWS))
    return {
        "n_train": train.n_train,
        "mean": found.mean,
        "error": found.mean_monte_carlo_error,
        "sampling_error": found.sampling_error,
        "reliable": float(np.mean(found.reliable)),
    }


def _drawn_rows(dataset: Dataset, n: int, seed: int) -> Dataset:
    chosen = np.random.default_rng(seed).permutation(dataset.n_train)[:n]
    drawn = Dataset(dataset.name, dataset.x_train[chosen], image_shape=dataset.image_shape)
    return only_training_rows(drawn)


def _by_method(results: Results) -> dict[int, dict[str, dict[int, float]]]:
    """The means over test rows, by training rows, method and seed."""
    found: dict[int, dict[str, dict[int, float]]] = {}
    for key, result in results.items():
        method, _, seed = key.partition("-")[2].rpartition("-")
        found.setdefault(result["n_train"], {}).setdefault(method, {})[int(seed)] = result["mean"]
    return found


def _error(values: Sequence[float]) -> float:
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def _paired(methods: Mapping[str, Mapping[int, float]], other: str) -> dict[int, float]:
    """Full VB minus another method, by seed, each of which has its own training rows."""
    ours, theirs = methods.get("full-vb", {}), methods.get(other, {})
    return {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}


def _series(name: str, values: Mapping[int, Mapping[int, float]]) -> Series:
    """Means over seeds and their errors, against the number of training rows."""
    found = {n: list(by_seed.values()) for n, by_seed in values.items()}
    points = np.array([[n, fmean(v)] for n, v in found.items()], dtype=float).reshape(-1, 2)
    return Series(name, points, np.array([_error(v) for v in found.values()], dtype=float))


def _difference(n: int, other: str, differences: Mapping[int, float]) -> Verdict:
    mean, error = fmean(differences.values()), _error(list(differences.values()))
    clear = (
        student_t.ppf(1 - FALSE_ALARM / 2, len(differences) - 1) * error if len(differences) > 1 else math.inf
    )
    pays = "pays" if mean > clear else "costs" if mean < -clear else "makes no clear difference"
    return Verdict(
        f"{n:,} training rows: being Bayesian about the weights {pays}: full VB minus {NAMES[other]} is {mean:+.2f} ± "
        f"{error:.2f} nats of test log p(x), over {len(differences)} seeds."
    )
