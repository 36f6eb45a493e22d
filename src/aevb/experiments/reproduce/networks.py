"""The networks and the training of the AEVB paper's experiments, and our own on the same networks."""

import dataclasses
import re
from typing import Any

MNIST_LATENTS = (3, 5, 10, 20, 200)
FREY_LATENTS = (2, 5, 10, 20)
STEP_SIZES = (0.01, 0.02, 0.1)  # from which the paper chose, on early training
BATCH = 100
# The authors' code takes no step during its first 100 minibatches and only sums squared gradients; here the step rises
# linearly over them.
WARMUP = 100

METHODS = ("aevb", "aevb-a", "wake-sleep", "wake-sleep-means", "ours")
TITLES = {"mnist": "MNIST", "frey": "Frey Face"}


@dataclasses.dataclass(frozen=True)
class Panel:
    """A data set and a number of latents.

    Args:
        dataset: its name.
        n_latents: N_z.
    """

    dataset: str
    n_latents: int

    @property
    def name(self) -> str:
        """As the keys of its jobs begin."""
        return f"{self.dataset}-{self.n_latents}"

    @classmethod
    def of(cls, key: str) -> "Panel | None":
        """That of a curve's job, by its key; None for other jobs."""
        found = re.fullmatch(rf"(.+)-(\d+)-({'|'.join(METHODS)})", key)
        return cls(found[1], int(found[2])) if found else None

    @property
    def title(self) -> str:
        """For a figure or a sentence."""
        return f"{TITLES.get(self.dataset, self.dataset)}, N_z = {self.n_latents}"


def shared_settings(panel: Panel) -> dict[str, Any]:
    """What is common to all runs of a panel: the paper's networks, and its likelihood for the data."""
    is_frey = panel.dataset == "frey"
    return {
        "data": panel.dataset,
        "latents": panel.n_latents,
        "hidden": (200,) if is_frey else (500,),
        "activation": "tanh",
        "likelihood": "gaussian-sigmoid" if is_frey else "bernoulli",
        "batch_size": BATCH,
    }


def paper_settings(panel: Panel, learning_rate: float) -> dict[str, Any]:
    """AEVB as section 5 of the paper trains it."""
    return shared_settings(panel) | {
        "initialization": "normal",
        "weight_prior": "normal",
        "optimizer": "adagrad",
        "learning_rate": learning_rate,
        "warmup": WARMUP,
    }


def our_settings(panel: Panel, samples: int) -> dict[str, Any]:
    """The same networks, trained better: Adam with a falling step from weights scaled to the number of inputs.

    Args:
        panel: the data and the number of latents.
        samples: training samples in all, to which the schedule is laid out.
    """
    return shared_settings(panel) | {
        "initialization": "lecun",
        "optimizer": "adam",
        "learning_rate": 3e-3,
        "schedule": "cosine",
        "warmup": min(300, samples // BATCH // 10),
    }
