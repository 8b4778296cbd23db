"""The wiring self-test: is the bench connected to the board as its file says?

Before full energy: every output limited to ``LIMIT_A``, the cells ramped up together in steps; at
the first step that is not sound the ramp ends, unless a higher step tells faults apart and none of
them would take more than ``MOST_W``. Then one cell at a time, one NTC at a time, the shunt both
ways. ``lead_looks`` comes after that, at working voltage and with the bleeds: it is for a rig
without the low limit.

Nothing is judged here: what was read goes to ``hil.verdict.wiring``, what is found comes back.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.bench.rig import Rig
from hil.core.errors import InstrumentFault, LinkTimeout
from hil.core.instants import MILLISECOND, SECOND, Duration, Instant, to_seconds
from hil.ports import BoardReport, CellReadings, Clock
from hil.profile import Bench
from hil.verdict import wiring as verdict

Floats = NDArray[np.float64]

LIMIT_A = 0.020
"""What an output may give before the wiring is known: 20 mA at 2.5 V are 50 mW."""
LEVELS_V = (0.5, 1.0, 1.5, 2.0, 2.5)
STEP_V = 0.1
"""How far one cell stands out when it is its turn."""
MOST_W = 0.05
"""A step that could put more than that into a harness that is wrong is not taken."""
REST_DEGC, WARM_DEGC = 25.0, 45.0
SHUNT_A = 10.0
SHUNT_RATIO = 0.1
"""How far the scale of the current may be off: a level shifter of another ratio is further off."""
WORKING_V = 3.3
ROUNDS = 8
WARM_UP = 30 * SECOND
"""A bleed resistor reaches its temperature in that time [A], and with it its resistance."""

_DWELL = 1200 * MILLISECOND
"""How long a look takes: an emulator's longest averages cover 1 s."""
_SLOW = 2200 * MILLISECOND
"""The same for temperatures, which boards send once a second."""
_TAKES_CYCLES = 3
"""After so many of the board's cycles a command has been taken, carried out and measured."""

Progress = Callable[[str], None]


@dataclass
class Findings:
    """What the test has found and measured so far; ``wrong`` is empty for sound wiring.

    ``leads_ohm`` has what is known of each lead (from 1), as value and expanded uncertainty.
    ``most_w`` is the most that the outputs gave before the wiring was known, by their read-back.
    """

    wrong: list[str] = field(default_factory=list)
    steps: list[dict[str, object]] = field(default_factory=list)
    most_w: float = 0.0
    leads_ohm: dict[int, tuple[float, float]] = field(default_factory=dict)
    open_points: list[str] = field(default_factory=list)


class Look(NamedTuple):
    """One look at everything: (cells,) in V and A, (ntcs,) in degC, and the board's current."""

    seen: verdict.Seen
    ntc_degc: Sequence[float]
    current_a: float


@dataclass(frozen=True)
class Show:
    """What is set: (cells,) each; ``duty`` is the bleeds'."""

    cell_v: Floats
    cell_degc: Floats
    current_a: float
    duty: Floats


