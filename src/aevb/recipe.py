"""The recipe of a training run: what to train, on what, and how, as plain checked data that is written as TOML.

It holds a spec for each choice that has settings of its own. The command line's options and the keys of a recipe file
are one flat list, that of its fields and of its specs' settings.
"""

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
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo

from aevb.datasets.reading import READING_OPTIONS, check_encoding
from aevb.errors import InvalidRecipeError
from aevb.specs import (
    CHOICES,
    MLP,
    NETWORKS,
    OBJECTIVES,
    OPTIMIZERS,
    POSTERIORS,
    SCALES,
    Adam,
    AutoObjective,
    Categorical,
    Names,
    ObjectiveSpec,
    OptimizerSpec,
    Posterior,
    Scale,
    Width,
    explain,
    flat_settings,
    flattened,
    known,
    known_family,
    nested,
    split_commas,
)

CUSTOM = "custom"  # what stands for an object of the user's that has no name
# Codes that need more than one latent, and why.
LEAST_LATENTS = {"dirichlet": (2, "is a point of a simplex")}


def _texts(value: Any) -> Any:
    """As `split_commas`; a file may give numbers."""
    values = [value] if isinstance(value, float) else split_commas(value)
    return (
        [str(v) if isinstance(v, int | float) else v for v in values] if isinstance(values, list) else values
    )


def _no_image(value: Any) -> Any:
    """No shape where the user says that rows are no images."""
    return () if value == ["none"] else value


def _known_prior(name: str) -> str:
    return name if name == CUSTOM else known_family(name)


def _known_likelihood(name: str) -> str:
    if name in ("auto", CUSTOM):
        return name
    from aevb.models import LIKELIHOODS  # brings JAX along, which `aevb --help` does without

    return known(name, ("auto", *LIKELIHOODS), "likelihood")


