"""The linear VAE against what is known exactly: probabilistic PCA's likelihood, and the principal subspace."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.linalg import subspace_angles

from aevb.batch import Batch
from aevb.datasets import Dataset, load
from aevb.experiments.reproduce.experiment import Experiment, Job, Results, Setting, Size, Verdict
from aevb.experiments.reproduce.training_jobs import measured, only_training_rows
from aevb.experiments.reproduce.written import nats, table
from aevb.models import Decoder, Encoder
from aevb.models.conditional import LOG_VARIANCE_LIMITS, soft_clip
from aevb.plots.comparisons import Panel, Series, curves_beside_published
from aevb.trained import TrainedModel

# Latents by data set. The 4th and the 5th eigenvalue of the digits' covariance are well apart, so that the subspace
# is well determined.
LATENTS = {"synthetic": 5, "digits": 4}
OBJECTIVES = {"vae": "sgvb-b", "autoencoder": "autoencoder"}
NAMES = {"vae": "VAE", "autoencoder": "autoencoder"}
STEPS, LEAST_STEPS, POINTS = 20_000, 30, 10
NEAR, STRAIGHT = 0.05, 1.0  # nats, degrees

Rows = Float[np.ndarray, "rows features"]


class LinearVAE(Experiment):
    """The bound at its optimum is pPCA's log-likelihood, and codes span the principal subspace."""

    name: ClassVar[str] = "linear-vae"
    title: ClassVar[str] = "The linear VAE and probabilistic PCA, the linear autoencoder and PCA"
    source: ClassVar[str] = (
        "Tipping & Bishop (1999), Probabilistic principal component analysis; Lucas, Tucker, Grosse & Norouzi (2019), "
        "Don't Blame the ELBO!; Baldi & Hornik (1989), Neural networks and principal component analysis"
    )
    takes_other_data: ClassVar[bool] = False
    full_minutes: ClassVar[float] = 3.0

    def jobs(self, size: Size, data_dir: Path | None) -> Sequence[Job]:
        """For each data set the linear VAE and the linear autoencoder."""
        return [
            Job(f"{name}-{kind}", functools.partial(_run, name, kind))
            for name in LATENTS
            for kind in OBJECTIVES
        ]

    def verdicts(self, results: Results, size: Size) -> Sequence[Verdict]:
        """The gap to the exact likelihood, and the angles to the principal subspace."""
        verdicts = []
        for key, result in results.items():
            name, kind = _split(key)
            last = result["points"][-1]
            where = f"{name}, {LATENTS[name]} latents"
            if kind == "vae":
                verdicts.append(
                    Verdict(
                        f"{where}: the linear VAE's bound is {last['gap']:.4f} nats below the likelihood of "
                        f"probabilistic PCA ({result['exact']:.4f} by its formula, "
                        f"{result['scikit-learn']:.4f} by scikit-learn); up to {NEAR:g} counts as equal.",
                        -1e-3 <= last["gap"] <= NEAR,
                    )
                )
            verdicts.append(
                Verdict(
                    f"{where}: the largest angle between the linear {NAMES[kind]}'s subspace and PCA's is "
                    f"{last['angle']:.3f} degrees; up to {STRAIGHT:g} counts as equal.",
                    last["angle"] <= STRAIGHT,
                )
            )
        return verdicts

    def figures(self, results: Results, size: Size) -> Mapping[str, Figure]:
        """The gap and the angles against training steps."""
        panels = []
        for name in LATENTS:
            title = f"{name}, {LATENTS[name]} latents"
            gaps = [_series(results, name, "vae", "gap")]
            angles = [_series(results, name, kind, "angle") for kind in OBJECTIVES]
            panels.append(Panel(title, gaps, "steps", "pPCA log p(x) − bound (nats)", log_y=True))
            panels.append(Panel(title, angles, "steps", "largest angle to PCA (degrees)", log_y=True))
        return {self.name: curves_beside_published(panels)}

    def tables(self, results: Results, size: Size) -> str:
        """Where every run ends."""
        rows = []
        for key, result in results.items():
            name, kind = _split(key)
            last = result["points"][-1]
            values = (last["bound"], result["exact"], last["gap"]) if kind == "vae" else (None, None, None)
            rows.append((name, NAMES[kind], *(nats(v, 4) for v in values), f"{last['angle']:.3f}°"))
        header = ("data", "model", "bound", "pPCA log p(x)", "gap", "largest angle")
        return "## At the end, nats per data point\n\n" + table(header, rows)

    def notes(self, size: Size) -> str:
        """How bounds and angles are found."""
        return (
            "No hidden layers, one noise variance for all features, learned; Adam with steps of 1e-2 falling to "
            f"zero as half a cosine over {size.of(STEPS, LEAST_STEPS):,} steps of all rows at a time. Bounds are "
            "of the training rows, to which both models are fitted, and in closed form: the expectation over q(z|x) of "
            "a linear decoder's log density needs no draws. The exact value is that of Tipping & Bishop's equation 8 "
            "at the principal components. Synthetic rows: 1,000 of 20 features from 5 latents."
        )


