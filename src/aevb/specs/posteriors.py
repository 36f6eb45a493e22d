"""Families of q(z|x) and their settings; `aevb.distributions.FAMILIES` has the families."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from aevb.specs.spec import Choice, Spec
from aevb.specs.types import known


def known_family(name: str) -> str:
    """The name, if it is a family's or `auto`.

    Raises:
        ValueError: it is not.
    """
    from aevb.distributions import FAMILIES  # brings JAX along, which `aevb --help` does without

    return known(name, ("auto", *FAMILIES), "family")


def _not_auto(name: str) -> str:
    if name == "auto":
        raise ValueError("posterior must be a family's name; only the prior has auto")
    return name


FamilyName = Annotated[str, AfterValidator(known_family)]


class Posterior(Spec):
    """q(z|x) of a family, given by an encoder network or by free parameters of every training row.

    >>> Posterior(name="student-t", recognition="per-row")
    Posterior(name='student-t', recognition='per-row')
    """

    n_categories: ClassVar[int] = 10  # of models whose codes have none, which do not look at it
    name: Annotated[FamilyName, AfterValidator(_not_auto)] = Field(
        "gaussian", description="Family of q(z|x); see `aevb families`."
    )
    recognition: Literal["amortized", "per-row"] = Field(
        "amortized",
        description="q(z|x) given by an encoder network, or by free parameters of every training row, as in classical "
        "variational Bayes; those of other rows are then searched for, which takes its time.",
    )


class Categorical(Spec):
    """q(z|x) of one-hot codes.

    >>> Categorical(categories=3)
    Categorical(categories=3)
    """

    name: Literal["categorical"] = "categorical"
    recognition: Literal["amortized", "per-row"] = "amortized"
    categories: int = Field(10, gt=1, description="Categories of each latent, for categorical codes.")

    @property
    def n_categories(self) -> int:
        """The categories of each latent."""
        return self.categories


POSTERIORS = Choice.of("posterior", Categorical, otherwise=Posterior)
