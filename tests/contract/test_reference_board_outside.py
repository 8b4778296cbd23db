"""The virtual board with what others wrote or built: cantools as host, a Bloomy ABS as cells."""

from pathlib import Path
from typing import Any

import cantools.database
import pytest
from can import Message
from reference_bench import BoardBench, load_design, on_bench

from drivers.links.memory_can import memory_frame_link
from drivers.virtual.bloomy_abs import BloomyAbsTwin
from drivers.virtual.reference_board import ReferenceBoardTwin
from drivers.wire import reference_board as wire
from hil.bench.clock import run_virtual
from hil.core.instants import SECOND
from hil.core.wiring import Channel, WiringPlan
from hil.ports import Clock, LabPlan

DBC = cantools.database.load_file(Path(wire.__file__).with_suffix(".dbc"))


def crc(data_id: int, frame: bytes | bytearray) -> int:
    """AUTOSAR profile 1 by long division, as another implementer would write it."""
    remainder = 0
    for byte in bytes([data_id & 0xFF, data_id >> 8]) + frame[1:]:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder << 1) ^ (0x11D if remainder & 0x80 else 0)
    return remainder


class Host:
    """A host that knows the DBC and nothing else of us."""

    def __init__(self, bench: BoardBench) -> None:
        self._bench = bench
        self._alive = 0

    async def command(self, duty: float) -> None:
        message = DBC.get_message_by_name("BleedCommand")
        for page in range(3):
            cells = {f"CommandDuty{6 * page + k + 1:02d}": duty for k in range(6)}
            values = {"Crc": 0, "Alive": self._alive, "Page": page, **cells}
            frame = bytearray(message.encode(values))
            frame[0] = crc(message.dbc.attributes["E2EDataId"].value, frame)
            self._alive = (self._alive + 1) % 15
            await self._bench.link.send(
                Message(arbitration_id=message.frame_id, is_extended_id=False, data=frame)
            )

    def listen(self) -> dict[str, Any]:
        """Every signal of every frame that waits, the newest value of each."""
        seen: dict[str, Any] = {}
        for frame in self._bench.link.pending():
            message = DBC.get_message_by_frame_id(frame.arbitration_id)
            values = message.decode(frame.data, decode_choices=False)
            assert values["Crc"] == crc(message.dbc.attributes["E2EDataId"].value, frame.data)
            seen |= {f"{message.name}.{name}": value for name, value in values.items()}
        return seen


def test_a_host_that_only_knows_the_dbc_reads_and_commands_the_board() -> None:
    async def main(bench: BoardBench) -> None:
        host = Host(bench)
        bench.cells.set_v(16, 3.4)
        bench.cells.current_a = 20.0
        await bench.clock.sleep_until(SECOND)
        await host.command(0.25)
        host.listen()
        await bench.clock.sleep_until(3 * SECOND)
        seen = host.listen()
        assert seen["CellVoltages1.Cell16"] == pytest.approx(3.4, abs=0.005)
        assert seen["CellVoltages1.Cell17"] == pytest.approx(6.5535)
        assert seen["PackStatus.PackCurrent"] == pytest.approx(20.0, abs=0.1)
        assert seen["PackStatus.State"] == 1
        assert seen["PackStatus.ChargeAllowed"] == 1
        assert seen["BleedState.ActualDuty01"] == seen["BleedState.ActualDuty16"] == 0.25
        assert seen["Temperatures.NtcTemperature04"] == pytest.approx(25.0, abs=0.1)
        assert seen["Limits.DischargeLimit"] == 100.0
        assert seen["Faults.CommandLost"] == 0
        assert seen["Faults.RejectedCommands"] == 0

    on_bench(main)


def test_foreign_frames_disturb_neither_board_nor_driver() -> None:
    async def main(bench: BoardBench) -> None:
        heard: list[Message] = []
        stranger = bench.link.bus.attach("stranger", heard.append)
        for identifier, extended in ((0x0C0, True), (0x120, True), (0x7FF, False)):
            stranger.send(
                Message(arbitration_id=identifier, is_extended_id=extended, data=bytes(8))
            )
        report = await bench.run(1)
        assert len(heard) >= 70
        assert report.rejected_frames == 0
        assert not report.faults
        assert report.cell_sets >= 10

    on_bench(main)


def test_the_board_reads_a_bloomy_abs_and_the_abs_feels_the_bleed() -> None:
    """Set-points slew, outputs switch: the harness must not keep a voltage of half-way."""
    design = load_design(cells=8, ntcs=0)

    async def main(clock: Clock) -> None:
        plan = WiringPlan(tuple(Channel("abs", k + 1) for k in range(8)), (0.06,) * 9, (), None)
        emulator = BloomyAbsTwin("abs", clock, LabPlan(7, plan, design, {}))
        answers: list[bytes] = []
        emulator.attach(lambda data, _at: answers.append(data))
        board = ReferenceBoardTwin("board", clock, LabPlan(7, plan, design, {"abs": emulator}))
        link = memory_frame_link("board", clock, {}, twin=board)
        await link.open()

        def cell_volts() -> list[float]:
            frames = [f for f in link.pending() if f.arbitration_id == wire.CELL_VOLTAGES][-3:]
            counts = [c for f in frames for c in wire.decode_cell_voltages(f.data).cells]
            return [count * wire.VOLT_PER_COUNT for count in counts[:8]]

        await clock.sleep_until(SECOND)
        assert max(cell_volts()) < 0.005
        on = ";".join(f":SOUR{k}:VOLT 3.3;:OUTP{k} 1" for k in range(1, 9))
        await clock.sleep_until(SECOND + 95_000_000)
        emulator.receive(on.encode() + b"\n")
        await clock.sleep_until(2 * SECOND + 50_000_000)
        assert cell_volts() == pytest.approx([3.3] * 8, abs=0.01)
        board.inject("stuck-bleed", 3, active=True)
        await clock.sleep_until(3 * SECOND)
        emulator.receive(b"MEAS:CURR? (@1:8)\n")
        currents = [float(text) for text in answers[-1].split(b",")]
        expected = [0.0, 0.0, 3.3 / 68.12, 0.0, 0.0, 0.0, 0.0, 0.0]
        assert currents == pytest.approx(expected, abs=0.003)

    run_virtual(main)
