"""A month of the board's firmware in the library engine: its clock, and the memory it takes.

The firmware counts its cycles from power-up and sends the count's low 16 bits; the frame's time on
the bus is the bench's. After 30 days of cycles of 4 s the count has wrapped nine times, and its
microseconds would have wrapped 603 times in 32 bits.
"""

from pathlib import Path

import pytest
from can import Message
from test_memory import DAY, resident_bytes
from tools import program

from drivers.virtual.firmware_board import FirmwareBoardTwin
from drivers.wire import reference_board as wire
from hil.app import Request, run_profile
from hil.bench.session import Status
from hil.bench.stop import StopLadder
from hil.cli import logs
from hil.core.instants import SECOND

CYCLE_S = 4.0
PROFILE = "float-month"


class Statuses:
    """Counts statuses as they come; to keep them all would be the memory that is measured."""

    def __init__(self) -> None:
        """Start with none."""
        self.count = self.strays = 0
        self._cycle = 0
        self._first_s = self._last_s = 0.0

    @property
    def span_s(self) -> float:
        """Return the bench's time between the first and the last one."""
        return self._last_s - self._first_s

    def add(self, cycle: int, at_s: float) -> None:
        """Take the next one: its count is one more, in 16 bits."""
        if not self.count:
            self._first_s = at_s
        elif (cycle - self._cycle) % 65536 != 1:
            self.strays += 1
        self.count += 1
        self._cycle, self._last_s = cycle, at_s


@pytest.mark.nightly
def test_thirty_simulated_days_of_firmware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program("cc")
    days: dict[int, int] = {}
    statuses = Statuses()
    run = FirmwareBoardTwin._run

    def counted(board: FirmwareBoardTwin, *words: object) -> None:
        """Run the firmware as always, and look at the statuses it puts on its bus."""
        before = board._send

        def seen(frame: Message) -> None:
            if frame.arbitration_id == wire.PACK_STATUS:
                count = wire.decode_pack_status(bytearray(frame.data)).cycle
                statuses.add(count, board._clock.now() / SECOND)
            assert before is not None
            before(frame)

        board._send = seen
        try:
            run(board, *words)  # type: ignore[arg-type]
        finally:
            board._send = before

    monkeypatch.setattr(FirmwareBoardTwin, "_run", counted)

    def watch(status: Status) -> None:
        days[status.elapsed // DAY] = resident_bytes()  # the last of each day stays

    logs.configure(verbose=False)
    request = Request(PROFILE, runs=tmp_path / "runs", engine="lib")
    summary = run_profile(request, StopLadder(), watch).summary
    assert statuses.strays == 0  # none lost, none twice
    off_s = statuses.span_s - CYCLE_S * (statuses.count - 1)
    first, last = days[1], days[max(days)]
    print(  # noqa: T201 - figures for the record
        f"\n{statuses.count} cycles in {statuses.span_s / 86400:.2f} days, board less bench "
        f"{-off_s * 1e6:.0f} us; resident after 1 day {first / 2**20:.1f} MiB, after {max(days)} "
        f"days {last / 2**20:.1f} MiB; {summary['verdict']}, {summary['speed']:.0f} x real time"
    )
    assert abs(off_s) < 0.1, "the firmware's clock and the bench's differ"
    assert (last - first) / (max(days) - 1) < 2**20, "more than 1 MiB a day"
