"""Rules about codes: whether they are used and fill the prior, and whether q(z|x) is good enough to estimate by."""

from aevb.evaluation.results import Evaluation, Finding

# With fewer rows the differences between them, which latents are judged by, tell nothing.
LEAST_ROWS = 20
# Under this many nats in total, codes tell next to nothing about rows: q(z|x) is the prior.
COLLAPSED_KL = 0.1
# A model with latents to spare leaves some unused, which does no harm; most of them is worth knowing.
UNUSED_SHARE = 0.5
# Differences below so many standard errors may be chance.
ERRORS = 3.0
# k-hat over 0.7 is where importance sampling's errors stop being errors one can count on (Vehtari et al. 2024).
# From a few hundred samples k-hat is itself off by some 0.2, so that a few rows exceed it for nothing.
UNRELIABLE_SHARE = 0.1
# A prior that fitted the codes would raise the bound by the gap; so much of the divergence is worth having.
MISMATCH_SHARE, MISMATCH_NATS = 0.1, 0.5
# So much of the divergence, lost by the encoder's haste, is worth having too.
WEAK_SHARE, WEAK_NATS = 0.2, 1.0


def is_collapsed(evaluation: Evaluation) -> bool:
    """Whether the codes tell next to nothing about the rows."""
    return evaluation.n_rows >= LEAST_ROWS and _is_collapsed(evaluation)


def _is_collapsed(evaluation: Evaluation) -> bool:
    return not evaluation.latents.is_active.any() or float(evaluation.latents.kl.sum()) < COLLAPSED_KL


def _collapse(e: Evaluation) -> Finding | None:
    if not is_collapsed(e):
        return None
    active = e.latents.is_active.any()
    return Finding(
        "posterior collapse",
        f"The posterior has collapsed onto the prior: {'no latent is active, and ' if not active else ''}the KL "
        f"divergence is {e.latents.kl.sum():.2g} nats. Codes tell next to nothing about the rows, and the decoder does "
        "without them.",
        "Train longer, or with a smaller `learning_rate=` or `batch_size=`; compare `objective='iwae'`, and "
        "`likelihood=` and `scale=`: a likelihood with too much noise leaves nothing for codes to explain. If nothing "
        "helps, the columns may have nothing in common.",
    )


def _unused(e: Evaluation) -> Finding | None:
    n, active = len(e.latents.is_active), int(e.latents.is_active.sum())
    by_latent = len(e.latents.kl) == n  # else these are the columns of codes that hang together
    if (
        e.n_rows < LEAST_ROWS
        or not by_latent
        or is_collapsed(e)
        or active > (1 - UNUSED_SHARE) * n
        or n - active < 2
    ):
        return None
    return Finding(
        "unused latents",
        f"Only {active} of {n} latents are active; the others stay at the prior for every row.",
        f"This does no harm by itself: `n_latents={max(active, 1)}` would do as well. If reconstructions are poor, "
        "train longer.",
    )


def _uncovered(e: Evaluation) -> Finding | None:
    for marginal in e.marginals:
        if marginal.is_covered is False:
            return Finding(
                "support not covered",
                "q(z|x) gives no density to a part of what p(z) allows: importance sampling never goes there, and its "
                "estimates are too low by what is left out, which neither their errors nor k-hat show.",
                "Compare the methods quadrature, hmc-density and annealed; train with a `posterior=` on the support of "
                "the prior.",
            )
    return None


def _weights(e: Evaluation) -> Finding | None:
    for marginal in e.marginals:
        share = marginal.share_k_hat_high
        if share is None or share <= UNRELIABLE_SHARE:
            continue
        return Finding(
            "unreliable importance weights",
            f"In {100 * share:.0f}% of the rows a few importance weights outweigh all others (Pareto k-hat above 0.7): "
            f"the estimate of {_name(e)} lies too low there, by more than its Monte Carlo error says.",
            "Compare a larger `n_samples=`, and the method annealed, which does not rest on q(z|x).",
        )
    return None


def _mismatch(e: Evaluation) -> Finding | None:
    at_least, kl = e.latents.gap_at_least, e.latents.kl.sum()
    error = float((e.latents.gap_error**2).sum() ** 0.5)
    if (
        e.n_rows < LEAST_ROWS
        or is_collapsed(e)
        or at_least - ERRORS * error < max(MISMATCH_SHARE * kl, MISMATCH_NATS)
    ):
        return None
    return Finding(
        "prior mismatch",
        f"The codes of all rows together do not fill the prior: the divergence of their mixture from it is at least "
        f"{at_least:.2f} of the {kl:.2f} nats that codes cost. Samples of the model start from codes that rows do not "
        "have.",
        "Train longer, with fewer `n_latents=`, or with a `prior=` whose shape suits the codes.",
    )


def _weak_encoder(e: Evaluation) -> Finding | None:
    if e.gaps is None or e.gaps.amortization is None:
        return None
    gap, kl = e.gaps.amortization, e.latents.kl.sum()
    if not gap.value - ERRORS * gap.sampling_error > max(WEAK_SHARE * kl, WEAK_NATS):
        return None
    return Finding(
        "weak encoder",
        f"Posteriors optimized for each row raise the bound by {gap.value:.2f} nats: the encoder falls that short of "
        "the best that its family can do.",
        "Train longer, or with a larger `hidden=`; if it falls short on new rows only, this is overfitting as well.",
    )


def _name(e: Evaluation) -> str:
    return "log p(x)" if e.is_normalized else "the importance-weighted bound's limit"


RULES = (_collapse, _unused, _uncovered, _weights, _mismatch, _weak_encoder)
