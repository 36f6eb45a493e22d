"""The recipe of a training run: what to train, on what, and how, as plain checked data that is written as TOML.

The command line's options, the keys of a recipe file and this class's fields are one list: this one.
"""

import difflib
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from aevb.datasets.reading import READING_OPTIONS, check_encoding
from aevb.errors import InvalidRecipeError

CUSTOM = "custom"  # what stands for an object of the user's that has no name
MOST_SHOWN = 100  # characters of a wrong value
# Settings that mean something to these objectives only; `auto` is the score function for discrete codes.
USED_BY = {
    "baseline": ("score-function", "auto"),
    "alpha": ("renyi",),
    "temperature": ("concrete",),
    "dreams": ("wake-sleep",),
}
WITHOUT_DRAWS = ("mcem", "em", "autoencoder")


def _split_commas(value: Any) -> Any:
    """A command line gives a list as "400,200"; a file may give a single number."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [value] if isinstance(value, int) else value


def _texts(value: Any) -> Any:
    """As `_split_commas`; a file may give numbers."""
    values = [value] if isinstance(value, float) else _split_commas(value)
    return (
        [str(v) if isinstance(v, int | float) else v for v in values] if isinstance(values, list) else values
    )


def _no_image(value: Any) -> Any:
    """No shape where the user says that rows are no images."""
    return () if value == ["none"] else value


def _known_family(name: str) -> str:
    from aevb.distributions import FAMILIES  # brings JAX along, which `aevb --help` does without

    return _known(name, ("auto", *FAMILIES), "family")


def _known_likelihood(name: str) -> str:
    if name in ("auto", CUSTOM):
        return name
    from aevb.models import LIKELIHOODS  # brings JAX along, too

    return _known(name, ("auto", *LIKELIHOODS), "likelihood")


def _known(name: str, names: tuple[str, ...], kind: str) -> str:
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        advice = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"no such {kind} ({advice}Known: {', '.join(names)})")
    return name


Width = Annotated[int, Field(gt=0)]
Widths = Annotated[tuple[Width, ...], BeforeValidator(_split_commas)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
Values = Annotated[tuple[str, ...], BeforeValidator(_texts)]
ImageShape = Annotated[tuple[Width, ...], BeforeValidator(_no_image), BeforeValidator(_split_commas)]
Encoding = Annotated[str, AfterValidator(check_encoding)]
FamilyName = Annotated[str, AfterValidator(_known_family)]
LikelihoodName = Annotated[str, AfterValidator(_known_likelihood)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Recipe(BaseModel):
    """All settings of a training run. Field descriptions are the command line's help texts.

    Raises:
        InvalidRecipeError: from `parse`, for an unknown key or a wrong value, which it names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # What to train on.
    data: str = Field(
        "mnist",
        min_length=1,
        description="A named data set (see `aevb datasets`), or a .npy, .npz or .csv file.",
    )
    label: str | None = Field(
        None, description="CSV column with labels: kept out of training, used to colour codes."
    )
    drop: Names = Field((), description="CSV columns to leave out, separated by commas.")
    test: Fraction = Field(0.1, description="Share of rows held out for testing, for data without test rows.")
    validation: Fraction | None = Field(
        None,
        description="Share of training rows that choose the best model (default: 0.1 where the budget is automatic, "
        "else none).",
    )
    header: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Whether the first row of a table holds names; auto: by what it holds, which is said.",
    )
    encoding: Encoding = Field(
        "auto",
        description="Of a table's text, such as utf-8, latin-1 or cp1252; auto: UTF-8, or UTF-16 if marked.",
    )
    decimal: Literal["auto", "point", "comma"] = Field(
        "auto",
        description="What a comma in a number is: point, where it separates thousands (1,234.5); comma, where it is "
        "decimal (1.234,5); auto refuses such cells.",
    )
    array: str | None = Field(
        None, min_length=1, description="Name of the rows in an .npz file of other arrays."
    )
    missing_values: Values = Field(
        (),
        description="What stands for a missing value beside NaN, empty cells, NA and its kin, separated by commas, "
        "such as -999.",
    )
    image_shape: ImageShape | None = Field(
        None,
        description="Height,width in pixels, when the rows of your file are images; none, when they are no images.",
    )
    scale: Literal["auto", "none", "standard", "minmax", "mean"] = Field(
        "auto",
        description="Scaling of features; auto: 1/255 for images of bytes; none for counts, categories, and data in "
        "[0, 1] that are binary, images, or have a likelihood of such values; mean, division by it, for likelihoods of "
        "positive numbers; else standard.",
    )
    binarize: Literal["none", "static", "dynamic"] = Field(
        "none",
        description="Make pixels binary: at a threshold of 1/2, or drawn anew each time they are seen.",
    )
    missing: Literal["error", "nan"] = Field(
        "error",
        description="What a NaN or an empty cell is: an error, or a missing value. Training then uses what is "
        "observed, which assumes that values are missing at random.",
    )
    # The model.
    latents: int = Field(20, gt=0, description="Dimensions of the code z.")
    hidden: Widths = Field(
        (400,), description="Widths of the hidden layers, separated by commas; both networks."
    )
    activation: Literal["relu", "tanh", "silu", "gelu"] = Field("relu", description="Between layers.")
    initialization: Literal["uniform", "lecun", "normal"] = Field(
        "uniform",
        description="Of the weights: uniform as in PyTorch; lecun, normal with variance 1/inputs, from which deep "
        "networks learn faster; or normal, with standard deviation 0.01, as in the AEVB paper.",
    )
    likelihood: LikelihoodName = Field(
        "auto",
        description="p(x|z), see `aevb likelihoods`; auto: bernoulli for binary data and images in [0, 1], else "
        "gaussian. For grey images continuous-bernoulli is the normalized choice.",
    )
    recognition: Literal["amortized", "per-row"] = Field(
        "amortized",
        description="q(z|x) given by an encoder network, or by free parameters of every training row, as in classical "
        "variational Bayes; those of other rows are then searched for, which takes its time.",
    )
    posterior: FamilyName = Field("gaussian", description="Family of q(z|x); see `aevb families`.")
    prior: FamilyName = Field(
        "auto", description="Family of p(z); auto: the one that `aevb families` lists for the posterior."
    )
    categories: int = Field(10, gt=1, description="Categories of each latent, for categorical codes.")
    # The objective.
    objective: Literal[
        "auto",
        "sgvb-a",
        "sgvb-b",
        "score-function",
        "stl",
        "iwae",
        "iwae-stl",
        "dreg",
        "renyi",
        "concrete",
        "wake-sleep",
        "mcem",
        "autoencoder",
        "em",
    ] = Field(
        "auto",
        description="What is maximized, and how its gradient is estimated; auto: sgvb-b, or sgvb-a where the KL "
        "divergence has no closed form, or score-function for discrete codes. mcem, Monte Carlo EM, has no encoder.",
    )
    samples: int | None = Field(
        None,
        gt=0,
        description="Draws of z per row, L or K (default: 5 for iwae, dreg and renyi, 2 for leave-one-out, else 1).",
    )
    baseline: Literal["none", "moving-average", "leave-one-out", "learned"] = Field(
        "leave-one-out", description="What score-function subtracts from the log weights."
    )
    alpha: float = Field(0.5, description="Order of the Rényi divergence, for renyi.")
    temperature: float = Field(0.5, gt=0, description="Of the relaxation, for concrete.")
    dreams: Literal["sampled", "means"] = Field(
        "sampled", description="What wake-sleep's encoder learns from: samples of the model, or its means."
    )
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
    # The training.
    batch_size: int = Field(128, gt=0, description="Rows per minibatch.")
    epochs: int | None = Field(
        None,
        gt=0,
        description="Passes over the data. Without any budget: 10 for data sets with a name, and for your own data as "
        "many as come to 6,000 steps, stopping early.",
    )
    steps: int | None = Field(None, gt=0, description="Minibatches after which to stop.")
    minutes: float | None = Field(None, gt=0, description="Wall-clock time after which to stop.")
    optimizer: Literal["sgd", "momentum", "adagrad", "rmsprop", "adam", "adamw"] = Field(
        "adam", description="The update rule."
    )
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
    weight_decay: float = Field(1e-4, ge=0, description="Of adamw.")
    evaluate_every: int | None = Field(
        None,
        gt=0,
        description="Epochs between evaluations (default: 1, or more where epochs are many and short).",
    )
    patience: int | None = Field(
        None, gt=0, description="Evaluations without a better validation bound after which to stop early."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Of all randomness.")

    @model_validator(mode="after")
    def _check_together(self) -> "Recipe":
        if self.patience is not None and not (
            self.validation or (self.validation is None and not self.has_budget)
        ):
            raise ValueError("patience needs validation rows to watch: set validation, for instance to 0.1")
        if (
            self.schedule == "cosine"
            and (self.epochs, self.steps) == (None, None)
            and self.minutes is not None
        ):
            raise ValueError(
                "the cosine schedule must know its last step: set epochs or steps as well as minutes"
            )
        if self.image_shape and len(self.image_shape) != 2:
            raise ValueError(f"image_shape is height,width, not {self.image_shape}")
        return self

    @model_validator(mode="after")
    def _check_codes(self) -> "Recipe":
        if self.posterior == "auto":
            raise ValueError("posterior must be a family's name; only the prior has auto")
        if self.posterior == "dirichlet" and self.latents < 2:
            raise ValueError("a dirichlet code is a point of a simplex: set latents to 2 or more")
        return self

    @model_validator(mode="after")
    def _check_used(self) -> "Recipe":
        for name, objectives in USED_BY.items():
            value = getattr(self, name)
            if value != type(self).model_fields[name].default and self.objective not in objectives:
                raise ValueError(
                    f"{name} {value} has no use with objective {self.objective}: it is for {objectives[0]}"
                )
        if self.samples is not None and self.objective in WITHOUT_DRAWS:
            raise ValueError(f"{self.objective} takes no draws of q(z|x): leave samples out")
        return self

    @model_validator(mode="after")
    def _check_weights(self) -> "Recipe":
        if self.weight_posterior == "gaussian" and self.weight_prior == "normal":
            raise ValueError(
                "weight_posterior gaussian has N(0, 1) as its prior already: leave weight_prior at none"
            )
        if self.objective == "em" and (self.weight_posterior, self.weight_prior) != ("point", "none"):
            raise ValueError(
                "em is maximum likelihood: leave weight_prior at none and weight_posterior at point"
            )
        if self.objective == "em" and self.binarize == "dynamic":
            raise ValueError("em takes all rows at once as they are: leave binarize at none")
        if self.objective == "mcem" and self.recognition == "per-row":
            raise ValueError("mcem keeps a chain per row in place of q(z|x): leave recognition at amortized")
        if self.objective == "wake-sleep" and self.recognition == "per-row":
            raise ValueError(
                "wake-sleep fits q(z|x) to dreams, which are nobody's rows: leave recognition at amortized"
            )
        return self

    @property
    def reading(self) -> dict[str, Any]:
        """How a file is read: the fields of `aevb.datasets.Reading`."""
        return {name: getattr(self, name) for name in READING_OPTIONS}

    @property
    def has_encoder(self) -> bool:
        """Whether an encoder network is trained."""
        return self.recognition == "amortized" and self.objective != "mcem"

    @property
    def has_budget(self) -> bool:
        """Whether it says how long to train."""
        return any(limit is not None for limit in (self.epochs, self.steps, self.minutes))

    def to_toml(self) -> str:
        """The recipe as TOML, every setting in a line; one that is None is a comment, as TOML has no null."""
        settings = self.model_dump().items()
        return "".join(
            f"# {name} is not set\n" if value is None else tomli_w.dumps({name: value})
            for name, value in settings
        )

    @classmethod
    def parse(
        cls, settings: dict[str, Any], source: str = "the settings", names: Mapping[str, str] | None = None
    ) -> "Recipe":
        """The recipe with these settings, the others at their defaults.

        Args:
            settings: by field name.
            source: where they come from, for the error.
            names: what the user calls a setting, where that is not its field's name.

        Raises:
            InvalidRecipeError: an unknown key or a wrong value, with its name.
        """
        try:
            return cls.model_validate(settings)
        except ValidationError as error:
            mistakes = "; ".join(_explain(mistake, names or {}) for mistake in error.errors())
            raise InvalidRecipeError(f"{source}: {mistakes}") from None


def _explain(error: Any, names: Mapping[str, str]) -> str:
    name = ".".join(str(part) for part in error["loc"][:1])
    name = names.get(name, name)
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, Recipe.model_fields, 1)
        advice = f"did you mean {close[0]!r}? " if close else ""
        return f"unknown setting {name!r} ({advice}Known: {', '.join(Recipe.model_fields)})"
    message = error["msg"].removeprefix("Value error, ")
    return f"{name} = {_shown(error['input'])}: {message}" if name else message


def _shown(value: Any) -> str:
    """What was given, unless it is too large to be written out."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return f"<{type(value).__name__}>"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def read_settings(source: str) -> dict[str, Any]:
    """The settings in a recipe file, or in the bundled recipe of that name, such as `mnist-fast`.

    Raises:
        InvalidRecipeError: there is no such file or name, or it is not TOML.
    """
    bundled = {entry.name.removesuffix(".toml"): entry for entry in files("aevb.recipes").iterdir()}
    bundled = {name: entry for name, entry in bundled.items() if entry.name.endswith(".toml")}
    try:
        entry = bundled[source] if source in bundled else Path(source)
        return tomllib.loads(entry.read_text(encoding="utf-8"))
    except OSError as error:
        names = ", ".join(sorted(bundled)) or "there are none"
        reason = error.strerror or str(error)
        raise InvalidRecipeError(
            f"no recipe {source!r}: not a file that can be read ({reason}), nor a bundled recipe ({names})"
        ) from None
    except RecursionError:
        raise InvalidRecipeError(f"{source} is not valid TOML: it is nested too deeply") from None
    except ValueError as error:  # of the parser, of the encoding, or a number with too many digits
        raise InvalidRecipeError(f"{source} is not valid TOML: {error}") from None
