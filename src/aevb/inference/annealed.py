"""log p(x) by annealed importance sampling with Hamiltonian transitions."""

import dataclasses
from typing import ClassVar, Literal, get_args

import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch, map_rows
from aevb.chains.chunks import BLOCK_ROWS, Ticks, chunks
from aevb.chains.coordinates import has_equal_support, require_continuous, require_equal_support
from aevb.errors import InvalidRecipeError
from aevb.inference.annealing import FORWARD, PRELIMINARY_STEPS, Annealing
from aevb.inference.marginal import MarginalEstimate, Rows, Show
from aevb.models import Model, Recognition
from aevb.typing import PRNGKey

Start = Literal["auto", "posterior", "prior"]
# For an estimate and its error to be trusted. Where trajectories are refused chains stay behind the path.
LEAST_CHAINS, LEAST_SHARE, LEAST_ACCEPTANCE = 3.0, 0.25, 0.3


@dataclasses.dataclass(frozen=True)
class Annealed:
    """log p(x) by annealed importance sampling (Neal 2001): importance weights gathered along a path of densities.

    f_b(z) = start(z)^(1 - b) p(x, z)^b, from the start at b = 0 to p(x, z) at b = 1, over which log w adds
    (b_t - b_(t-1)) log p(x, z) / start(z), and a Hamiltonian transition that leaves f_b invariant follows. Then
    E[w] = p(x), so that the expectation of the log of a mean weight lies below log p(x). That needs transitions which
    do not depend on the chain's own past: step sizes and the spacing of b are found per row in a preliminary run with
    its own randomness, and then kept. Codes move in unconstrained coordinates.

    Args:
        n_temperatures: T, the number of steps along the path.
        n_chains: independent weights per row, whose spread gives the error.
        n_leapfrog: leapfrog steps of a transition.
        start: `posterior`, q(z|x), the shorter way where q is good; `prior`, p(z), whatever q is; or `auto`, the
            posterior if there is one whose support is that of p(z), else the prior.

    Raises:
        InvalidRecipeError: a number is too small, or the start unknown.
    """

    n_temperatures: int = 500
    n_chains: int = 16
    n_leapfrog: int = 10
    start: Start = "auto"
    name: ClassVar[str] = "annealed"

    def __post_init__(self):
        for value, least, what in (
            (self.n_temperatures, 1, "temperatures"),
            (self.n_chains, 2, "chains, whose spread gives the error,"),
            (self.n_leapfrog, 1, "leapfrog steps"),
        ):
            if value < least:
                raise InvalidRecipeError(
                    f"annealed importance sampling: the number of {what} must be at least {least}, not {value}"
                )
        if self.start not in get_args(Start):
            raise InvalidRecipeError(
                f"annealed importance sampling starts from {get_args(Start)}, not {self.start!r}"
            )

    def __call__(
        self, model: Model, recognition: Recognition | None, x: Rows, key: PRNGKey, show: Show
    ) -> MarginalEstimate:
        """The estimates; see `aevb.inference.log_marginal`.

        Raises:
            InvalidRecipeError: the codes are discrete; chains are to start from q(z|x), and there is none, or its
                support is not that of p(z).
        """
        run = self.annealing(model, recognition, len(x), 1, key, show)

        def block(batch: Batch) -> dict[str, Array | np.ndarray]:
            return run.weights(batch, run.path(batch), FORWARD)

        found = map_rows(block, x, BLOCK_ROWS)
        return self.estimate("down", found["log_w"], found["acceptance"])

    def annealing(
        self,
        model: Model,
        recognition: Recognition | None,
        n_rows: int,
        n_runs: int,
        key: PRNGKey,
        show: Show,
    ) -> Annealing:
        """The programs with these settings, for a preliminary run and `n_runs` along its path.

        Raises:
            InvalidRecipeError: see `__call__`.
        """
        require_continuous(model, "annealed importance sampling")
        if self.start == "prior" or (self.start == "auto" and not has_equal_support(model, recognition)):
            recognition = None
        elif recognition is None:
            raise InvalidRecipeError(
                "annealed importance sampling is to start from q(z|x), and there is no recognition model: "
                "start it from the prior (start='prior')"
            )
        else:
            require_equal_support(model, recognition, "annealed importance sampling")
        per_block = len(chunks(PRELIMINARY_STEPS)) + n_runs * len(chunks(self.n_temperatures))
        tick = Ticks(show, n_rows, per_block)
        return Annealing(model, recognition, key, self.n_temperatures, self.n_chains, self.n_leapfrog, tick)

    def estimate(
        self,
        bias: Literal["down", "up"],
        log_weights: Float[np.ndarray, "rows chains"],
        acceptance: Float[np.ndarray, "rows chunks"],
    ) -> MarginalEstimate:
        """The estimates from log w of each chain, or for `up` from log 1/w, whose mean estimates 1 / p(x)."""
        log_w, n = log_weights.astype(np.float64), self.n_chains
        largest = log_w.max(axis=1)
        w = np.exp(log_w - np.where(np.isfinite(largest), largest, 0.0)[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            log_mean = largest + np.log(w.mean(axis=1))
            effective = np.nan_to_num(w.sum(axis=1) ** 2 / (w**2).sum(axis=1))
            # Delta method: the variance of log(mean w) is var(w) / (n mean(w)^2).
            error = np.sqrt(np.maximum(n / effective - 1, 0.0) / (n - 1))
        lowest = acceptance.min(axis=1)
        # Fewer chains than that carry the estimate by chance, and with them its error.
        enough = effective >= max(LEAST_CHAINS, LEAST_SHARE * n)
        diagnostics = {
            "effective_chains": effective,
            "acceptance": acceptance.mean(axis=1),
            "lowest_acceptance": lowest,
        }
        return MarginalEstimate(
            self.name,
            bias,
            log_mean if bias == "down" else -log_mean,
            error,
            np.isfinite(log_mean) & enough & (lowest >= LEAST_ACCEPTANCE),
            diagnostics,
        )
