"""What the virtual reference board measures: cells, NTCs, its own temperature, the shunt.

Everything comes from terminals: emulator outputs by way of the harness, auxiliary outputs on the
NTC and shunt inputs, the chamber's air. Nothing here knows the plant.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from drivers.virtual.harness import BoardHarness
from drivers.wire import reference_board as wire
from hil.core.instants import Instant
from hil.core.wiring import WiringPlan
from hil.physics import board as physics
from hil.physics.board import BoardDesign

ROOM_DEGC = 25.0
"""The air around a board that no chamber holds."""


class Sampling:
    """The front ends and the board's own sensors.

    True temperatures: ``pcb_degc`` is that of the bleeds (of the whole board, on a standard
    layout), ``front_degc`` that of the front ends and their references; ``hot_degc`` (cells,) that
    of the hottest part of each bleed path. ``drift_ratio`` (cells,) is how far the bleed resistors
    have moved with their age.
    """

    FAULTS: ClassVar[tuple[str, ...]] = (
        *BoardHarness.FAULTS,
        "swapped-ntcs",
        "open-ntc",
        "shorted-ntc",
        "reversed-shunt",
    )
    """Faults of the wiring, on the board's side of it."""
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = FAULTS[:-1]

    def __init__(
        self,
        design: BoardDesign,
        wiring: WiringPlan,
        twins: Mapping[str, Any],
        seed: int,
        name: str,
    ) -> None:
        """Draw the parts of this very board from the seed, and connect it."""
        self._design, self._seed = design, seed
        self._device = _device(f"{name}/cells")
        self._chain = physics.make_chain(design, seed, self._device)
        self.harness = BoardHarness(design, self._chain, wiring, twins)
        # an ADC may count in other steps than the 0.1 mV of the wire
        self._scale = design.resolution_v / wire.VOLT_PER_COUNT
        self._counts = np.zeros(design.cells, np.int64)
        self._ripple = MainsRipple(design, self._chain)

        # mean bleed power and the charge it was reckoned from, both since the last warm_up
        self._path = physics.make_path(design, self._chain)
        self._zones = physics.make_zones(design)
        self._power_w = np.zeros(design.cells)
        self._charged_as = np.zeros(design.cells)
        self.drift_ratio = np.zeros(design.cells)
        self.hot_degc = np.full(design.cells, ROOM_DEGC)
        self._gain_ppm = self._chain.gain_ppm
        self._reference = physics.ReferenceState()

        # the board sits in the chamber: what it feels is the air, not the controller's reading
        chambers = [twin for twin in twins.values() if hasattr(twin, "air_degc")]
        self._air_degc: Callable[[Instant], float] = (
            chambers[0].air_degc if chambers else lambda _: ROOM_DEGC
        )
        self._ntcs = {ntc.ntc: (twins[ntc.by.device].aux_v, ntc.by.number) for ntc in wiring.ntcs}
        # on which pin each NTC stands, those whose pin nothing or ground is connected to, and
        # which way round the shunt is
        self._ntc_order = list(range(1, design.ntcs + 1))
        self._broken_ntcs: dict[int, float] = {}
        self._shunt_sign = 1.0
        # NTCs that are really there, the board's own last: their curves, and how warm they are
        self._parts = physics.make_ntcs(design, seed, self._device)
        self._beads_degc: list[float] = []
        # unknown until the first look: the board has been in this air long before its supply came
        self.pcb_degc: float | None = None
        self.front_degc = physics.REFERENCE_DEGC
        self._heated_at: Instant = 0

        self._shunt = wiring.shunt
        self._shunt_v = twins[wiring.shunt.by.device].aux_v if wiring.shunt else None
        self._current_device = _device(f"{name}/current")
        self._row = np.zeros(1)
        self._current_offset_a = design.current_offset_a * self._uniform(-1)
        self._current_scale = 1 + 1e-6 * design.current_gain_ppm * self._uniform(-2)
        for fault, number in wiring.virtual.faults:
            self.inject(fault, number, active=True, now=0)

    # --- faults of the wiring ---------------------------------------------------------------------

    def inject(self, fault: str, number: int, *, active: bool, now: Instant) -> None:
        """Put one of ``FAULTS`` in or out; lead, cell or NTC from 1 (``BoardHarness.inject``).

        ``swapped-ntcs`` are this NTC and the next one, ``open-ntc`` and ``shorted-ntc`` stand at an
        end of their divider, ``reversed-shunt`` shows charge as discharge. Raises ValueError for
        any other fault or number.
        """
        if fault in BoardHarness.FAULTS:
            self.harness.inject(fault, number, active=active, now=now)
        elif fault == "reversed-shunt":
            self._shunt_sign = -1.0 if active else 1.0
        else:
            self._inject_ntc(fault, number, active=active)

    def _inject_ntc(self, fault: str, number: int, *, active: bool) -> None:
        """Put a fault of one NTC in or out."""
        ends_v = {"open-ntc": self._design.ntc_supply_v, "shorted-ntc": 0.0}
        most = self._design.ntcs - (fault == "swapped-ntcs")
        if fault not in self.FAULTS or not 1 <= number <= most:
            raise ValueError(f"wiring: no fault {fault!r} on {number}; it goes up to {most}")
        if fault in ends_v:
            self._broken_ntcs.pop(number, None)
            if active:
                self._broken_ntcs[number] = ends_v[fault]
        elif (self._ntc_order[number - 1] != number) != active:
            order = self._ntc_order
            order[number - 1], order[number] = order[number], order[number - 1]

    # --- cells and shunt --------------------------------------------------------------------------

    def cell_counts(
        self, sample: int, now: Instant, input_v: physics.Row | None = None
    ) -> list[int]:
        """Convert all cells now, in counts of 0.1 mV; the harness has been moved on to now.

        ``input_v`` (cells,) is what stands at the ADC, if not what the input filters let through.
        """
        design = self._design
        seen_v = self.harness.measured_v(now) if input_v is None else input_v
        if design.ripple is not None:
            seen_v = self._ripple.on_top(seen_v, self._true_a(), now)
        physics.sample_cells(
            self._seed,
            self._device,
            sample,
            seen_v,
            self._chain.offset_v,
            self._gain_ppm,
            self._chain.drift_ppm_per_k,
            self.front_degc,
            design.noise_v,
            design.resolution_v,
            self._counts,
        )
        counts: list[int] = self._counts.tolist()
        if self._scale == 1.0:
            return counts
        return [round(count * self._scale) for count in counts]

    def current_a(self, sample: int) -> float:
        """Read the shunt input; an input that nobody drives has no voltage across it."""
        physics.noise_row(self._seed, self._current_device, sample, self._row)
        noise_a = self._design.current_noise_a * float(self._row[0])
        return self._true_a() * self._current_scale + self._current_offset_a + noise_a

    def _true_a(self) -> float:
        """Return the current that the shunt input shows, without the errors of reading it."""
        if self._shunt is None or self._shunt_v is None:
            return 0.0
        # back through the level shifter that the bench put before the shunt input
        out_v: float = self._shunt_v(self._shunt.by.number)
        shunt_v = (out_v - self._shunt.centre_v) / self._shunt.ratio
        return self._shunt_sign * shunt_v / self._design.shunt_ohm

    # --- temperatures -----------------------------------------------------------------------------

    def temperatures_degc(self, now: Instant) -> list[float]:
        """Read every cell NTC, NaN for a broken one; those without a wire sit in the air."""
        if self._design.ntc_part is not None:
            return [physics.ntc_degc(self._design, volt) for volt in self.ntc_pins_v(now)]
        return [
            self._air_degc(now)
            if ntc not in self._ntcs and pin not in self._broken_ntcs
            else physics.ntc_degc(self._design, self._pin_v(pin, ntc, now))
            for pin, ntc in enumerate(self._ntc_order, 1)
        ]

    def ntc_pins_v(self, now: Instant) -> list[float]:
        """Return what stands on every NTC pin: emulated, or the divider of an NTC in the air."""
        return [self._pin_v(pin, ntc, now) for pin, ntc in enumerate(self._ntc_order, 1)]

    def _pin_v(self, pin: int, ntc: int, now: Instant) -> float:
        """Return what NTC ``ntc`` puts on a pin, where nothing is broken on the way."""
        if pin in self._broken_ntcs:
            return self._broken_ntcs[pin]
        if ntc not in self._ntcs:
            return self._own_v(ntc - 1, self._air_degc(now))
        aux_v, number = self._ntcs[ntc]
        volt: float = aux_v(number)
        return volt

    def board_ntc_v(self) -> float:
        """Return what stands on the pin of the board's own NTC, beside the bleeds."""
        degc = ROOM_DEGC if self.pcb_degc is None else self.pcb_degc
        return self._own_v(self._design.ntcs, degc)

    def _own_v(self, index: int, around_degc: float) -> float:
        """Return the divider of a real NTC; it lags behind its place if its design says so."""
        degc = self._beads_degc[index] if self._beads_degc else around_degc
        return physics.ntc_divider_v(self._design, degc, self._parts[index])

    # --- heat and age -----------------------------------------------------------------------------

    def warm_up(self, now: Instant) -> float:
        """Let board and parts follow air and bleed heat; return what the board's own NTC reads.

        Called once a second: the board's time constant is minutes. The power is charge times
        source voltage, so the little that the leads dissipate counts as the board's.
        """
        harness = self.harness
        air_degc = self._air_degc(now)
        if self.pcb_degc is None:
            self.pcb_degc = self.front_degc = air_degc
        elapsed_s = (now - self._heated_at) * 1e-9
        self._heated_at = now
        if elapsed_s > 0:
            power_w = physics.bleed_power_w(
                harness.charge_as,
                self._charged_as,
                harness.ladder.source_v,
                elapsed_s,
                self._power_w,
            )
            self.pcb_degc, self.front_degc = physics.step_zones(
                self._zones, self.pcb_degc, self.front_degc, air_degc, power_w, elapsed_s
            )
        physics.path_resistances(
            self._path,
            self.pcb_degc,
            self._power_w,
            self.drift_ratio,
            harness.ladder.source_v,
            harness.ladder.bleed_ohm,
            self.hot_degc,
        )
        self._grow_old(elapsed_s)
        if self._design.ntc_part is None:
            return self.pcb_degc
        self._warm_ntcs(air_degc, elapsed_s)
        return physics.ntc_degc(self._design, self.board_ntc_v())

    def _grow_old(self, elapsed_s: float) -> None:
        """Let resistors and references move as far as their data sheets allow."""
        design, life_ratio = self._design, self._chain.life_ratio
        if design.resistor is not None and life_ratio is not None:
            share = self._chain.bleed_ohm / self.harness.ladder.bleed_ohm  # a FET has the rest
            resistor_w = self._power_w * np.minimum(share, 1.0)
            physics.age_resistors(
                life_ratio, design.resistor.rated_w, resistor_w, elapsed_s, self.drift_ratio
            )
        if design.reference is not None:
            self._reference = physics.move_reference(
                design, self._reference, self.front_degc, elapsed_s
            )
            self._gain_ppm = physics.reference_ppm(self._chain, self._reference)

    def _warm_ntcs(self, air_degc: float, elapsed_s: float) -> None:
        """Let every real NTC follow its place: the air, and for the board's own the bleeds."""
        assert self.pcb_degc is not None  # noqa: S101 - set before the first call
        places_degc = [air_degc] * self._design.ntcs + [self.pcb_degc]
        self._beads_degc = [
            physics.ntc_step_degc(self._design, part, bead_degc, around_degc, elapsed_s)
            for part, bead_degc, around_degc in zip(
                self._parts, self._beads_degc or places_degc, places_degc, strict=True
            )
        ]

    def truth(self) -> Mapping[str, Any]:
        """Return how warm and old the parts are; (cells,) each, overloaded cells from 1.

        Overloaded is a bleed resistor that takes more than its derating line allows.
        """
        degc = ROOM_DEGC if self.pcb_degc is None else self.pcb_degc
        most_w = physics.derated_w(self._design, degc)
        return {
            "pcb_degc": self.pcb_degc,
            "front_degc": self.front_degc,
            "hot_degc": self.hot_degc.tolist(),
            "drift_ratio": self.drift_ratio.tolist(),
            "overloaded": [k for k, watt in enumerate(self._power_w.tolist(), 1) if watt > most_w],
        }

    def _uniform(self, draw: int) -> float:
        """Return one value in (-1, 1) for the current channel."""
        physics.uniform_row(self._seed, self._current_device, draw, self._row)
        return 2 * float(self._row[0]) - 1