Values = Annotated[tuple[str, ...], BeforeValidator(_texts)]
ImageShape = Annotated[tuple[Width, ...], BeforeValidator(_no_image), BeforeValidator(split_commas)]
Encoding = Annotated[str, AfterValidator(check_encoding)]
PriorName = Annotated[str, AfterValidator(_known_prior)]
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
    scale: Annotated[Scale, SCALES] = Scale()
    missing: Literal["error", "nan"] = Field(
        "error",
        description="What a NaN or an empty cell is: an error, or a missing value. Training then uses what is "
        "observed, which assumes that values are missing at random.",
    )
    # The model.
    latents: int = Field(20, gt=0, description="Dimensions of the code z.")
    network: Annotated[MLP, NETWORKS] = MLP()
    likelihood: LikelihoodName = Field(
        "auto",
        description="p(x|z), see `aevb likelihoods`; auto: bernoulli for binary data and images in [0, 1], else "
        "gaussian. For grey images continuous-bernoulli is the normalized choice.",
    )
    posterior: Annotated[Posterior | Categorical, POSTERIORS] = Posterior()
    prior: PriorName = Field(
        "auto", description="Family of p(z); auto: the one that `aevb families` lists for the posterior."
    )
    model: Literal["vae", "custom"] = Field(
        "vae",
        description="vae, made of what is named here; custom stands for a model that Python code handed in.",
    )
    objective: Annotated[ObjectiveSpec, OBJECTIVES] = AutoObjective()
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
    optimizer: Annotated[OptimizerSpec, OPTIMIZERS] = Adam()
    evaluate_every: int | None = Field(
        None,
        gt=0,
        description="Epochs between evaluations (default: 1, or more where epochs are many and short).",
    )
    patience: int | None = Field(
        None, gt=0, description="Evaluations without a better validation bound after which to stop early."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Of all randomness.")

    @model_validator(mode="before")
    @classmethod
    def _nest(cls, settings: Any) -> Any:
        return nested(flattened(settings)) if isinstance(settings, Mapping) else settings

    @model_serializer(mode="wrap")
    def _flatten(self, dump: Any) -> dict[str, Any]:
        flat = flattened(dump(self))
        return {name: value for name, value in flat.items() if name in all_settings()}

    @model_validator(mode="after")
    def _check_together(self) -> "Recipe":
        if self.patience is not None and not (
            self.validation or (self.validation is None and not self.has_budget)
        ):
            raise ValueError(
                "patience needs validation rows to watch: set `validation=`, for instance to 0.1"
            )
        if (
            self.optimizer.schedule == "cosine"
            and (self.epochs, self.steps) == (None, None)
            and self.minutes is not None
        ):
            raise ValueError(
                "the cosine schedule must know its last step: set epochs or steps as well as minutes"
            )
        if self.image_shape and len(self.image_shape) != 2:
            raise ValueError(f"image_shape is height,width, not {self.image_shape}")
        least, why = LEAST_LATENTS.get(self.posterior.name, (1, ""))
        if self.latents < least:
            raise ValueError(f"a {self.posterior.name} code {why}: set `n_latents={least}` or more")
        return self

    @model_validator(mode="after")
    def _check_objective(self) -> "Recipe":
        objective = self.objective
        if self.scale.binarize == "dynamic" and objective.with_dynamic_pixels:
            raise ValueError(
                f"{objective.name} {objective.with_dynamic_pixels}: leave `binarize='dynamic'` out"
            )
        if self.posterior.recognition == "per-row" and objective.with_per_row:
            raise ValueError(f"{objective.name} {objective.with_per_row}: leave `recognition='per-row'` out")
        return self

    @property
    def reading(self) -> dict[str, Any]:
        """How a file is read: the fields of `aevb.datasets.Reading`."""
        return {name: getattr(self, name) for name in READING_OPTIONS}

    @property
    def has_encoder(self) -> bool:
        """Whether an encoder network is trained."""
        return self.posterior.recognition == "amortized" and self.objective.has_encoder

    @property
    def has_budget(self) -> bool:
        """Whether it says how long to train."""
        return any(limit is not None for limit in (self.epochs, self.steps, self.minutes))

    def to_toml(self) -> str:
        """The recipe as TOML, every setting in a line; one that is None is a comment, as TOML has no null."""
        return "".join(
            f"# {name} is not set\n" if value is None else tomli_w.dumps({name: value})
            for name, value in self.model_dump().items()
        )

    def replaced(self, **changes: Any) -> "Recipe":
        """The recipe with some settings changed, by their flat names.

        Raises:
            InvalidRecipeError: as `parse`.
        """
        return Recipe.parse({**self.model_dump(exclude_none=True), **changes})

    @classmethod
    def parse(
        cls, settings: dict[str, Any], source: str = "the settings", names: Mapping[str, str] | None = None
    ) -> "Recipe":
        """The recipe with these settings, the others at their defaults.

        Args:
            settings: by their flat names, or nested: specs, or mappings of a spec's settings.
            source: where they come from, for the error.
            names: what the user calls a setting, where that is not its flat name.

        Raises:
            InvalidRecipeError: an unknown key or a wrong value, with its name.
        """
        flat: dict[str, Any] = {}
        try:
            flat = flattened(settings)
            return cls.model_validate(flat)
        except InvalidRecipeError as error:
            raise InvalidRecipeError(f"{source}: {error}") from None
        except ValidationError as error:
            mistakes = explain(error, given=flat, names=names, known=tuple(all_settings()))
            raise InvalidRecipeError(f"{source}: {mistakes}") from None


def all_settings() -> dict[str, FieldInfo]:
    """Every setting of a recipe by its flat name, with its default and its description."""
    found: dict[str, FieldInfo] = {}
    for name, info in Recipe.model_fields.items():
        found |= flat_settings(name) if name in CHOICES else {name: info}
    return found


def read_settings(source: str) -> dict[str, Any]:
    """The settings in a recipe file, or in the bundled recipe of that name, such as `mnist-fast`, by their flat names.

    Raises:
        InvalidRecipeError: there is no such file or name, or it is not TOML.
    """
    bundled = {entry.name.removesuffix(".toml"): entry for entry in files("aevb.recipes").iterdir()}
    bundled = {name: entry for name, entry in bundled.items() if entry.name.endswith(".toml")}
    try:
        entry = bundled[source] if source in bundled else Path(source)
        settings = tomllib.loads(entry.read_text(encoding="utf-8"))
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
    try:
        return flattened(settings)
    except InvalidRecipeError as error:
        raise InvalidRecipeError(f"{source}: {error}") from None
