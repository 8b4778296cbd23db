"""One tick of the bench, in the order that architecture.md gives and for its reasons.

The tick owns what changes from tick to tick: the row, the last current, the duty decided.
Everything else it is given.
"""

import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.balancing.strategy import AnyStrategy, Floats
from hil.bench.ages import Ages
from hil.bench.demand import Demand, current_for
from hil.bench.driven import Driven
from hil.bench.excuses import Excuses
from hil.bench.interlock import Interlock
from hil.bench.observation import Observer
from hil.bench.own_faults import OwnFaults
from hil.bench.rig import Rig
from hil.bench.supply import BoardSupply
from hil.bench.together import Job, Together
from hil.core.errors import DeviceError, InstrumentFault, LinkLost
from hil.core.instants import MILLISECOND, Duration, Instant, to_seconds
from hil.core.records import BadMeasurement, BoardFaultChanged, Record, Tick, Tripped
from hil.core.signals import Layout
from hil.physics.plant import Plant
from hil.ports import BoardFault, BoardReport, CellReadings, ChamberReading, Clock
from hil.profile.plausible import GIVEN_UP_AFTER, LARGEST_CELL_V
from hil.profile.weather import Weather
from hil.verdict.deviations import BoardWatch

MORE_THAN_IT_CARRIES = 1.1
"""A current of more than this times a unit's own limit is no reading of it."""

SET_WITHIN, READ_WITHIN = 60, 90
"""Percent of a tick's period by which devices are to have taken and given what it wants."""

UNSETTLED_V = 0.002
"""What an output may still be away from its set-point after its settling time, on a large step."""


class ChamberOrder:
    """What the chamber should do; sent once, in the tick in which it changed."""

    def __init__(self) -> None:
        """Start without a set-point: the chamber is left alone until a step asks for one."""
        self.set_degc = math.nan
        self.ramp_k_per_min: float | None = None
        self.changed = False

    def give(self, set_degc: float, ramp_k_per_min: float | None) -> None:
        """Order a new set-point."""
        self.set_degc, self.ramp_k_per_min, self.changed = set_degc, ramp_k_per_min, True


@dataclass(frozen=True)
class Parts:
    """What a ticker works with; in ``shadow`` mode the strategy decides and commands nothing."""

    rig: Rig
    plant: Plant
    strategy: AnyStrategy
    layout: Layout
    interlock: Interlock
    watch: BoardWatch
    clock: Clock
    period: Duration
    emit: Callable[[Record], None]
    wire: Callable[[], str]
    ambient_degc: float | None
    weather: Weather | None = None
    shadow: bool = False


