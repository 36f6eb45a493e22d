"""A spec: a choice by name, with the settings that this choice uses and no others.

`Choice` is the table of the specs for one field of a recipe. A row of it is a class of a few lines: its settings with
their defaults and help texts. What a choice does not use cannot be given with it, because its class has no such field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

from aevb.errors import InvalidRecipeError


class _Checked(type(BaseModel)):
    """Turns what pydantic says of a spec that a user makes into an error of aevb's."""

    if not TYPE_CHECKING:

        def __call__(cls, **settings: Any) -> Any:
            try:
                return super().__call__(**settings)
            except ValidationError as error:
                from aevb.specs.errors import explain  # which needs the tables of all specs

                raise InvalidRecipeError(f"{cls.__name__}: {explain(error, owner=cls)}") from None


class Spec(BaseModel, metaclass=_Checked):
    """A choice by its name, with its settings. It does not change; scikit-learn reads its settings as parameters.

    Raises:
        InvalidRecipeError: a setting is wrong, or is not one of this choice's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Any  # a subclass says which names it stands for

    # Settings that others of its kind have, and why this one has them not, to go on after its name.
    refuses: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def settings(cls) -> dict[str, FieldInfo]:
        """What can be set: the fields without the name, if the class has but one."""
        fixed = len(get_args(cls.model_fields["name"].annotation)) == 1
        return {k: f for k, f in cls.model_fields.items() if not (fixed and k == "name")}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name, as scikit-learn asks for them; `deep` changes nothing."""
        return {name: getattr(self, name) for name in self.settings()}

    def replaced(self, **changes: Any) -> "Spec":
        """The spec with some settings changed."""
        return type(self)(**self.get_params() | changes)

    def __sklearn_clone__(self) -> "Spec":
        return self

    def __str__(self) -> str:
        return repr(self)

    def __repr_args__(self) -> Any:
        """Only what is not at its default, so that an estimator that holds it stays short."""
        return [(k, v) for k, v in self.get_params().items() if v != self.model_fields[k].get_default()]


@dataclass(frozen=True)
class Choice:
    """The table of specs for one field of a recipe.

    Args:
        kind: the field, which is also what a choice is called.
        rows: the specs by name.
        default: the name that stands if nobody chose.
        otherwise: the spec for names that have no row of their own.
    """

    kind: str
    rows: Mapping[str, type[Spec]]
    default: str
    otherwise: type[Spec] | None = field(default=None)

    @classmethod
    def of(cls, kind: str, *specs: type[Spec], otherwise: type[Spec] | None = None) -> "Choice":
        """The table of these classes, the first of them (or `otherwise`) the default."""
        rows = {spec.model_fields["name"].default: spec for spec in specs}
        default = otherwise or specs[0]
        return cls(kind, rows, default.model_fields["name"].default, otherwise)

    @property
    def specs(self) -> tuple[type[Spec], ...]:
        """All classes of the table."""
        return (*((self.otherwise,) if self.otherwise else ()), *self.rows.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names that can be chosen, as far as they are listed here."""
        return tuple(self.rows) if self.otherwise is None else get_args(self.name_field.annotation)

    @property
    def name_field(self) -> FieldInfo:
        """What describes the choice itself."""
        return self.specs[0].model_fields["name"]

    @property
    def is_open(self) -> bool:
        """Whether there is anything to choose between."""
        return self.otherwise is not None or len(self.rows) > 1

    @property
    def settings(self) -> dict[str, FieldInfo]:
        """The settings of all specs by name, each as the first spec that has it describes it."""
        found: dict[str, FieldInfo] = {}
        for spec in self.specs:
            found |= {name: info for name, info in spec.settings().items() if name not in found}
        found.pop("name", None)
        return found

    def owners(self, setting: str) -> list[str]:
        """The names of the specs that have a setting."""
        return [spec.model_fields["name"].default for spec in self.specs if setting in spec.settings()]

    def spec(self, name: Any) -> type[Spec] | None:
        """The class for a name; None if there is none."""
        return self.rows.get(name, self.otherwise) if isinstance(name, str) else self.otherwise

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        """A field annotated with the table takes any of its specs, told apart by `name`."""
        choices = {spec.__name__: handler.generate_schema(spec) for spec in self.specs}

        def tag(value: Any) -> str | None:
            spec = self.spec(value["name"] if isinstance(value, Mapping) else value.name)
            return None if spec is None else spec.__name__

        return core_schema.tagged_union_schema(choices, discriminator=tag)
