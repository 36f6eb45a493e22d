"""Gaussians near each row's p(z|x), found by Gauss-Newton steps: far fewer than a search along gradients takes."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.scipy.linalg import cho_solve, solve_triangular
from jax.scipy.special import ndtri
from jaxtyping import Array, Float

from aevb.batch import Batch, each_row
from aevb.chains.coordinates import Target, require_continuous
from aevb.inference.proposals import quartiles_of
from aevb.models import AutoEncoder, CodeSpace, Posterior
from aevb.typing import Codes, PerRow, PRNGKey, Scalar

Point = Float[Array, " dims"]
Matrix = Float[Array, "dims dims"]

# Codes of q(z|x), and as many of p(z), of which the likeliest is where a search starts.
STARTS = 16
# Shares of a step of which the best is taken; none, if each leads down.
SHARES = (1.0, 0.5, 0.2, 0.05)
# How often slopes and curvatures are then averaged, over so many draws of the Gaussian, half of them mirrored.
AVERAGES, AVERAGED_DRAWS = 2, 8
# Standard deviations by which such an average moves the centre at most.
FARTHEST = 1.0
# What the quartiles of N(0, 1) are apart.
QUARTILES = 1.349


class Gaussian(Posterior):
    """z = T(u), u ~ N(centre, precision^-1), T to the space of the codes; one per row of a batch.

    Args:
        within: the space of the codes.
        centre: of u.
        root: C, lower triangular, of the precision C C'.
        inverse: of C; to solve for every draw would take longer.
    """

    within: CodeSpace
    centre: Float[Array, "batch dims"]
    root: Float[Array, "batch dims dims"]
    inverse: Float[Array, "batch dims dims"]

    @property
    def space(self) -> CodeSpace:
        """Of the codes."""
        return self.within

    def quantiles(self, levels: Float[Array, " levels"]) -> Codes:
        """The codes of the quantiles of each coordinate of u."""
        sd = jnp.sqrt(jnp.sum(jnp.square(self.inverse), axis=-2))
        return self.space.code(self.centre + sd * ndtri(levels)[:, None, None])

    def sample(self, key: PRNGKey) -> Codes:
        """One draw of z per row."""
        e = jax.random.normal(key, self.centre.shape, self.centre.dtype)
        return self.space.code(self.centre + jnp.einsum("...ji,...j->...i", self.inverse, e))

    def log_prob(self, z: Codes) -> PerRow:
        """The log density at any z."""
        u = self.space.point(z)
        e = jnp.einsum("...ji,...j->...i", self.root, u - self.centre)
        log_root = jnp.sum(jnp.log(jnp.diagonal(self.root, axis1=-2, axis2=-1)), axis=-1)
        log_u = log_root - 0.5 * jnp.sum(jnp.square(e) + math.log(2 * math.pi), axis=-1)
        return log_u - self.space.log_volume(u)


class Laplace(eqx.Module):
    """A Gaussian near each row's mode of p(u|x), z = T(u) with u without limits, as wide as the curvature says.

    The curvature is that of Gauss and Newton, J' V^-1 J with J the derivatives of E[x|z] by u and V the variances
    Var[x|z], of the observed values: for a likelihood that is Gaussian with a constant variance or a Bernoulli, its
    Fisher information; else not more than that (the Cramér-Rao bound), so that the Gaussian is too wide rather than too
    narrow. The prior adds its own. The search starts at the likeliest of some codes of q(z|x) and p(z): an encoder of
    complete rows is far off where much is missing. From the mode it moves on by averages over draws of the Gaussian, as
    variational inference does: with kinks in the decoder's functions, the curvature at one point says little.

    A row's Gaussian depends on the key and on the row's values, not on its neighbours.

    Sources: Tierney & Kadane (1986), "Accurate approximations for posterior moments and marginal densities"; Opper &
    Archambeau (2009), "The variational Gaussian approximation revisited", for the averages.

    Args:
        autoencoder: whose model and encoder.
        key: random key, of where it may start and of what is averaged over.
        n_steps: of Gauss and Newton.

    Raises:
        InvalidRecipeError: discrete codes, which have no mode of this kind.
    """

    autoencoder: AutoEncoder
    key: PRNGKey
    n_steps: int = eqx.field(static=True, default=6)

    def __check_init__(self):
        require_continuous(self.autoencoder.model, "the search for a mode")

    def __call__(self, batch: Batch) -> Gaussian:
        """The Gaussians for the rows of a batch."""
        centre, root = each_row(self._search, self.key, batch)
        inverse = solve_triangular(root, jnp.broadcast_to(jnp.eye(root.shape[-1]), root.shape), lower=True)
        return Gaussian(self.autoencoder.model.space, centre, root, inverse)

    def _search(self, key: PRNGKey, row: Batch) -> tuple[Point, Matrix]:
        target = Target(self.autoencoder.model, row)
        heights = jax.vmap(target.log_joint)
        prior_precision = self._prior_precision(row)
        start_key, average_key = jax.random.split(key)
        u = self._start(start_key, target, row)

        def step(state: tuple[Point, Scalar], _: None) -> tuple[tuple[Point, Scalar], None]:
            u, height = state
            root = self._root(target, row, u, prior_precision)
            way = cho_solve((root, True), jax.grad(target.log_joint)(u))
            tried = u + jnp.asarray(SHARES)[:, None] * way
            found = jnp.nan_to_num(heights(tried), nan=-jnp.inf)
            best = jnp.argmax(found)
            higher = found[best] > height
            return (jnp.where(higher, tried[best], u), jnp.where(higher, found[best], height)), None

        (u, _), _ = jax.lax.scan(step, (u, target.log_joint(u)), length=self.n_steps)
        start = u, self._root(target, row, u, prior_precision)
        keys = jax.random.split(average_key, AVERAGES)
        average = lambda found, key: (self._averaged(found, key, target, row, prior_precision), None)  # noqa: E731
        return jax.lax.scan(average, start, keys)[0]

    def _averaged(
        self, found: tuple[Point, Matrix], key: PRNGKey, target: Target, row: Batch, prior_precision: Point
    ) -> tuple[Point, Matrix]:
        """One step up the evidence lower bound of a Gaussian: slopes and precisions are means over draws of it."""
        u, root = found
        half = jax.random.normal(key, (AVERAGED_DRAWS // 2, len(u)), u.dtype)
        e = jnp.concatenate([half, -half])
        points = u + solve_triangular(root, e.T, lower=True, trans=1).T
        roots = jax.vmap(lambda point: self._root(target, row, point, prior_precision))(points)
        slope = jnp.mean(jax.vmap(jax.grad(target.log_joint))(points), axis=0)
        root = jnp.linalg.cholesky(jnp.mean(roots @ roots.mT, axis=0))
        way = cho_solve((root, True), slope)
        length = jnp.linalg.norm(root.T @ way)
        way = jnp.where(jnp.isfinite(length), way * jnp.minimum(1.0, FARTHEST / length), 0.0)
        return u + way, root

    def _start(self, key: PRNGKey, target: Target, row: Batch) -> Point:
        """The likeliest of some codes."""
        posterior = self.autoencoder.posterior(row)
        u = jnp.concatenate(
            [
                jax.vmap(lambda key, start=start: target.start(start, key))(jax.random.split(own, STARTS))
                for start, own in zip((posterior, None), jax.random.split(key), strict=True)
            ]
        )
        return u[jnp.argmax(jnp.nan_to_num(jax.vmap(target.log_joint)(u), nan=-jnp.inf))]

    def _prior_precision(self, row: Batch) -> Point:
        """That of a Gaussian with the prior's quartiles, of each coordinate."""
        model = self.autoencoder.model
        quartiles = quartiles_of(model.prior_of(row), model.space, 1)[:, 0]
        return jnp.square(QUARTILES / (quartiles[2] - quartiles[0]))

    def _root(self, target: Target, row: Batch, u: Point, prior_precision: Point) -> Matrix:
        """Of the precision at u."""
        model = self.autoencoder.model
        decode = lambda u: model.predictive(row, target.space.code(u[None]))  # noqa: E731
        slopes = jax.jacfwd(lambda u: decode(u).mean[0])(u)
        variance = decode(u).variance[0]
        weight = jnp.where(variance > 0, 1 / jnp.where(variance > 0, variance, 1.0), 0.0)
        weight = weight if row.mask is None else jnp.where(row.mask[0], weight, 0.0)
        curvature = (slopes.T * weight) @ slopes
        curvature = jnp.where(jnp.all(jnp.isfinite(curvature)), curvature, 0.0)
        return jnp.linalg.cholesky(curvature + jnp.diag(prior_precision))
