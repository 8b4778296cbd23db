"""The firmware on its own, through ctypes: its clock, its two buses, and who reads what it says."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cantools.database
from fw_chips import Chips
from pydantic import TypeAdapter

from drivers.engines.library import LIB, Library
from drivers.virtual.firmware_parameters import parameter_page
from drivers.wire import e2e
from drivers.wire import reference_board as wire
from hil.physics.board import BoardDesign
from hil.profile.forms import filled
from hil.profile.problems import read
from hil.profile.tree import load_table

ROOT = Path(__file__).parents[2]
DBC = cantools.database.load_file(ROOT / "drivers/wire/reference_board.dbc")
SECOND = 1_000_000


class Frame(ctypes.Structure):
    """``struct bms_frame``."""

    _fields_ = (("id", ctypes.c_uint32), ("length", ctypes.c_uint32), ("data", ctypes.c_uint8 * 8))


class In(ctypes.Structure):
    """``struct bms_in``."""

    _fields_ = (
        ("frames", ctypes.c_uint32),
        ("spi_bytes", ctypes.c_uint32),
        ("frame", Frame * 32),
        ("spi", ctypes.c_uint8 * 64),
    )


class Out(ctypes.Structure):
    """``struct bms_out``."""

    _fields_ = (
        ("wake_us", ctypes.c_uint64),
        ("frames", ctypes.c_uint32),
        ("spi_bytes", ctypes.c_uint32),
        ("spi_select", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("frame", Frame * 64),
        ("spi", ctypes.c_uint8 * 64),
    )


@dataclass(frozen=True)
class Said:
    """One frame that the firmware sent, and what the DBC makes of it."""

    at_us: int
    id: int
    data: bytes

    @property
    def name(self) -> str:
        return str(DBC.get_message_by_frame_id(self.id).name)

    @property
    def signals(self) -> dict[str, Any]:
        decoded = DBC.decode_message(self.id, self.data, decode_choices=False)
        assert isinstance(decoded, dict)
        return decoded


def design(**changes: Any) -> BoardDesign:
    """Return the reference board, or another one."""
    tree = load_table(ROOT / "profiles/boards/reference-16s.yaml", "reference-16s")
    found: BoardDesign = read(TypeAdapter(filled(BoardDesign)), tree)
    return replace(found, **changes)


@cache
def library(define: tuple[str, ...] = ()) -> Library:
    return Library(LIB.firmware({"define": define}).image)


class Rig:
    """A board: the firmware, its chips, and all it has ``said``."""

    def __init__(
        self,
        board: BoardDesign | None = None,
        define: Sequence[str] = (),
        page: bytes | None = None,
        powered_us: int = 0,
    ) -> None:
        self.design = board or design()
        self.chips = Chips(self.design.front_ends)
        self.said: list[Said] = []
        self.steps = 0
        self.is_answered = True
        """False loses all answers of the SPI bus."""
        self.now_us = self.powered_us = powered_us
        self._library = library(tuple(define))
        raw = ctypes.create_string_buffer(b"\xa5" * (self._library.size() + 16))
        self._memory, at = raw, ctypes.addressof(raw)
        self._self = at + -at % 16
        self._in, self._out = In(), Out()
        page = parameter_page(self.design, 4711) if page is None else page
        self.runs = bool(self._library.init(self._self, powered_us, page, len(page)))
        self._receiver = e2e.Receiver(wire.TO_HOST)
        self._alive = e2e.Counters()
        self._heard: list[tuple[int, bytes]] = []
        self._newest: dict[tuple[int, int], Said] = {}  # by identifier and page

    def send(self, identifier: int, data: bytes) -> None:
        """Put a frame on the bus as it is."""
        self._heard.append((identifier, data))

    def ask(self, code: int) -> None:
        alive = self._alive.take(wire.REQUEST)
        self.send(wire.REQUEST, bytes(wire.encode_request(wire.Request(alive, code))))

    def command(self, duty: Sequence[int]) -> None:
        """Send a complete set of duties, in counts of 1/200."""
        full = [*duty, *[0] * (-len(duty) % 6)]
        for page in range(len(full) // 6):
            alive = self._alive.take(wire.BLEED_COMMAND)
            six = tuple(full[6 * page : 6 * page + 6])
            self.send(wire.BLEED_COMMAND, bytes(wire.encode_bleed_command(alive, page, six)))

    def run(self, seconds: float) -> list[Said]:
        """Let time pass; return what was said meanwhile."""
        return self.run_until(self.now_us + round(seconds * SECOND))

    def run_until(self, end_us: int) -> list[Said]:
        """Wake the firmware whenever it asks for it, up to and with ``end_us``."""
        before = len(self.said)
        wake_us = self.step()
        while wake_us <= end_us:
            assert wake_us > self.now_us, "it stands still"
            self.now_us = wake_us
            wake_us = self.step()
        self.now_us = max(self.now_us, end_us)
        self.chips.look(self.now_us)
        return self.said[before:]

    def step(self) -> int:
        """Call it now until it has no transfer to ask for; return when it wants to run next."""
        answer: bytes | None = b""
        while answer is not None:
            answer = self._call(answer)
        return int(self._out.wake_us)

    def _call(self, answer: bytes) -> bytes | None:
        """Call it once; return the answer to the transfer it asks for."""
        heard, self._heard = self._heard[:32], self._heard[32:]
        self._in.frames, self._in.spi_bytes = len(heard), len(answer)
        for place, (identifier, data) in zip(self._in.frame, heard, strict=False):
            place.id, place.length = identifier, len(data)
            place.data[: len(data)] = data
        self._in.spi[: len(answer)] = answer
        self.steps += 1
        here = ctypes.addressof(self._in), ctypes.addressof(self._out)
        self._library.step(self._self, self.now_us, *here)
        out = self._out
        for frame in out.frame[: out.frames]:
            self._hear(Said(self.now_us, frame.id, bytes(frame.data[: frame.length])))
        if not out.spi_bytes:
            return b"" if self._heard else None
        data = bytes(out.spi[: out.spi_bytes])
        said = self.chips.transfer(self.now_us, out.spi_select, data)
        return said if self.is_answered else None

    def _hear(self, said: Said) -> None:
        """Take a frame: sealed, counted, and of a form that the DBC knows."""
        assert self._receiver.accept(said.id, said.data), f"{said} is not to be believed"
        message = DBC.get_message_by_frame_id(said.id)
        assert message.senders == ["Board"]
        assert len(said.data) == message.length
        self.said.append(said)
        self._newest[said.id, said.data[1] >> 4] = said

    # --- what was said last -----------------------------------------------------------------------

    def of(self, name: str, *, since: int = 0) -> list[Said]:
        return [said for said in self.said[since:] if said.name == name]

    def last(self, name: str) -> dict[str, Any]:
        """Return the newest signals of a message, those of all its pages together."""
        signals: dict[str, Any] = {}
        for (identifier, _), said in self._newest.items():
            if identifier == DBC.get_message_by_name(name).frame_id:
                signals |= said.signals
        return signals

    def cells(self) -> list[int]:
        """Return the newest voltages in counts of 0.1 mV."""
        each, found = self.design.cells_per_front_end, []
        for front_end in range(self.design.front_ends):
            signals = self.last(f"CellVoltages{front_end + 1}")
            own = min(each, self.design.cells - front_end * each)
            found += [round(signals[f"Cell{cell + 1:02}"] / 1e-4) for cell in range(own)]
        return found

    def duty(self) -> list[int]:
        """Return the newest duties in counts of 1/200."""
        state = self.last("BleedState")
        return [round(state[f"ActualDuty{k + 1:02}"] * 200) for k in range(self.design.cells)]

    def faults(self) -> set[str]:
        """Return the newest faults, those of cells with their number."""
        found = set()
        for name, value in self.last("Faults").items():
            if name in {"Crc", "Alive", "Page", "RejectedCommands"}:
                continue
            if "to" in name:
                kind, first = name[:-6], int(name[-6:-4])
                found |= {f"{kind} {first + k}" for k in range(16) if value >> k & 1}
            elif value:
                found.add(name)
        return found
