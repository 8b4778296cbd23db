"""From a profile, a bench file and devices to the parts of a run. No I/O, no names to resolve."""

import math
from collections.abc import Callable

from hil.balancing.strategy import Bounded, Tolerance
from hil.bench.driven import ROOM_DEGC
from hil.bench.expectations import TYPICAL_CELL_V
from hil.bench.interlock import Interlock
from hil.bench.observation import Observer
from hil.bench.plausibility import Plausibility
from hil.bench.quantities import Reader
from hil.bench.rig import Rig
from hil.bench.sensor_faults import SensorFaults
from hil.bench.stack import Sensors, Stack
from hil.core.instants import SECOND, Duration, Instant, to_seconds
from hil.core.records import LimitWarned
from hil.core.signals import Layout, tick_layout
from hil.core.spec import Accuracy
from hil.core.wiring import units_of
from hil.physics.board import ntc_divider_v
from hil.profile import Bench, Profile, plausible
from hil.profile.limits import SILENT_CYCLES, combined, guards
from hil.verdict.deviations import BoardWatch
from hil.verdict.findings import Explains, Lead, Tolerances
from hil.verdict.registry import Uncertainties
from hil.verdict.shadow import Shadow, ShadowLimits

NTC_ACCURACY_K = Accuracy(0.6)
"""1 % error of B (0.4 K at 60 degC), self-heating 0.14 K and resolution: physics.md section 2."""

MOVED_V = 0.005
"""What a cell may move between two looks without the board being wrong about it."""

MOVED_IN_A_CYCLE_V = 0.0005
"""What a cell may move against the lowest one between two cycles of a board that decides itself.

Voltages of one tick stand still; what is left is that the decision may be of the tick before.
"""

MOVED_SHARE = 1 / 12
"""A cell is steady while it moves by less than this share of the drop that is looked for."""

SHIFT_SAMPLES = 20
"""Readings in a mean: 0.3 mV of noise become less than 0.1 mV."""

BEYOND = 1.01
"""A share of the dividers' supply that no output's step can leave below it: an NTC that is open."""

CURRENT_RESOLUTION_A = 0.001
DUTY_SHARE = 0.02
"""A reported duty has 200 steps: further off than four of them it is another one."""


def make_stack(bench: Bench, now: Callable[[], Instant]) -> Stack:
    """Map cells, NTCs and the shunt to channels; ``now`` is the bench's clock."""
    design = bench.board
    faults = SensorFaults(
        bench.wiring,
        supply_v=BEYOND * design.ntc_supply_v,
        divider_v=lambda degc: ntc_divider_v(design, degc),
        now=now,
    )
    return Stack(bench.wiring, Sensors(design.shunt_ohm, faults))


def make_layout(bench: Bench, *, shadow: bool = False, weather: bool = False) -> Layout:
    """Return the tick row of this bench.

    In ``shadow`` mode with what the reference decides, in ``weather`` with what surrounds the pack.
    """
    cells, units = bench.wiring.cells, len(units_of(bench.wiring.cells))
    guards = [one.signal for one in bench.wiring.guards]
    ntcs = bench.board.ntcs
    return tick_layout(
        len(cells),
        ntcs,
        units,
        shadow=shadow,
        weather=weather,
        guards=guards,
        supply=bench.wiring.supply is not None,
    )


def make_interlock(
    profile: Profile,
    bench: Bench,
    rig: Rig,
    layout: Layout,
    warn: Callable[[LimitWarned], None],
) -> Interlock:
    """Combine the limits of bench, profile, devices and cells, and the rules on readings.

    ``warn`` takes what is crossed and only warns.
    """
    specs = rig.specs()
    tick_ns = profile.tick_ns or bench.tick_ns
    sane = plausible.rules(specs, bench.wiring.cells, tick_ns)
    bounds = [*guards(bench), *combined(profile, bench, specs)]
    return Interlock(bounds, Reader(layout), Plausibility(sane, layout), warn)