class MainsRipple:
    """What the mains put on top of the cells' voltages, as this board's ADC sees it."""

    def __init__(self, design: BoardDesign, chain: physics.Chain) -> None:
        """Work out once what filter and window leave of both frequencies."""
        ripple = design.ripple or physics.Ripple()
        window_s, tau_s = ripple.window_ns * 1e-9, design.filter_tau_s
        self._hz = 2.0 * ripple.mains_hz
        self._ohm = (
            ripple.share_ratio * ripple.cell_ohm * physics.ripple_gain(self._hz, window_s, tau_s)
        )
        self._pickup_share = physics.ripple_gain(ripple.mains_hz, window_s, tau_s)
        self._pickup_v = np.zeros(design.cells) if chain.pickup_v is None else chain.pickup_v
        self._stagger_s = ripple.stagger_ns * 1e-9

    def on_top(self, seen_v: physics.Row, current_a: float, now: Instant) -> physics.Row:
        """Return ``seen_v`` (cells,) with the ripple of ``current_a`` and the pick-up on it."""
        out_v = seen_v.copy()
        physics.add_ripple(
            now * 1e-9,
            self._stagger_s,
            self._hz,
            -current_a * self._ohm,
            self._pickup_v,
            self._pickup_share,
            out_v,
        )
        return out_v


def _device(text: str) -> int:
    """Return the number under which a part of this board draws its noise.

    Not Python's hash, which differs from one process to the next.
    """
    return zlib.crc32(text.encode()) & 0xFFFF
