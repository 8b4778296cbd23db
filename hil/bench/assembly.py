"""From a profile, a bench file and devices to the parts of a run. No I/O, no names to resolve."""

from collections.abc import Callable

from hil.bench.driven import ROOM_DEGC
from hil.bench.expectations import TYPICAL_CELL_V
from hil.bench.interlock import Bound, Interlock, tightest
from hil.bench.quantities import Reader
from hil.bench.rig import Rig
from hil.bench.stack import Sensors, Stack
from hil.core.instants import SECOND, Duration, to_seconds
from hil.core.signals import Layout, tick_layout
from hil.core.spec import Accuracy
from hil.core.wiring import units_of
from hil.physics.board import ntc_divider_v
from hil.profile import Bench, Profile
from hil.profile.conditions import QUANTITIES
from hil.verdict.deviations import BoardWatch, Explains, Tolerances
from hil.verdict.registry import Uncertainties

NTC_ACCURACY_K = Accuracy(0.6)
"""1 % error of B (0.4 K at 60 degC), self-heating 0.14 K and resolution: physics.md section 2."""

MOVED_V = 0.005
"""What a cell may move between two looks without the board being wrong about it."""

SILENT_CYCLES = 3
"""A board is silent after this many of its own cycles without a full set of voltages."""


def make_stack(bench: Bench) -> Stack:
    """Map cells, NTCs and the shunt to channels."""
    design = bench.board
    sensors = Sensors(
        ntc_v=lambda degc: ntc_divider_v(design, degc),
        shunt_ohm=design.shunt_ohm,
    )
    return Stack(bench.wiring, sensors)


def make_layout(bench: Bench) -> Layout:
    """Return the tick row of this bench."""
    units = len(units_of(bench.wiring.cells))
    return tick_layout(len(bench.wiring.cells), bench.board.ntcs, units)


def make_interlock(profile: Profile, bench: Bench, rig: Rig, layout: Layout) -> Interlock:
    """Combine the limits of bench, profile, devices and the bench's own rule on silence."""
    bounds = [
        Bound(limit.quantity, upper, value, QUANTITIES[limit.quantity].unit, origin)
        for origin, limits in (("bench", bench.limits), ("profile", profile.limits))
        for limit in limits
        for upper, value in ((False, limit.minimum), (True, limit.maximum))
        if value is not None
    ]
    span = rig.chamber.SPEC.set_degc
    bounds.append(Bound("chamber.temperature", True, span.high, "degC", "device"))  # noqa: FBT003 - upper
    bounds.append(Bound("chamber.temperature", False, span.low, "degC", "device"))  # noqa: FBT003 - lower
    silent_s = to_seconds(SILENT_CYCLES * bench.board.cycle_ns)
    bounds.append(Bound("board.age", True, silent_s, "s", "bench"))  # noqa: FBT003 - upper
    return Interlock(tightest(bounds), Reader(layout))


def make_watch(bench: Bench, rig: Rig, layout: Layout, tick_ns: Duration) -> BoardWatch:
    """Watch the board within its declared accuracy and that of the emulators.

    A reading may be off by the board's offset, gain, drift and noise (3 sigma), by the drop along
    unmuted leads, by the emulators' set and read errors, and by what a cell moves in one board
    cycle; the latencies are the board's cycle and the bench's tick.
    """
    design, u = bench.board, uncertainties(rig)
    hot_k = design.over_temperature_degc - ROOM_DEGC
    ppm = design.gain_ppm + design.drift_ppm_per_k * hot_k
    board_v = design.offset_v + 1e-6 * ppm * TYPICAL_CELL_V + 3 * design.noise_v
    if not design.mute:
        # Own bleed and both neighbours': own reading falls by 2 I Rw, theirs rise by I Rw each.
        board_v += 3 * TYPICAL_CELL_V / design.bleed_ohm * max(bench.wiring.lead_ohm)
    emulators_v = u.set_v.at(TYPICAL_CELL_V) + u.read_v.at(TYPICAL_CELL_V)
    latency = 2 * max(design.cycle_ns, tick_ns)
    tolerances = Tolerances(
        reading_v=board_v + emulators_v + MOVED_V,
        silent_after=SILENT_CYCLES * design.cycle_ns,
        obey_window=latency + SECOND,
        leak_window=latency + SECOND,
        explained=(
            Explains("open-wire", -1, 1),
            Explains("top-lead-open", 0, 0),
            Explains("front-end-silent", 0, design.cells_per_front_end - 1),
        ),
    )
    ntc_cells = {wire.ntc: wire.cell for wire in bench.wiring.ntcs}
    return BoardWatch(layout, tolerances, ntc_cells)


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
    )
