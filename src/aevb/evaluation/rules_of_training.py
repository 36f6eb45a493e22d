"""Rules about training: whether it blew up, came to its end, learned anything, and learned no row by heart."""

import math

from aevb.evaluation.results import Evaluation, Finding
from aevb.evaluation.rules_of_codes import ERRORS

# Minibatches make a bound go up and down by some tenths of a nat at the end; a fifth of what was learned is lost by no
# such noise.
FELL_NATS, FELL_SHARE = 1.0, 0.2
# Before its first step a model is a nat or two per column below independent columns, whose scales it has to learn.
FAR_BELOW_PER_COLUMN = 3.0
# A run whose last third brought a tenth of all that it learned would have more to gain. MNIST's default of 10 epochs
# brings 2% in its last third.
ROSE_NATS, ROSE_SHARE = 0.05, 0.1
# Independent columns are the worst model that has learned anything. Their own parameters are fitted, a model's are
# learned by steps, at the cost of some tenths of a nat; where codes have nothing to tell the two are the same.
BELOW_NATS = 0.5
# A random training row scores above a random other row with probability 1/2 where nothing was learned by heart. Of
# normal bounds 0.55 is a gap of 0.18 standard deviations: 4.5 nats where rows differ by 25, as on MNIST.
ABOVE_BY_HEART = 0.55


def _diverged(e: Evaluation) -> Finding | None:
    history = e.history
    if history is None:
        return None
    lost = [
        f"The value that training maximizes had been {_nats(history.fall)} higher on training rows than it is for this "
        "model: training blew up, and what was learned before is lost."
    ] * _fell(history.fall, history.gain)
    if e.independent is not None and history.value < e.independent.log_p - FAR_BELOW_PER_COLUMN * len(
        e.names
    ):
        lost.append(
            f"On training rows the value is {history.value:,.2f}, and {e.independent.log_p:,.2f} where columns are "
            "independent: training never got where a model without any weights is."
        )
    if not lost:
        return None
    return Finding(
        "diverged",
        lost[0],
        "Train with a tenth of the `learning_rate=`, with `clip_norm=1`, and with `validation=0.1`, which keeps the "
        "best model; look for extreme values in the data.",
    )


def _fell(fall: float, gain: float) -> bool:
    return not math.isfinite(fall) or fall > max(FELL_NATS, FELL_SHARE * gain)


def _undertrained(e: Evaluation) -> Finding | None:
    history = e.history
    if history is None or history.rise is None or _diverged(e) is not None or _is_by_heart(e):
        return None
    if not history.rise - ERRORS * history.rise_error > max(ROSE_NATS, ROSE_SHARE * history.gain):
        return None
    rows = f"training and {history.held_out} rows" if history.held_out else "training rows"
    return Finding(
        "undertrained",
        f"The value that training maximizes still rose when it ended: by {_nats(history.rise)} over the last third of "
        f"the run, on {rows}.",
        "Train longer: more `epochs=`, or go on where the run ended (`aevb train --resume`).",
    )


def _below_independent(e: Evaluation) -> Finding | None:
    if (found := e.independent) is None or not found.difference.value < -BELOW_NATS:
        return None
    # A few rows that a model has gone mad about make a mean with a large error; then most rows must be worse off.
    if not (found.difference.value < -ERRORS * found.difference.sampling_error or found.median < -BELOW_NATS):
        return None
    return Finding(
        "below independent columns",
        f"The bound lies {_nats(-found.difference.value)} below what columns that have nothing to do with each other "
        f"would have, {found.log_p:,.2f}: the model is worse than one that knows each column alone.",
        "If the bound fell in training, a smaller `learning_rate=`; if it still rose, more `epochs=`; if training rows "
        "have a higher one, `validation=0.1` with `patience=10`.",
    )


def _overfitting(e: Evaluation) -> Finding | None:
    gap, history = e.training, e.history
    if gap is not None and _is_by_heart(e):
        text = (
            f"Training rows have a higher bound than these by {gap.gap:.2f} nats (standard error {gap.gap_error:.2f}): "
            f"a random one of them lies above a random one of these with probability {gap.share_above:.2f}, where 0.5 "
            "is no difference. The model has learned training rows by heart, or these rows are of another kind."
        )
    elif (
        history is not None
        and history.held_out is not None
        and _fell(history.held_out_fall, history.gain)
        and not _fell(history.fall, history.gain)
    ):
        text = (
            f"The value on {history.held_out} rows had been {_nats(history.held_out_fall)} higher in training than it "
            "is for this model, while that on training rows rose: the model has learned these by heart."
        )
    else:
        return None
    return Finding(
        "overfitting",
        text,
        "Stop earlier (`validation=0.1` with `patience=10`), use a smaller `hidden=`, or more training rows.",
    )


def _is_by_heart(e: Evaluation) -> bool:
    """Whether training rows lie above these in mean, or by the rank test where a few rows make the means uncertain."""
    if (gap := e.training) is None or gap.share_above <= ABOVE_BY_HEART:
        return False
    rank_error = math.sqrt((1 / gap.n_rows + 1 / e.n_rows) / 12)
    by_ranks = gap.share_above - 0.5 > ERRORS * rank_error and gap.gap > gap.gap_error
    return gap.gap > ERRORS * gap.gap_error or by_ranks


def _nats(value: float) -> str:
    return f"{value:,.2f} nats"


ABOUT_ENDS = (_diverged,)
ABOUT_COURSES = (_undertrained, _overfitting, _below_independent)
