"""What a user hands in that no name stands for: networks, a likelihood, a prior, a whole model."""

from collections.abc import Callable

import equinox as eqx
import jax

from aevb.errors import InvalidRecipeError
from aevb.models import AutoEncoder, Conditional, Likelihood, Posterior
from aevb.models.trial import check_autoencoder
from aevb.recipe import CUSTOM, Recipe
from aevb.selection import family_posterior


class Parts(eqx.Module):
    """A user's own objects in the place of what a recipe names; None for none.

    Args:
        encoder_network: from the inputs of one row to features.
        decoder_network: from one code to features.
        likelihood: p(x|z) of a cell.
        prior: p(z): called with a batch, it returns the distribution of one code.
        model: called with the number of columns and a random key, it returns an autoencoder of rows in scaled units.
    """

    encoder_network: eqx.Module | None = None
    decoder_network: eqx.Module | None = None
    likelihood: Likelihood | None = None
    prior: Conditional | None = None
    model: Callable[..., AutoEncoder] | None = None

    def named(self, recipe: Recipe) -> dict[str, str]:
        """The settings that these objects take the place of.

        Raises:
            InvalidRecipeError: the recipe names an object that was not handed in.
        """
        given = {name: getattr(self, name) for name in ("likelihood", "prior", "model")}
        for name, part in given.items():
            if part is None and getattr(recipe, name) == CUSTOM:
                raise InvalidRecipeError(
                    f"{name} {CUSTOM!r} stands for an object of your own, which Python alone can hand in: "
                    f"aevb.VAE({name}=...)"
                )
        return {name: CUSTOM for name, part in given.items() if part is not None}

    def own_model(self, n_features: int, recipe: Recipe) -> AutoEncoder | None:
        """The user's own model with its initial weights, for so many columns; None if there is none.

        Raises:
            InvalidRecipeError: it is no autoencoder, has another number of columns, or its recognition model would
                not be trained.
        """
        if self.model is None:
            return None
        try:
            built = self.model(n_features, key=jax.random.key(recipe.seed))
        except TypeError as error:
            raise InvalidRecipeError(
                f"model is called with the number of columns and key=, and fails: {error}"
            ) from error
        if not isinstance(built, AutoEncoder):
            raise InvalidRecipeError(
                f"model must return an aevb.models.AutoEncoder, called with {n_features} columns and key=; it returned "
                f"a {type(built).__name__}"
            )
        if built.model.n_features != n_features:
            raise InvalidRecipeError(
                f"the data have {n_features} columns, and the model is one of {built.model.n_features}"
            )
        check_autoencoder(built)
        if not recipe.has_encoder:
            raise InvalidRecipeError(
                "a model of your own comes with its recognition model: leave recognition at amortized, and choose "
                "another objective than mcem"
            )
        return built

    def own_posterior(self, recipe: Recipe, own: AutoEncoder | None) -> Callable[[], Posterior] | None:
        """What gives q(z|x) of a row if the names in the recipe do not."""
        if own is not None:
            return lambda: own.posterior(own.model.example())
        prior = self.prior
        return None if prior is None else lambda: family_posterior(recipe.posterior, prior, recipe.latents)
