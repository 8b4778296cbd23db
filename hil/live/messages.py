"""What is told of a run: records of the journal as JSON, and how the run stands.

A message carries the number that its record has in the journal (``seq``): the numbers of ticks and
events together have no gap, so a subscriber sees a loss, and the same record gives the same message
whenever it is sent. docs/how-to/watch-a-run.md shows the fields; a test holds it to this file.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from hil.core.instants import Duration, Instant, to_seconds
from hil.core.records import BoardFaultChanged, Record, RunEnded, RunStarted, StepStarted, Tick
from hil.core.signals import Layout, Signal

TICK, EVENT, STATE = "tick", "event", "state"
"""The last level of the three topics."""

LEFT_OUT = frozenset({"at", "resolved", "signals", "constants"})
"""``at`` is told as ``t_s`` and ``utc``; the others are long, and stand in the record."""


class Column(NamedTuple):
    """A field of a tick message: the signal it is read from, rounded to ``digits`` decimals."""

    field: str
    signal: str
    digits: int


COLUMNS = (
    Column("pack_v", "pack.voltage_v", 3),
    Column("pack_a", "pack.current_a", 3),
    Column("plant_v", "plant.cell_v", 4),
    Column("plant_soc", "plant.soc", 4),
    Column("plant_degc", "plant.cell_degc", 2),
    Column("emulator_v", "emulator.read_v", 4),
    Column("board_v", "board.cell_v", 4),
    Column("board_a", "board.current_a", 3),
    Column("board_age_s", "board.age_s", 3),
    Column("duty", "board.duty", 3),
    Column("command_duty", "command.duty", 3),
    Column("reference_duty", "reference.duty", 3),
    Column("ntc_degc", "board.ntc_degc", 2),
    Column("pcb_degc", "board.pcb_degc", 2),
    Column("chamber_degc", "chamber.air_degc", 2),
    Column("chamber_set_degc", "chamber.set_degc", 2),
)
"""All that a dashboard needs, to a tenth of a millivolt; every bit stands in the record."""


class Message(NamedTuple):
    """One message, ready to be sent: its record's number, the last level of its topic, JSON."""

    seq: int
    kind: str
    payload: bytes


class Draft(NamedTuple):
    """A record with what was true when it happened: cheap to make, so a tick is not held up."""

    seq: int
    record: Record
    step: str
    faults: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Origin:
    """Which run the messages are of; ``began`` is the date and time of the bench clock's zero."""

    run: str
    profile: str
    bench: str
    seed: int
    began: datetime

    def utc(self, at: Instant) -> str:
        """Return an instant of the bench's clock as a date and time, to the millisecond."""
        when = self.began + timedelta(microseconds=at // 1_000)
        return when.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class Story:
    """A fold over the records: what a message needs to know of the ones before it."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.seq = -1
        self.at: Instant = 0
        self.tick: Duration = 0
        self.step = ""
        self.faults: tuple[tuple[str, int], ...] = ()
        self.signals: tuple[tuple[str, str, int], ...] = ()
        self.ended: RunEnded | None = None

    def feed(self, seq: int, record: Record) -> Draft:
        """Take one record, in order, and return it as a draft."""
        self.seq, self.at = seq, record.at
        if isinstance(record, StepStarted):
            self.step = record.path
        elif isinstance(record, BoardFaultChanged):
            others = [one for one in self.faults if one != (record.fault, record.cell)]
            raised = [(record.fault, record.cell)] if record.active else []
            self.faults = tuple(sorted([*others, *raised]))
        elif isinstance(record, RunStarted):
            self.tick = record.tick
            self.signals = record.signals
        elif isinstance(record, RunEnded):
            self.ended = record
        return Draft(seq, record, self.step, self.faults)


class Encoder:
    """Turns drafts of one run into messages."""

    def __init__(self, origin: Origin) -> None:
        """Know no row yet: the run's first record lays it out."""
        self._origin = origin
        self._columns: list[tuple[str, slice, int, bool]] = []

    def encode(self, draft: Draft) -> Message:
        """Return the message of a draft."""
        seq, record = draft.seq, draft.record
        body: dict[str, Any] = {
            "run": self._origin.run,
            "seq": seq,
            "t_s": round(to_seconds(record.at), 6),
            "utc": self._origin.utc(record.at),
            "step": draft.step,
        }
        if isinstance(record, Tick):
            body |= self._row(record.values)
            body["faults"] = draft.faults
            return Message(seq, TICK, _json(body))
        if isinstance(record, RunStarted):
            self._lay_out(record)
        body["event"] = record.kind
        named = {name: getattr(record, name) for name in record.__slots__ if name not in LEFT_OUT}
        body["fields"] = {name: _plain(value) for name, value in named.items()}
        return Message(seq, EVENT, _json(body))

    def _lay_out(self, started: RunStarted) -> None:
        layout = Layout(Signal(*signal) for signal in started.signals)
        widths = {name: width for name, _, width in started.signals}
        self._columns = [
            (one.field, layout.columns(one.signal), one.digits, bool(widths[one.signal]))
            for one in COLUMNS
            if one.signal in layout
        ]

    def _row(self, values: tuple[float, ...]) -> Iterator[tuple[str, Any]]:
        for field, place, digits, many in self._columns:
            row = [round(x, digits) if math.isfinite(x) else None for x in values[place]]
            yield field, row if many else row[0]


def state(
    origin: Origin,
    story: Story,
    what: str,
    ended: RunEnded | None = None,
    *,
    waiting: int = 0,
    dropped: int = 0,
) -> bytes:
    """Return how a run stands, for those who come late; ``what`` is one word of docs' table.

    ``ended`` has the verdict, None while none stands.
    ``waiting`` messages have not reached the broker yet, ``dropped`` never will by themselves.
    """
    body = {
        "run": origin.run,
        "state": what,
        "profile": origin.profile,
        "bench": origin.bench,
        "seed": origin.seed,
        "seq": story.seq,
        "t_s": round(to_seconds(story.at), 6),
        "utc": origin.utc(story.at),
        "step": story.step,
        "verdict": None if ended is None else ended.verdict,
        "reason": "" if ended is None else ended.reason,
        "waiting": waiting,
        "dropped": dropped,
    }
    return _json(body)


def back_filled(payload: bytes) -> bytes:
    """Mark a message that could not be sent when its record was made."""
    return payload[:-1] + b',"backfill":true}'


def _plain(value: Any) -> Any:
    """Return a record's value as JSON has it: it knows no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json(body: Mapping[str, Any]) -> bytes:
    """Return compact JSON. Raises ValueError for what JSON has no word for."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
