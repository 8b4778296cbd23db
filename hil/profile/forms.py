"""A frozen dataclass is a form: its fields are the keys of a YAML mapping.

The key is the field's name without its unit, the unit says how the value is read (``start_v:
float`` takes ``start: 50 mV``). ``form_of`` turns a dataclass into a pydantic model by that one
rule, so profiles, boards, cells and strategies all get the same checks, messages and JSON Schema,
and physics need not know that YAML exists.

``BoardDesign.filter_capacitance_farad`` is written ``filter_capacitance: 100 nF``; fields whose
stems are equal keep their whole names (``gate_v``, ``gate_a``); a tuple of numbers may share one
unit; dataclasses nest; what has a default may be left out. Bounds stand beside the type as
``Annotated[float, Gt(0)]``, or the dataclass refuses in ``__post_init__``.
"""

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from annotated_types import Gt
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetPydanticSchema,
    PlainValidator,
    TypeAdapter,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic import Field as FormField
from pydantic_core import PydanticCustomError

from hil.core import units
from hil.core.errors import UnitError
from hil.profile.tree import Table

T = TypeVar("T")


class Form(BaseModel):
    """The root of all forms: a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_keys(cls, value: Any) -> Any:
        """Leave the keys it takes on the table, for the nearest right name of a wrong one."""
        if isinstance(value, Table):
            value.known = tuple(f.alias or name for name, f in cls.model_fields.items())
        return value


SET_BY_LOADER = frozenset({"line", "path", "text"})
"""Fields of steps and conditions that say where something stood, and are no keys."""


def key_of(name: str, names: tuple[str, ...]) -> str:
    """Return the YAML key of field ``name``: its stem, or all of it if another one has that stem.

    >>> key_of("ramp_k_per_min", ("ramp_k_per_min",))
    'ramp'
    """
    alike = [one for one in names if _stem(one) == _stem(name)]
    return _stem(name) if len(alike) == 1 else name


@cache
def _stem(name: str) -> str:
    """Return a field's name without its unit."""
    suffix = units.suffix_of(name)
    return name.removesuffix(f"_{suffix}") if suffix else name


def field_names(cls: type) -> tuple[str, ...]:
    """Return the fields of a dataclass that a file may set."""
    return tuple(f.name for f in fields(cls) if f.init and f.name not in SET_BY_LOADER)


@cache
def form_of(cls: type) -> type[Form]:
    """Return the pydantic model of a dataclass. Raises TypeError for a type it cannot read."""
    return create_model(cls.__name__, __base__=Form, __doc__=cls.__doc__, **form_fields(cls))


def form_fields(cls: type) -> dict[str, Any]:
    """Return the fields of ``form_of(cls)``, for forms that add keys of their own.

    A field that has a default and a type that no text stands for (an object that programs pass)
    is no key.
    """
    hints = get_type_hints(cls, include_extras=True)
    names = field_names(cls)
    found: dict[str, Any] = {}
    for f in fields(cls):
        if f.name not in names:
            continue
        default = _default(f)
        try:
            kind = field_type(hints[f.name], units.unit_of(f.name))
        except TypeError:
            if default:
                continue
            raise
        found[f.name] = (kind, FormField(alias=key_of(f.name, names), **default))
    return found


def filled(cls: type) -> Any:
    """Return the type of a value that is written as the form of ``cls`` and becomes a ``cls``."""
    form: Any = form_of(cls)
    return Annotated[form, AfterValidator(lambda form: make(cls, form))]


@cache
def adapter_of(cls: type[T]) -> TypeAdapter[T]:
    """Return what reads the form of ``cls``; making one takes longer than reading with it."""
    return TypeAdapter(filled(cls))


def make(cls: type[T], form: BaseModel) -> T:
    """Build the dataclass from its form. What it refuses itself is put down to the key it names."""
    names = field_names(cls)
    try:
        return cls(
            **{name: getattr(form, name) for name in type(form).model_fields if name in names}
        )
    except ValueError as error:
        # it speaks of its fields; the file has keys
        keys = {name: key_of(name, names) for name in names}
        message = re.sub(r"\w+", lambda word: keys.get(word[0], word[0]), str(error))
        name, colon, _ = str(error).partition(": ")
        if not colon or name not in names:
            raise ValueError(message) from error
        context = {"key": keys[name], "message": message.partition(": ")[2]}
        raise PydanticCustomError("at_key", "{message}", context) from error


