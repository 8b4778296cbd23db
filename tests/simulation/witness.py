"""What really happened: the truth of the twins, and what drivers took for answers and for news.

The witness stands beside both ends of every link. At the twins it notes what each was asked and
what it said; at the drivers what was asked and what was accepted for an answer. It looks inside on
purpose: what it shows, the bench's own records must not be able to hide.
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from can import Message

from drivers.wire import bloomy_abs, e2e, watlow_f4t
from drivers.wire import reference_board as wire
from hil.bench.rig import Rig
from hil.core.instants import SECOND, Instant
from hil.core.records import LinkFaulted, Record
from hil.ports import Clock
from hil.profile.check_faults import SENSORS, WIRING


class Reply(NamedTuple):
    """A line that a twin was asked and what it answered."""

    line: str
    text: str
    at: Instant


class Answer(NamedTuple):
    """An answer that a driver's session accepted: to which line, asked when, accepted when."""

    device: str
    line: str
    text: str
    asked: Instant
    at: Instant


@dataclass
class Frames:
    """The frames of a virtual board and what its driver made of them.

    ``sent`` has the numbers under which each frame was sent, ``cycles`` the cells of every cycle;
    ``old`` says that the newest cells may hold an old frame that nobody could tell from a new one.
    """

    sent: dict[tuple[int, bytes], list[int]] = field(default_factory=dict)
    count: Counter[int] = field(default_factory=Counter)
    heard: dict[int, int] = field(default_factory=dict)
    newest: dict[int, int] = field(default_factory=dict)
    cycles: set[tuple[int, ...]] = field(default_factory=set)
    old: bool = False
    order: list[int] = field(default_factory=list)


