"""The emulator units seen as one series stack, with the NTCs and the shunt they emulate beside it.

Roles met here besides ``CellEmulator``: ``TempSim`` (an auxiliary output shows the voltage of the
board's NTC divider) and ``CurrentSensorSim`` (an auxiliary output drives the board's shunt input
through a level shifter). Pure mapping between cells and channels; no I/O.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hil.bench.sensor_faults import SensorFaults
from hil.core.wiring import NtcWire, WiringPlan, units_of
from hil.ports import CellReadings


@dataclass(frozen=True, slots=True)
class Sensors:
    """How the board's sensor inputs translate: the shunt's resistance, and the NTCs' dividers.

    Those are behind the ``faults`` that the bench itself shows there.
    """

    shunt_ohm: float
    faults: SensorFaults


class Stack:
    """Cells 1 to N over one or more emulator units."""

    def __init__(self, wiring: WiringPlan, sensors: Sensors) -> None:
        """Find out once which unit carries which cells, NTCs and the shunt."""
        self.cells = len(wiring.cells)
        self.channels = wiring.cells
        self.units = units_of(wiring.cells)
        self._ntcs: dict[str, list[NtcWire]] = {name: [] for name in self.units}
        for wire in wiring.ntcs:
            self._ntcs[wire.by.device].append(wire)
        self._shunt = wiring.shunt
        self._sensors = sensors
        self.sensor_faults = sensors.faults

    def aux_v(self, unit: str, cell_degc: Sequence[float], current_a: float) -> Mapping[int, float]:
        """Return what the unit's auxiliary outputs must show, by output number."""
        faults = self._sensors.faults
        aux = {
            wire.by.number: faults.ntc_v(wire.ntc, cell_degc[wire.cell - 1])
            for wire in self._ntcs[unit]
        }
        shunt = self._shunt
        if shunt is not None and shunt.by.device == unit:
            drop_v = faults.current_a(current_a) * self._sensors.shunt_ohm
            aux[shunt.by.number] = shunt.centre_v + shunt.ratio * drop_v
        return aux

    def channel_of(self, cell: int) -> tuple[str, int]:
        """Return the unit and channel that emulate ``cell`` (from 1)."""
        for name, indices in self.units.items():
            if cell - 1 in indices:
                return name, indices.index(cell - 1) + 1
        raise KeyError(cell)

    def pick(self, unit: str, values: Sequence[float]) -> list[float]:
        """Return a unit's share of per-cell values, in channel order."""
        return [values[k] for k in self.units[unit]]

    def place(
        self, unit: str, reading: CellReadings, voltage_v: list[float], current_a: list[float]
    ) -> None:
        """Put a unit's readings where their cells stand in the per-cell lists."""
        for channel, k in enumerate(self.units[unit]):
            voltage_v[k] = reading.voltage_v[channel]
            current_a[k] = reading.current_a[channel]
