"""Paired ratios, an interval for their median, and the verdict on a bar."""

from dataclasses import dataclass
from math import comb
from statistics import median

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """Bounds for a median, and the probability with which such bounds hold it."""

    low: float
    high: float
    coverage: float


def paired_ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Return ours / theirs, round by round."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def median_interval(values: list[float], confidence: float = CONFIDENCE) -> Interval:
    r"""Return the narrowest pair of order statistics that holds the median with the asked confidence.

    Of $n$ independent values from any continuous distribution, the $k$-th smallest and $k$-th largest enclose
    the median with probability $1 - 2 P(B < k)$, $B \sim \mathrm{Binomial}(n, 1/2)$. With fewer than six
    values no pair reaches 0.95: the smallest and the largest are returned, with the coverage that they have.
    """
    ordered, n = sorted(values), len(values)
    k, coverage = 1, _coverage(n, 1)
    while k < (n + 1) // 2 and _coverage(n, k + 1) >= confidence:
        k, coverage = k + 1, _coverage(n, k + 1)
    return Interval(ordered[k - 1], ordered[n - k], coverage)


def _coverage(n: int, k: int) -> float:
    """Return the probability that the k-th smallest and k-th largest of n values enclose the median."""
    return 1 - 2 * sum(comb(n, i) for i in range(k)) / 2**n


def verdict(interval: Interval, bar: float) -> str:
    """Return `met` (whole interval within the bar), `missed` (whole interval beyond it), or `undecided`."""
    if interval.low > bar:
        return "missed"
    return "met" if interval.high <= bar else "undecided"


def compare(ours: list[float], theirs: list[float], bar: float | None) -> dict[str, float | str]:
    """Return the median paired ratio, its interval, and where there is a bar, it and the verdict, as plain data."""
    ratios = paired_ratios(ours, theirs)
    interval = median_interval(ratios)
    return {
        "median": median(ratios),
        "low": interval.low,
        "high": interval.high,
        "coverage": interval.coverage,
        **({} if bar is None else {"bar": bar, "verdict": verdict(interval, bar)}),
    }
