"""Grey pixels under a continuous Bernoulli: what its normalizer is worth, on MNIST."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from aevb.datasets import Dataset, load
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.limited_logits import LEAST_LAMBDA, LIMIT, LimitedDecoder, Reading
from aevb.experiments.reproduce.published_tables import continuous_bernoulli_bound
from aevb.experiments.reproduce.training_jobs import only_training_rows, steps_of, trained
from aevb.experiments.reproduce.written import nats, table
from aevb.models import AutoEncoder, LatentVariableModel
from aevb.objectives import SGVBB, row_bounds
from aevb.plots.comparisons import Compared, numbers_beside_published
from aevb.trained import TrainedModel

EPOCHS, BATCH = 100, 50
ROWS, TOLERANCE = 10_000, 10

# By the published number that they belong to: what the rows of the table are called.
VARIANTS = {
    "trained": "continuous Bernoulli",
    "interpolated": "Bernoulli, through the inverse mean as the authors interpolate it",
    "through-mean": "Bernoulli, through the inverse mean",
    "naive": "Bernoulli, its logits taken as they are",
}
PUBLISHED_AS = {"trained": "trained", "interpolated": "through-mean", "naive": "naive"}
SHORT = {
    "trained": "continuous Bernoulli",
    "interpolated": "Bernoulli, inverse mean interpolated",
    "through-mean": "Bernoulli, inverse mean",
    "naive": "Bernoulli, naive",
}


class ContinuousBernoulliScores(Experiment):
    """The same normalized bound for a VAE trained with the normalizer, and for one trained without it."""

    name: ClassVar[str] = "continuous-bernoulli"
    title: ClassVar[str] = "Grey pixels: the continuous Bernoulli's normalizer"
    source: ClassVar[str] = (
        "Loaiza-Ganem & Cunningham (2019), The continuous Bernoulli: fixing a pervasive error in variational "
        "autoencoders, arXiv:1907.06845, and the authors' code"
    )
    full_minutes: ClassVar[float] = 30.0

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """Three models: both likelihoods with lambda within the authors' limits, and the continuous one without."""
        return [
            Job("limited", functools.partial(_run, "continuous-bernoulli", LIMIT)),
            Job("bernoulli", functools.partial(_run, "bernoulli", LIMIT)),
            Job("unlimited", functools.partial(_run, "continuous-bernoulli", None)),
        ]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """Their order, ours minus published, and what the limits cost."""
        rows = _table(results)
        verdicts = [_order(rows, size)] if all(rows[name][0] for name in PUBLISHED_AS) else []
        for variant, name in PUBLISHED_AS.items():
            theirs, ours = continuous_bernoulli_bound(name), rows[variant][0]
            if theirs is not None and ours and size.is_full:
                ahead = ours["mean"] - theirs
                verdicts.append(
                    Verdict(
                        f"{VARIANTS[variant]}, lambda within the authors' limits: {ours['mean']:.1f} ± "
                        f"{ours['sampling_error']:.1f} nats, {ahead:+.1f} against the published {theirs:.0f}, "
                        f"{'within' if abs(ahead) <= TOLERANCE else 'not within'} {TOLERANCE} of it.",
                        abs(ahead) <= TOLERANCE,
                    )
                )
        limited, free = rows["trained"]
        if limited and free:
            verdicts.append(
                Verdict(
                    f"The authors' limits on lambda, {LEAST_LAMBDA:g} from 0 and 1, cost the continuous Bernoulli "
                    f"{free['mean'] - limited['mean']:.0f} nats: without them it reaches {free['mean']:.0f} ± "
                    f"{free['sampling_error']:.0f}."
                )
            )
        return verdicts

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """Two blocks of rows, with the limits and without."""
        rows, compared = _table(results), []
        for column, where in ((0, "limited"), (1, "no limit")):
            for variant in VARIANTS:
                found = rows[variant][column]
                if not found:
                    continue
                theirs = continuous_bernoulli_bound(PUBLISHED_AS.get(variant, "")) if column == 0 else None
                published = (("published", theirs),) if theirs is not None and size.data is None else ()
                label = f"{SHORT[variant]} ({where})"
                compared.append(Compared(label, found["mean"], found["sampling_error"], published))
        x_label = "evidence lower bound on test rows (nats per data point)"
        return {self.name: numbers_beside_published(compared, x_label, size.data or "MNIST")}

    def tables(self, results: Results, size: Size) -> str:
        """The bounds with and without the limits."""
        header, rows = ("trained and scored as", "published", "lambda limited", "no limit"), []
        for variant, (limited, free) in _table(results).items():
            theirs = continuous_bernoulli_bound(PUBLISHED_AS.get(variant, "")) if size.data is None else None
            cells = [
                f"{found['mean']:.1f} ± {found['sampling_error']:.1f}" if found else "–"
                for found in (limited, free)
            ]
            rows.append((VARIANTS[variant], nats(theirs, 0), *cells))
        return "## Evidence lower bounds of test rows, nats per data point\n\n" + table(header, rows)

    def notes(self, size: Size) -> str:
        """The protocol, and what of it is in the authors' code only."""
        return (
            "Pixels are (value + U) / 256 with U uniform on [0, 1], drawn once; 20 latents, two hidden layers of 500 "
            f"ReLU units, Adam with steps of 1e-3, minibatches of {BATCH}, {EPOCHS} epochs at full length. Every "
            "number is the evidence lower bound of test rows under a normalized density, in nats of pixels in [0, 1]; "
            "± is the sampling error over rows.\n\n"
            "The authors' code keeps lambda, the sigmoid of the logits, within "
            f"[{LEAST_LAMBDA:g}, {1 - LEAST_LAMBDA:g}] in training and evaluation, so that no pixel can have a "
            f"density above {LIMIT / (1 - 2 * LEAST_LAMBDA):.2f}, and published bounds are of that model. It also "
            "interpolates the inverse of the mean between 100 values of lambda, which is coarse near 0, drops out a "
            "tenth of the hidden units in training, and clips gradients, of which we do neither."
        )


