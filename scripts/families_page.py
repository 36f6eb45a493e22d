"""Write docs/families.md from `aevb.distributions.FAMILIES`: `python scripts/families_page.py`."""

from pathlib import Path

from aevb.distributions import FAMILIES
from aevb.models import choose_prior

PAGE = Path(__file__).resolve().parent.parent / "docs" / "families.md"
ROUTES = {
    "inverse-cdf": (
        "By the inverse of the cumulative distribution function",
        "With u ~ Uniform(0, 1), z = F^-1(u) is a draw, differentiable in the parameters of F.",
    ),
    "location-scale": (
        "Location-scale",
        "A draw of the standard member, times a scale, plus a location.",
    ),
    "composition": (
        "By composition",
        "A draw is made from draws of other families. Those of a Gamma carry the implicit derivative "
        "-(dF/da)/f of their distribution function (Figurnov, Mohamed & Mnih 2018): exact in float64, in float32 by "
        "an approximation whose error `aevb.distributions.gamma_derivative` states.",
    ),
    "discrete": (
        "Discrete codes",
        "A draw is no smooth function of the parameters. Gradients come from the score function, or from the Concrete "
        "relaxation with `--objective concrete`.",
    ),
}


def page() -> str:
    """The page's text."""
    parts = [
        "# Families of distributions\n\n"
        "<!-- Written by scripts/families_page.py from aevb.distributions.FAMILIES. -->\n\n"
        "Every family can be the posterior q(z|x) and, where its support holds the posterior's and its tails "
        "are not too light, the prior p(z) of a "
        'variational auto-encoder: `aevb train digits --posterior gamma`, `aevb.VAE(posterior="gamma")`. On their '
        "own they are classes in `aevb.distributions`, on the contract of `numpyro.distributions`; "
        "`FAMILIES[name](...)` builds one with its parameters checked. The three routes are those of Kingma & Welling "
        "(2014), section 2.4.\n"
    ]
    for route, (title, text) in ROUTES.items():
        rows = [family for family in FAMILIES.values() if family.route == route]
        lines = [
            "| name | parameters | support | density | a draw | default prior |",
            "|---|---|---|---|---|---|",
        ]
        for family in rows:
            parameters = "; ".join(f"`{p.name}`: {p.description}" for p in family.parameters)
            cells = (
                f"`{family.name}`",
                parameters,
                family.support_in_words + (" (moves)" if family.support_moves else ""),
                family.density,
                family.formula,
                f"`{choose_prior('auto', family.name)}`",
            )
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append(f"## {title}\n\n{text}\n\n" + "\n".join(lines) + "\n")
    parts.append(
        'u stands for noise from Uniform(0, 1). "moves": the support depends on the parameters. Pathwise gradients '
        "(sgvb-a, sgvb-b, iwae, renyi) hold there; the score function, stl and dreg do not and are refused. The "
        "standard members of `pareto` and `reciprocal` lack density on a part of the positive numbers, "
        "and fit as priors to no posterior.\n"
    )
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
