"""Where the codes of rows lie, and which latents they use."""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from aevb import inference, report
from aevb.distributions import FAMILIES
from aevb.inference.codes import KL_DRAWS
from aevb.models import head
from aevb.trained import TrainedModel

Codes = Float[np.ndarray, "rows width"]
PerLatent = Float[np.ndarray, " latents"]


def mean_divergences(model: TrainedModel, x: np.ndarray) -> PerLatent:
    """The mean KL divergence of each latent, nats; one number for latents that hang together."""
    return inference.kl_per_latent(model.autoencoder, model.prepare(x), jax.random.key(0))


def divergence_figure(model: TrainedModel, kl: PerLatent) -> Figure | None:
    """The KL divergence of each latent; no picture where they have one together."""
    if len(kl) < model.recipe.latents:
        return None
    return report.kl_per_latent(kl, title=_divergence_title(model))


def _divergence_title(model: TrainedModel) -> str:
    if model.recipe.posterior == "categorical":
        return "KL divergence of each categorical latent"
    if _is_estimated(model):
        return f"KL divergence of each latent, estimated from {KL_DRAWS} draws per row"
    return "KL divergence of each latent"


def _is_estimated(model: TrainedModel) -> bool:
    """Whether the divergence has no closed form, so that `mean_divergences` are means over draws."""
    blank = model.autoencoder.model.example()
    try:
        eqx.filter_eval_shape(lambda: model.autoencoder.posterior(blank).kl_per_latent())
    except NotImplementedError:
        return True
    return False


def codes_figure(
    model: TrainedModel, codes: Codes, kl: PerLatent, labels: np.ndarray | None, rows: str
) -> Figure | None:
    """Codes as points of a plane or of a simplex; no picture for those that have only one degree of freedom."""
    recipe = model.recipe
    title = f"{rows} rows: {FAMILIES[recipe.posterior].summary}s of q(z|x)"
    if len(kl) < recipe.latents:
        title = f"{title}, KL {'≈ ' * _is_estimated(model)}{kl[0]:.2g} nats"
    if recipe.posterior == "dirichlet":
        return None if recipe.latents < 3 else _in_simplex(codes, labels, recipe.label, title)
    interval = head(recipe.posterior, recipe.categories).interval
    if recipe.posterior == "categorical":
        by_latent = codes.reshape(len(codes), recipe.latents, recipe.categories)
        title = f"{rows} rows: probabilities of"
        if recipe.categories > 2:
            best = int(np.argmax(kl))
            title = f"{title} {latent_name(best, kl)}"
            corner = f"z {best + 1} = "
            return _in_simplex(by_latent[:, best], labels, recipe.label, title, corner)
        codes, interval, title = by_latent[..., 1], (0.0, 1.0), f"{title} category 2"
    if recipe.latents == 1 or interval is None:
        return None
    pair, names = two_latents(codes, kl)
    about = {"interval": interval, "label_name": recipe.label, "title": title}
    return report.codes_scatter(codes[:, pair], labels, names, **about)


def _in_simplex(
    codes: Codes, labels: np.ndarray | None, label_name: str | None, title: str, prefix: str = "z "
) -> Figure:
    names = [f"{prefix}{i + 1}" for i in range(codes.shape[1])]
    return report.simplex_scatter(codes, labels, names, label_name=label_name, title=title)


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