def field_type(hint: Any, unit: str) -> Any:  # noqa: PLR0911 - one return a shape, as a table
    """Return the pydantic type of a field: the same shape, with texts read as quantities."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if any(isinstance(extra, PlainValidator | GetPydanticSchema) for extra in args[1:]):
            return hint
        return Annotated[(field_type(args[0], unit), *args[1:])]
    if origin in (Union, types.UnionType):
        return _optional(hint, unit)
    if hint is float:
        return quantity(unit)
    if hint is int and unit == "ns":
        return DURATION
    if origin is tuple and args[1:] == (...,):
        return _sequence(args[0], unit)
    if origin is Mapping:
        return dict[field_type(args[0], "1"), field_type(args[1], unit)]  # type: ignore[misc]
    if is_dataclass(hint) and isinstance(hint, type):
        return filled(hint)
    if hint in (str, bool, int) or origin is Literal:
        return hint
    raise TypeError(f"no way to read a field of type {hint}")


@cache
def quantity(unit: str) -> Any:
    """Return the type of a number that is written with a unit."""
    kind = units.kind_of(unit)
    shape: dict[str, Any] = {
        "type": ["string", "number"] if unit == "1" else "string",
        "description": f"{kind.noun}, with its unit",
        "examples": [kind.example],
    }
    return Annotated[
        float, PlainValidator(_reader(lambda text: units.parse(text, unit))), WithJsonSchema(shape)
    ]


def _reader(read: Callable[[str], T]) -> Callable[[Any], T]:
    """Return ``read`` for pydantic: only texts get in, only ValueErrors come out.

    A custom error keeps pydantic from putting ``Value error,`` before the message.
    """

    def validate(value: Any) -> T:
        if not isinstance(value, str):
            raise PydanticCustomError(
                "shape", "expected a quantity, found {found}", shape_of(value)
            )
        try:
            return read(value)
        except UnitError as error:
            raise PydanticCustomError("unit", "{message}", {"message": str(error)}) from error

    return validate


DURATION = Annotated[
    int,
    PlainValidator(_reader(units.parse_duration)),
    WithJsonSchema(
        {
            "type": "string",
            "description": "a duration with its unit, or hours:minutes[:seconds]",
            "examples": ["90 min", "1:30"],
        }
    ),
]


PERIOD = Annotated[DURATION, Gt(0)]
"""A duration above zero. (A bound in ``Field`` would be overruled by the validator above.)"""


def _name(text: str) -> str:
    """Refuse what would not do in a list of runs, a folder's name or a command."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,80}", text):
        found = {"found": text}
        raise PydanticCustomError(
            "name", "found '{found}', expected a name: 1 to 80 of A-Z a-z 0-9 . _ -", found
        )
    return text


NAME = Annotated[
    str,
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,80}$"}),
]


def _within_one(value: float) -> float:
    """Refuse a share of more than all. A plain 60 is a ratio too, and hardly the one meant."""
    if not 0.0 <= value <= 1.0:
        raise PydanticCustomError("fraction", "expected 0 % to 100 %")
    return value


FRACTION = Annotated[float, AfterValidator(_within_one)]
"""A ratio from nothing to all."""


def shape_of(value: Any) -> dict[str, Any]:
    """Say what kind of node was found, as the context of an error."""
    shapes = {dict: "a mapping", list: "a list"}
    return {
        "found": next((name for kind, name in shapes.items() if isinstance(value, kind)), value)
    }


def _default(field: "Field[Any]") -> Mapping[str, Any]:
    """Return the default of a dataclass field as arguments of pydantic's; empty for none."""
    if field.default is not MISSING:
        return {"default": field.default}
    if field.default_factory is not MISSING:
        return {"default_factory": field.default_factory}
    return {}


def _optional(hint: Any, unit: str) -> Any:
    """Return the type of ``X | None``: None only by leaving the key out, never by a text."""
    inner = [one for one in get_args(hint) if one is not type(None)]
    if len(inner) != 1:
        raise TypeError(f"no way to read a field of type {hint}")
    return field_type(inner[0], unit) | None


def _sequence(item: Any, unit: str) -> Any:
    """Return the type of a tuple; numbers may share one unit: ``{unit: V, values: [3.2, 3.3]}``."""
    members: Any = tuple[field_type(item, unit), ...]  # type: ignore[misc]
    if item is not float:
        return members
    return Annotated[
        members,
        BeforeValidator(_with_unit),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "array", "items": {"type": ["string", "number"]}},
                    {
                        "type": "object",
                        "properties": {
                            "unit": {"type": "string"},
                            "values": {"type": "array", "items": {"type": ["string", "number"]}},
                        },
                        "required": ["unit", "values"],
                        "additionalProperties": False,
                    },
                ]
            }
        ),
    ]


def _with_unit(value: Any) -> Any:
    """Write the shared unit behind each number; anything else is left to the list's own checks.

    So ``{unit: mV, values: [30, x]}`` fails as the text ``x mV`` does, with no second set of rules.
    """
    if not isinstance(value, dict):
        return value
    unit, values = value.get("unit"), value.get("values")
    if (
        set(value) != {"unit", "values"}
        or not isinstance(unit, str)
        or not isinstance(values, list)
    ):
        example = "{unit: V, values: [...]}"
        raise PydanticCustomError("shape", "expected a list, or {example}", {"example": example})
    return [f"{one} {unit}" if isinstance(one, str) else one for one in values]
