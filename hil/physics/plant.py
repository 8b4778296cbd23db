"""The virtual plant: one pack, stepped by the bench's tick.

Sign: current and power are positive in discharge. Cell voltages are those at the sense points
that ``PackParameters`` declares. Arrays are in the order of the cells, (cells,).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hil.physics.cell import (
    CAPACITY_AH,
    FAST_PER_A,
    HEAT_J,
    HYSTERESIS,
    LEAKAGE_A,
    LEAKED_AS,
    MAX_SUBSTEP_S,
    OFFSET_K,
    RESISTANCE_RATIO,
    SOC,
    V1,
    V2,
    Floats,
    Stack,
    advance,
    cell_voltages,
    equilibrium,
    limited_current,
    power_current,
    refresh_terminals,
    tabulate,
)
from hil.physics.pack import Overrides, ThermalNetwork, apply_overrides, draw_cells
from hil.physics.parameters import PackParameters


class Truth(NamedTuple):
    """Everything the plant knows at one instant, copied; for metrics and the oracle, not the board.

    ``ocv_v`` is the equilibrium voltage at 25 degC without hysteresis, ``leakage_a`` at 25 degC;
    ``leaked_ah`` and ``heat_j`` count from the start.
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


def _read_only(row: Floats) -> Floats:
    """Return a live view that users cannot write through."""
    view = row.view()
    view.flags.writeable = False
    return view


class Plant:
    """A pack of cells with known truth. ``soc``, ``cell_degc``, ``capacity_ah`` are live views."""

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
        cells, state = draw_cells(pack, seed)
        apply_overrides(pack, overrides or {}, cells, state)
        degc = np.full(pack.cells + 1, float(pack.initial_temperature_degc))
        degc[:-1] += cells[OFFSET_K]
        self._stack = Stack(
            state,
            degc,
            np.empty((FAST_PER_A + 1, pack.cells)),
            cells,
            *tabulate(pack.cell),
            float(pack.cell.tau1_s),
            float(pack.cell.tau2_s),
            float(pack.cell.hysteresis_span_ratio),
        )
        refresh_terminals(self._stack)
        self._terminals = self._stack.terminals
        self._bleed_a = np.zeros(pack.cells)
        self._current_a = 0.0
        self._network = ThermalNetwork(pack)
        self._prepared_s = math.nan
        self.soc = _read_only(state[SOC])
        self.cell_degc = _read_only(degc[:-1])
        self.capacity_ah = _read_only(cells[CAPACITY_AH])

    def _prepare(self, dt_s: float) -> None:
        """Cut a step into equal parts of at most 10 s and fetch their thermal propagators."""
        if not 0.0 < dt_s < math.inf:
            raise ValueError(f"a step of {dt_s} s: it must be finite and above zero")
        self._substeps = math.ceil(dt_s / MAX_SUBSTEP_S)
        self._substep_s = dt_s / self._substeps
        self._decay, self._gain = self._network.propagators(self._substep_s)
        self._prepared_s = dt_s

    def step(
        self, dt_s: float, current_a: float, bleed_a: Sequence[float] | Floats, ambient_degc: float
    ) -> None:
        """Move on by ``dt_s`` at constant stack current, bleed currents and ambient temperature.

        ``bleed_a`` (cells,) is averaged over the step and discharges the cell. Raises ValueError,
        with the pack's state unchanged, for a step, current or temperature that is not finite.
        """
        if dt_s != self._prepared_s:
            self._prepare(dt_s)
        self._bleed_a[:] = bleed_a
        # float(): an int would make numba compile everything once more for it.
        moved = advance(
            self._stack,
            self._decay,
            self._gain,
            self._bleed_a,
            float(current_a),
            float(ambient_degc),
            self._substep_s,
            self._substeps,
        )
        if not moved:
            self._bleed_a[:] = 0.0
            raise ValueError(f"not finite: {current_a} A, {ambient_degc} degC, bleed {bleed_a}")
        self._current_a = float(current_a)

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
        # + 0.0 turns the -0.0 of "no charge" into 0.0, so that records show one zero.
        return float(limited_current(self._terminals, self._bleed_a, wanted_a, *limits)) + 0.0

    # --- what only the plant knows -----------------------------------------------------------

    def truth(self) -> Truth:
        """Return a copy of everything; slow (tens of microseconds), not for every tick."""
        state, cells, degc = self._stack.state, self._stack.cells, self._stack.degc
        return Truth(
            current_a=self._current_a,
            soc=state[SOC].copy(),
            capacity_ah=cells[CAPACITY_AH].copy(),
            ocv_v=np.array([equilibrium(self._stack.by_soc, float(s))[0] for s in state[SOC]]),
            terminal_v=self.terminal_v(),
            hysteresis=state[HYSTERESIS].copy(),
            slow_v=state[V1] + state[V2],
            cell_degc=degc[:-1].copy(),
            enclosure_degc=float(degc[-1]),
            resistance_ratio=cells[RESISTANCE_RATIO].copy(),
            leakage_a=cells[LEAKAGE_A].copy(),
            leaked_ah=state[LEAKED_AS] / 3600.0,
            heat_j=state[HEAT_J].copy(),
        )

    def extrapolated(self) -> tuple[str, ...]:
        """Name what lies outside the range in which the cell's figures were fitted, now.

        Any of ``soc``, ``temperature``, ``rate``; empty when the model stands on data.
        """
        cell = self.pack.cell
        soc, degc = self.soc, self.cell_degc
        rate_per_h = np.abs(self._current_a + self._bleed_a) / cell.capacity_ah
        outside = {
            "soc": soc.min() < cell.fitted_from_soc_ratio or soc.max() > cell.fitted_to_soc_ratio,
            "temperature": degc.min() < cell.fitted_from_degc or degc.max() > cell.fitted_to_degc,
            "rate": rate_per_h.max() > cell.fitted_to_rate_per_h,
        }
        return tuple(name for name, is_outside in outside.items() if is_outside)
