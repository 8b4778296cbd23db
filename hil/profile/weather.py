"""Weather in a profile: ``{climate: gulf-desert, from: 15 July, enclosure: sun}``.

Stands where a temperature may stand (``pack.ambient``) and in the step ``chamber``. What is read is
resolved at once to the temperature that the enclosure sees, by the hour: a record keeps its
SHA-256, and a run its every value in the rows, so no climate file is needed to replay it.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np
from annotated_types import Interval
from pydantic import AfterValidator, Discriminator, GetPydanticSchema, Tag, ValidationInfo
from pydantic import Field as FormField
from pydantic_core import PydanticCustomError

from hil.core.errors import ConfigErrors
from hil.core.instants import HOUR, Duration
from hil.physics.climate import MONTH_DAYS, Climate, Hours
from hil.physics.enclosure import Enclosure, ambient
from hil.physics.sun import HOURS
from hil.profile.conditions import nearest
from hil.profile.files import find, leads_out
from hil.profile.forms import Form, adapter_of, quantity
from hil.profile.problems import TAG, read
from hil.profile.source import Mark, decoded, read_bytes
from hil.profile.tree import load_table

MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DATE = re.compile(r"(\d{1,2})\s+([A-Za-z]{3,9})(?:\s+([01]?\d|2[0-3]):00)?")

HEADER = "hour,air_degc,global_w,direct_w,diffuse_w,humidity_pct,wind_m_per_s"
MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Weather:
    """The temperature that an enclosure sees from a date on, by the hour, for ever.

    ``start_h`` is that of the year, in standard time; ``start_degc`` the temperature then, which
    a pack begins with. ``values`` (8760,) begin at ``start_h`` and repeat after a year; they are
    whole millikelvins, so that their ``sha256``, which stands for them, is the same on every host.
    A weather that was read from a record has none.
    """

    climate: str
    enclosure: Enclosure
    seed: int
    start_h: int
    start_degc: float
    sha256: str
    values: tuple[float, ...] = field(default=(), compare=False, repr=False)

    def at(self, elapsed: Duration) -> float:
        """Return the temperature so long after the start: linear between the hours."""
        hour, rest = divmod(elapsed, HOUR)
        before, after = (self.values[(hour + k) % len(self.values)] for k in (0, 1))
        return before + rest / HOUR * (after - before)

    def range_degc(self, span: Duration) -> tuple[float, float]:
        """Return the lowest and the highest temperature from the start to ``span`` after it."""
        hours = self.values[: min(span // HOUR + 2, len(self.values))]
        return min(hours), max(hours)


class Sources(NamedTuple):
    """Where a profile's names of data lead; the context in which its form is read.

    Both take a name and raise ValueError for an unknown one, ConfigErrors for a file that is wrong.
    """

    series: Callable[[str], tuple[Path, str]]
    climate: Callable[[str], Climate]


def load_climate(name: str, root: Path | None = None) -> Climate:
    """Return a climate of ``root/climates``, its hours with it. Raises ConfigErrors."""
    path = find(name, "climates", root)
    tree = load_table(path, str(path))
    climate: Climate = read(adapter_of(Climate), tree)
    if not climate.file:
        return climate
    problem = leads_out(path.parent / climate.file, tree.mark, root)
    if problem:
        raise ConfigErrors([tree["file"].mark.error("file", f"'{climate.file}' {problem}")])
    return replace(climate, hours=_hours(path.parent / climate.file))


def _hours(path: Path) -> Hours:
    """Read a measured year. Raises ConfigErrors with the first line that is wrong."""
    text = decoded(read_bytes(path, str(path), MOST_BYTES), Mark(str(path)))
    lines = text.splitlines()
    if not lines or lines[0] != HEADER:
        raise _wrong(path, 1, f"expected the columns {HEADER}")
    if len(lines) != HOURS + 1:
        raise _wrong(path, len(lines), f"found {len(lines) - 1} hours, expected {HOURS}")
    table = np.array([_row(path, number, line) for number, line in enumerate(lines[1:], 2)])
    air, total, direct, diffuse, humidity, wind = table.T[1:]
    return Hours(air, total, direct, diffuse, humidity / 100.0, wind)


def _row(path: Path, line: int, text: str) -> list[float]:
    """Return the numbers of one line, none of them beyond what weather is."""
    try:
        values = [float(cell) for cell in text.split(",")]
    except ValueError as error:
        raise _wrong(path, line, f"found '{text[:60]}', expected numbers") from error
    limits = ((line - 2, line - 2), (-90, 60), *[(0, 1500)] * 3, (0, 100), (0, 100))
    fits = [low <= value <= high for value, (low, high) in zip(values, limits, strict=False)]
    if len(values) != len(limits) or not all(fits):
        raise _wrong(path, line, f"found '{text[:60]}', expected hour {line - 2} of a year")
    return values


def _wrong(path: Path, line: int, message: str) -> ConfigErrors:
    return ConfigErrors([Mark(str(path), line, 1).error("", message)])


def resolve(climate: Climate, name: str, start_h: int, enclosure: Enclosure, seed: int) -> Weather:
    """Return a climate's weather from an hour of the year on."""
    year = np.round(np.roll(ambient(climate, seed, enclosure), -start_h), 3) + 0.0
    digest = hashlib.sha256(year.astype("<f8").tobytes()).hexdigest()
    values = tuple(year.tolist())
    return Weather(name, enclosure, seed, start_h, values[0], digest, values)