def _split(key: str) -> tuple[str, str]:
    name, _, kind = key.partition("-")
    return name, kind


def _series(results: Results, name: str, kind: str, value: str) -> Series:
    points = results.get(f"{name}-{kind}", {"points": []})["points"]
    return Series(NAMES[kind], np.array([[p["step"], p[value]] for p in points], dtype=float).reshape(-1, 2))


def _run(name: str, kind: str, setting: Setting, needs: Results) -> dict[str, Any]:
    """Train, measuring the bound and the angle on the way."""
    dataset = synthetic() if name == "synthetic" else load(name, data_dir=setting.data_dir)
    train, k = only_training_rows(dataset), LATENTS[name]
    x = np.asarray(train.x_train, np.float64)
    exact, basis = ppca(x, k)
    total = setting.size.of(STEPS, LEAST_STEPS)
    steps = sorted({round(total ** (0.4 + 0.6 * (i + 1) / POINTS)) for i in range(POINTS)})

    def measure(model: TrainedModel, step: int) -> dict[str, Any]:
        decoder = getattr(model.autoencoder.model, "decoder", None)
        assert isinstance(decoder, Decoder), "the likelihood has one variance for all features"
        angle = float(
            np.rad2deg(subspace_angles(np.asarray(decoder.heads["loc"].weight, np.float64).T, basis).max())
        )
        found = {"step": step, "angle": angle}
        if kind == "vae":
            bound = float(np.mean(exact_bounds(model, x)))
            found |= {"bound": bound, "gap": exact - bound}
        return found

    settings = {
        "latents": k,
        "hidden": (),
        "likelihood": "gaussian-isotropic",
        "scale": "none",
        "objective": OBJECTIVES[kind],
        "batch_size": train.n_train,
        "learning_rate": 1e-2,
        "schedule": "cosine",
        "steps": total,
    }
    points = measured(settings, train, setting, steps, measure)
    return {"exact": exact, "scikit-learn": scikit_learn_score(x, k), "points": points}


def synthetic(n_rows: int = 1000, n_features: int = 20, n_latents: int = 5) -> Dataset:
    """Rows x = W z + m + e whose principal components have variances well apart."""
    rng = np.random.default_rng(0)
    directions, _ = np.linalg.qr(rng.normal(size=(n_features, n_latents)))
    loadings = directions * np.arange(n_latents, 0, -1)
    z, noise = rng.normal(size=(n_rows, n_latents)), 0.5 * rng.normal(size=(n_rows, n_features))
    return Dataset("synthetic", (z @ loadings.T + rng.normal(size=n_features) + noise).astype(np.float32))


def ppca(x: Rows, k: int) -> tuple[float, Float[np.ndarray, "features latents"]]:
    """The largest mean log-likelihood that `k` latents reach, nats per row, and a basis of the principal subspace.

    -1/2 [d log 2 pi + sum_(j <= k) log l_j + (d - k) log s^2 + d], with l the eigenvalues of the covariance (divided
    by the number of rows) from the largest, and s^2 the mean of those beyond k (Tipping & Bishop 1999).
    """
    d = x.shape[1]
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    noise = values[k:].mean()
    log_p = -0.5 * (d * np.log(2 * np.pi) + np.log(values[:k]).sum() + (d - k) * np.log(noise) + d)
    return float(log_p), vectors[:, :k]


def scikit_learn_score(x: Rows, k: int) -> float:
    """The same by scikit-learn, which divides the covariance by one row fewer."""
    from sklearn.decomposition import PCA

    return float(PCA(k, svd_solver="full").fit(x).score(x))


def exact_bounds(model: TrainedModel, x: Rows) -> Float[np.ndarray, " rows"]:
    """The evidence lower bound of each row, nats, without draws, in double precision.

    E_q[log N(x; W z + b, s^2)] = log N(x; W m + b, s^2) - sum_j v_j |W_j|^2 / (2 s^2) for q = N(m, diag(v)).
    """
    autoencoder = model.autoencoder
    decoder, encoder = getattr(autoencoder.model, "decoder", None), autoencoder.encoder
    assert isinstance(decoder, Decoder), "the likelihood has one variance for all features"
    assert isinstance(encoder, Encoder), "the posterior is amortized"
    q = encoder(Batch(jnp.asarray(x, jnp.float32)))
    mean, v = (np.asarray(value, np.float64) for value in (q.mean, q.variance))
    weight, bias = (
        np.asarray(value, np.float64) for value in (decoder.heads["loc"].weight, decoder.heads["loc"].bias)
    )
    s2 = float(
        np.exp(np.asarray(soft_clip(decoder.free["log_variance"], *LOG_VARIANCE_LIMITS), np.float64)[0])
    )
    squares = np.sum((x - mean @ weight - bias) ** 2, axis=1) + v @ np.sum(weight**2, axis=1)
    log_p = -0.5 * (x.shape[1] * np.log(2 * np.pi * s2) + squares / s2)
    kl = 0.5 * np.sum(mean**2 + v - 1 - np.log(v), axis=1)
    return log_p - kl
