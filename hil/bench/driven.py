"""The plant between two ticks: moved by what the row of the last tick says flowed, by nothing else.

The bench and a replay both move it here, and the row is all that they hand over: so a record holds
every input of the physics, or the bench itself could not run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hil.core.instants import DAY, Instant, to_seconds
from hil.core.signals import Layout
from hil.core.wiring import Channel, units_of
from hil.physics.cell_types import CellParameters
from hil.physics.parameters import PackParameters
from hil.physics.plant import Plant
from hil.profile.model import PackConfig

Floats: TypeAlias = NDArray[np.float64]

ROOM_DEGC = 25.0
"""Where a pack starts whose profile names no ambient: it stood in the lab."""

LONGEST_GAP = 30 * DAY
"""No bench ticks so seldom; a damaged record may say so, and would be stepped through for ever."""


def make_plant(cells: int, pack: PackConfig, cell: CellParameters, seed: int) -> Plant:
    """Draw a profile's pack. Raises ValueError for what cannot be one."""
    parameters = PackParameters(
        cells=cells,
        cell=cell,
        spread=pack.spread,
        soc_ratio=pack.soc_ratio,
        initial_temperature_degc=_start_degc(pack),
        gradient_k=pack.gradient_k,
        age_years=pack.age_years,
        life=pack.life,
    )
    return Plant(parameters, seed, {number: _given(asdict(o)) for number, o in pack.cells.items()})


def _start_degc(pack: PackConfig) -> float:
    """Return the temperature at which a pack has stood until the run begins."""
    if pack.weather is not None:
        return pack.weather.start_degc
    return ROOM_DEGC if pack.constant_degc is None else pack.constant_degc


def warm_up(cells: int, pack: PackConfig, cell: CellParameters) -> None:
    """Have a plant thrown away do all that a tick asks of one.

    What is compiled, or loaded from the compiler's cache, is so from then on: in wall time the
    first tick would otherwise stand still for seconds, with the outputs on and nobody looking.
    """
    plant = make_plant(cells, pack, cell, seed=0)
    low_v, high_v = 0.0, 5.0  # wider than any cell's range: every way of limiting is gone
    plant.voltage_at(0.0)
    plant.current_for_cell_voltage(float(plant.terminal_v().mean()), high_v, 1.0)
    plant.current_within(1.0, low_v, high_v)
    plant.current_for_power(1.0)
    plant.step(1.0, 1.0, np.zeros(cells), ROOM_DEGC)


def _given(override: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in override.items() if value is not None}


class Driven:
    """Moves a plant from tick to tick."""

    def __init__(
        self,
        plant: Plant,
        layout: Layout,
        channels: Sequence[Channel],
        ambient_degc: float | None,
    ) -> None:
        """``channels`` emulate cells 1, 2, ...; without an ambient the chamber's air counts.

        Where the row itself says what surrounds the pack, that goes before both.
        """
        self._plant, self._ambient = plant, ambient_degc
        self._current = layout.index("pack.current_a")
        self._read_a = layout.columns("emulator.read_a")
        self._span_s = layout.columns("emulator.span_s")
        self._air = layout.index("chamber.air_degc")
        named = "pack.ambient_degc" in layout
        self._weather = layout.index("pack.ambient_degc") if named else None
        self._unit = np.zeros(len(channels), dtype=np.intp)
        for unit, cells in enumerate(units_of(channels).values()):
            self._unit[cells] = unit
        self._at: Instant | None = None
        self._last_air_degc = math.nan

    def advance(self, now: Instant, row: Sequence[float]) -> None:
        """Bring the plant from the last tick, whose ``row`` this is, to ``now``.

        The bleeds enter as charge: an emulator's average covers the time since its last reading,
        so a reading that was missed is made up for by the next one and no charge is lost. Raises
        ValueError for a time that does not go on, or an input that is no number.
        """
        if self._at is not None:
            if not 0 < now - self._at < LONGEST_GAP:
                raise ValueError(f"a tick at {now} ns after one at {self._at} ns")
            dt_s = to_seconds(now - self._at)
            ambient_degc = self._ambient_degc(row)
            self._plant.step(dt_s, row[self._current], self._bled_as(row) / dt_s, ambient_degc)
        self._at = now

    def _bled_as(self, row: Sequence[float]) -> Floats:
        """Return the charge (cells,) that has flowed into the bleeds; 0 where nobody has looked."""
        span_s = np.array(row[self._span_s])[self._unit]
        return np.where(np.isnan(span_s), 0.0, np.array(row[self._read_a]) * span_s)

    def _ambient_degc(self, row: Sequence[float]) -> float:
        """Return what surrounds the pack: the profile's, else the air the chamber last read."""
        if self._weather is not None:
            return row[self._weather]
        if self._ambient is not None:
            return self._ambient
        air_degc = row[self._air]
        if not math.isnan(air_degc):
            self._last_air_degc = air_degc
        elif math.isnan(self._last_air_degc):
            return float(self._plant.cell_degc.mean())  # nothing known yet: no heat either way
        return self._last_air_degc
