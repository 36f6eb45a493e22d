"""Published numbers of tables, as they are bundled with the package."""

import functools
import json
from importlib.resources import files
from typing import Any


@functools.cache
def published_tables() -> dict[str, Any]:
    """Everything in `published_tables.json`, which names the source of each part."""
    return json.loads(files("aevb.experiments.reproduce").joinpath("published_tables.json").read_text())


def iwae_nll(method: str, k: int, where: str = "nll") -> float | None:
    """A row of the IWAE paper's table, or None if it has none; `where` is `nll` or `reimplementation`."""
    return published_tables()["iwae"][where].get(method, {}).get(str(k))


def continuous_bernoulli_bound(variant: str) -> float | None:
    """The published bound of a variant: `trained`, `through-mean` or `naive`; None for others."""
    return published_tables()["continuous_bernoulli"]["bounds"].get(variant)
