"""How steps, limits and expectations are written, where that is not one form.

A step is one entry of a list, named by its first key: ``- soak: {...}``, ``- rest: 1 h``,
``- repeat: 7`` with its own steps. Everything here is a pydantic type, so that the checks and the
JSON Schema come from one place.

Steps are a union with a branch a kind, chosen by the key before anything inside is read: so a slip
in a ``hold`` is told as one of ``hold``, and not once for each kind that it is not. Branches are
named ``kind:...`` to keep them apart from keys in pydantic's locations (see ``problems``). Repeat
holds steps itself, which is why it is a class with a forward reference and the others are not.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    Discriminator,
    Tag,
    WrapValidator,
    create_model,
)
from pydantic import Field as FormField
from pydantic_core import PydanticCustomError

from hil.core.instants import HOUR, Duration, clock_text
from hil.core.watched import Severity
from hil.profile.conditions import QUANTITIES, Quantity
from hil.profile.controllers import CONTROLLER
from hil.profile.forms import DURATION, NAME, PERIOD, Form, filled, quantity
from hil.profile.model import (
    Charge,
    Clear,
    Discharge,
    Expect,
    ExpectFault,
    ExpectGone,
    Follow,
    Hold,
    Inject,
    Limit,
    Needs,
    Outdoors,
    PackConfig,
    Repeat,
    Rest,
    Soak,
    Step,
)
from hil.profile.problems import TAG
from hil.profile.readers import CriterionText
from hil.profile.tree import Table
from hil.profile.weather import WeatherText

# --- bounds on quantities: limits and expectations ---------------------------------------------


def bounds_of(unit: str) -> Any:
    """Return the type of ``{min: ..., max: ...}`` in a unit."""
    number = quantity(unit) | None
    bounds = create_model("Bounds", __base__=Form, min=(number, None), max=(number, None))
    return Annotated[bounds, AfterValidator(_bounds)]


def _bounds(form: Any) -> tuple[float | None, float | None]:
    """Return (min, max), one of them None if open. Raises ValueError for none and for a gap."""
    low, high = form.min, form.max
    if low is None and high is None:
        raise ValueError("expected min, max, or both")
    if low is not None and high is not None and low > high:
        raise ValueError("min lies above max")
    return low, high


QUANTITY_FIELDS: dict[str, Any] = {
    name.replace(".", "_"): (
        bounds_of(quantity_.unit) | None,
        FormField(alias=name, default=None, description=quantity_.about),
    )
    for name, quantity_ in QUANTITIES.items()
}


def _bounded(form: BaseModel) -> list[tuple[str, float | None, float | None]]:
    """Return the quantities that were given, with their bounds."""
    given = [(name, getattr(form, name.replace(".", "_"), None)) for name in QUANTITIES]
    return [(name, *bounds) for name, bounds in given if bounds is not None]


LONGEST_WINDOW: Duration = HOUR
"""The longest time over which a rate is watched: every reading of it is kept that long."""


def watched(name: str, quantity_: Quantity) -> Any:
    """Return the type of the limits on one quantity: ``min``, ``max``, ``rate``, and ``warn``.

    ``warn`` is written as the limits are, and lies inside of them.
    """
    number = quantity(quantity_.unit) | None
    keys: dict[str, Any] = {"min": (number, None), "max": (number, None)}
    if quantity_.rate_unit:
        told = "change over that time, in either direction"
        keys["rate"] = (quantity(quantity_.rate_unit) | None, FormField(None, description=told))
        keys["over"] = (PERIOD | None, FormField(None, description="time of the rate"))
    warned = create_model("Warning", __base__=Form, **keys)
    keys["warn"] = (
        Annotated[warned, AfterValidator(partial(_limit, name, "warn"))] | None,
        FormField(None, description="crossed, these are recorded, and the run goes on"),
    )
    model = create_model("Watched", __base__=Form, **keys)
    return Annotated[model, AfterValidator(partial(_with_warning, name))]


def _limit(name: str, severity: Severity, form: Any) -> Limit:
    """Return the limits of one severity. Raises ValueError for none and for what is no limit."""
    rate, over_ns = getattr(form, "rate", None), getattr(form, "over", None)
    if form.min is None and form.max is None and rate is None:
        raise ValueError("expected min, max" + (" or rate" if hasattr(form, "rate") else ""))
    if form.min is not None and form.max is not None and form.min > form.max:
        raise ValueError("min lies above max")
    if (rate is None) != (over_ns is None):
        raise ValueError("a rate is watched over a time: expected rate: 5 K/min, over: 1 min")
    if rate is not None and not rate > 0.0:
        raise ValueError(f"found a rate of {rate:g}, expected one above 0")
    if over_ns is not None and over_ns > LONGEST_WINDOW:
        raise ValueError(f"a rate over {clock_text(over_ns)}, expected one hour at most")
    return Limit(name, form.min, form.max, rate, over_ns, severity)


def _with_warning(name: str, form: Any) -> tuple[Limit, ...]:
    """Return what trips and what warns. Raises ValueError for a warning that could not come."""
    warn: Limit | None = form.warn
    if warn is None:
        return (_limit(name, "trip", form),)
    trips = any(getattr(form, key, None) is not None for key in ("min", "max", "rate", "over"))
    if not trips:
        return (warn,)
    trip = _limit(name, "trip", form)
    beyond = (
        ("max", warn.maximum, trip.maximum, 1.0),
        ("min", warn.minimum, trip.minimum, -1.0),
        ("rate", warn.rate, trip.rate if trip.over_ns == warn.over_ns else None, 1.0),
    )
    for key, first, last, sign in beyond:
        if first is not None and last is not None and sign * first >= sign * last:
            raise ValueError(f"warn.{key} lies at or beyond {key}: it would never be told")
    return (trip, warn)


def _limits(form: BaseModel) -> tuple[Limit, ...]:
    """Return the limits in the order of QUANTITIES, so that equal files give equal records."""
    given = (getattr(form, name.replace(".", "_"), None) for name in QUANTITIES)
    return tuple(limit for limits in given if limits is not None for limit in limits)


WATCHED: dict[str, Any] = {
    name.replace(".", "_"): (
        watched(name, quantity_) | None,
        FormField(alias=name, default=None, description=quantity_.about),
    )
    for name, quantity_ in QUANTITIES.items()
    if not quantity_.worked_out
}
LIMITS: Any = Annotated[create_model("Limits", __base__=Form, **WATCHED), AfterValidator(_limits)]


class FaultFields(Form):
    """``{board: open-wire, cell: 5, within: 5 s}`` beside the quantities, and a label."""

    read: str = FormField("", description="where the value is read, as the report shows it")
    board: str | None = FormField(None, description="a fault that the board must report")
    cell: int = FormField(0, ge=0, description="the cell of the fault; 0 is the whole board")
    within: PERIOD | None = FormField(None, description="how soon the fault must be reported")
    gone_within: PERIOD | None = FormField(
        None, description="how soon the fault must be reported no more"
    )


def _expect(form: Any) -> Expect | ExpectFault:
    """Return the expectation of a value now, or of a fault within a time.

    One quantity an entry: each expectation is judged, and reported, under its own name.
    """
    bounded = _bounded(form)
    if (form.board is not None) + len(bounded) != 1:
        raise ValueError("expected exactly one quantity (gap: {max: 60 mV}), or board: FAULT")
    if form.board is not None:
        return _expected_fault(form)
    if form.cell or form.within is not None or form.gone_within is not None:
        raise ValueError("'cell', 'within' and 'gone_within' go with board: FAULT only")
    [(name, low, high)] = bounded
    label = f"{name}, {' '.join(form.read.split())}" if form.read else name
    return Expect(quantity=name, minimum=low, maximum=high, unit=QUANTITIES[name].unit, name=label)


def _expected_fault(form: Any) -> ExpectFault:
    """Return the expectation that a fault comes, or that it goes."""
    if (form.within is None) == (form.gone_within is None):
        raise ValueError("a fault of the board is expected 'within' or 'gone_within' a time")
    if form.within is not None:
        return ExpectFault(fault=form.board, cell=form.cell, within_ns=form.within)
    return ExpectGone(fault=form.board, cell=form.cell, within_ns=form.gone_within)


EXPECT: Any = Annotated[
    create_model("Expect", __base__=FaultFields, **QUANTITY_FIELDS), AfterValidator(_expect)
]

# --- steps -------------------------------------------------------------------------------------


def _entry(kind: str, build: Callable[[Any], Step], **body: Any) -> Any:
    """Return the type of ``- kind: ...`` as one branch of the union of steps."""
    model = create_model(f"{kind}-step", __base__=Form, **body)
    return Annotated[model, AfterValidator(build), Tag(TAG + kind)]


def _body(kind: str, type_: Any) -> Any:
    """Return the branch of a step whose key holds all there is to it."""
    return _entry(kind, lambda form: getattr(form, kind), **{kind: (type_, ...)})


class RepeatFields(Form):
    """``- repeat: 7`` with ``every`` and ``steps`` beside it."""

    repeat: int = FormField(ge=1, le=100_000)
    every: PERIOD | None = None
    steps: "list[STEP]" = FormField(min_length=1)


def _repeat(form: Any) -> Repeat:
    """Build a repeat from the three keys of its entry."""
    return Repeat(count=form.repeat, every_ns=form.every, steps=tuple(form.steps))


def _kind(entry: Any) -> str | None:
    """Name the branch: the first key that is a step, else the first key at all."""
    if not isinstance(entry, Table):
        return None
    return TAG + next((key for key in entry if key in KINDS), next(iter(entry), ""))


def _placed(entry: Any, build: Callable[[Any], Step]) -> Step:
    """Give a step its line and its text; refuse what is no entry before the union does."""
    if not isinstance(entry, Table) or not entry:
        found = f"found '{entry}'" if isinstance(entry, str) else "found no step"
        message = f"{found}, expected a step such as 'rest: 1 h'"
        raise PydanticCustomError("shape", "{message}", {"message": message})
    step = build(entry)
    return replace(step, line=entry.mark.line, text=_text(entry))


def _text(entry: Table) -> str:
    """Return an entry in one line, without the steps inside it."""
    return ", ".join(f"{key} {_flat(value)}" for key, value in entry.items() if key != "steps")


def _flat(node: Any) -> str:
    """Return a node in words: lists are alternatives, as in ``until``."""
    if isinstance(node, dict):
        return ", ".join(f"{key} {_flat(value)}" for key, value in node.items())
    return " or ".join(map(_flat, node)) if isinstance(node, list) else " ".join(node.split())


KINDS = (
    *("soak", "charge", "hold", "discharge", "rest", "follow", "chamber", "repeat"),
    *("expect", "inject", "clear"),
)

STEP: Any = Annotated[
    _body("soak", filled(Soak))
    | _body("charge", filled(Charge))
    | _body("hold", filled(Hold))
    | _body("discharge", filled(Discharge))
    | _entry("rest", lambda form: Rest(for_ns=form.rest), rest=(DURATION, ...))
    | _body("follow", filled(Follow))
    | _entry("chamber", lambda form: Outdoors(weather=form.chamber), chamber=(WeatherText, ...))
    | Annotated[RepeatFields, AfterValidator(_repeat), Tag(TAG + "repeat")]
    | _body("expect", EXPECT)
    | _body("inject", filled(Inject))
    | _body("clear", filled(Clear)),
    Discriminator(_kind),
    WrapValidator(_placed),
]
RepeatFields.model_rebuild(_types_namespace={"STEP": STEP})


def numbered(steps: tuple[Step, ...], above: str = "") -> tuple[Step, ...]:
    """Give every step its place, counted from 1: ``2.repeat/1.charge``."""
    placed = []
    for number, step in enumerate(steps, 1):
        path = f"{above}{number}.{step.kind}"
        if isinstance(step, Repeat):
            step = replace(step, steps=numbered(step.steps, f"{path}/"))  # noqa: PLW2901
        placed.append(replace(step, path=path))
    return tuple(placed)


def key_of_path(path: str) -> str:
    """Return the key of a step in its file: ``2.repeat/1.charge`` is ``steps.2.steps.1``."""
    return ".".join(f"steps.{part.partition('.')[0]}" for part in path.split("/"))


# --- the whole file ----------------------------------------------------------------------------

ProfileForm = create_model(
    "Profile",
    __base__=Form,
    __doc__="A test of a board: what it needs, the pack, the steps, and what it is judged by.",
    profile=(NAME, FormField(description="name of the profile, as runs are listed")),
    about=(str, ""),
    bench=(str, FormField("virtual-16s", description="the bench file to run on by default")),
    needs=(filled(Needs), ...),
    controller=(CONTROLLER, ...),
    pack=(filled(PackConfig), ...),
    limits=(LIMITS, ()),
    steps=(list[STEP], FormField(min_length=1)),
    verdict=(list[CriterionText], FormField(min_length=1)),
    tick=(PERIOD | None, None),
    parameters=(dict[str, str], FormField(default_factory=dict)),
    requirements=(list[str], FormField(default_factory=list)),
)
