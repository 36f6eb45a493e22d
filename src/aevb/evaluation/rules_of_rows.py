"""Rules about rows, the likelihood for them, and samples beside them."""

from aevb.datasets import describe_repeated
from aevb.evaluation.results import Evaluation, Finding
from aevb.evaluation.rules_of_codes import ERRORS

# Rows that were trained on flatter the mean by their share of the gap between training rows and others.
SHARED = 0.1
# Samples of whom one in seven is on the wrong side of some value look different from the data; so does a correlation of
# 0.2 less. Models that suit their data come within half of either.
DISTANCE, CORRELATION = 0.15, 0.2
# Of images, with hundreds of columns, a few are off in any model.
SHARE_OFF = 0.01
# Nats by which the mean over rows lies below the median where a few rows decide it.
FEW_ROWS_NATS = 1.0


def _heavy_tails(e: Evaluation) -> Finding | None:
    if not e.tails:
        return None
    off = {j for j, _ in e.simulated.columns_off(DISTANCE)} if e.simulated is not None else set()
    lost = e.bound_median - e.bound.value
    if not (lost > FEW_ROWS_NATS or off & {tail.column for tail in e.tails}):
        return None
    named = ", ".join(f"{tail.name} ({tail.width:.0f})" for tail in e.tails[:5])
    return Finding(
        "heavy tails",
        "Some columns have values far from all others: the middle 99% are spread more than ten times as widely as the "
        f"middle half (of a normal column 3.8 times): {named}. A few rows then decide the mean bound, {lost:.2f} "
        "nats below the median, and the scaling of these columns crowds all other values.",
        "Train with `likelihood='student-t'`, or transform these columns first, by a logarithm where they are "
        "positive or by ranks, and look whether their "
        "extremes are mistakes.",
    )


def _unlike(e: Evaluation) -> Finding | None:
    if e.simulated is None:
        return None
    columns, pairs = e.simulated.columns_off(DISTANCE), e.simulated.pairs_off(CORRELATION)
    n = len(e.simulated.columns)
    said = []
    if len(columns) > SHARE_OFF * n:
        named = ", ".join(f"{e.names[j]} ({distance:.2f})" for j, distance in columns[:3])
        said.append(
            f"{len(columns)} of {n} columns are distributed otherwise, most of all {named}, where the number is the "
            "share of samples on the wrong side of some value"
        )
    if len(pairs) > SHARE_OFF * n * (n - 1) / 2:
        i, j, observed, simulated = pairs[0]
        said.append(
            f"{len(pairs)} of {n * (n - 1) // 2} pairs of columns are correlated otherwise, most of all {e.names[i]} "
            f"and {e.names[j]}: {simulated:.2f}, and {observed:.2f} in the rows (by ranks)"
        )
    if not said:
        return None
    return Finding(
        "unlike the data",
        f"Samples of the model are not like these rows: {'; '.join(said)}.",
        "Train longer (`epochs=`), with another `likelihood=` or `scale=`, or with more `n_latents=`; if training rows "
        "are like the samples, these are of another kind.",
    )


def _seen(e: Evaluation) -> Finding | None:
    gap = e.training
    if gap is None:
        return None
    beyond, n = gap.n_shared - gap.n_by_chance, e.n_rows
    by_chance = ERRORS * max(gap.n_by_chance, 1.0) ** 0.5
    if not beyond > max(SHARED * n, by_chance):
        return None
    return Finding(
        "training rows",
        f"{gap.n_shared:,} of the {n:,} rows are equal to training rows, {gap.n_by_chance:,.0f} of them by chance: "
        "these numbers do not say how the model does on new ones, and overfitting does not show.",
        "Evaluate on rows that were held out: `aevb evaluate RUN` finds those of the run's own split. Leave copies of "
        "rows out of the data before you train.",
    )


def _repeated(e: Evaluation) -> Finding | None:
    if not e.repeated:
        return None
    return Finding(
        "repeated values",
        f"Columns whose values repeat have a density: {describe_repeated(e.repeated)}. It grows without limit as the "
        "model learns to give just these values, so that log p(x) and the bound say as much about them as about all "
        "other columns.",
        "Leave them out (`drop=`), or compare only models of the same columns. If all columns are yes or no, code them "
        "as 0 and 1, with `likelihood='bernoulli'`.",
    )


def _improper(e: Evaluation) -> Finding | None:
    if e.is_normalized:
        return None
    return Finding(
        "improper likelihood",
        "The rows are grey and the likelihood is Bernoulli, which gives probabilities to 0 and 1 only: these are "
        "cross-entropies, not log densities, and not comparable with other likelihoods.",
        "Train with `likelihood='continuous-bernoulli'`, or with `binarize='dynamic'`.",
    )


ABOUT_LIKELIHOODS = (_heavy_tails, _repeated, _improper)
ABOUT_ROWS = (_unlike, _seen)
