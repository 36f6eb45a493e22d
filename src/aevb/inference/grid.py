"""Integrals over codes of few dimensions: the region that holds the mass of p(x, z), and the trapezoidal rule on it."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aevb.batch import Batch
from aevb.chains.coordinates import Target
from aevb.models import Model
from aevb.typing import Scalar

Vector = Float[np.ndarray, " dims"]
Points = Float[np.ndarray, "points dims"]
Peaks = Float[np.ndarray, "peaks dims"]
Heights = Float[np.ndarray, " peaks"]
PointsIn = Float[Array, "points dims"]

# The region is where log p(x, u) is at most this far below its maximum.
DEPTH = 25.0
# A tail is long where it is this many times farther from the mode down to DEPTH than down to 2: for a Gaussian 3.5
# times, for exponential tails 12.5.
LONG, NO_BEND = 15.0, 1e6
MARGIN = 0.05
GROUP, CLIMB_STEPS, MOST_PEAKS = 32, 40, 4
DIRECTIONS, TURNS = {1: 2, 2: 32, 3: 96}, 3
RADII = 2.0 ** np.arange(-16, 16.5, 0.5)
POINTS_PER_BLOCK, BLOCK_VALUES = 4096, 2**21
GROWTHS = 20


@dataclasses.dataclass(frozen=True)
class Box:
    """The points u = centre + axes @ (s sinh(v / s)), low <= v <= high, s = `bend`: infinite but for long tails.

    Args:
        centre: in unconstrained coordinates.
        axes: the columns are the directions of v.
        low: of v.
        high: of v.
        bend: s.
        peaks: the modes that were found, in unconstrained coordinates.
        heights: log p(x, u) there.
    """

    centre: Vector
    axes: Float[np.ndarray, "dims dims"]
    low: Vector
    high: Vector
    bend: float
    peaks: Peaks
    heights: Heights

    @property
    def dimensions(self) -> int:
        """Of the codes."""
        return len(self.centre)

    def nearest(self, n: int) -> Peaks:
        """The points of the grid with n points a side that are nearest to the peaks."""
        w = np.linalg.solve(self.axes, (self.peaks - self.centre).T).T
        v = self.bend * np.arcsinh(w / self.bend)
        step = (self.high - self.low) / (n - 1)
        v = self.low + np.clip(np.rint((v - self.low) / step), 0, n - 1) * step
        return self.centre + (self.bend * np.sinh(v / self.bend)) @ self.axes.T


@dataclasses.dataclass(frozen=True)
class Integral:
    """What a grid gives.

    Args:
        log_integral: the log of the integral of p(x, u).
        outside: what the tails outside of the box may add to it, nats.
        saw_every_peak: whether the grid has a point near each mode's top.
    """

    log_integral: float
    outside: float
    saw_every_peak: bool


def find_box(model: Model, row: Batch, starts: PointsIn) -> Box | None:
    """The box that holds the mass of p(x, u) for a batch of one row; None where no start has any."""
    ends, heights, curvature = jax.tree.map(np.asarray, _climb(model, row, starts))
    if not np.isfinite(heights).any():
        return None
    values, vectors = np.linalg.eigh(np.nan_to_num(curvature[np.nanargmax(heights)]))
    peaks, heights = _distinct(ends, heights)
    axes = vectors * np.sqrt(2 * DEPTH / np.clip(np.abs(values), 1e-12, 1e12))
    reach = _Reach.of(model, row, peaks, heights, axes)
    for _ in range(TURNS - 1):
        reach = _Reach.of(model, row, reach.peaks, reach.heights, _axes_of(reach.outer))
    axes, centre = _axes_of(reach.outer), reach.peaks[0]
    w = np.linalg.solve(axes, (reach.outer - centre).T).T
    # Axes are scaled so that the region reaches to about 1.
    bend = 1 / reach.length_of_tails if reach.length_of_tails > LONG else NO_BEND
    v = bend * np.arcsinh(w / bend)
    margin = MARGIN * (v.max(0) - v.min(0))
    return Box(centre, axes, v.min(0) - margin, v.max(0) + margin, bend, reach.peaks, reach.heights)


def _distinct(ends: Points, heights: Float[np.ndarray, " points"]) -> tuple[Peaks, Heights]:
    """The highest end of a climb, and the others that matter which are farthest from those already chosen."""
    matters = heights > np.nanmax(heights) - DEPTH
    ends, heights = ends[matters], heights[matters]
    chosen = [int(np.argmax(heights))]
    while len(chosen) < min(MOST_PEAKS, len(ends)):
        distance = np.min(np.linalg.norm(ends[:, None] - ends[chosen], axis=-1), axis=1)
        chosen.append(int(np.argmax(distance)))
    return ends[chosen], heights[chosen]


def _axes_of(points: Points) -> Float[np.ndarray, "dims dims"]:
    """Principal axes, scaled so that the points lie at distances of about 1."""
    centred = points - points.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred * points.shape[1] / len(points))
    return vectors * np.sqrt(np.maximum(values, 1e-24 * max(values.max(), 1e-200)))


def _directions(n_dims: int) -> Points:
    if n_dims == 1:
        return np.array([[1.0], [-1.0]])
    drawn = np.random.default_rng(0).normal(size=(DIRECTIONS[n_dims] - 2 * n_dims, n_dims))
    return np.concatenate(
        [np.eye(n_dims), -np.eye(n_dims), drawn / np.linalg.norm(drawn, axis=1, keepdims=True)]
    )


@dataclasses.dataclass(frozen=True)
class _Reach:
    """How far the mass reaches along rays from each peak.

    Args:
        peaks: each moved to the highest point of its rays where that is higher.
        heights: log p(x, u) there.
        outer: the last point of each ray within DEPTH of the highest peak.
        length_of_tails: how far a ray first falls by DEPTH, as a multiple of how far it falls by 2; the median.
    """

    peaks: Peaks
    heights: Heights
    outer: Points
    length_of_tails: float

    @classmethod
    def of(
        cls,
        model: Model,
        row: Batch,
        peaks: Peaks,
        heights: Heights,
        axes: Float[np.ndarray, "dims dims"],
    ) -> "_Reach":
        """From log p(x, u) along rays that start at the peaks, evenly spread once the axes are of equal length."""
        directions = _directions(peaks.shape[1]) @ axes.T
        points = _padded(peaks)[:, None, None] + RADII[:, None] * directions[:, None]
        log_joint = np.asarray(_log_joint(model, row, jnp.asarray(points)))[: len(peaks)]
        lowest = np.full(len(peaks), max(heights.max(), log_joint.max()) - DEPTH)
        outer = _crossing(log_joint, lowest, last=True)
        far, near = (_crossing(log_joint, heights - fall, last=False) for fall in (DEPTH, 2.0))
        ends = peaks[:, None] + outer[..., None] * directions
        best = log_joint.reshape(len(peaks), -1).argmax(1)
        found = log_joint.reshape(len(peaks), -1)[np.arange(len(peaks)), best]
        moved = points[: len(peaks)].reshape(len(peaks), -1, peaks.shape[1])[np.arange(len(peaks)), best]
        peaks = np.where((found > heights)[:, None], moved, peaks)
        order = np.argsort(-np.maximum(found, heights))
        return cls(
            peaks[order],
            np.maximum(found, heights)[order],
            ends.reshape(-1, peaks.shape[1]),
            float(np.median(far / near)),
        )


def _crossing(
    log_joint: Float[np.ndarray, "peaks rays radii"], level: Float[np.ndarray, " peaks"], *, last: bool
) -> Float[np.ndarray, "peaks rays"]:
    """The radius at which a ray falls below its peak's level, first or last, interpolated between two radii."""
    above = log_joint > level[:, None, None]
    n = above.shape[-1]
    index = n - 1 - np.argmax(above[..., ::-1], axis=-1) if last else np.argmin(above, axis=-1) - 1
    # Rays that are never above have no last point there, those that always are no first one below.
    index = np.where(above.any(-1), np.where(above.all(-1), n - 1, np.maximum(index, 0)), 0)
    after = np.minimum(index + 1, len(RADII) - 1)
    high, low = (np.take_along_axis(log_joint, i[..., None], -1)[..., 0] for i in (index, after))
    share = np.clip((high - level[:, None]) / np.maximum(high - low, 1e-12), 0.0, 1.0)
    return RADII[index] + share * (RADII[after] - RADII[index])


