"""Optimizers and their settings; `aevb.training.Optimizer` builds them."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from aevb.specs.spec import Choice, Spec

# The step size of a budget by the size of the data, whose schedule ends at zero, and that of the published figures.
DECAYING_RATE, CONSTANT_RATE = 3e-3, 1e-3


class OptimizerSpec(Spec):
    """The update rule, the step size and its schedule."""

    decaying_rate: ClassVar[float] = CONSTANT_RATE
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="Step size, at its peak (default: 0.003 for adam and adamw where the budget is automatic, "
        "else 0.001).",
    )
    schedule: Literal["auto", "constant", "cosine"] = Field(
        "auto",
        description="Of the step size; cosine ends at zero; auto: cosine where the budget is automatic, else constant.",
    )
    warmup: int = Field(0, ge=0, description="Steps over which the step size rises from zero.")
    clip_norm: float | None = Field(
        None,
        ge=0,
        description="Longest allowed norm of a gradient, 0 for no limit (default: 10 for sgd, 1 for momentum and for "
        "your own data, but for likelihoods bernoulli and continuous-bernoulli, else 0).",
    )

    @property
    def own(self) -> dict[str, Any]:
        """The settings that this rule has and others have not."""
        shared = OptimizerSpec.model_fields
        return {name: value for name, value in self.get_params().items() if name not in shared}


class Adam(OptimizerSpec):
    """Kingma & Ba (2015).

    >>> Adam(learning_rate=3e-3, schedule="cosine")
    Adam(learning_rate=0.003, schedule='cosine')
    """

    name: Literal["adam"] = Field("adam", description="The update rule.")
    decaying_rate: ClassVar[float] = DECAYING_RATE


class AdamW(OptimizerSpec):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    decaying_rate: ClassVar[float] = DECAYING_RATE
    weight_decay: float = Field(1e-4, ge=0, description="Of adamw.")


class SGD(OptimizerSpec):
    """Plain stochastic gradient ascent of the bound."""

    name: Literal["sgd"] = "sgd"


class Momentum(OptimizerSpec):
    """Stochastic gradients with momentum 0.9."""

    name: Literal["momentum"] = "momentum"


class Adagrad(OptimizerSpec):
    """Duchi, Hazan & Singer (2011)."""

    name: Literal["adagrad"] = "adagrad"


class RMSProp(OptimizerSpec):
    """Tieleman & Hinton (2012)."""

    name: Literal["rmsprop"] = "rmsprop"


OPTIMIZERS = Choice.of("optimizer", Adam, AdamW, SGD, Momentum, Adagrad, RMSProp)
