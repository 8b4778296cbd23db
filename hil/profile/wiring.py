"""How a bench file's ``stack`` and ``wiring`` are written, and the plan that they become.

Numbers of cells, leads, NTCs and channels count from 1, as on the devices' front panels.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field as FormField
from pydantic import PlainValidator, WithJsonSchema, create_model

from hil.core import units
from hil.core.errors import UnitError
from hil.core.instants import SECOND
from hil.core.wiring import (
    Channel,
    GuardName,
    GuardWire,
    NtcWire,
    ShuntWire,
    SupplyWire,
    Through,
    VirtualWiring,
    WiringPlan,
)
from hil.profile.forms import DURATION, Form, quantity

MAX_CHANNELS = 64


def _channels(value: Any) -> tuple[Channel, ...]:
    """Read ``emulator-1: 1-8``: channels of one device, in the order of the cells."""
    match = None
    if isinstance(value, dict) and len(value) == 1:
        [(device, numbers)] = value.items()
        match = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", str(numbers))
    if match is None:
        raise ValueError("expected a device and its channels, such as emulator-1: 1-8")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 1 <= first <= last <= MAX_CHANNELS:
        raise ValueError(f"found channels {numbers}, expected them to rise within 1-{MAX_CHANNELS}")
    return tuple(Channel(str(device), number) for number in range(first, last + 1))


STACK: Any = Annotated[
    tuple,
    PlainValidator(_channels),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "integer"]}}),
]


def _aux(value: Any) -> Channel:
    """Read ``emulator-1 aux 3``: an auxiliary output of a device."""
    match = re.fullmatch(r"(\S+) aux (\d{1,3})", str(value))
    if match is None:
        raise ValueError(f"found '{value}', expected an output such as emulator-1 aux 3")
    return Channel(match[1], int(match[2]))


AUX: Any = Annotated[
    Channel,
    PlainValidator(_aux),
    WithJsonSchema({"type": "string", "examples": ["emulator-1 aux 3"]}),
]


def _leads(value: Any) -> tuple[float, ...]:
    """Read one resistance for every lead, or a list with one a lead."""
    try:
        return tuple(units.parse(str(one), "ohm") for one in _listed(value))
    except UnitError as error:
        raise ValueError(str(error)) from error


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


LEADS: Any = Annotated[
    tuple,
    PlainValidator(_leads),
    WithJsonSchema(
        {"type": ["string", "array"], "items": {"type": "string"}, "examples": ["60 mohm"]}
    ),
]


class NtcFields(Form):
    """The NTC input of the board that an auxiliary output emulates, and the cell it follows."""

    cell: int = FormField(ge=1)
    by: AUX


ShuntForm = create_model(
    "Shunt",
    __base__=Form,
    by=(AUX, ...),
    centre=(quantity("V"), ...),
    ratio=(quantity("1"), FormField(description="volts at the output a volt across the shunt")),
)


def _wiring_fault(value: Any) -> tuple[str, int]:
    """Read ``swapped-leads 3``: a fault of the wiring, and which lead, cell or NTC it is on."""
    match = re.fullmatch(r"([a-z-]+)(?: (\d{1,3}))?", str(value))
    if match is None:
        raise ValueError(f"found '{value}', expected a fault and its number, as swapped-leads 3")
    return match[1], int(match[2] or 0)


WIRING_FAULT: Any = Annotated[
    tuple,
    PlainValidator(_wiring_fault),
    WithJsonSchema({"type": "string", "examples": ["swapped-leads 3"]}),
]


_SPAN = r"(\d{1,3})(?:-(\d{1,3}))?"


def _through(value: Any) -> tuple[tuple[int, Channel], ...]:
    """Read ``1-17: fiu-1 channel 1-17``: wires by their numbers, and the channels they pass."""
    if not isinstance(value, dict):
        raise ValueError("expected wires and channels, such as {1-17: fiu-1 channel 1-17}")  # noqa: TRY004 - pydantic collects ValueErrors
    found: list[tuple[int, Channel]] = []
    for wires, by in value.items():
        left = re.fullmatch(_SPAN, str(wires))
        right = re.fullmatch(rf"(\S+) channel {_SPAN}", str(by))
        if left is None or right is None:
            text = f"found '{wires}: {by}', expected as many channels as wires"
            raise ValueError(f"{text}, such as 1-17: fiu-1 channel 1-17")
        numbers, channels = _span(*left.groups()), _span(*right.groups()[1:])
        if not 0 < len(numbers) == len(channels) <= MAX_CHANNELS + 1:
            raise ValueError(f"found {len(numbers)} wires at {len(channels)} channels")
        device = right[1]
        found += [(n, Channel(device, c)) for n, c in zip(numbers, channels, strict=True)]
    return tuple(found)


def _span(first: str, last: str | None) -> range:
    return range(int(first), int(last or first) + 1)


THROUGH: Any = Annotated[
    tuple,
    PlainValidator(_through),
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "examples": [{"1-17": "fiu-1 channel 1-17"}],
        }
    ),
]


class ThroughFields(Form):
    """Wires that pass a fault box, by the number of the sense lead or of the NTC."""

    leads: THROUGH = ()
    ntcs: THROUGH = ()


def _digital(value: Any) -> Channel:
    """Read ``emulator-1 di 2``: a digital input of a device."""
    match = re.fullmatch(r"(\S+) di (\d{1,3})", str(value))
    if match is None:
        raise ValueError(f"found '{value}', expected a digital input such as emulator-1 di 2")
    return Channel(match[1], int(match[2]))


DIGITAL: Any = Annotated[
    Channel,
    PlainValidator(_digital),
    WithJsonSchema({"type": "string", "examples": ["emulator-1 di 2"]}),
]


def _output(value: Any) -> Channel:
    """Read ``psu-1 channel 1``: an output of a device."""
    match = re.fullmatch(r"(\S+) channel (\d{1,3})", str(value))
    if match is None:
        raise ValueError(f"found '{value}', expected an output such as psu-1 channel 1")
    return Channel(match[1], int(match[2]))


OUTPUT: Any = Annotated[
    Channel,
    PlainValidator(_output),
    WithJsonSchema({"type": "string", "examples": ["psu-1 channel 1"]}),
]

SupplyForm = create_model(
    "Supply",
    __base__=Form,
    by=(OUTPUT, ...),
    voltage=(quantity("V"), ...),
    brown_out=(quantity("V"), FormField(description="what a brown-out leaves of it")),
    boot=(DURATION, FormField(SECOND, description="from the supply to the board's first report")),
)


class VirtualWiringFields(Form):
    """How the virtual harness really is; what is left out is as the rest of the file says."""

    leads: LEADS | None = None
    faults: list[WIRING_FAULT] = FormField(default_factory=list)


class WiringFields(Form):
    """The harness. NTC inputs that are not listed are physical sensors."""

    leads: LEADS
    ntcs: dict[Annotated[int, FormField(ge=1)], NtcFields] = FormField(default_factory=dict)
    shunt: ShuntForm | None = None  # type: ignore[valid-type] # a form made above
    through: ThroughFields = FormField(
        default_factory=ThroughFields, description="wires that a fault box can open"
    )
    guards: dict[GuardName, DIGITAL] = FormField(
        default_factory=dict, description="switches that guard people: closed while all is well"
    )
    supply: SupplyForm | None = FormField(  # type: ignore[valid-type] # a form made above
        default=None, description="the board's own supply"
    )
    virtual: VirtualWiringFields = FormField(
        default_factory=VirtualWiringFields, description="how the virtual harness really is"
    )


def plan_of(stack: Sequence[Sequence[Channel]], wiring: WiringFields) -> WiringPlan:
    """Build the wiring plan; one lead resistance stands for all of them."""
    cells = tuple(channel for channels in stack for channel in channels)
    lead_ohm = _all_leads(wiring.leads, len(cells))
    ntcs = tuple(NtcWire(number, ntc.cell, ntc.by) for number, ntc in sorted(wiring.ntcs.items()))
    shunt: Any = wiring.shunt
    wire = shunt and ShuntWire(shunt.by, shunt.centre, shunt.ratio)
    true_ohm = () if wiring.virtual.leads is None else _all_leads(wiring.virtual.leads, len(cells))
    virtual = VirtualWiring(true_ohm, tuple(wiring.virtual.faults))
    through = (
        *(Through("lead", number, by) for number, by in wiring.through.leads),
        *(Through("ntc", number, by) for number, by in wiring.through.ntcs),
    )
    guards = tuple(GuardWire(name, by) for name, by in sorted(wiring.guards.items()))
    given: Any = wiring.supply
    supply = given and SupplyWire(given.by, given.voltage, given.brown_out, given.boot)
    return WiringPlan(cells, lead_ohm, ntcs, wire, virtual, through, guards, supply)


def _all_leads(lead_ohm: tuple[float, ...], cells: int) -> tuple[float, ...]:
    """Return one resistance a lead."""
    return lead_ohm * (cells + 1) if len(lead_ohm) == 1 else lead_ohm
