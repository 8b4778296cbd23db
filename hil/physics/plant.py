"""The virtual plant: one pack, stepped by the bench's tick.

Sign: current and power are positive in discharge. Cell voltages are those at the sense points
that ``PackParameters`` declares. Arrays are in the order of the cells, (cells,).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hil.physics.fitted_range import outside
from hil.physics.motion import BEYOND_ALL, advance, look_ahead, open_circuit
from hil.physics.pack import Overrides, ThermalNetwork, age_stack, make_stack, pace_of
from hil.physics.parameters import PackParameters
from hil.physics.stack import (
    CAPACITY_AH,
    CIRCUIT,
    COLDEST_DEGC,
    DEGC_STEPS,
    DELIVERED_J,
    EMF_V,
    FAST_PER_A,
    GRADIENT_J,
    HEAT_J,
    HYSTERESIS,
    LEAKAGE_A,
    LEAKED_AS,
    MAX_SUBSTEP_S,
    PENDING_J,
    REFERENCE_DEGC,
    RESISTANCE_RATIO,
    SOC,
    STEPS_PER_K,
    Floats,
)
from hil.physics.tables import tabulate
from hil.physics.terminals import cell_voltages, limited_current, power_current
from hil.physics.wear import CADENCE_S, Ageing, age, count

LONGEST_STEP_S = 366 * 86400.0


class Truth(NamedTuple):
    """Everything the plant knows at one instant, copied; for metrics and the oracle, not the board.

    ``ocv_v`` is the equilibrium voltage at 25 degC without hysteresis, ``leakage_a`` at 25 degC;
    ``slow_v`` is what diffusion and other slow terms take from it; ``leaked_ah``, ``heat_j`` and
    ``delivered_j`` (at the cell's own terminals) count from the start; ``pending_j`` is heat of the
    last step that the next one gives off, ``gradient_j`` what gradients in the particles hold.
    """

    current_a: float
    soc: Floats
    capacity_ah: Floats
    ocv_v: Floats
    terminal_v: Floats
    hysteresis: Floats
    slow_v: Floats
    cell_degc: Floats
    enclosure_degc: float
    resistance_ratio: Floats
    leakage_a: Floats
    leaked_ah: Floats
    heat_j: Floats
    delivered_j: Floats
    pending_j: Floats
    gradient_j: Floats


def _read_only(row: Floats) -> Floats:
    """Return a live view that users cannot write through."""
    view = row.view()
    view.flags.writeable = False
    return view


class Plant:
    """A pack of cells with known truth. ``soc``, ``cell_degc``, ``capacity_ah`` are live views.

    ``ageing`` is what goes on ageing with it, None if nothing does.
    """

    def __init__(
        self,
        pack: PackParameters,
        seed: int,
        overrides: Overrides | None = None,
    ) -> None:
        """Draw the pack of ``seed``, at rest and in thermal equilibrium at its initial temperature.

        ``overrides`` are given by cell, from 1 (``pack.Overrides``). Raises ValueError for one that
        does not fit the pack.
        """
        self.cells = pack.cells
        self.pack = pack
        self._stack = make_stack(pack, tabulate(pack.cell), seed, overrides)
        self.ageing = age_stack(pack, self._stack, seed)
        self._unaged_s = 0.0
        self._terminals = self._stack.terminals
        self._bleed_a = np.zeros(pack.cells)
        self._current_a = 0.0
        self._network = ThermalNetwork.of_pack(pack)
        self._prepared_s = math.nan
        self.soc = _read_only(self._stack.state[SOC])
        self.cell_degc = _read_only(self._stack.degc[:-1])
        self.capacity_ah = _read_only(self._stack.cells[CAPACITY_AH])

    def _prepare(self, dt_s: float) -> None:
        """Cut a step into equal parts of at most 10 s and fetch their thermal propagators."""
        if not 0.0 < dt_s <= LONGEST_STEP_S:
            raise ValueError(
                f"a step of {dt_s} s: it must be finite and above zero, at most a year"
            )
        self._substeps = math.ceil(dt_s / MAX_SUBSTEP_S)
        self._pace = pace_of(self._stack.tables, self._network, dt_s / self._substeps)
        self._prepared_s = dt_s

    def step(
        self, dt_s: float, current_a: float, bleed_a: Sequence[float] | Floats, ambient_degc: float
    ) -> None:
        """Move on by ``dt_s`` at constant stack current, bleed currents and ambient temperature.

        ``bleed_a`` (cells,) is averaged over the step and discharges the cell. Raises ValueError,
        with the pack's state unchanged, for a step, current or temperature that is not finite or
        beyond all that is real.
        """
        if dt_s != self._prepared_s:
            self._prepare(dt_s)
        self._bleed_a[:] = bleed_a
        # float(): an int would make numba compile everything once more for it.
        moved = advance(
            self._stack,
            self._pace,
            self._bleed_a,
            float(current_a),
            float(ambient_degc),
            self.pack.bleed_heat_ratio,
            self._substeps,
        )
        if not moved:
            self._bleed_a[:] = 0.0
            found = f"{current_a} A, {ambient_degc} degC, bleed {bleed_a}"
            raise ValueError(f"not finite, or beyond {BEYOND_ALL:g}: {found}")
        self._current_a = float(current_a)
        if self.ageing is not None:
            self._age(self.ageing, dt_s)

    def _age(self, ageing: Ageing, dt_s: float) -> None:
        """Count the cycles of every step; let the cells age at a slow cadence."""
        count(ageing, self._current_a, dt_s)
        self._unaged_s += dt_s
        if self._unaged_s >= CADENCE_S:
            age(ageing, self._unaged_s)
            self._unaged_s = 0.0

    def set_current(self, current_a: float) -> None:
        """Let ``terminal_v`` show the pack at this current from now on; time does not move."""
        self._current_a = float(current_a)

    # --- what the terminals show -------------------------------------------------------------

    def terminal_v(self) -> Floats:
        """Return the voltage (cells,) at every sense point, at the present current and bleed."""
        return self.voltage_at(self._current_a)

    def voltage_at(self, current_a: float) -> Floats:
        """Return the voltages (cells,) that this stack current would show at this instant."""
        out_v = np.empty(self.cells)
        cell_voltages(self._terminals, self._bleed_a, float(current_a), out_v)
        return out_v

    # --- the current that does what is asked -------------------------------------------------

    def current_for_cell_voltage(
        self, mean_v: float, cell_max_v: float, max_charge_a: float
    ) -> float:
        """Return the charge current (A, <= 0) that holds a voltage: constant-voltage charging.

        With it the mean cell voltage is ``mean_v`` or the highest cell is at ``cell_max_v``,
        whichever comes first, unless ``max_charge_a`` (a magnitude, may be infinite) is reached
        before. 0 when the pack is above either without current: this never discharges.
        """
        wanted_a = -abs(float(max_charge_a))
        return self._limited(wanted_a, mean_v=mean_v, max_v=cell_max_v, min_v=-math.inf)

    def current_within(self, current_a: float, cell_min_v: float, cell_max_v: float) -> float:
        """Return ``current_a``, made smaller until no cell leaves the window at this instant.

        Only the limit that the direction approaches counts: a low cell does not stop a charge.
        0 when that limit is already passed without current.
        """
        return self._limited(float(current_a), mean_v=math.inf, max_v=cell_max_v, min_v=cell_min_v)

    def current_for_power(self, power_w: float) -> float:
        """Return the current (A) at which the stack gives (> 0) or takes (< 0) ``power_w``.

        Power is read at the sense points. Raises ValueError when no current gives that much.
        """
        current_a = power_current(self._terminals, self._bleed_a, float(power_w))
        if not math.isfinite(current_a):
            raise ValueError(f"{power_w} W: no current draws as much from this pack in its state")
        return float(current_a)

    def _limited(self, wanted_a: float, *, mean_v: float, max_v: float, min_v: float) -> float:
        """Return the current nearest to ``wanted_a`` that keeps the limits."""
        limits = (float(mean_v), float(max_v), float(min_v))
        terminals = self._terminals
        if self._stack.tables.kind != CIRCUIT and self._prepared_s > 0.0:
            terminals = np.empty((FAST_PER_A + 1, self.cells))
            look_ahead(self._stack, self._pace, terminals)
        # + 0.0 turns the -0.0 of "no charge" into 0.0, so that records show one zero.
        return float(limited_current(terminals, self._bleed_a, wanted_a, *limits)) + 0.0

    # --- what only the plant knows -----------------------------------------------------------

    def truth(self) -> Truth:
        """Return a copy of everything; slow (tens of microseconds), not for every tick."""
        state, cells, degc = self._stack.state, self._stack.cells, self._stack.degc
        ocv_v, rested_v = self._at_rest()
        return Truth(
            current_a=self._current_a,
            soc=state[SOC].copy(),
            capacity_ah=cells[CAPACITY_AH].copy(),
            ocv_v=ocv_v,
            terminal_v=self.terminal_v(),
            hysteresis=state[HYSTERESIS].copy(),
            slow_v=rested_v - self._terminals[EMF_V],
            cell_degc=degc[:-1].copy(),
            enclosure_degc=float(degc[-1]),
            resistance_ratio=cells[RESISTANCE_RATIO].copy(),
            leakage_a=cells[LEAKAGE_A].copy(),
            leaked_ah=state[LEAKED_AS] / 3600.0,
            heat_j=state[HEAT_J].copy(),
            delivered_j=state[DELIVERED_J].copy(),
            pending_j=state[PENDING_J].copy(),
            gradient_j=state[GRADIENT_J].copy(),
        )

    def _at_rest(self) -> tuple[Floats, Floats]:
        """Return OCV at 25 degC and what the terminals would settle at here (cells,) each."""
        state, tables = self._stack.state, self._stack.tables
        hottest_degc = COLDEST_DEGC + DEGC_STEPS / STEPS_PER_K
        degc = np.clip(self._stack.degc[:-1], COLDEST_DEGC, hottest_degc)
        ocv_v, entropic, loop_v = np.array([open_circuit(tables, float(s)) for s in state[SOC]]).T
        rested_v = ocv_v + (degc - REFERENCE_DEGC) * entropic + state[HYSTERESIS] * loop_v
        return ocv_v, rested_v

    def extrapolated(self) -> tuple[str, ...]:
        """Name what lies outside the range in which the cell's figures were fitted, now.

        Any of ``soc``, ``temperature``, ``rate``; empty when the model stands on data.
        """
        cell = self.pack.cell
        largest_a = float(np.abs(self._current_a + self._bleed_a).max())
        soc, degc = self.soc.tolist(), self.cell_degc.tolist()
        return outside(cell, soc, degc, largest_a / cell.capacity_ah)