def _run(likelihood: str, limit: float | None, setting: Setting, needs: Results) -> dict[str, Any]:
    """Train, and score test rows in every reading that the likelihood allows."""
    train, test = _noisy(setting)
    settings = {
        "latents": 20,
        "hidden": (500, 500),
        "likelihood": likelihood,
        "batch_size": BATCH,
        "steps": steps_of(setting.size.of(EPOCHS * train.n_train, 500), BATCH, train.n_train),
    }

    def limited(autoencoder: AutoEncoder) -> AutoEncoder:
        return _with_decoder(autoencoder, "as trained", limit)

    model = trained(settings, train, setting, limited)
    if likelihood == "continuous-bernoulli":
        return {"trained": _score(model, test, "as trained", limit)}
    readings: tuple[Reading, ...] = ("naive", "through-mean", "interpolated")
    found: dict[str, Any] = {reading: _score(model, test, reading, LIMIT) for reading in readings}
    # Without limits the inverse of a mean next to 0 is a spike that no pixel's noise fits into.
    return found | {"naive without limit": _score(model, test, "naive", None)}


def _noisy(setting: Setting) -> tuple[Dataset, Float[np.ndarray, "rows features"]]:
    """(value + U) / 256 of training and test rows; U uniform on [0, 1]."""
    dataset, rng = load(setting.size.data or "mnist", data_dir=setting.data_dir), np.random.default_rng(0)

    def noisy(x: np.ndarray) -> np.ndarray:
        return ((255 * x + rng.random(x.shape, dtype=np.float32)) / 256).astype(np.float32)

    assert dataset.x_test is not None, "named data sets have test rows"
    train = dataclasses.replace(only_training_rows(dataset), x_train=noisy(dataset.x_train))
    return train, noisy(dataset.x_test[: setting.size.of(ROWS, 100)])


def _with_decoder(autoencoder: AutoEncoder, reading: Reading, limit: float | None) -> AutoEncoder:
    model = autoencoder.model
    assert isinstance(model, LatentVariableModel)
    decoder = model.decoder
    inner: Any = decoder.decoder if isinstance(decoder, LimitedDecoder) else decoder
    return AutoEncoder(model.with_decoder(LimitedDecoder(inner, reading, limit)), autoencoder.encoder)


def _score(
    model: TrainedModel, x: Float[np.ndarray, "rows features"], reading: Reading, limit: float | None
) -> dict[str, float]:
    """The bound of rows, one draw of z for each, the same in every reading."""
    scored = _with_decoder(model.autoencoder, reading, limit)
    bounds = row_bounds(SGVBB(), scored.model, scored.posterior, x, jax.random.key(0))["bound"]
    mean = float(np.mean(bounds, dtype=np.float64))
    return {"mean": mean, "sampling_error": float(np.std(bounds, ddof=1) / np.sqrt(len(bounds)))}


def _table(results: Results) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
    """By variant, the bound with the limits and without; empty where a job has not been done."""
    plain = results.get("bernoulli", {})
    rows = {
        "trained": (
            results.get("limited", {}).get("trained", {}),
            results.get("unlimited", {}).get("trained", {}),
        )
    }
    for reading in ("interpolated", "through-mean", "naive"):
        rows[reading] = (plain.get(reading, {}), plain.get(f"{reading} without limit", {}))
    return rows


def _order(rows: Mapping[str, tuple[dict[str, float], dict[str, float]]], size: Size) -> Verdict:
    values = {variant: rows[variant][0]["mean"] for variant in PUBLISHED_AS}
    holds = list(values.values()) == sorted(values.values(), reverse=True)
    shown = ", ".join(f"{VARIANTS[variant]} {value:.0f}" for variant, value in values.items())
    order = "In the published order" if holds else "Not in the published order"
    return Verdict(f"{order}, lambda within the authors' limits: {shown}.", holds if size.is_full else None)
