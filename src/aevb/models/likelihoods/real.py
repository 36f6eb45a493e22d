"""Likelihoods of real numbers with tails heavier than a Gaussian's."""
# Each names its features as arguments, of which the base class knows only that there are some.
# pyright: reportIncompatibleMethodOverride=false

from typing import ClassVar

import jax
from jaxtyping import Array
from numpyro import distributions

from aevb.distributions import Distribution
from aevb.models.likelihoods.likelihood import Likelihood, as_scale

# A Student's t has a variance only beyond 2 degrees of freedom.
LEAST_DF = 2.01


class StudentT(Likelihood):
    """t(x; df, loc(z), scale(z)), with degrees of freedom of each column's own."""

    name: ClassVar[str] = "student-t"
    summary: ClassVar[str] = "real numbers with outliers; degrees of freedom per column"
    heads: ClassVar[tuple[str, ...]] = ("loc", "scale")
    free: ClassVar[tuple[str, ...]] = ("df",)

    def distribution(self, loc: Array, scale: Array, df: Array) -> Distribution:
        """One Student's t per cell, of about 5 degrees of freedom at first."""
        freedom = LEAST_DF + jax.nn.softplus(df + 3.0)
        return distributions.StudentT(freedom, loc, as_scale(scale), validate_args=False)


class Laplace(Likelihood):
    """Laplace(x; loc(z), scale(z)): absolute errors in the place of squared ones."""

    name: ClassVar[str] = "laplace"
    summary: ClassVar[str] = "real numbers with heavy tails"
    heads: ClassVar[tuple[str, ...]] = ("loc", "scale")

    def distribution(self, loc: Array, scale: Array) -> Distribution:
        """One Laplace distribution per cell."""
        return distributions.Laplace(loc, as_scale(scale), validate_args=False)
