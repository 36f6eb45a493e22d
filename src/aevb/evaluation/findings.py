"""What is wrong with a model, in plain words, and what to try: one small rule for each, its threshold beside it."""

from aevb.evaluation import rules_of_codes, rules_of_rows, rules_of_training
from aevb.evaluation.results import Evaluation, Finding

# What explains most comes first: a run that blew up has most other faults as well, and so has one with a wrong
# likelihood, such as a density of values that repeat, which rises for as long as training goes on.
RULES = (
    *rules_of_training.ABOUT_ENDS,
    *rules_of_rows.ABOUT_LIKELIHOODS,
    *rules_of_training.ABOUT_COURSES,
    *rules_of_codes.RULES,
    *rules_of_rows.ABOUT_ROWS,
)


def find(evaluation: Evaluation) -> tuple[Finding, ...]:
    """What is wrong with the model that this evaluation is of; empty where nothing was found."""
    return tuple(finding for rule in RULES if (finding := rule(evaluation)) is not None)