class SelfTest:
    """Drives a rig whose outputs are on; the caller has armed it, and makes it safe."""

    def __init__(
        self,
        rig: Rig,
        bench: Bench,
        clock: Clock,
        progress: Progress,
        alive: Callable[[Duration], None],
    ) -> None:
        """``alive`` is told before each look by when there will be another."""
        self._rig, self._bench, self._clock = rig, bench, clock
        self._tell, self._alive = progress, alive
        cells = rig.stack.cells
        self._rest = Show(np.zeros(cells), np.full(cells, REST_DEGC), 0.0, np.zeros(cells))
        self.found = Findings()

    async def wiring(self) -> None:
        """Test leads, cells, NTCs and shunt, in that order; what is found first ends the test.

        Raises DeviceError.
        """
        for stage in (self._ramp, self._cells, self._ntcs, self._shunt):
            await stage()
            if self.found.wrong:
                return

    # --- looking -----------------------------------------------------------------------------

    async def _look(self, show: Show, dwell: Duration = _DWELL, what: str = "") -> Look:
        """Set all, let it settle, and read all; emulators' and board's readings are means."""
        self._alive(dwell + 10 * SECOND)
        if what:
            self._tell(what)
        stack = self._rig.stack
        set_v, cell_degc = show.cell_v.tolist(), show.cell_degc.tolist()
        await asyncio.gather(
            *(
                unit.apply(stack.pick(name, set_v), stack.aux_v(name, cell_degc, show.current_a))
                for name, unit in self._rig.emulators.items()
            ),
            self._rig.board.apply(show.duty.tolist()),
        )
        slowest = max(unit.SPEC.settle for unit in self._rig.emulators.values())
        settled = self._clock.now() + slowest + 5 * MILLISECOND
        taken = settled + _TAKES_CYCLES * self._rig.board_cycle_ns
        await self._clock.sleep_until(taken)
        await self._sense()  # some units average since the last reading
        reports = await self._heard(taken, taken + dwell)
        volt, ampere = await self._sense()
        input_v = np.mean([report.cell_v for report in reports], axis=0)
        last = reports[-1]
        look = Look(verdict.Seen(input_v, volt, ampere), last.ntc_degc, last.current_a)
        self._note(show, look, what)
        return look

    async def _heard(self, since: Instant, until: Instant) -> list[BoardReport]:
        """Return what the board reports of the time from ``since`` on, cycle by cycle.

        Raises LinkTimeout when it says nothing of its cells for too long.
        """
        cycle = self._rig.board_cycle_ns
        reports: list[BoardReport] = []
        give_up = until + _TAKES_CYCLES * cycle + SECOND
        while self._clock.now() < until or not reports:
            if self._clock.now() > give_up:
                waited = to_seconds(give_up - since)
                raise LinkTimeout(self._rig.board.name, f"no cell voltages for {waited:g} s")
            await self._clock.sleep_until(self._clock.now() + cycle)
            report = await self._rig.board.sense()
            if report.cells_at is not None and report.cells_at >= since:
                reports.append(report)
        return reports

    async def _sense(self) -> tuple[Floats, Floats]:
        """Return voltage and current of every cell as the emulators read them back.

        Raises DeviceError, also for a unit in alarm: some of its outputs are off by themselves.
        """
        units = self._rig.emulators
        readings: list[CellReadings] = await asyncio.gather(*(u.sense() for u in units.values()))
        volt, ampere = [math.nan] * self._rig.stack.cells, [math.nan] * self._rig.stack.cells
        for name, reading in zip(units, readings, strict=True):
            if reading.alarm:
                raise InstrumentFault(name, f"in alarm 0x{reading.alarm:06x}", reading.alarm)
            self._rig.stack.place(name, reading, volt, ampere)
        return np.array(volt), np.array(ampere)

    def _note(self, show: Show, look: Look, what: str) -> None:
        """Keep what was set and read, for the certificate."""
        seen = look.seen
        self.found.steps.append(
            {
                "step": what,
                "set_v": _rounded(show.cell_v),
                "board_v": _rounded(seen.input_v),
                "emulator_v": _rounded(seen.source_v),
                "emulator_a": _rounded(seen.source_a, 6),
                "ntc_degc": _rounded(look.ntc_degc, 2),
                "board_a": round(look.current_a, 3),
            }
        )

    # --- before full energy ------------------------------------------------------------------

    async def _ramp(self) -> None:
        """Raise all cells together; name the faults that explain what is not sound."""
        bench = self._bench
        harness = verdict.Harness(bench.board, np.array(bench.wiring.lead_ohm), LIMIT_A)
        suspects = list(verdict.suspects(self._rig.stack.cells))
        told: list[str] = []
        for level_v in LEVELS_V:
            if told and max(harness.power_w(one, level_v) for one in suspects) > MOST_W:
                break
            show = replace(self._rest, cell_v=np.full(self._rig.stack.cells, level_v))
            seen = (await self._look(show, what=f"all cells at {level_v:g} V")).seen
            power_w = float(np.sum(np.abs(seen.source_a * seen.source_v)))
            self.found.most_w = max(self.found.most_w, power_w)
            if verdict.is_sound(seen, level_v) and not told:
                continue
            left = verdict.explained(suspects, harness, seen, level_v)
            if not left:
                told = told or verdict.raw(seen, level_v)
                break
            suspects, told = left, [" or ".join(one.text for one in left)]
            if len(left) == 1:
                break
        self.found.wrong += told

    async def _cells(self) -> None:
        """Raise one cell at a time: each must be answered by its own input, and by no other."""
        cells = self._rig.stack.cells
        base_v = np.full(cells, LEVELS_V[-1])
        before = (await self._look(replace(self._rest, cell_v=base_v), what="before")).seen
        share = np.zeros((cells, cells))
        for k in range(cells):
            raised_v = base_v.copy()
            raised_v[k] += STEP_V
            show = replace(self._rest, cell_v=raised_v)
            seen = (await self._look(show, what=f"cell {k + 1} raised by {STEP_V:g} V")).seen
            share[:, k] = (seen.input_v - before.input_v) / STEP_V
        self.found.wrong += verdict.misplaced(share, "cell", "lead {} is open")

    async def _ntcs(self) -> None:
        """Warm one emulated NTC at a time; those that are not emulated are left alone."""
        wires = self._bench.wiring.ntcs
        base = replace(self._rest, cell_v=np.full(self._rig.stack.cells, LEVELS_V[-1]))
        if not wires:
            self.found.open_points.append("NTCs: none is emulated")
            return
        before = (await self._look(base, _SLOW, "all NTCs at 25 degC")).ntc_degc
        share = np.zeros((len(wires), len(wires)))
        for column, wire in enumerate(wires):
            cell_degc = base.cell_degc.copy()
            cell_degc[wire.cell - 1] = WARM_DEGC
            show = replace(base, cell_degc=cell_degc)
            seen = (await self._look(show, _SLOW, f"NTC {wire.ntc} at 45 degC")).ntc_degc
            for row, other in enumerate(wires):
                rise_k = seen[other.ntc - 1] - before[other.ntc - 1]
                share[row, column] = rise_k / (WARM_DEGC - REST_DEGC)
        broken = [
            f"NTC {wire.ntc} is open or shorted"
            for wire in wires
            if not math.isfinite(before[wire.ntc - 1])
        ]
        self.found.wrong += broken or verdict.misplaced(np.nan_to_num(share), "NTC")

    async def _shunt(self) -> None:
        """Drive the shunt input both ways: the board must count discharge as discharge."""
        if self._bench.wiring.shunt is None:
            self.found.open_points.append("shunt: not emulated")
            return
        base = replace(self._rest, cell_v=np.full(self._rig.stack.cells, LEVELS_V[-1]))
        looks = [
            await self._look(replace(base, current_a=amps), _SLOW, f"shunt at {amps:+g} A")
            for amps in (SHUNT_A, -SHUNT_A)
        ]
        ratio = (looks[0].current_a - looks[1].current_a) / (2 * SHUNT_A)
        if abs(ratio + 1.0) <= SHUNT_RATIO:
            self.found.wrong.append("the shunt is connected the wrong way round")
        elif abs(ratio) <= SHUNT_RATIO:
            self.found.wrong.append("no answer to the shunt: its input is not connected")
        elif abs(ratio - 1.0) > SHUNT_RATIO:
            self.found.wrong.append(f"the shunt reads {ratio:.2f} times what it is driven with")

    # --- with the bleeds ---------------------------------------------------------------------

    async def leads(self) -> None:
        """Find out what each bleed draws and what each lead has. Raises DeviceError."""
        design, cells = self._bench.board, self._rig.stack.cells
        if not design.bleed_is_steady:
            self.found.open_points.append("leads: this board's bleeds depend on each other")
            return
        rest = replace(self._rest, cell_v=np.full(cells, WORKING_V))
        before = (await self._look(rest, what="no bleed")).seen
        estimates: dict[int, list[float]] = {}
        for side in (0, 1):
            base = np.arange(cells) % 2 == side
            await self._warm(rest, base)
            for number in range(ROUNDS):
                for part in (0, 1):
                    others = ~base & (np.arange(cells) // 2 % 2 == part)
                    looks = [
                        await self._bleeds(rest, on, before, f"bleeds, round {number + 1}")
                        for on in (base, base | others)
                    ]
                    if number == part == 0:
                        self._check_bleeds(looks[0])
                    for lead, ohm in self._lead_ohm(looks).items():
                        estimates.setdefault(lead, []).append(ohm)
                    if self.found.wrong:
                        return
        # one spread for all: eight rounds of one lead tell little of how far they scatter
        spread_ohm = math.sqrt(np.mean([np.var(ohms, ddof=1) for ohms in estimates.values()]))
        for lead, ohms in sorted(estimates.items()):
            uncertainty_ohm = 2.0 * spread_ohm / math.sqrt(len(ohms))
            self.found.leads_ohm[lead + 1] = (float(np.mean(ohms)), uncertainty_ohm)
        self._check_leads()

    async def _warm(self, rest: Show, base: NDArray[np.bool_]) -> None:
        """Let the resistors of ``base`` reach their temperature; the board forgets in seconds."""
        until = self._clock.now() + WARM_UP
        while self._clock.now() < until:
            await self._look(replace(rest, duty=base.astype(float)), what="")

    async def _bleeds(
        self, rest: Show, on: NDArray[np.bool_], before: verdict.Seen, what: str
    ) -> verdict.Beside:
        seen = (await self._look(replace(rest, duty=on.astype(float)), what=what)).seen
        moved_v = seen.input_v - before.input_v
        return verdict.Beside(on, seen.source_a - before.source_a, moved_v)

    def _lead_ohm(self, looks: Sequence[verdict.Beside]) -> dict[int, float]:
        """Return the leads by what the board reads where it samples while it bleeds, else by mA."""
        design = self._bench.board
        if not design.mute:
            return verdict.lead_ohm_from_readings(looks)
        cell_v = np.full(self._rig.stack.cells, WORKING_V)
        window_ratio = design.bleed_window_s / (design.cycle_ns * 1e-9)
        return verdict.lead_ohm_from_currents(looks[0], looks[1], cell_v, window_ratio)

    def _check_bleeds(self, look: verdict.Beside) -> None:
        """Each bleed that is on must draw from its own cell, and from no other."""
        design = self._bench.board
        nominal_a = WORKING_V / design.bleed_path_ohm * design.bleed_window_s
        nominal_a /= design.cycle_ns * 1e-9
        for k, (on, ampere) in enumerate(zip(look.on, look.current_a, strict=True)):
            expected_a = nominal_a if on else 0.0
            if abs(ampere - expected_a) > 0.25 * nominal_a + verdict.DRAWS_A:
                told = "on" if on else "off"
                text = f"bleed {k + 1} is {told}, and cell {k + 1} gives {1e3 * ampere:.1f} mA"
                self.found.wrong.append(f"{text}, expected {1e3 * expected_a:.1f} mA")

    def _check_leads(self) -> None:
        """Compare with what the bench file says of each lead; say which could not be measured."""
        declared = self._bench.wiring.lead_ohm
        if len(self.found.leads_ohm) < len(declared):
            ends = f"leads 1 and {len(declared)}"
            text = f"{ends}: a board that mutes its bleeds to sample does not show the outermost"
            self.found.open_points.append(text)
        for lead, (found_ohm, spread_ohm) in self.found.leads_ohm.items():
            ohm = declared[lead - 1]
            if abs(found_ohm - ohm) > LEAD_OHM + spread_ohm:
                text = f"lead {lead} has {1e3 * found_ohm:.0f} mohm, the bench file says"
                self.found.wrong.append(f"{text} {1e3 * ohm:.0f} mohm")


LEAD_OHM = 0.1
"""How far a lead may be from what the file says: a bad crimp or a corroded pin has more."""


def _rounded(values: Sequence[float] | Floats, digits: int = 4) -> list[float | None]:
    """Return values as JSON has them: None for a number that is not known."""
    return [round(float(one), digits) if math.isfinite(one) else None for one in values]
