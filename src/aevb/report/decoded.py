"""What a decoder makes of chosen codes: over a plane of two latents, along one, or at the corners of a simplex."""

import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from aevb import plots
from aevb.models import Model, choose_prior
from aevb.recipe import CUSTOM
from aevb.report.codes import Codes, PerLatent, two_latents, unbroken
from aevb.trained import TrainedModel

GRID = 20
N_PRIOR_DRAWS = 100_000
MOST_BINARY = 4  # latents whose combinations are shown
Pure = tuple[
    Float[np.ndarray, "chosen width"], list[str], str, str
]  # codes, their names, what the names are, a title


def decoded_figure(model: TrainedModel, codes: Codes, kl: PerLatent) -> Figure | None:
    """The decoder's means where the prior has its mass; none for tables with one latent that is not discrete.

    Args:
        model: what was trained.
        codes: of some rows.
        kl: from `mean_divergences` of these rows.
    """
    pure_codes = _pure_codes_of(model)
    if pure_codes is not None:
        return _pure_codes(model, pure_codes(model, codes, kl))
    if not model.space.is_continuous:
        return None
    if model.code_width > 1:
        return _plane(model, *two_latents(codes, kl))
    return None if model.image_shape is None else _images_along_one_latent(model, model.image_shape)


def _pure_codes_of(model: TrainedModel) -> Callable[[TrainedModel, Codes, PerLatent], Pure] | None:
    """What finds the corners of what codes fill, if they have any."""
    site = model.space.only
    if site is None:
        return None
    if site.is_simplex:
        return _pure_components
    if site.values is None:
        return None
    return _each_category if site.is_one_hot else _zeros_and_ones


def _prior(model: TrainedModel) -> str:
    """The prior's family, or `custom`."""
    recipe = model.recipe
    is_own = CUSTOM in (recipe.model, recipe.prior)
    return CUSTOM if is_own else choose_prior(recipe.prior, recipe.posterior.name)


def _whose(prior: str) -> str:
    return "the prior's" if prior in ("gaussian", CUSTOM) else f"the {unbroken(prior)} prior's"


def _plane(model: TrainedModel, pair: list[int], labels: tuple[str, str]) -> Figure:
    """The decoder's means over a plane of two latents, even in the prior's probability; others at its median."""
    z = quantiles(model.autoencoder.model, [*plots.grid_probabilities(GRID), 0.5])
    values = z[pair, :-1]
    codes = np.tile(z[:, -1], (GRID * GRID, 1))
    codes[:, pair] = plots.manifold_grid(GRID, values)
    x = model.decode(codes)
    title, others = _prior_title(model, "Means of p(x|z) over the latent plane")
    if len(z) > 2:
        title += f", other latents at {others}"
    if model.image_shape is not None:
        return plots.manifold(
            x, model.image_shape, labels, values=values, value_range=model.pixel_range, title=title
        )
    x = x.reshape(GRID, GRID, -1)
    return plots.feature_manifold(x, model.feature_names, labels, values=values, title=title)


def _prior_title(model: TrainedModel, title: str) -> tuple[str, str]:
    """A title that says which prior's quantiles are shown, where it is not the usual one, and what its median is."""
    prior = _prior(model)
    if prior == "gaussian":
        return title, "0"
    return f"{title}, at even steps of {_whose(prior)} probability", "its median"


def quantiles(model: Model, p: Sequence[float]) -> Float[np.ndarray, "latents quantiles"]:
    """Values of each entry of a code below which it lies with these probabilities under the prior."""
    exact = model.prior_of(model.example()).quantiles(jnp.asarray(p))
    if exact is not None:
        z = model.space.columns(exact).reshape(len(p), -1)
    else:  # no latent on its own: quantiles of draws
        draws = model.prior_of(model.example(N_PRIOR_DRAWS)).sample(jax.random.key(0))
        z = np.quantile(model.space.columns(draws), p, axis=0)
    return np.asarray(z, dtype=np.float64).T


def _images_along_one_latent(model: TrainedModel, shape: tuple[int, int]) -> Figure:
    """The decoder's means at codes that are even in the prior's probability."""
    codes = quantiles(model.autoencoder.model, plots.grid_probabilities(GRID).tolist()).T
    low, high = (f"{z:.2f}".replace("-", "−") for z in codes[[0, -1], 0])
    whose = _whose(_prior(model))
    title = f"Means of p(x|z), z from {low} to {high} by even steps of {whose} probability"
    return plots.image_grid(model.decode(codes), shape, title, value_range=model.pixel_range, columns=10)


def _pure_codes(model: TrainedModel, pure: Pure) -> Figure:
    """The decoder's means at the corners of what codes fill: pure components, categories, or zeros and ones."""
    z, names, label, title = pure
    x = model.decode(z)
    if model.image_shape is None:
        return plots.feature_means(x, names, model.feature_names, codes_label=label, title=title)
    n = len(x)
    columns = n if n <= 5 else next((c for c in range(3, 11) if c * c >= n and n % c == 0), None)
    about = {"captions": names, "columns": columns, "value_range": model.pixel_range}
    return plots.image_grid(x, model.image_shape, title, **about)


def _pure_components(model: TrainedModel, codes: Codes, kl: PerLatent) -> Pure:
    n = codes.shape[1]
    names = [f"z {i + 1}" for i in range(n)]
    return (
        np.eye(n),
        names,
        "the component that is 1",
        "Means of p(x|z) with one component of z at 1, the others at 0",
    )


def _each_category(model: TrainedModel, codes: Codes, kl: PerLatent) -> Pure:
    n = codes.shape[1] // model.space.n_variables
    usual = codes.reshape(len(codes), -1, n).mean(0).argmax(1)
    best = int(np.argmax(kl))
    z = np.tile(np.eye(n)[usual], (n, 1, 1))
    z[:, best] = np.eye(n)
    which = unbroken(f"z {best + 1}")
    title = f"Means of p(x|z) for each category of {which}"
    if len(usual) > 1:
        title += " (largest KL), others at their mode"
    return z.reshape(n, -1), [str(i + 1) for i in range(n)], f"category of {which}", title


def _zeros_and_ones(model: TrainedModel, codes: Codes, kl: PerLatent) -> Pure:
    best = np.sort(np.argsort(-kl, kind="stable")[:MOST_BINARY])
    levels = np.array(list(itertools.product((0.0, 1.0), repeat=len(best))))
    z = np.tile(np.round(codes.mean(0)).astype(np.float64), (len(levels), 1))
    z[:, best] = levels
    names = ["".join(f"{level:.0f}" for level in row) for row in levels]
    which = ", ".join(unbroken(f"z {j + 1}") for j in best)
    title = f"Means of p(x|z) for all values of {which}"
    if len(kl) > len(best):
        title += " (largest KL), others at their mode"
    return z, names, f"values of {which}", title
