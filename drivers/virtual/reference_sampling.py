"""What the virtual reference board measures: cells, NTCs, its own temperature, the shunt.

Everything comes from terminals: emulator outputs by way of the harness, auxiliary outputs on the
NTC and shunt inputs, the chamber's air. Nothing here knows the plant.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any

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
    """The front ends and the board's own sensors; ``pcb_degc`` is the board's true temperature."""

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
        # mean bleed power and the charge it was reckoned from, both since the last warm_up
        self._power_w = np.zeros(design.cells)
        self._charged_as = np.zeros(design.cells)

        # the board sits in the chamber: what it feels is the air, not the controller's reading
        chambers = [twin for twin in twins.values() if hasattr(twin, "air_degc")]
        self._air_degc: Callable[[Instant], float] = (
            chambers[0].air_degc if chambers else lambda _: ROOM_DEGC
        )
        self._ntcs = {ntc.ntc: (twins[ntc.by.device].aux_v, ntc.by.number) for ntc in wiring.ntcs}
        # unknown until the first look: the board has been in this air long before its supply came
        self.pcb_degc: float | None = None
        self._heated_at: Instant = 0

        self._shunt = wiring.shunt
        self._shunt_v = twins[wiring.shunt.by.device].aux_v if wiring.shunt else None
        self._current_device = _device(f"{name}/current")
        self._row = np.zeros(1)
        self._current_offset_a = design.current_offset_a * self._uniform(-1)
        self._current_scale = 1 + 1e-6 * design.current_gain_ppm * self._uniform(-2)

    def cell_counts(self, sample: int, input_v: physics.Row | None = None) -> list[int]:
        """Convert all cells now, in counts of 0.1 mV; the harness has been moved on to now.

        ``input_v`` (cells,) is what stands at the ADC, if not what the input filters let through.
        """
        design = self._design
        physics.sample_cells(
            self._seed,
            self._device,
            sample,
            self.harness.filtered_v if input_v is None else input_v,
            self._chain.offset_v,
            self._chain.gain_ppm,
            self._chain.drift_ppm_per_k,
            physics.REFERENCE_DEGC if self.pcb_degc is None else self.pcb_degc,
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
        design, true_a = self._design, 0.0
        if self._shunt is not None and self._shunt_v is not None:
            # back through the level shifter that the bench put before the shunt input
            out_v = self._shunt_v(self._shunt.by.number)
            true_a = (out_v - self._shunt.centre_v) / self._shunt.ratio / design.shunt_ohm
        physics.noise_row(self._seed, self._current_device, sample, self._row)
        noise_a = design.current_noise_a * float(self._row[0])
        return true_a * self._current_scale + self._current_offset_a + noise_a

    def temperatures_degc(self, now: Instant) -> list[float]:
        """Read every cell NTC, NaN for a broken one; those without a wire sit in the air."""
        return [
            physics.ntc_degc(self._design, self._ntcs[ntc][0](self._ntcs[ntc][1]))
            if ntc in self._ntcs
            else self._air_degc(now)
            for ntc in range(1, self._design.ntcs + 1)
        ]

    def ntc_pins_v(self, now: Instant) -> list[float]:
        """Return what stands on every NTC pin: emulated, or the divider of an NTC in the air."""
        return [
            self._ntcs[ntc][0](self._ntcs[ntc][1])
            if ntc in self._ntcs
            else physics.ntc_divider_v(self._design, self._air_degc(now))
            for ntc in range(1, self._design.ntcs + 1)
        ]

    def warm_up(self, now: Instant) -> float:
        """Let board and bleed resistors follow air and bleed heat; return the board's degC.

        Called once a second: the board's time constant is minutes. The power is charge times
        source voltage, so the little that the leads dissipate counts as the board's.
        """
        design, harness = self._design, self.harness
        air_degc = self._air_degc(now)
        if self.pcb_degc is None:
            self.pcb_degc = air_degc
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
            self.pcb_degc = physics.pcb_step_degc(
                design, self.pcb_degc, air_degc, power_w, elapsed_s
            )
        physics.bleed_resistances(
            self._chain.bleed_ohm,
            design.bleed_tcr_ppm_per_k,
            design.bleed_rth_k_per_w,
            self.pcb_degc,
            self._power_w,
            harness.ladder.bleed_ohm,
        )
        return self.pcb_degc

    def _uniform(self, draw: int) -> float:
        """Return one value in (-1, 1) for the current channel."""
        physics.uniform_row(self._seed, self._current_device, draw, self._row)
        return 2 * float(self._row[0]) - 1


def _device(text: str) -> int:
    """Return the number under which a part of this board draws its noise.

    Not Python's hash, which differs from one process to the next.
    """
    return zlib.crc32(text.encode()) & 0xFFFF