class Ticker:
    """Runs ticks against a rig, a plant and a strategy."""

    def __init__(self, parts: Parts) -> None:
        """Take the parts; find the columns of the row once."""
        self._parts = parts
        self._rig, self._plant, self._clock = parts.rig, parts.plant, parts.clock
        self._emit = parts.emit
        layout = parts.layout
        self._at = {signal.name: layout.columns(signal.name) for signal in layout.signals}
        cells, units = parts.rig.stack.cells, parts.rig.stack.units
        self.row: list[float] = [math.nan] * layout.width
        self.report: BoardReport | None = None
        self.faults: frozenset[BoardFault] = frozenset()
        self.chamber = ChamberOrder()
        self._driven = Driven(parts.plant, layout, parts.rig.stack.channels, parts.ambient_degc)
        self._span = {name: self._at["emulator.span_s"].start + k for k, name in enumerate(units)}
        self._steps_per_v = np.ones(cells)
        for name, indices in units.items():
            self._steps_per_v[indices] = 1.0 / parts.rig.emulators[name].SPEC.set_resolution_v
        self._ages, self._jobs = Ages(), Together(parts.clock)
        # in shadow mode the row says NaN for ever of what is commanded
        self._decides = self._at["reference.duty" if parts.shadow else "command.duty"]
        self._decided: list[float] = [0.0] * cells
        self._observe = Observer(
            layout, parts.plant.capacity_ah if parts.strategy.needs_truth else None
        )
        self._current_a = 0.0
        self._state = parts.strategy.initial(cells)
        self._next_decision: Instant = 0
        self._weather_from: Instant | None = None
        self._started = self._now = self.row_at = self.sensed_at = parts.clock.now()
        self.own_faults = OwnFaults(parts.rig.stack, layout)
        self._excuses = Excuses(parts.rig.supply, layout)
        self._match_v = {
            name: unit.SPEC.set_accuracy_v.at(LARGEST_CELL_V)
            + unit.SPEC.read_accuracy_v.at(LARGEST_CELL_V)
            + UNSETTLED_V
            for name, unit in parts.rig.emulators.items()
        }
        self._carries_a = {
            name: MORE_THAN_IT_CARRIES * max(unit.SPEC.source_a, unit.SPEC.sink_a)
            for name, unit in parts.rig.emulators.items()
        }
        self._hears_board = False
        self._lost_since: dict[str, Instant] = {}
        self._lost_at: dict[str, Instant] = {}

    def preset(self) -> list[Coroutine[Any, Any, Any]]:
        """Return the jobs that send the first set-points while all outputs are still off."""
        cell_v = self._plant.voltage_at(0.0)
        cell_degc: list[float] = self._plant.cell_degc.tolist()
        self._refuse_out_of_range(cell_v.tolist())
        return [job for _, job in self._settings(self._set_points(cell_v), cell_degc)]

    def advance_plant(self, now: Instant) -> None:
        """Bring the plant from the last tick to now, with what flowed in between."""
        self._driven.advance(now, self.row)

    async def drive(self, now: Instant, step: int, demand: Demand) -> None:
        """Set everything for the coming tick, let it settle, and sense it.

        Raises InterlockTrip before a set-point outside the devices' range is sent.
        """
        self._now = self.row_at = now
        self._current_a = current_for(demand, self._plant, self.report)
        volts = self._plant.voltage_at(self._current_a)
        set_v, cell_v = self._set_points(volts), volts.tolist()
        cell_degc: list[float] = self._plant.cell_degc.tolist()
        self._refuse_out_of_range(cell_v)
        period = self._parts.period
        await self._together(self._settings(set_v, cell_degc), now + SET_WITHIN * period // 100)
        await self._clock.sleep_until(now + self._settle_ns())
        self._truth(step, cell_v, set_v, cell_degc)
        later = max(now + READ_WITHIN * period // 100, self._clock.now() + period // 10)
        await self._together(self._readings(), later)
        self._fill_board()
        self._forget_recovered()

    def judge_and_decide(self, now: Instant, step: str) -> None:
        """Check the limits, watch the board, let the strategy decide, and record the row.

        ``step`` is the path of the one that is on. A link of the bench's own that is lost says
        nothing of the board: then its silence is not held against it. Nor is anything where the
        bench itself has not looked for too long, which trips.

        Raises InterlockTrip, after the row that shows why has been recorded.
        """
        report, ages = self.report, self._ages.worst(self._clock.now())
        if report is not None and self._hears_board:
            self._note_faults(report)
            if self._parts.interlock.has_looked(ages):
                judged = self._excuses.row(self.own_faults.judged(self.row), now)
                report = self._excuses.report(report, now)
                for deviation in self._parts.watch.check(now, judged, report, step):
                    self._emit(deviation)
        self._decide(now)
        self.row[self._decides] = self._decided
        self._emit(Tick(now, tuple(self.row), self._parts.wire()))
        watched = self._excuses.row(self.row, now)
        self._parts.interlock.check(now, watched, hears_board=self._hears_board, ages=ages)

    # --- set ---------------------------------------------------------------------------------

    def _set_points(self, cell_v: Floats) -> list[float]:
        """Return what the emulators are told: the nearest voltage that each of them can set."""
        steps = np.rint(cell_v * self._steps_per_v)
        set_v: list[float] = (steps / self._steps_per_v).tolist()
        return set_v

    def _settings(self, set_v: list[float], cell_degc: list[float]) -> list[Job]:
        rig, order = self._rig, self.chamber
        jobs: list[Job] = [
            (
                name,
                unit.apply(
                    rig.stack.pick(name, set_v),
                    rig.stack.aux_v(name, cell_degc, self._current_a),
                ),
            )
            for name, unit in rig.emulators.items()
        ]
        if not self._parts.shadow:
            jobs.append((rig.board.name, rig.board.apply(self._decided)))
        if order.changed and not self._jobs.is_busy(rig.chamber.name):
            order.changed = False
            jobs.append((rig.chamber.name, rig.chamber.apply(order.set_degc, order.ramp_k_per_min)))
        return jobs

    def _refuse_out_of_range(self, cell_v: list[float]) -> None:
        for name, unit in self._rig.emulators.items():
            span = unit.SPEC.set_v
            for volts in self._rig.stack.pick(name, cell_v):
                if volts not in span:
                    rule = f"{name} sets {span.low:g} to {span.high:g} V"
                    bound = span.high if volts > span.high else span.low
                    now = self._clock.now()
                    self._parts.interlock.trip(
                        Tripped(now, rule, "cell.voltage", volts, bound, "V", blames_board=False)
                    )

    def _settle_ns(self) -> int:
        slowest = max(unit.SPEC.settle for unit in self._rig.emulators.values())
        return slowest + 5 * MILLISECOND

    # --- sense -------------------------------------------------------------------------------

    def _readings(self) -> list[Job]:
        rig = self._rig
        jobs: list[Job] = [(name, self._sense_unit(name)) for name in rig.emulators]
        jobs.append((rig.chamber.name, self._sense_chamber()))
        jobs.append((rig.board.name, self._sense_board()))
        jobs += [(name, self._sense_box(name)) for name in rig.fault_boxes]
        if rig.supply is not None:
            jobs.append((rig.supply.unit.name, self._sense_supply(rig.supply)))
        return jobs

    async def _sense_supply(self, supply: BoardSupply) -> None:
        asked, reading = self._now, await supply.sense()
        if asked != self._now:
            return
        self._ages.read(supply.unit.name, self._clock.now())
        self.row[self._at["supply.read_v"].start] = reading.voltage_v
        self.row[self._at["supply.read_a"].start] = reading.current_a

    async def _sense_box(self, name: str) -> None:
        await self._rig.fault_boxes[name].sense()
        self._ages.read(name, self._clock.now())

    async def _sense_unit(self, name: str) -> None:
        asked = self._now
        reading: CellReadings = await self._rig.emulators[name].sense()
        if asked != self._now:
            return  # in another tick it is no reading of that one
        if not all(map(math.isfinite, (*reading.voltage_v, *reading.current_a))):
            raise InstrumentFault(name, "has read something that is no number", 0)
        largest_a, most_a = max(map(abs, reading.current_a)), self._carries_a[name]
        if largest_a > most_a:
            text = f"has read {largest_a:.3g} A, more than the {most_a:.3g} A it can carry"
            raise InstrumentFault(name, text, 0)
        read_v, read_a = self._at["emulator.read_v"].start, self._at["emulator.read_a"].start
        self.row[self._span[name]] = to_seconds(self._ages.read(name, self._clock.now()))
        for channel, k in enumerate(self._rig.stack.units[name]):
            self.row[read_v + k] = reading.voltage_v[channel]
            self.row[read_a + k] = reading.current_a[channel]
        for k in self.own_faults.unread(name):
            self.row[read_v + k] = math.nan
        for guard, is_closed in (await self._rig.read_guards(name)).items():
            self.row[self._at[guard.signal].start] = float(is_closed)
        self._refuse_unbelievable(name, reading)

    def _refuse_unbelievable(self, name: str, reading: CellReadings) -> None:
        """Raise InstrumentFault for a unit in alarm or one whose outputs are not what was set."""
        if reading.alarm:
            raise InstrumentFault(name, f"in alarm 0x{reading.alarm:06x}", reading.alarm)
        set_v, read_v = self._at["emulator.set_v"].start, self._at["emulator.read_v"].start
        for k in self._rig.stack.units[name]:
            off_v = self.row[read_v + k] - self.row[set_v + k]
            if abs(off_v) > self._match_v[name]:
                text = f"cell {k + 1}: set {self.row[set_v + k]:.4f} V"
                raise InstrumentFault(name, f"{text}, read back {self.row[read_v + k]:.4f} V", 0)

    async def _sense_chamber(self) -> None:
        asked = self._now
        reading: ChamberReading = await self._rig.chamber.sense()
        if asked != self._now:
            return
        self._ages.read(self._rig.chamber.name, self._clock.now())
        self.row[self._at["chamber.air_degc"].start] = reading.air_degc
        self.row[self._at["chamber.set_degc"].start] = reading.set_degc
        if reading.alarm or math.isnan(reading.air_degc):
            found = reading.alarm or "no air temperature"
            raise InstrumentFault(self._rig.chamber.name, f"reports {found}", 0)

    def _truth(
        self, step: int, cell_v: list[float], set_v: list[float], cell_degc: list[float]
    ) -> None:
        """Fill in what the plant knows, and blank what is about to be read."""
        row, at = self.row, self._at
        row[at["step"].start] = float(step)
        row[at["pack.current_a"].start] = self._current_a
        row[at["pack.voltage_v"].start] = sum(cell_v)
        row[at["plant.cell_v"]], row[at["emulator.set_v"]] = cell_v, set_v
        row[at["plant.soc"]] = self._plant.soc.tolist()
        row[at["plant.cell_degc"]] = cell_degc
        self._hears_board = False
        nans = [math.nan] * len(cell_v)
        row[at["emulator.read_v"]] = row[at["emulator.read_a"]] = nans
        row[at["emulator.span_s"]] = [math.nan] * len(self._span)
        for guard in self._rig.guards:
            row[at[guard.signal].start] = math.nan
        if self._rig.supply is not None:
            row[at["supply.read_v"].start] = row[at["supply.read_a"].start] = math.nan
        row[at["chamber.air_degc"].start] = math.nan
        if (weather := self._parts.weather) is not None:
            row[at["pack.ambient_degc"].start] = weather.at(self._now - self._first_at())
            row[at["plant.enclosure_degc"].start] = self._plant.truth().enclosure_degc

    def _first_at(self) -> Instant:
        """Return when the first row was measured: then the profile's weather begins."""
        if self._weather_from is None:
            self._weather_from = self._now
        return self._weather_from

    async def _sense_board(self) -> None:
        self.report = await self._rig.board.sense()
        self.sensed_at = self._clock.now()
        # an adapter that takes no frame for the bus (bus off) may bring none either
        self._hears_board = self._lost_at.get(self._rig.board.name) != self._now

    def _fill_board(self) -> None:
        """Lay out the newest report; one that did not come leaves the last one, growing older.

        Its age is that at which it was taken: a slow instrument beside it makes it no older.
        """
        report, row, at = self.report, self.row, self._at
        if report is None:
            return
        row[at["board.cell_v"]] = report.cell_v
        row[at["board.duty"]] = report.duty
        row[at["board.ntc_degc"]] = report.ntc_degc
        row[at["board.pcb_degc"].start] = report.pcb_degc
        row[at["board.current_a"].start] = report.current_a
        heard = self._started if report.cells_at is None else report.cells_at
        taken = self.sensed_at if self.sensed_at >= self._now else self._clock.now()
        row[at["board.age_s"].start] = to_seconds(taken - heard)

    async def let_go(self) -> None:
        """End what a device that hangs is still asked: "off" is to be the last word."""
        await self._jobs.let_go()

    async def _together(self, jobs: list[Job], until: Instant) -> None:
        """Run all devices' parts of the tick at once; a device error is a bad measurement.

        Each driver keeps its own deadline, from its device's data; one that is longer than the tick
        has time holds nobody up. Results are looked at in the order of the jobs, never in the order
        in which they happened to end.
        """
        outcomes = await self._jobs.run(jobs, until)
        for (name, _), outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, DeviceError):
                self._lost(name, outcome)
            elif outcome is not None:
                raise outcome

    def _lost(self, name: str, error: DeviceError) -> None:
        """Record a device that did not do its part; end the run if it stays away.

        A link is not opened again inside a run, so there is nothing to wait for when it is lost.
        Raises DeviceError: outputs that nobody can read back may not stay on.
        """
        self._emit(BadMeasurement(self._now, name, type(error).__name__, error.message))
        if isinstance(error, LinkLost):
            raise error
        self._lost_at[name] = self._now
        failed_for = self._now - self._lost_since.setdefault(name, self._now)
        if failed_for > GIVEN_UP_AFTER:
            told = f"has failed for {to_seconds(failed_for):g} s: {error.message}"
            raise DeviceError(name, told) from error

    def _forget_recovered(self) -> None:
        """Forget a device's trouble as soon as a whole tick passed without any."""
        for name in [name for name in self._lost_since if self._lost_at[name] != self._now]:
            del self._lost_since[name]

    # --- decide ------------------------------------------------------------------------------

    def _note_faults(self, report: BoardReport) -> None:
        if report.faults == self.faults:
            return
        for fault, cell in sorted(report.faults ^ self.faults):
            active = BoardFault(fault, cell) in report.faults
            self._emit(BoardFaultChanged(self.sensed_at, fault, cell, active))
        self.faults = report.faults

    def _decide(self, now: Instant) -> None:
        """Decide when it is time; the decision stands until the next one."""
        strategy = self._parts.strategy
        if now < self._next_decision:
            return
        self._next_decision = now + strategy.every_ns
        observation = self._observe(now, self.row, self.faults)
        self._state, decision = strategy.step(self._state, observation)
        self._decided = decision.duty.tolist()
