"""What happened besides ticks, as people read it: a row an event, noise of one kind in one row."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hil.core.instants import SECOND, Duration, Instant, to_seconds
from hil.core.records import (
    BadMeasurement,
    BenchFailed,
    BoardFaultChanged,
    Deviation,
    DoorKept,
    FirmwareHalted,
    Injected,
    LimitWarned,
    LinkFaulted,
    Overrun,
    Record,
    RecordsLost,
    SafeStateReached,
    StopRequested,
    Tripped,
)
from hil.results.figures import plain

FAMILIES = {
    "board": "board fault",
    "deviation": "deviation",
    "injected": "injected fault",
    "link": "link fault",
    "bench": "bench",
    "stop": "trip or stop",
    "safe": "safe state",
}
"""Kinds of events that are marked alike, and how the legend names them."""

TOGETHER: Duration = 60 * SECOND
"""Repetitions that are no further apart than this are one row."""

MOST = 400
"""Rows that are listed; a link that loses a message every second would fill the page."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened ``count`` times between ``at`` and ``until``."""

    at: Instant
    until: Instant
    family: str
    what: str
    detail: str
    count: int = 1


def events_of(records: Iterable[Record]) -> tuple[list[Event], int]:
    """Return the events to list, in order, and how many of them are left out at the end."""
    found: list[Event] = []
    open_at: dict[tuple[str, str], int] = {}
    for record in records:
        event = _event(record)
        if event is None:
            continue
        place = open_at.get((event.family, event.what))
        noisy = isinstance(record, LinkFaulted | BadMeasurement | Overrun)
        if noisy and place is not None and event.at - found[place].until <= TOGETHER:
            last = found[place]
            found[place] = replace(last, until=event.at, count=last.count + 1)
            continue
        open_at[event.family, event.what] = len(found)
        found.append(event)
    return found[:MOST], max(0, len(found) - MOST)


def _event(record: Record) -> Event | None:
    """Return a record as an event, None for one that is told elsewhere."""
    told = _of_board(record) or _of_bench(record) or _of_end(record)
    return None if told is None else Event(record.at, record.at, *told)


Told = tuple[str, str, str]
"""Family, what happened, details."""


def _of_board(record: Record) -> Told | None:
    """Tell what the board did, and what was done to it."""
    match record:
        case BoardFaultChanged():
            done = "reports" if record.active else "clears"
            return "board", f"board {done} {record.fault}{_of(record.cell)}", ""
        case FirmwareHalted():
            return "board", f"{record.device}: the firmware halts", record.reason
        case Deviation():
            value, limit = plain(record.value, record.unit), plain(record.limit, record.unit)
            what = f"{record.name}: {record.subject} {value}, limit {limit}"
            return "deviation", what, record.situation
        case Injected():
            done = "put in" if record.active else "taken out"
            return (
                "injected",
                f"{record.fault}{_of(record.cell)} {done}",
                f"target: {record.target}",
            )
    return None


def _of_bench(record: Record) -> Told | None:
    """Tell what went wrong with the bench."""
    match record:
        case LinkFaulted():
            what = f"{record.device}, {record.direction}: message {record.fault}"
            return "link", what, f"from message {record.index} on; the bench's own plan"
        case Overrun():
            late = f"first {to_seconds(record.late):.3g} s late, {record.missed} slots missed"
            return "bench", "tick began late", late
        case BadMeasurement():
            return "bench", f"{record.device}: {record.error}", record.message
        case BenchFailed():
            return "bench", f"the bench could not go on: {record.error}", record.message
        case RecordsLost():
            return "bench", f"records {record.first} to {record.last} are lost", record.reason
    return None


def _of_end(record: Record) -> Told | None:
    """Tell what the interlock found, and how the run was brought to its end."""
    match record:
        case LimitWarned():
            value, bound = plain(record.value, record.unit), plain(record.bound, record.unit)
            what = f"warning, {record.limit}: {record.subject} {value}, bound {bound}"
            return "bench", what, "told once; the run goes on"
        case Tripped():
            value, bound = plain(record.value, record.unit), plain(record.bound, record.unit)
            whose = "blames the board" if record.blames_board else "does not blame the board"
            return "stop", f"{record.limit}: {record.subject} {value}, bound {bound}", whose
        case StopRequested():
            return "stop", f"{record.level} asked for by {record.source}", ""
        case DoorKept():
            coldest = f"coldest {record.coldest_degc:.1f} degC"
            dew = f"dew point {record.dew_point_degc:.1f} degC"
            what = f"chamber door: {record.phase} ({coldest}, {dew})"
            return "safe", what, record.reason
        case SafeStateReached():
            what = "safe" if record.ok else "NOT SAFE"
            detail = f"{record.meaning}; read back {record.read_back}"
            return "safe", f"{record.device} {what}", detail
    return None


def _of(cell: int) -> str:
    return f" on cell {cell}" if cell else ""
