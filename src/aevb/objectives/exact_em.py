"""Exact EM, for the models whose posterior is Gaussian and known: factor analysis and probabilistic PCA."""

from aevb.batch import Batch
from aevb.errors import InvalidRecipeError
from aevb.models import LIKELIHOODS, AutoEncoder, Decoder, Encoder, LatentVariableModel, Model, Posterior
from aevb.networks import MLP
from aevb.objectives.bound import Bound, Objective
from aevb.objectives.sgvb import SGVBB
from aevb.typing import PRNGKey

# Those whose variances do not depend on z.
LINEAR = (LIKELIHOODS["gaussian-diagonal"], LIKELIHOODS["gaussian-isotropic"])


class ExactEM(Objective):
    """The mean log-likelihood of a linear-Gaussian model, maximized by EM without a gradient or a draw.

    An epoch is one iteration over all rows (Rubin & Thayer 1982; Tipping & Bishop 1999, section 3.3). The encoder is
    set to the exact posterior, so that the bound that is reported is log p(x); see `aevb.training.linear_em`.
    """

    @property
    def estimand(self) -> str:
        """What the bound equals at the exact posterior."""
        return "log p(x)"

    @property
    def learner(self) -> str:
        """EM needs no gradient."""
        return "exact-em"

    @property
    def takes_all_rows(self) -> bool:
        """An iteration does."""
        return True

    def check_autoencoder(self, autoencoder: AutoEncoder) -> None:
        """Refuse what is not a linear-Gaussian model with an encoder that can be its exact posterior."""
        require_linear(autoencoder)

    def check(self, posterior: Posterior) -> None:
        """Nothing to refuse in a posterior alone; see `require_linear`."""

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The evidence lower bound on each row."""
        return SGVBB()(key, model, posterior, batch)


def require_linear(autoencoder: AutoEncoder) -> None:
    """Refuse what is not a linear-Gaussian model with an encoder that can be its exact posterior.

    Raises:
        InvalidRecipeError: with what is needed.
    """
    model, encoder = autoencoder.model, autoencoder.encoder
    decoder = getattr(model, "decoder", None)
    linear = (
        isinstance(model, LatentVariableModel)
        and isinstance(decoder, Decoder)
        and decoder.likelihood in LINEAR
        and isinstance(encoder, Encoder)
        and all(isinstance(part.network, MLP) and not part.network.layers for part in (decoder, encoder))
    )
    if not linear or encoder.family != "gaussian" or model.prior.family != "gaussian":  # pyright: ignore[reportAttributeAccessIssue]
        raise InvalidRecipeError(
            "exact EM is for linear-Gaussian models: set likelihood to gaussian-diagonal (factor analysis) or "
            "gaussian-isotropic (probabilistic PCA), hidden to none, and leave posterior and prior Gaussian"
        )
    if encoder.sees_mask:
        raise InvalidRecipeError(
            "exact EM needs complete rows: leave missing at error, or use another objective"
        )
