"""Where the codes of rows lie, and which latents they use."""

import math

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from aevb import inference, plots
from aevb.inference.codes import KL_DRAWS
from aevb.models import Posterior
from aevb.trained import TrainedModel

Codes = Float[np.ndarray, "rows width"]
PerLatent = Float[np.ndarray, " latents"]


def mean_divergences(model: TrainedModel, x: np.ndarray) -> PerLatent:
    """The mean KL divergence of each latent, nats; one number for latents that hang together."""
    return inference.kl_per_latent(model.autoencoder, model.prepare(x), jax.random.key(0))


def divergence_figure(model: TrainedModel, kl: PerLatent) -> Figure | None:
    """The KL divergence of each latent; no picture where they have one together."""
    if len(kl) < model.space.n_variables:
        return None
    return plots.kl_per_latent(kl, title=_divergence_title(model))


def _divergence_title(model: TrainedModel) -> str:
    if model.space.only is not None and model.space.only.is_one_hot:
        return "KL divergence of each categorical latent"
    if _is_estimated(model):
        return f"KL divergence of each latent, estimated from {KL_DRAWS} draws per row"
    return "KL divergence of each latent"


def _is_estimated(model: TrainedModel) -> bool:
    """Whether the divergence has no closed form, so that `mean_divergences` are means over draws."""
    return not _posterior(model).closed


def _posterior(model: TrainedModel) -> Posterior:
    """q(z|x) of a row, whose values are not computed."""
    autoencoder = model.autoencoder
    return eqx.filter_eval_shape(autoencoder.posterior, autoencoder.model.example())


def _interval(model: TrainedModel) -> tuple[float, float]:
    """The smallest interval that holds every entry of a code of q(z|x)."""
    sites = zip(_posterior(model).space.leaves, model.space.leaves, strict=True)
    intervals = {(prior if own.moves else own).interval for own, prior in sites}
    return intervals.pop() if len(intervals) == 1 else (-math.inf, math.inf)


def codes_figure(
    model: TrainedModel, codes: Codes, kl: PerLatent, labels: np.ndarray | None, rows: str
) -> Figure | None:
    """Codes as points of a plane or of a simplex; no picture for those that have only one degree of freedom."""
    space, label = model.space, model.recipe.label
    site = space.only
    title = f"{rows} rows: {_posterior(model).summary_name}s of q(z|x)"
    if len(kl) < space.n_variables:
        title = f"{title}, KL {'≈ ' * _is_estimated(model)}{kl[0]:.2g} nats"
    if site is not None and site.is_simplex:
        return None if site.size < 3 else _in_simplex(codes, labels, label, title)
    interval = _interval(model)
    if site is not None and site.is_one_hot:
        by_latent = codes.reshape(len(codes), site.n_variables, -1)
        title = f"{rows} rows: probabilities of"
        if by_latent.shape[-1] > 2:
            best = int(np.argmax(kl))
            title = f"{title} {latent_name(best, kl)}"
            corner = f"z {best + 1} = "
            return _in_simplex(by_latent[:, best], labels, label, title, corner)
        codes, interval, title = by_latent[..., 1], (0.0, 1.0), f"{title} category 2"
    if codes.shape[1] == 1:
        return None
    pair, names = two_latents(codes, kl)
    return plots.codes_scatter(
        codes[:, pair], labels, names, interval=interval, label_name=label, title=title
    )


def _in_simplex(
    codes: Codes, labels: np.ndarray | None, label_name: str | None, title: str, prefix: str = "z "
) -> Figure:
    names = [f"{prefix}{i + 1}" for i in range(codes.shape[1])]
    return plots.simplex_scatter(codes, labels, names, label_name=label_name, title=title)


def two_latents(codes: Codes, kl: PerLatent) -> tuple[list[int], tuple[str, str]]:
    """The two latents to draw, in their order, with axis labels that say why these where there are more."""
    n = codes.shape[1]
    joint = len(kl) < n
    score = codes.var(0) if joint else kl
    pair = sorted(np.argsort(-score, kind="stable")[:2].tolist())
    if n == 2:
        return pair, ("z 1", "z 2")
    what = "variance of codes {:.2g}" if joint else "KL {:.2g} nats"
    first, second = (f"z {j + 1} ({what.format(score[j])}, top 2 of {n})" for j in pair)
    return pair, (first, second)


def latent_name(latent: int, kl: PerLatent) -> str:
    """A latent with its divergence where it was chosen by that."""
    name = unbroken(f"z {latent + 1}")
    if len(kl) == 1:
        return name
    return f"{name} {unbroken(f'(KL {kl[latent]:.2g} nats, top of {len(kl)})')}"


def unbroken(text: str) -> str:
    """A text that stays on one line."""
    return text.replace(" ", "\u00a0").replace("-", "\u2011")
