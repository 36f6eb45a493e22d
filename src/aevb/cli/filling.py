"""What `aevb impute` and `aevb complete` share: the options of a method, and what is said of its results."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aevb.cli.options import help_text

if TYPE_CHECKING:
    from aevb.inference import Imputation, ImputationMethod
    from aevb.trained import TrainedModel

Method = Literal["importance", "pseudo-gibbs", "metropolis"]
MethodOption = Annotated[
    Method,
    typer.Option(
        "--method",
        help=help_text(
            "Importance sampling, pseudo-Gibbs or Metropolis-within-Gibbs: importance, pseudo-gibbs or metropolis.",
            "importance",
        ),
        metavar="<name>",
        show_default=False,
    ),
]
SamplesOption = Annotated[
    int | None,
    typer.Option(
        "--samples",
        min=1,
        help=help_text("Codes drawn per row at most, or steps of its chains.", "8000; 500"),
        show_default=False,
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        min=0, max=2**32 - 1, help=help_text("Another seed gives other draws.", "0"), show_default=False
    ),
]
ASSUMED = (
    "This is right for values missing at random: where, given what was observed, being missing depends on nothing "
    "that is missing."
)
GREY = (
    "The model was trained on grey values under a Bernoulli likelihood: means are fit for them, but draws are 0 or 1, "
    "and standard deviations those of such draws."
)


PSEUDO = (
    "Pseudo-Gibbs takes the encoder's q(z|x) for the posterior, and is as far off as that is, which no diagnostic "
    "sees: compare --method importance or metropolis."
)
SHOWN_ROWS = 10


def make_method(name: Method, samples: int | None) -> "ImputationMethod":
    """The method of that name, with its default number of samples or steps if none is given."""
    from aevb.inference import ImportanceImputation, MetropolisWithinGibbs, PseudoGibbs

    makers: dict[Method, Callable[..., ImputationMethod]] = {
        "importance": ImportanceImputation,
        "pseudo-gibbs": PseudoGibbs,
        "metropolis": MetropolisWithinGibbs,
    }
    return makers[name]() if samples is None else makers[name](samples)


def warnings_about(found: "Imputation", model: "TrainedModel", method: Method) -> list[str]:
    """What is to be said of draws of grey values, of the method, and of rows whose diagnostics do not pass."""
    return [GREY] * (not model.is_normalized) + [PSEUDO] * (method == "pseudo-gibbs") + _unreliable(found)


def _unreliable(found: "Imputation") -> list[str]:
    where = (~found.reliable).nonzero()[0]
    if not (bad := len(where)):
        return []
    what = (
        "the Monte Carlo error of a value or its standard deviation is above 10% of the latter"
        if "effective_samples" in found.diagnostics
        else "chains have not come to agree"
    )
    numbers = ", ".join(str(row) for row in where[:SHOWN_ROWS]) + ", ..." * (bad > SHOWN_ROWS)
    rows = f"Of {len(found.reliable):,} rows {bad:,} cannot be relied on, as {what} (row {numbers}, counted from 0)"
    return [f"{rows}: try a larger --samples, or another --method."]
