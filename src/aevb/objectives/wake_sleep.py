"""Wake-sleep (Hinton, Dayan, Frey & Neal 1995), the rival of the AEVB paper's figures."""

import dataclasses
from typing import Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp

from aevb.batch import Batch
from aevb.chains.coordinates import has_equal_support
from aevb.errors import InvalidRecipeError
from aevb.models import AutoEncoder, Model, Posterior
from aevb.objectives.bound import ELBO, Bound, Objective
from aevb.objectives.draws import draw, draw_keys, log_densities, over_draws, stopped
from aevb.objectives.requirements import require_draws, require_fixed_support
from aevb.typing import Codes, PerRow, PRNGKey

Dreams = Literal["sampled", "means"]


def require_dreams_covered(autoencoder: AutoEncoder) -> None:
    """Refuse a q(z|x) that has no density where a dream's code may lie, or has some where p(z) has none.

    Raises:
        InvalidRecipeError: the supports of q(z|x) and of the prior differ.
    """
    model = autoencoder.model
    if model.space.is_continuous and not has_equal_support(model, autoencoder.posterior):
        raise InvalidRecipeError(
            "wake-sleep fits q(z|x) to codes drawn from the prior, and the supports of the two differ: choose a "
            "posterior and a prior of the same family, or another objective"
        )


class WakeSleep(Objective):
    """Two phases, each with a gradient of its own.

    Wake: x from the data, z ~ q(z|x), and log p(x, z) is ascended in the generative weights. Sleep: z, x ~ p(z) p(x|z),
    a dream, and log q(z|x) is ascended in the recognition weights. Together they maximize no one function: the sleep
    phase minimizes KL(p(z|x) || q(z|x)), the other way round, on rows that the model makes up.

    Both phases are one update here, in which each set of weights has a gradient from its own phase only. The optimizers
    by coordinate (all but clipping by the global norm, which is off for them) then keep separate states. Codes may be
    discrete. With missing values a dream lacks those that the row lacks which it stands beside.

    Args:
        n_samples: draws of z per row, and dreams per row.
        dreams: `sampled`, draws from p(x|z), or `means`, the means of p(x|z) in their place: no samples of the model,
            smoother, and a common variant for grey pixels.

    Raises:
        InvalidRecipeError: `n_samples` under 1, or an unknown kind of dreams.
    """

    n_samples: int = eqx.field(static=True, default=1)
    dreams: Dreams = eqx.field(static=True, default="sampled")

    def __check_init__(self):
        require_draws(self, self.n_samples)
        if self.dreams not in get_args(Dreams):
            raise InvalidRecipeError(f"dreams are {' or '.join(get_args(Dreams))}, not {self.dreams!r}")

    @property
    def estimand(self) -> str:
        """Of the generative weights; the recognition weights follow another quantity."""
        return f"{ELBO} in the generative weights; E_p[log q(z|x)] in the recognition weights"

    @property
    def is_biased(self) -> bool:
        """The sleep phase's gradient is not that of the bound."""
        return True

    @property
    def fits_encoder_apart(self) -> bool:
        """The sleep phase does."""
        return True

    def check(self, posterior: Posterior) -> None:
        """Refuse a support that moves with the parameters of q: a dream's code may lie outside."""
        require_fixed_support(self, posterior)

    def check_autoencoder(self, autoencoder: AutoEncoder) -> None:
        """Refuse a q(z|x) that has no density where a dream's code may lie, or has some where p(z) has none."""
        require_dreams_covered(autoencoder)

    def __call__(self, key: PRNGKey, model: Model, posterior: Posterior, batch: Batch) -> Bound:
        """The evidence lower bound on each row, its surrogate that of the wake phase."""
        z = draw(stopped(posterior), key, self.n_samples)
        log_p = log_densities(model, stopped(posterior), batch, z)
        wake = jnp.mean(log_p.likelihood + log_p.prior, axis=0)
        return dataclasses.replace(log_p.bound(), surrogate=wake)

    def for_training(self, key: PRNGKey, autoencoder: AutoEncoder, batch: Batch) -> Bound:
        """The same, with the sleep phase's log q(z|x) in the surrogate."""
        wake_key, sleep_key = jax.random.split(key)
        bound = self(wake_key, autoencoder.model, autoencoder.posterior(batch), batch)
        sleep = over_draws(
            lambda key: self._sleep(key, autoencoder, batch), draw_keys(sleep_key, self.n_samples)
        )
        return dataclasses.replace(bound, surrogate=bound.surrogate + jnp.mean(sleep, axis=0))

    def _sleep(self, key: PRNGKey, autoencoder: AutoEncoder, batch: Batch) -> PerRow:
        """log q(z|x) of one dream per row."""
        z, dream = stopped(self._dream(key, autoencoder.model, batch))
        return autoencoder.posterior(dream).log_prob(z)

    def _dream(self, key: PRNGKey, model: Model, batch: Batch) -> tuple[Codes, Batch]:
        z, dream = model.simulate(key, batch)
        if self.dreams == "means":
            dream = dataclasses.replace(batch, x=jnp.asarray(model.predictive(batch, z).mean))
        return z, dream
