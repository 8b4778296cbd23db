"""Values of a profile that are texts with a grammar of their own: conditions, criteria, series.

Each is an annotated type: the value that the program works with, the function that reads it, and
the JSON Schema of what is written. ``model`` uses them as field types like any other.
"""

from typing import Annotated, Any

from pydantic import Field as FormField
from pydantic import PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from hil.core import units
from hil.core.errors import ConfigErrors, UnitError
from hil.profile.conditions import (
    QUANTITIES,
    After,
    Condition,
    Criterion,
    parse_compare,
    parse_criterion,
)
from hil.profile.forms import DURATION, Form
from hil.profile.series import Series, load_series
from hil.verdict.registry import OF_RUNS


def _read_condition(value: Any) -> Condition:
    """Read ``any cell.voltage >= 3.50 V`` or ``after: 2 h``."""
    if isinstance(value, str):
        return parse_compare(str(value))
    if not isinstance(value, dict) or list(value) != ["after"]:
        raise ValueError("expected 'after: 2 h' or a comparison such as any cell.voltage >= 3.50 V")
    try:
        duration = units.parse_duration(str(value["after"]))
    except UnitError as error:
        raise ValueError(str(error)) from error
    return After(duration, " ".join(f"after {value['after']}".split()))


_EXAMPLES = [f"current < 5 A, one of: {', '.join(QUANTITIES)}", "any cell.voltage >= 3.50 V"]

ConditionText = Annotated[
    Condition,
    PlainValidator(_read_condition),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": _EXAMPLES},
                {
                    "type": "object",
                    "properties": {"after": {"type": "string", "examples": ["2 h"]}},
                    "required": ["after"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


def _read_criterion(value: Any) -> Criterion:
    """Read ``usable_capacity >= 98 %`` in the unit of its metric.

    Only metrics that are registered have a meaning; a name that no fold computes would make every
    run INCONCLUSIVE, hours later.
    """
    if not isinstance(value, str):
        raise ValueError("expected a comparison such as usable_capacity >= 98 %")  # noqa: TRY004 - pydantic collects ValueErrors
    return parse_criterion(str(value), {name: info.unit for name, info in OF_RUNS.items()})


CriterionText = Annotated[
    Criterion,
    PlainValidator(_read_criterion),
    WithJsonSchema(
        {
            "type": "string",
            "examples": ["usable_capacity >= 98 %"],
            "description": f"a comparison with one of: {', '.join(OF_RUNS)}",
        }
    ),
]


class SeriesFields(Form):
    """``{file: household_day.csv, column: net_w, from: 6 h}``: a file of profiles/inputs."""

    file: str
    column: str
    start: DURATION = FormField(0, alias="from", description="where in the series to begin")


def _read_series(value: Any, info: ValidationInfo) -> Series:
    """Load the file through the loader's ``Sources``; its errors keep their own file and line.

    They travel through pydantic as the context of one error, so that the rest of the profile is
    still read and its mistakes are told in the same go.
    """
    fields = SeriesFields.model_validate(value)
    sources: Any = info.context  # the loader's Sources
    try:
        # as it was written, with its place: one of the command line may lead anywhere
        path, shown = sources.series(value["file"])
        series = load_series(path, shown, fields.column)
    except ConfigErrors as error:
        raise PydanticCustomError(
            "elsewhere", "{message}", {"message": str(error), "errors": error.errors}
        ) from error
    return series.starting_at(fields.start)


SeriesFile = Annotated[
    Series, PlainValidator(_read_series), WithJsonSchema(SeriesFields.model_json_schema())
]
