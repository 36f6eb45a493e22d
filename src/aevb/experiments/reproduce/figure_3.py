"""Figure 3 of the AEVB paper: the marginal likelihood while AEVB, wake-sleep and Monte Carlo EM are trained."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from aevb.datasets import Dataset, load
from aevb.errors import NonFiniteBoundError
from aevb.experiments.reproduce.best_draws import N_DRAWS, BestOfDraws
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.figure_3_results import figure_of, table_of, verdicts_of
from aevb.experiments.reproduce.networks import BATCH, STEP_SIZES, WARMUP
from aevb.experiments.reproduce.training_jobs import measured, only_training_rows, trained
from aevb.inference import Annealed, HMCDensity, MarginalEstimate, MarginalMethod, log_marginal
from aevb.models import AutoEncoder
from aevb.trained import TrainedModel

N_TRAIN = (1000, 50_000)
SAMPLES = (1_000_000, 2_000_000, 5_000_000)
METHODS = {"aevb": "sgvb-b", "wake-sleep": "wake-sleep", "mcem": "mcem"}
MCEM_UPDATES, MCEM_LEAPFROG = 5, 10  # in a round
EARLY, USUAL_STEP = 200_000, 0.02
LATENTS, HIDDEN = 3, 100
ROWS = 1000  # first ones of each split, as in the paper
CHECKED_ROWS = 16
CHOOSING_ROWS = 100  # first training rows, on which step sizes are compared
# Below this share most of the time goes into compiling: one number of training rows, and the usual step.
FEW = 0.2
# The cheapest settings that agree with annealed importance sampling within errors; for a try, faster ones.
ESTIMATOR, QUICK_ESTIMATOR = HMCDensity(200, 4, 150), HMCDensity(60, 4, 60)
CHECK, QUICK_CHECK = Annealed(500, 16, start="prior"), Annealed(100, 8, start="prior")


class Figure3(Experiment):
    """log p(x) of training and test rows against training samples seen, for few and for many training rows."""

    name: ClassVar[str] = "figure-3"
    title: ClassVar[str] = "The marginal likelihood under AEVB, wake-sleep and Monte Carlo EM"
    source: ClassVar[str] = (
        "Kingma & Welling (2014), Auto-Encoding Variational Bayes, arXiv:1312.6114v10, figure 3"
    )
    full_minutes: ClassVar[float] = 60.0
    parts: ClassVar[tuple[str, ...]] = tuple(map(str, N_TRAIN))

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """For each number of training rows and method the choice of a step size, then training and measuring."""
        few = size.share < FEW
        return [
            job
            for n in (N_TRAIN[:1] if few else N_TRAIN)
            for method in METHODS
            for job in _jobs_of(n, method, chooses=not few)
        ]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """The order of the methods, ours minus published, and how far the two estimators are apart."""
        return verdicts_of(results, on_mnist=size.data is None)

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """A panel for each number of training rows and split."""
        return {self.name: figure_of(results, on_mnist=size.data is None)}

    def tables(self, results: Results, size: Size) -> str:
        """log p(x) at every point."""
        return table_of(results, on_mnist=size.data is None)

    def notes(self, size: Size) -> str:
        """What the values are, and what the paper leaves open."""
        estimator, check = (ESTIMATOR, CHECK) if size.share >= FEW else (QUICK_ESTIMATOR, QUICK_CHECK)
        return (
            "Pixels are grey and their likelihood is a Bernoulli's, as in the paper: what is called log p(x) is the "
            "log of an integral of exponentiated cross-entropies, not of a probability.\n\n"
            f"Networks: {HIDDEN} tanh units, {LATENTS} latents, weights from N(0, 0.01); maximum a posteriori with "
            "N(0, 1) on the generative weights, and under wake-sleep on the recognition weights too; Adagrad, its step "
            f"chosen from {', '.join(map(str, STEP_SIZES))} by log p(x) of the first {CHOOSING_ROWS} training rows "
            f"after {EARLY:,} samples, or after one round of Monte Carlo EM where that has more; for AEVB and "
            f"wake-sleep the step rises over the first {WARMUP} updates, as in figure-2. Minibatches of {BATCH}. "
            "Wake-sleep dreams of sampled pixels.\n\n"
            "Monte Carlo EM is no online algorithm, as the paper says, and goes over all training rows at once, as in "
            "the code that its first author published (anglepy, wzoptim.py): one transition of "
            f"{MCEM_LEAPFROG} leapfrog steps for each row, its step size adapted towards 90% acceptance, then "
            f"{MCEM_UPDATES} updates of the weights. The paper does not say what counts as "
            "a sample. Here a row counts as often as a gradient is evaluated at it, "
            f"{MCEM_LEAPFROG + MCEM_UPDATES} times a round.\n\n"
            f"The estimator is the paper's, of its Appendix D, with {estimator.n_chains} chains of "
            f"{estimator.n_samples} draws and a Gaussian cut to its ellipsoid of 99% of the mass as the density, "
            f"chains starting at the best of {N_DRAWS:,} draws from the prior; "
            f"annealed importance sampling from the prior with {check.n_temperatures} temperatures and "
            f"{check.n_chains} chains estimates {CHECKED_ROWS} test rows of the last point once more. Errors are "
            "Monte Carlo errors, for these rows. They leave out what biases the estimator: mass outside the ellipsoid "
            "raises it, a chain that stays in a lesser mode lowers it."
        )


def _jobs_of(n: int, method: str, *, chooses: bool) -> list[Job]:
    cost = (2.0 if method == "mcem" else 1.0) * (1.2 if n > 1000 else 1.0)
    choice, key = f"{n}-{method}-step", f"{n}-{method}"
    curve = Job(key, functools.partial(_curve, n, method), 10 * cost, (choice,) if chooses else ())
    return [Job(choice, functools.partial(_choose, n, method), cost), curve] if chooses else [curve]


def _data(n: int, setting: Setting) -> tuple[Dataset, Dataset]:
    """All rows, and those to train on."""
    dataset = load(setting.size.data or "mnist", data_dir=setting.data_dir)
    return dataset, only_training_rows(dataset, n)


def _batch(method: str, n_train: int) -> int:
    """Rows that an update sees: Monte Carlo EM is not online."""
    return n_train if method == "mcem" else min(BATCH, n_train)


def _seen(method: str, n_train: int) -> int:
    """Samples of a minibatch, or of a round of Monte Carlo EM: rows, as often as a gradient is evaluated at them."""
    return _batch(method, n_train) * (MCEM_UPDATES + MCEM_LEAPFROG if method == "mcem" else 1)


def _steps(samples: int, method: str, n_train: int) -> int:
    return max(1, round(samples / _seen(method, n_train)))


def _settings(method: str, learning_rate: float, batch_size: int, steps: int) -> dict[str, Any]:
    return {
        "latents": LATENTS,
        "hidden": (HIDDEN,),
        "activation": "tanh",
        "initialization": "normal",
        "likelihood": "bernoulli",
        "objective": METHODS[method],
        "weight_prior": "normal",
        "optimizer": "adagrad",
        "learning_rate": learning_rate,
        "warmup": 0 if method == "mcem" else WARMUP,
        "batch_size": batch_size,
        "steps": steps,
    }


def _choose(n: int, method: str, setting: Setting, needs: Results) -> dict[str, Any]:
    """log p(x) of training rows early on at each step size, and the best step size.

    What the methods report is no guide: while wake-sleep's q(z|x) lags behind, its bound says little of p(x).
    """
    _, train = _data(n, setting)
    batch = _batch(method, train.n_train)
    steps = _steps(setting.size.of(EARLY, 1000), method, train.n_train)
    values: dict[str, float] = {}
    for i, rate in enumerate(STEP_SIZES):
        try:
            model = trained(_settings(method, rate, batch, steps), train, setting.part(i, len(STEP_SIZES)))
        except NonFiniteBoundError:
            continue
        values[str(rate)] = _summary(_estimate(model, train.x_train[:CHOOSING_ROWS], QUICK_ESTIMATOR))["mean"]
    if not values:
        raise NonFiniteBoundError(
            f"training diverges with every step size, {', '.join(map(str, STEP_SIZES))}"
        )
    return {"learning_rate": float(max(values, key=lambda rate: values[rate])), "values": values}


def _curve(n: int, method: str, setting: Setting, needs: Results) -> dict[str, Any]:
    """log p(x) after each number of samples, and the check of the last one."""
    chosen = needs.get(f"{n}-{method}-step", {"learning_rate": USUAL_STEP})["learning_rate"]
    dataset, train = _data(n, setting)
    batch = _batch(method, train.n_train)
    steps = sorted({_steps(setting.size.of(samples), method, train.n_train) for samples in SAMPLES})
    n_rows = setting.size.of(ROWS, CHECKED_ROWS)
    assert dataset.x_test is not None, "named data sets have test rows"
    rows = {"train": dataset.x_train[: min(n_rows, train.n_train)], "test": dataset.x_test[:n_rows]}
    estimator, check = (ESTIMATOR, CHECK) if setting.size.share >= FEW else (QUICK_ESTIMATOR, QUICK_CHECK)

    def measure(model: TrainedModel, step: int) -> dict[str, Any]:
        point: dict[str, Any] = {"samples": float(step * _seen(method, train.n_train))}
        for split, x in rows.items():
            point[split] = _summary(_estimate(model, x, estimator))
        if step == steps[-1]:
            x = rows["test"][:CHECKED_ROWS]
            ours, other = (_estimate(model, x, way) for way in (estimator, check))
            kept = np.isfinite(ours.log_p) & np.isfinite(other.log_p)
            point["check"] = {"hmc-density": _summary(ours, kept), "annealed": _summary(other, kept)}
        return point

    points = measured(_settings(method, chosen, batch, steps[-1]), train, setting, steps, measure)
    return {"learning_rate": chosen, "n_train": train.n_train, "points": points}


def _estimate(
    model: TrainedModel, x: Float[np.ndarray, "rows features"], way: MarginalMethod
) -> MarginalEstimate:
    """Chains start at the best of many draws from the prior: from an encoder's guess some stay in a lower mode."""
    key, generative = jax.random.key(0), model.autoencoder.model
    start = AutoEncoder(generative, BestOfDraws(generative, key))
    return log_marginal(generative, start.posterior, model.prepare(x), key, way)


def _summary(found: MarginalEstimate, kept: Bool[np.ndarray, " rows"] | None = None) -> dict[str, float]:
    """Means over the rows to keep: those whose chains have moved, as for others there is no estimate."""
    reliable = float(np.mean(found.reliable))
    kept = np.isfinite(found.log_p) if kept is None else kept
    found = dataclasses.replace(
        found,
        log_p=found.log_p[kept],
        monte_carlo_error=found.monte_carlo_error[kept],
        reliable=found.reliable[kept],
        diagnostics={},
    )
    return {
        "mean": found.mean,
        "error": found.mean_monte_carlo_error,
        "sampling_error": found.sampling_error,
        "reliable": reliable,
        "rows": len(found.log_p),
    }
