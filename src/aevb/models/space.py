"""Where the codes of a model lie: its sites, and the coordinates without limits in which chains move."""

import itertools
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from numpyro.distributions import Distribution, biject_to, constraints
from numpyro.distributions.transforms import Transform

from aevb.errors import InvalidParameterError
from aevb.typing import Codes

Points = Float[Array, "*samples dims"]
Columns = Float[Array, "*samples columns"]

# This stands in for the infinite coordinate of a code that was rounded to the edge of its support; exp(-80) is a
# float32.
EDGE = 80.0


class Site(eqx.Module):
    """One latent variable, or a vector of them: its shape and the values that it takes.

    Args:
        shape: of one code.
        support: where the code has a density, a constraint of NumPyro's.
        values: the values of a discrete variable, shape `(categories, width)`; a code is as many of these side by side
            as fill its shape. None for a variable with a density.
        moves: whether the support depends on the parameters of the distribution whose codes these are.

    >>> from aevb.models import Site
    >>> Site((2,)).size
    2
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    support: Any = eqx.field(default_factory=lambda: constraints.real)
    values: np.ndarray | None = None
    moves: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        if self.values is None:
            return
        if np.ndim(self.values) != 2 or self.size % np.shape(self.values)[1]:
            raise InvalidParameterError(
                f"the values of a discrete site are a matrix, (categories, width), whose width divides the {self.size} "
                f"entries of a code, not of shape {np.shape(self.values)}"
            )

    @classmethod
    def of(cls, distribution: Distribution, *, moves: bool = False) -> "Site":
        """The site of one event of a distribution."""
        values = getattr(getattr(distribution, "base_dist", distribution), "code_values", None)
        return cls(tuple(distribution.event_shape), distribution.support, values, moves)

    @property
    def size(self) -> int:
        """The number of entries of a code."""
        return math.prod(self.shape)

    @property
    def is_discrete(self) -> bool:
        """Whether codes have a mass rather than a density."""
        return self.values is not None or bool(self.support.is_discrete)

    @property
    def n_variables(self) -> int:
        """The number of entries, or of one-hot vectors."""
        return self.size if self.values is None else self.size // self.values.shape[1]

    @property
    def interval(self) -> tuple[float, float]:
        """The smallest interval that holds every entry of a code; all numbers if the support moves."""
        if self.values is not None:
            return float(np.min(self.values)), float(np.max(self.values))
        support = getattr(self.support, "base_constraint", self.support)
        limits = getattr(support, "lower_bound", -math.inf), getattr(support, "upper_bound", math.inf)
        return (-math.inf, math.inf) if self.moves else (float(np.min(limits[0])), float(np.max(limits[1])))

    @property
    def is_one_hot(self) -> bool:
        """Whether a code is made of one-hot vectors."""
        return self.values is not None and self.values.shape[1] > 1

    @property
    def is_simplex(self) -> bool:
        """Whether a code is made of shares that add up to 1."""
        return self.support is constraints.simplex

    @property
    def transform(self) -> Transform:
        """From numbers without limits to the support."""
        return biject_to(self.support)

    @property
    def n_dims(self) -> int:
        """How many numbers without limits there are to a code."""
        return math.prod(self.transform.inverse_shape(self.shape))

    def leading(self, code: Array) -> tuple[int, ...]:
        """The axes of an array of codes before those of one code."""
        return code.shape[: code.ndim - len(self.shape)]


class CodeSpace(eqx.Module):
    """A tree of sites. Codes are a tree of arrays of the same structure, with any axes before those of a code.

    The methods that go to coordinates without limits and back are for spaces without a discrete site.

    Args:
        sites: a `Site`, or a dict, tuple or list of them, nested as may be. Objectives and inference see one code
            per row whatever the structure is. The keys of a dict go in alphabetical order, as in all of JAX.

    >>> from aevb.models import CodeSpace, Site
    >>> space = CodeSpace({"top": Site((2,)), "bottom": Site((3,), constraints.positive)})
    >>> space.names
    ('bottom1', 'bottom2', 'bottom3', 'top1', 'top2')
    >>> space.code(jnp.zeros(5))["bottom"]
    Array([1., 1., 1.], dtype=float32)
    """

    sites: Any

    @property
    def leaves(self) -> list[Site]:
        """Its sites, in order."""
        return jax.tree.leaves(self.sites, is_leaf=_is_site)

    @property
    def site_names(self) -> tuple[str, ...]:
        """A name for each site: its place in the tree, `z` if there is only one."""
        paths, _ = jax.tree_util.tree_flatten_with_path(self.sites, is_leaf=_is_site)
        return tuple(jax.tree_util.keystr(path, simple=True, separator="_") or "z" for path, _ in paths)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each column of `columns`: the site and the number of the entry, from 1."""
        return tuple(
            f"{name}{i + 1}"
            for name, site in zip(self.site_names, self.leaves, strict=True)
            for i in range(site.size)
        )

    @property
    def is_continuous(self) -> bool:
        """Whether every code has a density."""
        return not any(site.is_discrete for site in self.leaves)

    @property
    def moves(self) -> bool:
        """Whether the support of a site depends on parameters."""
        return any(site.moves for site in self.leaves)

    @property
    def width(self) -> int:
        """The number of columns."""
        return sum(site.size for site in self.leaves)

    @property
    def n_variables(self) -> int:
        """The number of latent variables; a one-hot vector is one."""
        return sum(site.n_variables for site in self.leaves)

    @property
    def n_dims(self) -> int:
        """The number of coordinates without limits of one code."""
        return sum(site.n_dims for site in self.leaves)

    @property
    def only(self) -> Site | None:
        """The site, if there is only one."""
        sites = self.leaves
        return sites[0] if len(sites) == 1 else None

    def point(self, z: Codes) -> Points:
        """The coordinates without limits of codes."""
        parts = [
            jnp.asarray(site.transform.inv(code)).reshape(*site.leading(code), site.n_dims)
            for site, code in self._pairs(z)
        ]
        return jnp.nan_to_num(_joined(parts), nan=0.0, posinf=EDGE, neginf=-EDGE)

    def code(self, u: Points) -> Codes:
        """The codes that have these coordinates without limits."""
        return self._mapped(lambda site, part: jnp.asarray(site.transform(part)), self._split(u))

    def log_volume(self, u: Points) -> Float[Array, "*samples"]:
        """log |det dz/du| at a point: a log density of codes plus this is one of points."""
        volumes = []
        for site, part in zip(self.leaves, self._split(u), strict=True):
            volume = jnp.asarray(site.transform.log_abs_det_jacobian(part, site.transform(part)))
            # A support of single numbers gives a volume for each, one of vectors gives one for all.
            volumes.append(jnp.sum(volume.reshape(*u.shape[:-1], -1), axis=-1))
        return sum(volumes[1:], start=volumes[0])

    def contains(self, z: Codes) -> Bool[Array, "*samples"]:
        """Whether codes lie in the support of every site."""
        inside = []
        for site, code in self._pairs(z):
            within = jnp.asarray(site.support(code))
            # Of a support of single numbers each entry says its own.
            extra = within.ndim - len(site.leading(code))
            inside.append(jnp.all(within, axis=tuple(range(-extra, 0))))
        return jnp.all(jnp.stack(inside), axis=0)

    def columns(self, z: Codes) -> Columns:
        """Codes as a table, last axis the entries of all sites in order."""
        return _joined([code.reshape(*site.leading(code), site.size) for site, code in self._pairs(z)])

    def from_columns(self, columns: Columns) -> Codes:
        """The codes of which `columns` made a table."""
        parts = _divided(columns, [site.size for site in self.leaves])
        return self._mapped(lambda site, part: part.reshape(*part.shape[:-1], *site.shape), parts)

    @cached_property
    def n_codes(self) -> int | None:
        """How many codes there are; None if a site is continuous, or does not say its values."""
        sites = self.leaves
        if any(site.values is None for site in sites):
            return None
        return math.prod(len(site.values) ** site.n_variables for site in sites if site.values is not None)

    def enumerate(self) -> Float[np.ndarray, "codes columns"]:
        """All codes of a space of discrete sites, as a table."""
        variables = [np.asarray(site.values) for site in self.leaves for _ in range(site.n_variables)]
        return np.array([np.concatenate(chosen) for chosen in itertools.product(*variables)])

    def _pairs(self, z: Codes) -> list[tuple[Site, Array]]:
        structure = jax.tree.structure(self.sites, is_leaf=_is_site)
        return list(zip(self.leaves, structure.flatten_up_to(z), strict=True))

    def _split(self, u: Points) -> list[Array]:
        """The part of a point that belongs to each site, in the shape that the site's transform takes."""
        shapes = [site.transform.inverse_shape(site.shape) for site in self.leaves]
        parts = _divided(u, [math.prod(shape) for shape in shapes])
        return [part.reshape(*u.shape[:-1], *shape) for part, shape in zip(parts, shapes, strict=True)]

    def _mapped(self, function: Callable[[Site, Array], Array], parts: list[Array]) -> Codes:
        mapped = [function(site, part) for site, part in zip(self.leaves, parts, strict=True)]
        return jax.tree.unflatten(jax.tree.structure(self.sites, is_leaf=_is_site), mapped)


def _is_site(node: Any) -> bool:
    return isinstance(node, Site)


def _joined(parts: list[Array]) -> Array:
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)


def _divided(whole: Array, widths: list[int]) -> list[Array]:
    """Parts of the last axis with these widths."""
    whole = jnp.asarray(whole)
    if len(widths) == 1:
        return [whole]
    return list(jnp.split(whole, np.cumsum(widths)[:-1].tolist(), axis=-1))
