"""What an evaluation says: plain numbers with their errors, and their JSON."""

import dataclasses
import math
from typing import Any, Literal

import numpy as np

from aevb.datasets import RepeatedColumn
from aevb.evaluation.history import TrainingHistory
from aevb.evaluation.latents import LatentDiagnostics
from aevb.evaluation.simulated import Simulated
from aevb.inference import MarginalEstimate

Kind = Literal[
    "diverged",
    "heavy tails",
    "undertrained",
    "posterior collapse",
    "unused latents",
    "overfitting",
    "below independent columns",
    "unlike the data",
    "training rows",
    "repeated values",
    "support not covered",
    "unreliable importance weights",
    "prior mismatch",
    "weak encoder",
    "improper likelihood",
]


# What is written as it is, a group of numbers each.
GROUPS = (
    *("marginals", "bits", "no_bits", "gaps", "training", "independent", "history", "repeated", "tails"),
    *("findings", "not_checked"),
)


@dataclasses.dataclass(frozen=True)
class Mean:
    """A mean over rows, and its standard error as an estimate for all rows of their kind.

    Args:
        value: the mean.
        sampling_error: NaN for a single row. Where a row's own value is noisy, that noise is in it.
    """

    value: float
    sampling_error: float

    @classmethod
    def of(cls, rows: np.ndarray) -> "Mean":
        """The mean of a value per row, shape `(rows,)`."""
        n = len(rows)
        error = float(np.std(rows, ddof=1, dtype=np.float64) / math.sqrt(n)) if n > 1 else math.nan
        return cls(float(np.mean(rows, dtype=np.float64)), error)


@dataclasses.dataclass(frozen=True)
class Marginal:
    """The mean of log p(x) by one method, nats.

    Args:
        method: its name.
        settings: of the method.
        bias: on which side of log p(x) the expectation lies: "none", "down" or "up".
        n_rows: rows it was estimated on.
        mean: the mean.
        monte_carlo_error: of the mean, for these rows.
        sampling_error: of the mean, over rows.
        share_reliable: of the rows whose diagnostics pass.
        medians: of each per-row diagnostic.
        share_k_hat_high: of the rows whose Pareto k-hat exceeds 0.7, for importance sampling.
        curve_sizes: the K of the importance-weighted curve.
        curve: the mean importance-weighted bound at each of them.
        is_covered: whether q(z|x) has density wherever p(z) has some, for importance sampling.
        first_on_same_rows: the mean by the evaluation's first method over these rows, where it has more.
    """

    method: str
    settings: dict[str, Any]
    bias: str
    n_rows: int
    mean: float
    monte_carlo_error: float
    sampling_error: float
    share_reliable: float
    medians: dict[str, float]
    share_k_hat_high: float | None = None
    curve_sizes: tuple[int, ...] = ()
    curve: tuple[float, ...] = ()
    is_covered: bool | None = None
    first_on_same_rows: float | None = None


@dataclasses.dataclass(frozen=True)
class Bits:
    """The negative mean log2 p(x) per observed value.

    Args:
        per_dimension: bits.
        error: its sampling error.
        bin_width: of the bins that a density was multiplied with, the user's units; None for a mass function.
        basis: what that assumes, in words.
    """

    per_dimension: float
    error: float
    bin_width: float | None
    basis: str


@dataclasses.dataclass(frozen=True)
class Gaps:
    """Why the bound lies below log p(x), on some of the rows (Cremer et al. 2018), nats.

    Args:
        n_rows: of the random subset.
        amortized_bound: the evidence lower bound at the encoder's posterior; without an encoder, at the one that is
            searched for in its place.
        refined_bound: the same with the posterior optimized for each row, in the same family.
        log_p: log p(x) by importance sampling from the refined posterior; biased down.
        amortization: refined less amortized bound, the same noise in both; its error is that over rows. None without
            an encoder.
        approximation: log p(x) less refined bound; as log p(x) is biased down, so is this.
    """

    n_rows: int
    amortized_bound: float
    refined_bound: float
    log_p: float
    amortization: Mean | None
    approximation: Mean


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """How far the means of p(x|z) at the posterior's mean are from the rows, over observed values.

    Args:
        rmse: root mean squared error.
        mse: its square.
        unit: of the first: the data's for images, whose pixels have one; else standard deviations of the columns.
        share_explained: 1 - MSE / variance of the columns, over all columns; 0 is as good as column means.
    """

    rmse: float
    mse: float
    unit: str
    share_explained: float


@dataclasses.dataclass(frozen=True)
class TrainingGap:
    """The bound on training rows against that on the rows evaluated, nats.

    Args:
        n_rows: training rows in the comparison, a random subset.
        bound: their mean bound.
        gap: training less evaluated.
        gap_error: its sampling error.
        share_above: the probability that a random training row has a higher bound than a random evaluated one; 1/2
            where the two do not differ.
        n_shared: evaluated rows that are equal to some training row.
        n_by_chance: how many would be, if they were other rows of the same kind.
    """

    n_rows: int
    bound: Mean
    gap: float
    gap_error: float
    share_above: float
    n_shared: int
    n_by_chance: float


@dataclasses.dataclass(frozen=True)
class AgainstIndependent:
    """The bound against log p(x) of the rows under independent columns fitted to the training rows, nats.

    Args:
        log_p: the mean log p(x) of independent columns.
        difference: the bound less that, over rows.
        median: of that difference.
    """

    log_p: float
    difference: Mean
    median: float


