"""The physics of a run once more: recorded inputs through the plant alone.

The plant is drawn from what the first record says (pack, cell, seed) and moved by each tick's row
(current, bled charge, ambient, instants), without bench, loop or devices. What comes out must be
the cell voltages, states of charge and temperatures that stand in the rows: on the processor that
made them to the bit, on another one within ``TOLERANCE_V``.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from hil.bench.driven import Driven, Floats, make_plant
from hil.bench.recorded import Recorded
from hil.bench.replay import Difference
from hil.core.instants import Instant, to_seconds
from hil.core.records import Record, RunStarted, Tick
from hil.core.signals import Layout, Signal
from hil.physics.plant import Plant
from hil.verdict.registry import finite

TOLERANCE_V = 1e-9
"""What recorded and replayed cell voltages may differ by (architecture.md, parity of tiers)."""

SAME_PACK = 1e-12
"""What a capacity may differ by, relatively: another processor may round a draw otherwise."""


@dataclass(slots=True)
class Largest:
    """The largest magnitude of a difference, in ``unit``, and where it is; cells count from 1.

    Infinite where one of the two is no number.
    """

    unit: str
    value: float = 0.0
    at: Instant = 0
    cell: int = 0

    def take(self, at: Instant, recorded: Floats, replayed: Floats) -> None:
        """Look at one tick; both (cells,)."""
        off = np.abs(recorded - replayed)
        off[np.isnan(off)] = math.inf
        if (worst := float(off.max())) > self.value:
            self.value, self.at, self.cell = worst, at, int(off.argmax()) + 1

    def __str__(self) -> str:
        """Say how large and where."""
        if not self.cell:
            return f"0 {self.unit}"
        return f"{self.value:.3g} {self.unit} at t = {to_seconds(self.at):g} s on cell {self.cell}"


@dataclass(slots=True)
class PhysicsReplay:
    """How far the plant, replayed, came out from what was recorded.

    ``stopped`` says why not all ticks could be replayed; empty if they were.
    """

    ticks: int = 0
    voltage: Largest = field(default_factory=lambda: Largest("V"))
    soc: Largest = field(default_factory=lambda: Largest("1"))
    temperature: Largest = field(default_factory=lambda: Largest("K"))
    stopped: str = ""

    def plain(self) -> dict[str, float | str | None]:
        """Return the figures under names with units, for JSON: what is infinite is None."""
        return {
            "ticks": self.ticks,
            "largest_v": finite(self.voltage.value),
            "largest_soc_ratio": finite(self.soc.value),
            "largest_k": finite(self.temperature.value),
            "stopped": self.stopped,
        }

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Return what is not as recorded.

        States of charge and temperatures must be as near as voltages, each in its own unit.
        """
        named = (
            ("cell voltages", self.voltage),
            ("states of charge", self.soc),
            ("cell temperatures", self.temperature),
        )
        found = [
            Difference("physics", f"{name} differ by up to {largest}")
            for name, largest in named
            if largest.value > TOLERANCE_V
        ]
        return (*found, *([Difference("physics", self.stopped)] if self.stopped else ()))


def replay_physics(records: Iterable[tuple[int, Record]]) -> PhysicsReplay:
    """Replay a run's plant from its records, which may be damaged or altered."""
    result = PhysicsReplay()
    replayed: _Replayed | None = None
    # Altered inputs may overflow: that shows as a difference.
    with np.errstate(all="ignore"):
        for seq, record in records:
            try:
                if isinstance(record, RunStarted):
                    replayed = _Replayed(record, result)
                elif isinstance(record, Tick):
                    if replayed is None:
                        raise ValueError("a tick before the run has started")  # noqa: TRY301 - of the record
                    replayed.tick(record)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                result.stopped = f"record {seq} ({record.kind}): {type(error).__name__}: {error}"
                break
    return result


class _Replayed:
    """The plant of a record."""

    def __init__(self, started: RunStarted, result: PhysicsReplay) -> None:
        """Draw the pack. Raises ValueError if it is not the one that was recorded."""
        recorded = Recorded.of(started)
        layout = Layout(Signal(*signal) for signal in started.signals)
        pack = recorded.pack
        self._result = result
        self._plant = make_plant(recorded.cells, pack, recorded.cell, started.seed)
        self._driven = Driven(self._plant, layout, recorded.channels, pack.constant_degc)
        self._current = layout.index("pack.current_a")
        self._cell_v = layout.columns("plant.cell_v")
        self._soc = layout.columns("plant.soc")
        self._cell_degc = layout.columns("plant.cell_degc")
        self._width = layout.width
        self._row: tuple[float, ...] = ()
        _same_pack(started, self._plant)

    def tick(self, tick: Tick) -> None:
        """Move to this tick by the row of the last one, and compare."""
        row, plant, result = tick.values, self._plant, self._result
        if len(row) != self._width:
            raise ValueError(f"a row of {len(row)} values, expected {self._width}")
        self._driven.advance(tick.at, self._row)
        cell_v = plant.voltage_at(row[self._current])
        result.voltage.take(tick.at, np.array(row[self._cell_v]), cell_v)
        result.soc.take(tick.at, np.array(row[self._soc]), plant.soc)
        result.temperature.take(tick.at, np.array(row[self._cell_degc]), plant.cell_degc)
        result.ticks += 1
        self._row = row


def _same_pack(started: RunStarted, plant: Plant) -> None:
    told_ah = np.array(started.constants["plant.capacity_ah"])
    if told_ah.shape != plant.capacity_ah.shape or not np.allclose(
        told_ah, plant.capacity_ah, rtol=SAME_PACK, atol=0.0
    ):
        raise ValueError("the seed draws another pack than the one whose capacities are recorded")
