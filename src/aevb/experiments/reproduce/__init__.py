"""Published figures and tables, done again: one module for each."""

import importlib

from aevb.experiments.reproduce.experiment import Experiment, Size
from aevb.experiments.reproduce.runner import Request, reproduce

# Where each is found, so that one is loaded without the others.
EXPERIMENTS = {
    "figure-2": ("figure_2", "Figure2"),
    "figure-3": ("figure_3", "Figure3"),
    "figure-4": ("figure_4", "Figure4"),
    "figure-5": ("figure_5", "Figure5"),
    "latent-dimensions": ("latent_dimensions", "LatentDimensions"),
    "tutorial-log": ("tutorial_log", "TutorialLog"),
    "full-vb": ("full_vb", "FullVB"),
    "continuous-bernoulli": ("continuous_bernoulli", "ContinuousBernoulliScores"),
    "iwae-table": ("iwae_table", "IWAETable"),
    "linear-vae": ("linear_vae", "LinearVAE"),
}


def experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        KeyError: there is none.
    """
    module, cls = EXPERIMENTS[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), cls)()


__all__ = ["EXPERIMENTS", "Experiment", "Request", "Size", "experiment", "reproduce"]
