"""Numbers that stand for a missing value: taken out where they are named, found where they are not."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Num, Shaped

from aevb.datasets.wording import count_of, listed, quoted

# Rows that are looked at first.
SAMPLE_ROWS = 10_000
# A value is taken to stand for a missing one if so many rows have it and it lies further from all others in its column
# than these, of which there are enough different ones, lie from each other.
LEAST_REPEATS, LEAST_SHARE, LEAST_OTHERS = 3, 0.002, 6


def without(
    x: Shaped[np.ndarray, "rows features"], values: Sequence[float]
) -> Shaped[np.ndarray, "rows features"]:
    """The rows with NaN in place of these values; the same array if it holds none of them.

    >>> without(np.array([[1, -999]]), [-999.0])
    array([[ 1., nan]])
    """
    if not values or x.dtype.kind not in "iuf":
        return x
    found = np.isin(x, values)
    if not found.any():
        return x
    kind = x.dtype if x.dtype.kind == "f" else np.float32 if x.dtype.itemsize < 3 else np.float64
    x = x.astype(kind)
    x[found] = np.nan
    return x


def suspects(x: Num[np.ndarray, "rows features"]) -> dict[float, list[int]]:
    """Values that seem to stand for a missing one, each with the columns in which it does.

    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> x[::9, 1] = -999
    >>> suspects(x)
    {-999.0: [1]}
    """
    sample = x[:: -(-len(x) // SAMPLE_ROWS)]
    found: dict[float, list[int]] = {}
    for j in range(x.shape[1]):
        values, counts = np.unique(sample[:, j], return_counts=True)
        values = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        if len(values) <= LEAST_OTHERS:
            continue
        for end, others in ((0, values[1:]), (-1, values[:-1])):
            value, spread = float(values[end]), float(others[-1]) - float(others[0])
            gap = min(abs(value - float(others[0])), abs(value - float(others[-1])))
            often = counts[end] >= max(LEAST_REPEATS, LEAST_SHARE * len(sample))
            if value and often and gap > spread:
                found.setdefault(value, []).append(j)
    return found


def note_suspects(
    x: Num[np.ndarray, "rows features"], feature_names: Sequence[str] | None, name: str
) -> tuple[str, ...]:
    """What to say about values that seem to stand for a missing one: a sentence for all; none where there are none.

    Args:
        x: rows.
        feature_names: of their columns.
        name: what to call the rows.
    """
    found = suspects(x)
    if not found:
        return ()
    parts = []
    for value, columns in found.items():
        most = max(int((x[:, j] == value).sum()) for j in columns)
        names = [quoted(feature_names[j]) if feature_names else str(j) for j in columns]
        parts.append(
            f"{value:.10g} in {'column' if len(names) == 1 else 'columns'} {listed(names, 5)} (up to "
            f"{count_of(most, 'row')})"
        )
    values = ",".join(f"{value:.10g}" for value in found)
    return (
        f"{name}: far from all other values of its column, and repeated, is {'; '.join(parts)}. If it stands for a "
        f"missing value, train with `missing='nan'` and `missing_values='{values}'`.",
    )