@dataclasses.dataclass(frozen=True)
class Tail:
    """A column with values far from all others.

    Args:
        column: its number.
        name: what it is called.
        width: the distance of its 0.5% and 99.5% quantiles in distances of its quartiles: 3.8 for a normal one.
    """

    column: int
    name: str
    width: float


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that is wrong.

    Args:
        kind: its name.
        text: what was found.
        advice: what to try.
    """

    kind: Kind
    text: str
    advice: str


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Everything that `evaluate` found out; nats per data point where nothing else is said.

    Args:
        n_rows: rows evaluated.
        bound_name: what the bound is called.
        is_normalized: whether the likelihood is a density or mass function of such rows.
        bound: the objective's bound.
        bound_monte_carlo_error: of its mean, for these rows.
        bound_median: over rows.
        parts: its named parts.
        parts_note: what they are, where their difference is not the bound.
        marginals: log p(x) by each method; a cross-entropy where the likelihood is not normalized.
        bits: bits per dimension by the first method; None where they mean nothing.
        no_bits: why there are none.
        latents: how the latents are used, on `latents.n_rows` random rows.
        gaps: None for discrete codes.
        reconstruction: the error of reconstructions.
        repeated: columns whose values repeat, under a density.
        tails: columns with heavy tails, under a density.
        names: what each column is called.
        training: None where no training rows were given.
        independent: None where the objective's value is no bound, or a density has no limit.
        simulated: samples against these rows; None where these are too few.
        history: of the training; None where it did not come along.
        findings: what is wrong and what to try.
        not_checked: what could not be looked at, and why.
    """

    n_rows: int
    bound_name: str
    is_normalized: bool
    bound: Mean
    bound_monte_carlo_error: float
    bound_median: float
    parts: dict[str, Mean]
    parts_note: str
    marginals: tuple[Marginal, ...]
    bits: Bits | None
    no_bits: str
    latents: LatentDiagnostics
    gaps: Gaps | None
    reconstruction: Reconstruction
    repeated: tuple[RepeatedColumn, ...]
    tails: tuple[Tail, ...]
    names: tuple[str, ...]
    training: TrainingGap | None
    independent: AgainstIndependent | None
    simulated: Simulated | None
    history: TrainingHistory | None
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[str, ...] = ()

    @property
    def log_p_name(self) -> str:
        """What the marginal is: no log-likelihood where the bound is none either."""
        return log_p_key(is_normalized=self.is_normalized)

    def to_json(self) -> dict[str, Any]:
        """As JSON: the headline numbers by the names they deserve, the rest in groups; None for what cannot be told."""
        first = self.marginals[0]
        flat = {
            "rows": self.n_rows,
            "unit": "nats per data point",
            "bound_name": self.bound_name,
            "bound": self.bound.value,
            "bound_monte_carlo_error": self.bound_monte_carlo_error,
            "bound_sampling_error": self.bound.sampling_error,
            **{name: part.value for name, part in self.parts.items()},
            **{f"{name}_sampling_error": part.sampling_error for name, part in self.parts.items()},
            self.log_p_name: first.mean,
            f"{self.log_p_name}_rows": first.n_rows,
            f"{self.log_p_name}_monte_carlo_error": first.monte_carlo_error,
            f"{self.log_p_name}_sampling_error": first.sampling_error,
            **{f"{name}_median": value for name, value in first.medians.items()},
        }
        nested = {name: getattr(self, name) for name in GROUPS}
        nested["simulated"] = None if self.simulated is None else self.simulated.summary(self.names)
        nested["latents"] = dataclasses.asdict(self.latents) | {
            "most_information": self.latents.most_information,
            "is_capped": self.latents.is_capped,
        }
        nested["reconstruction_error"] = self.reconstruction
        return _plain({**flat, **nested})


def log_p_key(*, is_normalized: bool) -> str:
    """The JSON key of log p(x), or of what stands in its place."""
    return "log_p" if is_normalized else "importance_weighted_cross_entropy"


def summarize(estimate: MarginalEstimate, settings: dict[str, Any], sizes: tuple[int, ...]) -> Marginal:
    """The means and shares of an estimate of each row; `sizes` are the K of its importance-weighted curve."""
    per_row = {name: values for name, values in estimate.diagnostics.items() if values.ndim == 1}
    k_hat, curve = estimate.diagnostics.get("k_hat"), estimate.diagnostics.get("iwae")
    return Marginal(
        estimate.method,
        settings,
        estimate.bias,
        len(estimate.log_p),
        estimate.mean,
        estimate.mean_monte_carlo_error,
        estimate.sampling_error,
        float(np.mean(estimate.reliable)),
        {name: _median(values) for name, values in per_row.items()},
        # One that cannot be told for some row is none that passes; K too small for any row says nothing.
        None if k_hat is None or np.isnan(k_hat).all() else float(np.mean(~(k_hat <= 0.7))),
        () if curve is None else sizes,
        () if curve is None else tuple(float(bounds.mean()) for bounds in curve.T.astype(np.float64)),
    )


def _median(values: np.ndarray) -> float:
    """Of those that could be told."""
    return math.nan if np.isnan(values).all() else float(np.nanmedian(values))


def _plain(value: Any) -> Any:
    """Dataclasses and arrays as lists, mappings and numbers; None for a number that is not finite."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