def integrate(model: Model, row: Batch, box: Box, n: int, *, grow: bool = True) -> tuple[Integral, Box]:
    """The trapezoidal rule with n points a side, and the box, grown where something is left at its faces."""
    sums = jax.tree.map(np.asarray, _grid_sums(model, row, _arrays(box), jnp.asarray(n)))
    for _ in range(GROWTHS if grow else 0):
        full = sums.faces > sums.largest - DEPTH + 3
        if not full.any():
            break
        width = 0.3 * (box.high - box.low)
        box = dataclasses.replace(box, low=box.low - full[0] * width, high=box.high + full[1] * width)
        sums = jax.tree.map(np.asarray, _grid_sums(model, row, _arrays(box), jnp.asarray(n)))
    volume = np.sum(np.log(box.high - box.low))
    outside = np.exp(np.minimum(np.max(sums.faces) + volume - sums.log_sum, 50.0))
    near = np.asarray(_log_joint(model, row, jnp.asarray(_padded(box.nearest(n)))))[: len(box.peaks)]
    matters = box.heights > box.heights.max() - DEPTH / 2
    saw_all = bool(np.all(near[matters] > box.heights[matters] - 2))
    return Integral(float(sums.log_sum), float(outside), saw_all), box


def _arrays(box: Box) -> tuple[Array, ...]:
    return tuple(jnp.asarray(a) for a in (box.centre, box.axes, box.low, box.high, box.bend))