# --- how it is written ----------------------------------------------------------------------------


def _read_date(text: str) -> int:
    """Return the hour of the year of ``15 July`` or ``15 July 06:00``, standard time."""
    match = _DATE.fullmatch(" ".join(text.split()))
    expected = "expected a day such as '15 July' or '15 July 06:00'"
    if match is None:
        raise ValueError(f"found '{text}', {expected}")
    day, word, hour = int(match[1]), match[2].lower(), int(match[3] or 0)
    months = [number for number, month in enumerate(MONTHS) if month.startswith(word)]
    if len(months) != 1:
        known = nearest(word.capitalize(), [month.capitalize() for month in MONTHS])
        raise ValueError(f"no month '{match[2]}'{known}")
    [month] = months
    if not 1 <= day <= MONTH_DAYS[month]:
        name, last = MONTHS[month].capitalize(), MONTH_DAYS[month]
        raise ValueError(f"no {day} {name}; a year of 365 days has {last}")
    return 24 * (sum(MONTH_DAYS[:month]) + day - 1) + hour


class WeatherForm(Form):
    """``{climate: gulf-desert, from: 15 July, enclosure: sun, seed: 1}``."""

    climate: str = FormField(description="a file of profiles/climates")
    start: Annotated[str, AfterValidator(_read_date)] = FormField(
        alias="from",
        description="day, and hour if not midnight, standard time",
        examples=["15 July", "15 July 06:00"],
    )
    enclosure: Enclosure = FormField("shade", description="where the pack stands")
    seed: int = FormField(
        0, ge=0, lt=2**48, description="another seed is another year; a measured year has no other"
    )


def _resolved(form: Any, info: ValidationInfo) -> Weather:
    """Load the climate that a form names. An unknown name is an error at its own key."""
    sources: Any = info.context
    try:
        climate = sources.climate(form.climate)
    except ValueError as error:
        context = {"key": "climate", "message": str(error)}
        raise PydanticCustomError("at_key", "{message}", context) from error
    except ConfigErrors as error:
        raise PydanticCustomError(
            "elsewhere", "{message}", {"message": str(error), "errors": error.errors}
        ) from error
    if climate.file and form.seed:
        message = f"'{form.climate}' is one measured year: expected no seed"
        raise PydanticCustomError("at_key", "{message}", {"key": "seed", "message": message})
    return resolve(climate, form.climate, form.start, form.enclosure, form.seed)


def _kind(value: Any) -> str:
    """Say which of its two shapes an ambient is written in."""
    return TAG + ("weather" if isinstance(value, dict) else "constant")


_WEATHER: Any = Annotated[WeatherForm, AfterValidator(_resolved)]
_CONSTANT: Any = Annotated[quantity("degC"), Interval(ge=-60.0, le=100.0)]
_AMBIENT: Any = Annotated[
    Annotated[_CONSTANT, Tag(TAG + "constant")] | Annotated[_WEATHER, Tag(TAG + "weather")],
    Discriminator(_kind),
]

# To a type checker these are what the program works with; to pydantic, how that is written.
WeatherText: TypeAlias = Annotated[
    Weather, GetPydanticSchema(lambda _, handler: handler.generate_schema(_WEATHER))
]
Ambient: TypeAlias = Annotated[
    float | Weather, GetPydanticSchema(lambda _, handler: handler.generate_schema(_AMBIENT))
]
"""``45 degC``, or weather."""
