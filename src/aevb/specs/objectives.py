"""Objectives and their settings; `aevb.selection` builds them."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from aevb.specs.spec import Choice, Spec

NO_DRAWS = "takes no draws of q(z|x)"


class ObjectiveSpec(Spec):
    """What is maximized, and how."""

    has_encoder: ClassVar[bool] = True
    in_small_steps: ClassVar[bool] = True  # such that a number of steps says how long to train
    # Why it does not go with a setting elsewhere, to go on after its name.
    with_per_row: ClassVar[str] = ""
    with_dynamic_pixels: ClassVar[str] = ""

    @property
    def draws(self) -> int | None:
        """L or K: draws of z per row; None if it takes none."""
        return None

    @property
    def has_random_weights(self) -> bool:
        """Whether it learns a distribution over the decoder's weights."""
        return False


class OverWeights(ObjectiveSpec):
    """An objective that may look upon weights as random, too."""

    weight_prior: Literal["none", "normal"] = Field(
        "none",
        description="normal: maximum a posteriori with N(0, 1) on every generative weight, with wake-sleep on the "
        "encoder's too.",
    )
    weight_posterior: Literal["point", "gaussian"] = Field(
        "point",
        description="gaussian: full variational Bayes, a distribution over the decoder's weights in place of one value "
        "each, with N(0, 1) as their prior.",
    )

    @property
    def has_random_weights(self) -> bool:
        """Whether it learns a distribution over the decoder's weights."""
        return self.weight_posterior == "gaussian"

    @model_validator(mode="after")
    def _check_weights(self) -> "OverWeights":
        if self.weight_posterior == "gaussian" and self.weight_prior == "normal":
            raise ValueError(
                "weight_posterior gaussian has N(0, 1) as its prior already: leave weight_prior at none"
            )
        return self


class Drawn(OverWeights):
    """An objective that takes draws of z."""

    usual_draws: ClassVar[int] = 1
    n_samples: int | None = Field(
        None,
        gt=0,
        description="Draws of z per row, L or K (default: 5 for iwae, dreg and renyi, 2 for leave-one-out, else 1).",
    )

    @property
    def draws(self) -> int | None:
        """L or K: draws of z per row."""
        return self.n_samples or self.usual_draws


class Subtracting(Drawn):
    """The score function's own settings."""

    baseline: Literal["none", "moving-average", "leave-one-out", "learned"] = Field(
        "leave-one-out", description="What score-function subtracts from the log weights."
    )


class AutoObjective(Subtracting):
    """Chosen by the posterior: sgvb-b, or sgvb-a without a closed divergence; score-function for discrete codes.

    >>> AutoObjective(weight_prior="normal")
    AutoObjective(weight_prior='normal')
    """

    name: Literal["auto"] = Field(
        "auto",
        description="What is maximized, and how its gradient is estimated; auto: sgvb-b, or sgvb-a where the KL "
        "divergence has no closed form, or score-function for discrete codes. mcem, Monte Carlo EM, has no encoder.",
    )


class SGVBA(Drawn):
    """Every term of the bound sampled (Kingma & Welling 2014, equation 6)."""

    name: Literal["sgvb-a"] = "sgvb-a"


class SGVBB(Drawn):
    """The KL divergence in closed form (Kingma & Welling 2014, equation 7)."""

    name: Literal["sgvb-b"] = "sgvb-b"


class ScoreFunction(Subtracting):
    """Sampled without a reparameterization, with a baseline."""

    name: Literal["score-function"] = "score-function"

    @property
    def draws(self) -> int | None:
        """L: draws of z per row, two of which leave one out."""
        return self.n_samples or {"leave-one-out": 2}.get(self.baseline, self.usual_draws)


class STL(Drawn):
    """Sticking the landing (Roeder, Wu & Duvenaud 2017)."""

    name: Literal["stl"] = "stl"


class IWAE(Drawn):
    """The importance-weighted bound (Burda, Grosse & Salakhutdinov 2016).

    >>> IWAE(n_samples=5).n_samples
    5
    """

    name: Literal["iwae"] = "iwae"
    usual_draws: ClassVar[int] = 5


class IWAESTL(Drawn):
    """The importance-weighted bound with the gradient of sticking the landing."""

    name: Literal["iwae-stl"] = "iwae-stl"
    usual_draws: ClassVar[int] = 5


class DReG(Drawn):
    """The importance-weighted bound with doubly reparameterized gradients (Tucker et al. 2019)."""

    name: Literal["dreg"] = "dreg"
    usual_draws: ClassVar[int] = 5


class Renyi(Drawn):
    """The variational Rényi bound (Li & Turner 2016)."""

    name: Literal["renyi"] = "renyi"
    usual_draws: ClassVar[int] = 5
    alpha: float = Field(0.5, description="Order of the Rényi divergence, for renyi.")


class Concrete(Drawn):
    """Discrete codes relaxed (Maddison, Mnih & Teh 2017; Jang, Gu & Poole 2017)."""

    name: Literal["concrete"] = "concrete"
    temperature: float = Field(0.5, gt=0, description="Of the relaxation, for concrete.")


class WakeSleep(Drawn):
    """Wake-sleep (Hinton et al. 1995), a baseline."""

    name: Literal["wake-sleep"] = "wake-sleep"
    with_per_row: ClassVar[str] = "fits q(z|x) to dreams, which are nobody's rows"
    dreams: Literal["sampled", "means"] = Field(
        "sampled", description="What wake-sleep's encoder learns from: samples of the model, or its means."
    )


class MCEM(OverWeights):
    """Monte Carlo EM, a baseline without an encoder."""

    name: Literal["mcem"] = "mcem"
    refuses: ClassVar = {"n_samples": NO_DRAWS}
    has_encoder: ClassVar[bool] = False
    in_small_steps: ClassVar[bool] = False
    with_per_row: ClassVar[str] = "keeps a chain per row in place of q(z|x)"


class Reconstruction(OverWeights):
    """An autoencoder without inference, a baseline."""

    name: Literal["autoencoder"] = "autoencoder"
    refuses: ClassVar = {"n_samples": NO_DRAWS}


class EM(ObjectiveSpec):
    """Exact EM of linear Gaussian models."""

    name: Literal["em"] = "em"
    refuses: ClassVar = {
        "n_samples": NO_DRAWS,
        **dict.fromkeys(("weight_prior", "weight_posterior"), "is maximum likelihood"),
    }
    in_small_steps: ClassVar[bool] = False
    with_dynamic_pixels: ClassVar[str] = "takes all rows at once as they are"


OBJECTIVES = Choice.of(
    "objective",
    AutoObjective,
    SGVBA,
    SGVBB,
    ScoreFunction,
    STL,
    IWAE,
    IWAESTL,
    DReG,
    Renyi,
    Concrete,
    WakeSleep,
    MCEM,
    Reconstruction,
    EM,
)
