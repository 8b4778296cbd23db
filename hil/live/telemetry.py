"""Telemetry of a run: ticks, events and how it stands, on an MQTT broker.

It is a view: the journal is the truth. A broker that is dead, frozen or slow holds no tick up and
changes no verdict; what it has not got when the run is over, ``send_record`` sends again from the
run's record. docs/how-to/watch-a-run.md describes topics and payloads.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import structlog

from hil.core.errors import BenchError, EnvironmentProblem
from hil.core.instants import MILLISECOND, SECOND, Instant
from hil.core.records import Record, RunEnded, RunStarted, StepStarted, Tick
from hil.live.courier import Courier, Delivery, Letter, Range
from hil.live.messages import Encoder, Message, Origin, Story, state
from hil.live.outbox import Outbox, Recorded
from hil.live.spool import Spool
from hil.live.target import Target
from hil.results import catalogue, reader

STUCK_S = 5.0
"""When a run is over, a broker has this long for each acknowledgement ..."""

MOST_S = 30.0
"""... and this long for all of them."""

MOST_LATER_S = 24 * 3600.0
"""Whoever sends a record later has a day, as long as the broker goes on taking it."""

LAST = 2**62
"""A number that no record reaches."""

STILL = 5 * MILLISECOND
"""Nothing is sent this long before and after the beginning of a tick."""


class Telemetry:
    """What a run tells while it goes on. A context: from the first connection to the last try."""

    def __init__(
        self,
        target: Target,
        folder: Path,
        newest: Callable[[], int],
        now: Callable[[], Instant],
        enough: Callable[[], bool] = lambda: False,
        spool: Spool | None = None,
    ) -> None:
        """``newest`` is the number of the record that is being listened to, ``now`` the clock's.

        ``enough`` says that nobody wants to wait for the last messages. Raises EnvironmentProblem
        if the folder's manifest cannot be read.
        """
        self._origin = _origin(folder)
        self._newest, self._now, self._enough = newest, now, enough
        self._story = Story()
        self._ended: RunEnded | None = None
        self._next_tick: Instant | None = None
        self._outbox = Outbox(Encoder(self._origin), Spool(folder) if spool is None else spool)
        log = _logger(self._origin)
        lost = state(self._origin, self._story, "lost")
        letter = Letter(
            topic=_topic(target, self._origin),
            client=f"hil-{self._origin.run}",
            lost=lost,
            state=self._state,
            newest=lambda: self._story.seq,
            breather_s=self._breather_s,
        )
        self._courier = Courier(target, letter, self._outbox, log)
        self._target, self._log, self._over = target, log, False

    def listen(self, record: Record) -> None:
        """Take one record (``Journal.listen``): a fold and an append, microseconds."""
        self._outbox.put(self._story.feed(self._newest(), record))
        if isinstance(record, Tick):
            self._next_tick = record.at + self._story.tick
        self._courier.wake(state=isinstance(record, StepStarted))

    def conclude(self, verdict: str, reasons: Sequence[str]) -> None:
        """Take the verdict that stands, the record being sealed; before, no verdict is told.

        It is not always the one that was recorded: a record that cannot be kept has not passed.
        """
        if (ended := self._story.ended) is not None:
            reason = reasons[0] if reasons else ended.reason
            self._ended = replace(ended, verdict=verdict, reason=reason)

    def __enter__(self) -> Self:
        """Connect; go on after a few seconds, whatever the broker does."""
        self._courier.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Deliver what is left, for a bounded time; say what could not be delivered."""
        self._over, self._next_tick = True, None
        self._courier.finish(STUCK_S, MOST_S, self._enough)
        if owed := self._owed():
            _say_what_is_left(self._log, self._origin, self._target, owed)
        if self._courier.over:  # else it hangs in a name server, and what it holds ends with us
            self._outbox.close()

    def _owed(self) -> list[Range]:
        """Return the ranges of records that the broker has not acknowledged."""
        return missing([(0, self._story.seq)], self._courier.delivery.delivered)

    def counts(self) -> dict[str, Any]:
        """Return what the summary says of telemetry."""
        outbox, delivery = self._outbox, self._courier.delivery
        return _counts(self._target, delivery, self._owed(), outbox.dropped, outbox.problem)

    def _state(self) -> bytes:
        """Say how the run stands: ``online``, ``running``, ``ended``, or ``lost`` in a bug."""
        going_on = "running" if self._story.step else "online"
        what = "ended" if self._ended else "lost" if self._over else going_on
        waiting, dropped = len(self._outbox), self._outbox.dropped
        story, ended = self._story, self._ended
        return state(self._origin, story, what, ended, waiting=waiting, dropped=dropped)

    def _breather_s(self) -> float:
        """Return for how long to keep still: the interpreter's lock belongs to the tick then."""
        due, still = self._next_tick, min(STILL, self._story.tick // 8)
        if due is None or abs(left := due - self._now()) > still:
            return 0.0
        return (left + still) / SECOND


def send_record(
    target: Target,
    folder: Path,
    *,
    only: Sequence[Range] | None = None,
    tell_state: bool = False,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Send the messages of a run that is over, from its record, marked as back-filled.

    ``only`` are the ranges to send, None for all; ``tell_state`` says at the end how the run ended,
    which is for a run that has ended just now. Returns what ``Telemetry.counts`` does, ``owed``
    being what the broker did not take. Raises EnvironmentProblem for a record that cannot be read.
    """
    origin, story = _origin(folder), Story()
    last = catalogue.read_json(folder, catalogue.MANIFEST).get("records", LAST) - 1
    wanted = [(0, last)] if only is None else list(only)

    def how_it_ended() -> bytes:
        over = tell_state and story.seq >= last
        ended = story.ended
        return state(origin, story, "ended" if ended else "lost", ended) if over else b""

    letter = Letter(_topic(target, origin), "", b"", how_it_ended, lambda: LAST)
    log = _logger(origin)
    courier = Courier(target, letter, Recorded(_messages(folder, origin, story, wanted)), log)
    courier.start()
    complete = courier.finish(STUCK_S, MOST_LATER_S, enough)
    if isinstance(courier.error, BenchError):
        raise courier.error
    owed = [] if complete else missing(wanted, courier.delivery.delivered)
    return _counts(target, courier.delivery, owed, 0, "")


def missing(wanted: Sequence[Range], had: Sequence[Range]) -> list[Range]:
    """Return the numbers of ``wanted`` that ``had`` has not; both are ranges in rising order."""
    found: list[Range] = []
    for first, last in wanted:
        at = first
        for begin, end in had:
            if begin > last:
                break
            if begin > at:
                found.append((at, begin - 1))
            at = max(at, end + 1)
        if at <= last:
            found.append((at, last))
    return found


def _messages(
    folder: Path, origin: Origin, story: Story, wanted: Sequence[Range]
) -> Iterator[Message]:
    """Yield the messages of a record, as they were or would have been sent at the time."""
    encoder = Encoder(origin)
    for seq, record in reader.read(folder):
        draft = story.feed(seq, record)
        # The first record lays out the rows of all others.
        if isinstance(record, RunStarted) or any(a <= seq <= b for a, b in wanted):
            message = encoder.encode(draft)
            if any(a <= seq <= b for a, b in wanted):
                yield message


def _origin(folder: Path) -> Origin:
    """Read from the manifest which run it is. Raises EnvironmentProblem."""
    body = catalogue.read_json(folder, catalogue.MANIFEST)
    try:
        began = datetime.fromisoformat(body["started_utc"])
        return Origin(folder.name, body["profile"], body["bench"], body["seed"], began)
    except (KeyError, TypeError, ValueError) as error:
        raise EnvironmentProblem(
            f"{folder.name}: the manifest does not say which run it is: {error}"
        ) from error


def _logger(origin: Origin) -> Any:
    """Return a log that names the run: a thread has no context of its own."""
    return structlog.get_logger().bind(run=origin.run, profile=origin.profile, bench=origin.bench)


def _topic(target: Target, origin: Origin) -> str:
    """Return the topic above state, tick and event."""
    return target.topic or f"hil/{origin.bench}"


def _counts(
    target: Target, delivery: Delivery, owed: Sequence[Range], dropped: int, problem: str
) -> dict[str, Any]:
    """Return what the summary says of telemetry."""
    return {
        "broker": str(target),
        "sent": delivery.sent,
        "backfilled": delivery.backfilled,
        "dropped": dropped,
        "reconnects": max(0, delivery.connections - 1),
        "owed": [list(one) for one in owed],
        "problem": delivery.problem or problem,
    }


def _say_what_is_left(log: Any, origin: Origin, target: Target, owed: Sequence[Range]) -> None:
    many = sum(last - first + 1 for first, last in owed)
    log.warning(
        "telemetry could not deliver everything; what is missing stands in the run's record",
        messages=many,
        broker=str(target),
        repeat=f"hil telemetry send {origin.run} --mqtt URL",
    )