class Witness:
    """Notes of one run; ``odd`` has a line for each answer or frame that should not have counted.

    ``spoilt`` counts what nobody could have told from the right thing, by what it was.
    """

    def __init__(self, clock: Clock, rig: Rig) -> None:
        """Stand beside the rig's devices; the links must be memory links."""
        self._clock, self.rig = clock, rig
        self.twins: dict[str, Any] = {
            name: twin for name, twin in rig.backdoors.items() if name not in (WIRING, SENSORS)
        }
        self.odd: list[str] = []
        self.spoilt: Counter[str] = Counter()
        self.link_faults: list[LinkFaulted] = []
        self.replies: dict[str, list[Reply]] = {}
        self.answers: dict[str, list[Answer]] = {}
        self.frames = Frames()
        for device in (*rig.emulators.values(), rig.chamber):
            self._beside_instrument(device)
        self._beside_board(rig.board)

    def link(self, device: str) -> Any:
        """Return the cable of a device, below whatever disturbs it."""
        link = next(one for one in self.rig.devices() if one.name == device)._link  # type: ignore[attr-defined]
        return getattr(link, "_inner", link)

    def see(self, record: Record) -> None:
        """Take note of what the plan did to a link."""
        if isinstance(record, LinkFaulted):
            self.link_faults.append(record)

    # --- outputs -----------------------------------------------------------------------------

    def is_on(self, device: str) -> bool:
        """Say whether a device does anything to the world: outputs, auxiliary outputs, bleeds."""
        twin = self.twins[device]
        if device in self.rig.emulators:
            aux = any(twin.aux_v(number) for number in range(1, 9))
            return aux or any(output.on for output in twin._outputs)
        if device == self.rig.chamber.name:
            return bool(twin._air.conditioning or twin._outputs[watlow_f4t.CONDITIONING_OUTPUT - 1])
        # what it drives its bleeds with: it has no way to see a transistor that is stuck
        return any(twin._duty)

    # --- lines -------------------------------------------------------------------------------

    def _beside_instrument(self, device: Any) -> None:
        """Note what a twin is asked and says, and what the driver's sessions accept."""
        name, scpi = device.name, self.twins[device.name]._scpi
        replies = self.replies[name] = []
        self.answers[name] = []
        run, new_session = scpi._run, device._new_session

        def ran(message: Any) -> str | None:
            text: str | None = run(message)
            if text:
                replies.append(Reply(message.line, text, self._clock.now()))
            return text

        def watched() -> Any:
            session = new_session()
            ask = session._ask

            async def asked(*arguments: Any) -> list[str]:
                begun = self._clock.now()
                texts: list[str] = await ask(*arguments)
                for line, text in zip(arguments[1], texts, strict=True):
                    self._accepted(Answer(name, line, text, begun, self._clock.now()))
                return texts

            session._ask = asked
            return session

        scpi._run = ran
        device._new_session = watched
        device._session = watched()

    def readings(self, device: str, since: Instant) -> list[list[float]]:
        """Return the voltages or the air that a device's session was given since an instant."""
        found = []
        for answer in self.answers[device]:
            if answer.at >= since and answer.line in (bloomy_abs.SENSE, watlow_f4t.READ_AIR):
                try:
                    found.append([float(one) for one in answer.text.split(";")[0].split(",")])
                except ValueError:
                    continue
        return found

    def _accepted(self, answer: Answer) -> None:
        """Look for the twin's own word behind an answer; it can stand behind one answer only."""
        self.answers[answer.device].append(answer)
        replies = self.replies[answer.device]
        for k, reply in enumerate(replies):
            if (reply.line, reply.text) == (answer.line, answer.text) and reply.at >= answer.asked:
                del replies[k]
                return
        excuse = self._excuse(answer)
        if excuse:
            self.spoilt[excuse] += 1
        else:
            found = self._unlike(answer)
            self.odd.append(
                f"{answer.device}: {answer.line!r} was answered {found}: {answer.text!r}"
            )

    def _unlike(self, answer: Answer) -> str:
        """Return what an answer is that is not the twin's to this very query."""
        same = [one for one in self.replies[answer.device] if one.text == answer.text]
        if any(one.line == answer.line for one in same):
            return "by an earlier answer to the same query"
        return "by the answer to another query" if same else "by what was never said"

    def _excuse(self, answer: Answer) -> str:
        """Return how the plan itself altered this very exchange; empty if it did not.

        Either what came back was altered, or the twin was asked something else in this exchange:
        an altered query, or one behind the half of a line that was sent in the same tick. That an
        answer is older than its query excuses nothing.
        """
        if self._altered(answer.device, "to host", answer.asked, answer.at):
            return "an answer that the plan had altered on its way"
        asked_else = any(
            one.text == answer.text and one.at >= answer.asked
            for one in self.replies[answer.device]
        )
        begun = answer.asked - SECOND
        if asked_else and self._altered(answer.device, "to device", begun, answer.at):
            return "the answer to a query that the plan had altered on its way"
        return ""

    def _altered(self, device: str, direction: str, since: Instant, until: Instant) -> bool:
        return any(
            (one.device, one.direction) == (device, direction)
            and one.fault in ("corrupted", "partial")
            and since <= one.at <= until
            for one in self.link_faults
        )

    # --- frames ------------------------------------------------------------------------------

    def _beside_board(self, board: Any) -> None:
        """Note every frame the twin sends and every one the driver accepts."""
        telemetry, frames = self.twins[board.name]._telemetry, self.frames
        send, cell_voltages = telemetry._send, telemetry.cell_voltages
        receiver = board._picture._receiver
        accept, sense = receiver.accept, board.sense

        def sent(frame: Message) -> None:
            identifier = frame.arbitration_id
            key = (identifier, bytes(frame.data))
            frames.sent.setdefault(key, []).append(frames.count[identifier])
            frames.count[identifier] += 1
            send(frame)

        def sampled(counts: Any) -> None:
            frames.cycles.add(tuple(counts))
            cell_voltages(counts)

        def accepted(identifier: int, data: Any) -> bool:
            good: bool = accept(identifier, data)
            frames.order.append(identifier)
            self._check_frame(identifier, bytes(data), good=good)
            return good

        async def sensed() -> Any:
            report = await sense()
            self._reported(report.cell_v)
            return report

        telemetry._send, telemetry.cell_voltages = sent, sampled
        receiver.accept, board.sense = accepted, sensed

    def _check_frame(self, identifier: int, data: bytes, *, good: bool) -> None:
        """Check a frame that was accepted: its CRC and counter, then whether it was sent.

        A counter of four bits cannot tell a frame from its fifteenth successor, nor the frames of a
        burst that came late from new ones, once the first of them has been refused: such frames
        fit, and are counted.
        """
        if len(data) != e2e.FRAME_BYTES or _crc(wire.TO_HOST[identifier], data[1:]) != data[0]:
            if good:
                self.odd.append(f"board: frame {identifier:03x} {data.hex()} has a wrong CRC")
            return
        alive = data[1] & 0x0F
        before = self.frames.heard.get(identifier)
        self.frames.heard[identifier] = alive
        if not good:
            return
        if before is not None and (alive - before) % e2e.ALIVE_COUNTS not in range(1, 8):
            self.odd.append(f"board: frame {identifier:03x} {data.hex()} has a wrong counter")
        self._place(identifier, data)

    def _place(self, identifier: int, data: bytes) -> None:
        """Find an accepted frame among those that were sent."""
        numbers, newest = self.frames.sent.get((identifier, data)), self.frames.newest
        if not numbers:
            self.odd.append(f"board: frame {identifier:03x} {data.hex()} was never sent")
            return
        later = [number for number in numbers if number > newest.get(identifier, -1)]
        if not later:
            self.spoilt["an old frame whose counter fits"] += 1
            self.frames.old = True
        newest[identifier] = (later or numbers[-1:])[0]

    def _reported(self, cell_v: Any) -> None:
        """Check that a report shows the cells of one cycle of the board."""
        counts = tuple(
            wire.UNKNOWN_VOLTAGE if math.isnan(volt) else round(volt / wire.VOLT_PER_COUNT)
            for volt in cell_v
        )
        if counts in self.frames.cycles or set(counts) == {wire.UNKNOWN_VOLTAGE}:
            self.frames.old = False
        elif self.frames.old:
            self.spoilt["a set of cells with an old frame whose counter fits"] += 1
        else:
            self.odd.append(f"board: no cycle of it had the cells {counts}")


def _crc(data_id: int, data: bytes) -> int:
    """Return the CRC-8 SAE J1850 of a Data ID and data, bit by bit; start and final value 0."""
    crc = 0
    for byte in (data_id & 0xFF, data_id >> 8, *data):
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x1D if crc & 0x80 else crc << 1) & 0xFF
    return crc