def _padded(peaks: Peaks) -> Points:
    """As many as there may be, so that programs have one shape."""
    return np.concatenate([peaks, np.repeat(peaks[:1], MOST_PEAKS - len(peaks), axis=0)])


class _Sums(eqx.Module):
    """The log of the weighted sum over the grid, the largest term, and the largest at each low and high face."""

    log_sum: Scalar
    largest: Scalar
    faces: Float[Array, "2 dims"]


@eqx.filter_jit
def _grid_sums(model: Model, row: Batch, box: tuple[Array, ...], n: Array) -> _Sums:
    centre, axes, low, high, bend = box
    n_dims, n_block = len(centre), _block_points(model)
    target = Target(model, row)
    step = (high - low) / (n - 1)
    scale = jnp.linalg.slogdet(axes)[1] + jnp.sum(jnp.log(step))

    def log_term(index: Array) -> tuple[Scalar, Array]:
        """log of what a point of the grid adds, and its place along each side."""
        place = index // n ** jnp.arange(n_dims) % n
        v = low + place * step
        u = centre + axes @ (bend * jnp.sinh(v / bend))
        log_half = jnp.sum(jnp.where((place == 0) | (place == n - 1), math.log(0.5), 0.0))
        log_joint = target.log_joint(u) + jnp.sum(jnp.log(jnp.cosh(v / bend)))
        return jnp.where(jnp.isnan(log_joint), -jnp.inf, log_joint) + log_half + scale, place

    def add_block(i: Array, sums: _Sums) -> _Sums:
        index = i * n_block + jnp.arange(n_block)
        terms, places = jax.vmap(log_term)(index)
        terms = jnp.where(index < n**n_dims, terms, -jnp.inf)
        at_face = jnp.stack([places == 0, places == n - 1])
        faces = jnp.max(jnp.where(at_face, terms[:, None], -jnp.inf), axis=1)
        return _Sums(
            jnp.logaddexp(sums.log_sum, jax.nn.logsumexp(terms)),
            jnp.maximum(sums.largest, jnp.max(terms)),
            jnp.maximum(sums.faces, faces),
        )

    nothing = _Sums(jnp.array(-jnp.inf), jnp.array(-jnp.inf), jnp.full((2, n_dims), -jnp.inf))
    sums = jax.lax.fori_loop(0, (n**n_dims + n_block - 1) // n_block, add_block, nothing)
    # Densities of v, without the lengths of the steps.
    log_cell = jnp.sum(jnp.log(step))
    return _Sums(sums.log_sum, sums.largest - log_cell, sums.faces - log_cell)


@eqx.filter_jit
def _log_joint(model: Model, row: Batch, points: Array) -> Array:
    """log p(x, u) at many points, last axis the coordinates; minus infinity where it is not a number."""
    target = Target(model, row)
    flat = points.reshape(-1, points.shape[-1])
    found = jax.lax.map(target.log_joint, flat, batch_size=min(_block_points(model), len(flat)))
    return jnp.where(jnp.isnan(found), -jnp.inf, found).reshape(points.shape[:-1])


@eqx.filter_jit
def _climb(model: Model, row: Batch, starts: PointsIn) -> tuple[Array, Array, Array]:
    """Damped Newton steps from the best of each group of starts: the ends, log p(x, u) and its second derivatives."""
    log_joint = Target(model, row).log_joint
    groups = starts.reshape(-1, GROUP, starts.shape[1])
    best = jnp.argmax(_log_joint(model, row, groups), axis=1)
    starts = jnp.take_along_axis(groups, best[:, None, None], axis=1)[:, 0]

    def step(i: Array, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        u, height, damping = state
        values, vectors = jnp.linalg.eigh(jax.hessian(log_joint)(u))
        slope = vectors.T @ jax.grad(log_joint)(u)
        to = u + vectors @ (slope / (jnp.abs(values) + damping))
        found = log_joint(to)
        higher = found > height
        return (
            jnp.where(higher, to, u),
            jnp.where(higher, found, height),
            jnp.where(higher, 0.2 * damping, 5 * damping),
        )

    def one(u: Array) -> tuple[Array, Array, Array]:
        height = log_joint(u)
        u, height, _ = jax.lax.fori_loop(0, CLIMB_STEPS, step, (u, height, jnp.ones_like(height)))
        return u, height, jax.hessian(log_joint)(u)

    return jax.lax.map(one, starts, batch_size=8)


def _block_points(model: Model) -> int:
    return max(1, min(POINTS_PER_BLOCK, BLOCK_VALUES // model.n_features))
