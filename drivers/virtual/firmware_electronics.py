"""The reference board without its firmware: front ends, shunt monitor, harness and heat.

What a microcontroller finds on its SPI bus (``hil.ports.SpiBus``). Nothing here knows a threshold,
a protection or CAN: it measures when it is asked, and bleeds where a register says so.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from drivers.virtual.ina229 import Ina229
from drivers.virtual.ltc6813 import DaisyChain, Ltc6813
from drivers.virtual.reference_sampling import ROOM_DEGC, Sampling
from drivers.wire import ltc681x as wire
from hil.core.instants import SECOND, Instant
from hil.physics.board import ADC_MAX_V, BoardDesign
from hil.physics.wiring import OPEN_OHM
from hil.ports import Clock, LabPlan

FRONT_ENDS, SHUNT = 0, 1
"""Select lines."""
NTCS_A_CHIP = 8
"""GPIO 1 to 8 of every chip; GPIO 9 of the first one is the board's own NTC."""

_NOTHING = b"\xff"
_TOP = round(ADC_MAX_V / wire.VOLT_PER_COUNT)


class BoardElectronics:
    """The chips on their select lines, and what they are wired to (``ltc6813.Inputs``).

    ``cycles`` counts conversions of the cells, those of the open-wire procedure left out.
    """

    FAULTS: ClassVar[tuple[str, ...]] = (
        "stuck-cell",
        "stuck-bleed",
        "front-end-silent",
        "bad-pec",
        "tampered",
        *Sampling.FAULTS,
    )
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = (
        *(fault for fault in FAULTS if fault not in Sampling.FAULTS),
        *Sampling.FAULTS_OF_A_CELL,
    )

    def __init__(self, name: str, clock: Clock, plan: LabPlan) -> None:
        """Draw this board's parts from the seed and wire them; the supply is off.

        Raises ValueError for NTCs that find no pin, and for wiring that does not fit.
        """
        design: BoardDesign = plan.board
        room = NTCS_A_CHIP * design.front_ends
        if design.ntcs > room:
            raise ValueError(
                f"ntcs: found {design.ntcs}, expected at most {room}: "
                f"{NTCS_A_CHIP} on each of {design.front_ends} front ends"
            )
        self.cycles = 0
        self._name, self._clock, self._design = name, clock, design
        self._sampling = Sampling(design, plan.wiring, plan.twins, plan.seed, name)
        self._harness = self._sampling.harness
        self._chain = DaisyChain(clock, self, design.cells, design.cells_per_front_end)
        self._shunt = Ina229(clock, self._shunt_v, self.die_degc)
        self._is_powered = False
        self._heated_since: Instant | None = None
        self._samples = 0  # conversions of any kind: the number under which noise is drawn
        self._counts = [0] * design.cells
        self._mask = 0  # which bleeds the chips drive
        # faults put in from outside: readings that stand still (None until the next conversion
        # shows at what), and bleeds that nothing switches off, as a mask
        self._frozen: dict[int, int | None] = {}
        self._stuck = 0

    # --- supply and heat --------------------------------------------------------------------------

    def supply(self, *, on: bool) -> None:
        """Switch the board's supply: chips start anew, what is broken stays broken."""
        self._is_powered = on
        self._chain.reset()
        self._shunt.reset()
        if self._heated_since is None:
            self._heated_since = self._clock.now()
            self._warm_up(0)

    def _warm_up(self, seconds: int) -> None:
        """Let heat move on, once a second: air and resistors do not ask whether a program runs."""
        assert self._heated_since is not None  # noqa: S101 - set before the first call
        now = self._heated_since + seconds * SECOND
        self._harness.advance(now)
        self._sampling.warm_up(now)
        self._clock.call_at(now + SECOND, self._warm_up, seconds + 1)

    # --- SpiBus -----------------------------------------------------------------------------------

    def transfer(self, select: int, data: bytes) -> bytes:
        """Exchange bytes with the chips of a select line; with none, the line's pull-up answers."""
        if self._is_powered:
            if select == FRONT_ENDS:
                return self._chain.transfer(data)
            if select == SHUNT:
                return self._shunt.transfer(data)
        return _NOTHING * len(data)

    # --- what the chips see: ltc6813.Inputs and the shunt -----------------------------------------

    def bleed(self, mask: int) -> None:
        """Switch the bleed transistors; one that is stuck conducts whatever is asked."""
        self._mask = mask
        self._harness.start_cycle(self._clock.now(), np.array(self._on_until_s()))

    def _on_until_s(self) -> list[float]:
        """Return for each cell how long its bleed goes on: for ever, or not at all."""
        conducting = self._mask | self._stuck
        return [math.inf if conducting >> k & 1 else 0.0 for k in range(self._design.cells)]

    def cell_counts(self, pull: int) -> Sequence[int]:
        """Convert all cells now, in counts of 0.1 mV; ``pull`` as in ``ltc681x.Conversion``."""
        now, design = self._clock.now(), self._design
        self._harness.advance(now)
        input_v = None
        if pull:
            pin_a = pull * design.pull_a
            input_v = self._harness.probed_v(pin_a, design.cells_per_front_end, now)
        else:
            self.cycles += 1
        self._samples += 1
        counts = self._sampling.cell_counts(self._samples, now, input_v)
        for index, frozen in self._frozen.items():
            # the counts of the last conversion are still there, a pull left out
            held = self._counts[index] if frozen is None else frozen
            self._frozen[index] = counts[index] = held
        if not pull:
            self._counts = counts
        return counts

    def pin_counts(self, front_end: int) -> Sequence[int]:
        """Convert GPIO 1 to 9 of a front end now; a pin without an NTC is tied to ground."""
        pins_v = self._sampling.ntc_pins_v(self._clock.now())
        own_v = pins_v[front_end * NTCS_A_CHIP : (front_end + 1) * NTCS_A_CHIP]
        own_v += [0.0] * (wire.PINS - len(own_v))
        if front_end == 0:
            own_v[-1] = self._sampling.board_ntc_v()
        return [min(max(round(volt / wire.VOLT_PER_COUNT), 0), _TOP) for volt in own_v]

    def die_degc(self) -> float:
        """Return the temperature of all chips: that of the front ends' zone of the board."""
        return ROOM_DEGC if self._sampling.pcb_degc is None else self._sampling.front_degc

    def _shunt_v(self, sample: int) -> float:
        """Return the voltage across the shunt as its monitor sees it, + in discharge."""
        return self._sampling.current_a(sample) * self._design.shunt_ohm

    # --- faults and truth -------------------------------------------------------------------------

    def inject(self, fault: str, cell: int, *, active: bool) -> None:
        """Put one of ``FAULTS`` in or out; ``cell`` from 1, a lead of the harness has one more.

        Those of the wiring are told of in ``Sampling.inject``. Raises ValueError for any other
        fault or cell.
        """
        if fault in Sampling.FAULTS:
            self._sampling.inject(fault, cell, active=active, now=self._clock.now())
            return
        index = self._index(cell)
        front_end = index // self._design.cells_per_front_end
        if fault == "stuck-cell":
            self._frozen.pop(index, None)
            if active:
                self._frozen[index] = None
        elif fault == "stuck-bleed":
            self._stuck = self._stuck | 1 << index if active else self._stuck & ~(1 << index)
            self.bleed(self._mask)
        elif fault == "front-end-silent":
            self._chain.cut(front_end, active=active)
        elif fault == "bad-pec":
            self._chain.spoil(front_end, active=active)
        elif fault == "tampered":
            self._chain.tamper(front_end, active=active)
        else:
            raise ValueError(f"{self._name}: no fault {fault!r} of its electronics")

    def _index(self, cell: int) -> int:
        """Return the index of a cell counted from 1. Raises ValueError."""
        if not 1 <= cell <= self._design.cells:
            raise ValueError(f"{self._name}: no cell {cell}; it has 1 to {self._design.cells}")
        return cell - 1

    def truth(self) -> Mapping[str, Any]:
        """Return what is really so now: (cells,) each, leads from 1, + into the board."""
        now, harness = self._clock.now(), self._harness
        leads_ohm = harness.ladder.lead_ohm.tolist()
        return {
            "powered": self._is_powered,
            "cycles": self.cycles,
            "bleeds": [float(on_s > 0) for on_s in self._on_until_s()],
            "current_a": harness.currents_a(now),
            "charge_as": harness.charges_as(now),
            "input_v": harness.filtered_v.tolist(),
            "open_leads": [n for n, ohm in enumerate(leads_ohm, 1) if ohm >= OPEN_OHM],
            **self._sampling.truth(),
            "front_ends": [_registers(chip) for chip in self._chain.chips],
        }


def _registers(chip: Ltc6813) -> Mapping[str, Any]:
    """Return what one front end holds; cells count from 1 within it."""
    return {
        "awake": chip.is_awake,
        "muted": chip.is_muted,
        "config": [chip.config_a.hex(), chip.config_b.hex()],
        "discharge": [k + 1 for k in range(wire.CELLS) if chip.discharge >> k & 1],
        "cell_counts": list(chip.results["cells"]),
        "pin_counts": list(chip.results["pins"]),
    }