def make_watch(
    bench: Bench, rig: Rig, layout: Layout, tick_ns: Duration, strategy: Bounded | None = None
) -> BoardWatch:
    """Watch the board within its declared accuracy and that of the emulators.

    A reading may be off by the board's offset, gain, drift and noise (3 sigma), by the drop along
    unmuted leads, by the emulators' set and read errors, and by what a cell moves in one board
    cycle; the latencies are the board's cycle and the bench's tick. With a ``strategy`` the board
    decides by itself, and is held against that.
    """
    design, u = bench.board, uncertainties(rig)
    hot_k = design.over_temperature_degc - ROOM_DEGC
    ppm = design.gain_ppm + design.drift_ppm_per_k * hot_k
    board_v = design.offset_v + 1e-6 * ppm * TYPICAL_CELL_V + 3 * design.noise_v
    if not design.mute:
        # Own bleed and both neighbours': own reading falls by 2 I Rw, theirs rise by I Rw each.
        board_v += 3 * TYPICAL_CELL_V / design.bleed_path_ohm * max(bench.wiring.lead_ohm)
    emulators_v = u.set_v.at(TYPICAL_CELL_V) + u.read_v.at(TYPICAL_CELL_V)
    latency = 2 * max(design.cycle_ns, tick_ns) + SECOND
    tolerances = Tolerances(
        reading_v=board_v + emulators_v + MOVED_V,
        silent_after=SILENT_CYCLES * design.cycle_ns,
        obey_window=latency,
        leak_window=latency,
        bleed_s=design.bleed_is_steady
        * design.bleed_window_s
        / to_seconds(design.cycle_ns)
        / design.bleed_path_ohm,
        read_a=u.read_a,
        idle_window=latency + design.open_wire_every * design.cycle_ns,
        lead=_lead(bench) if design.mute else None,
        current_a=_current_error(bench, rig),
        current_looks=2 + -(-design.cycle_ns // tick_ns),
        explained=(
            Explains("open-wire", -1, 1),
            Explains("top-lead-open", 0, 0),
            Explains("front-end-silent", 0, design.cells_per_front_end - 1),
        ),
    )
    ntc_cells = {wire.ntc: wire.cell for wire in bench.wiring.ntcs}
    shadow = None
    if strategy is not None:
        limits = _shadow_limits(bench, tick_ns, latency)
        shadow = Shadow(strategy, Observer(layout), layout, limits)
    return BoardWatch(layout, tolerances, ntc_cells, shadow)


def _current_error(bench: Bench, rig: Rig) -> Accuracy | None:
    """Return by how much a board may misread an emulated current: its data, 4 sigma, our steps."""
    design, shunt = bench.board, bench.wiring.shunt
    if shunt is None:
        return None
    step_v = rig.emulators[shunt.by.device].SPEC.aux_resolution_v
    step_a = step_v / abs(shunt.ratio) / design.shunt_ohm
    offset_a = design.current_offset_a + 4 * design.current_noise_a + CURRENT_RESOLUTION_A
    return Accuracy(offset_a + step_a, 1e-6 * design.current_gain_ppm)


def _lead(bench: Bench) -> Lead:
    """Return from when on a shift of readings is the drop of a bleed, not noise or drift.

    Two means of so many readings differ by noise (4 sigma) and resolution; by the gain's error over
    half a volt and the reference's drift over 10 K, for what a cell and the board's heat may do
    between the two; and by what a cell may move while it counts as steady.
    """
    design, leads = bench.board, bench.wiring.lead_ohm
    steady_v = MOVED_SHARE * 2 * max(leads) * TYPICAL_CELL_V / design.bleed_path_ohm
    noise_v = 4 * math.sqrt(2 / SHIFT_SAMPLES) * design.noise_v + design.resolution_v
    drift_v = 1e-6 * (design.gain_ppm * 0.5 + design.drift_ppm_per_k * 10 * TYPICAL_CELL_V)
    return Lead(
        lead_ohm=tuple(leads),
        bleed_ohm=design.bleed_path_ohm,
        steady_v=steady_v,
        floor_v=noise_v + drift_v + steady_v,
        samples=SHIFT_SAMPLES,
    )


def _shadow_limits(bench: Bench, tick_ns: Duration, latency: Duration) -> ShadowLimits:
    """Return how far a board that decides by itself may be from the reference, and for how long.

    It decides on readings of its own, and sends those of another cycle: two differences of two
    readings, so 2 sigma of a reading make one of them (4 of those are allowed), each rounded, and
    what a cell moves meanwhile. A report comes at once, and again every second should it be lost.
    """
    design = bench.board
    excess_v = 4 * 2 * design.noise_v + 2 * design.resolution_v + MOVED_IN_A_CYCLE_V
    current_a = 4 * math.sqrt(2) * design.current_noise_a + 2 * CURRENT_RESOLUTION_A
    return ShadowLimits(
        tolerance=Tolerance(excess_v, current_a),
        window=design.balance_every_ns + design.cycle_ns + SECOND + tick_ns,
        tick=tick_ns,
        report_window=latency,
        duty=DUTY_SHARE,
    )


def uncertainties(rig: Rig) -> Uncertainties:
    """Collect the devices' accuracies; of several emulators the worst counts."""
    specs = [unit.SPEC for unit in rig.emulators.values()]

    def worst(pick: Callable[..., Accuracy]) -> Accuracy:
        accuracies = [pick(spec) for spec in specs]
        return Accuracy(max(a.offset for a in accuracies), max(a.gain for a in accuracies))

    return Uncertainties(
        set_v=worst(lambda spec: spec.set_accuracy_v),
        read_v=worst(lambda spec: spec.read_accuracy_v),
        read_a=worst(lambda spec: spec.read_accuracy_a),
        pcb_k=NTC_ACCURACY_K,
        chamber_k=rig.chamber.SPEC.read_accuracy_k,
        **_of_supply(rig),
    )


def _of_supply(rig: Rig) -> dict[str, Accuracy]:
    """Return how well the board's own supply is read back, where the bench gives it."""
    if rig.supply is None:
        return {}
    spec = rig.supply.unit.SPEC
    return {"supply_v": spec.read_accuracy_v, "supply_a": spec.read_accuracy_a}
