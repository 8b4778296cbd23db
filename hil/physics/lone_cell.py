"""One cell on its own in moving air: how a model is held against a measured or simulated cell."""

from functools import lru_cache, partial

import numpy as np

from hil.physics.cell_types import CellParameters
from hil.physics.motion import BEYOND_ALL, advance, refresh_terminals
from hil.physics.pack import ThermalNetwork, make_stack, pace_of
from hil.physics.parameters import PackParameters, PackSpread
from hil.physics.stack import EMF_V, SOC
from hil.physics.tables import tabulate
from hil.physics.terminals import cell_drop_v

_ALIKE = PackSpread(capacity_ratio=0.0, resistance_ratio=0.0, leakage_ratio=0.0)

MOST_PACES = 64
"""How many lengths of steps are remembered: a cycler's clock gives every row a rest of its own, and
what belongs to one is half a megabyte."""


class LoneCell:
    """The nominal cell of a type, without links, cooled by the ambient alone."""

    def __init__(
        self,
        cell: CellParameters,
        soc_ratio: float,
        degc: float,
        cooling_w_per_k: float | None = None,
    ) -> None:
        """Start at rest. Raises ValueError where neither caller nor cell type says the cooling."""
        cooling = cell.cooling_w_per_k if cooling_w_per_k is None else cooling_w_per_k
        if cooling is None or not cooling >= 0.0:
            message = (
                "cooling_w_per_k: the cell type does not say what a bare cell gives to the air"
            )
            raise ValueError(message)
        pack = PackParameters(
            1, cell, _ALIKE, soc_ratio=soc_ratio, initial_temperature_degc=degc, link_ohm=0.0
        )
        tables = tabulate(cell)
        self._stack = make_stack(pack, tables, seed=0)
        # The box is not there: a node of its own that touches nothing but the ambient.
        heat_j_per_k = np.array([cell.mass_kg * cell.heat_capacity_j_per_kg_k, 1.0])
        network = ThermalNetwork(heat_j_per_k, np.diag([cooling, 1.0]))
        self._pace_of = lru_cache(MOST_PACES)(partial(pace_of, tables, network))

    def step(self, dt_s: float, current_a: float, ambient_degc: float) -> None:
        """Move on by ``dt_s`` at constant current (+ discharge) and ambient.

        Raises ValueError for what is not finite or a step that does not go on.
        """
        if not 0.0 < dt_s < float("inf"):
            raise ValueError(f"a step of {dt_s} s: it must be finite and above zero")
        none, pace = np.zeros(1), self._pace_of(dt_s)
        if not advance(self._stack, pace, none, float(current_a), float(ambient_degc), 0.0, 1):
            found = f"{current_a:g} A, {ambient_degc:g} degC"
            raise ValueError(f"not finite, or beyond {BEYOND_ALL:g}: {found}")

    def voltage_v(self, current_a: float) -> float:
        """Return the terminal voltage that this current would show now."""
        drop_v = cell_drop_v(self._stack.terminals, 0, float(current_a))
        return float(self._stack.terminals[EMF_V, 0] - drop_v)

    def shifted_voltage_v(self, current_a: float, shift_ratio: float) -> float:
        """Return that voltage with the state of charge moved by ``shift_ratio``, all else as is."""
        state = self._stack.state
        there = float(state[SOC, 0])
        self._move_charge(there + shift_ratio)
        shifted_v = self.voltage_v(current_a)
        self._move_charge(there)
        return shifted_v

    def _move_charge(self, soc_ratio: float) -> None:
        self._stack.state[SOC, 0] = soc_ratio
        refresh_terminals(self._stack)

    def force_degc(self, degc: float) -> None:
        """Set the cell's temperature: where it was measured and the ambient was not."""
        self._stack.degc[0] = degc
        refresh_terminals(self._stack)

    @property
    def degc(self) -> float:
        """The cell's temperature."""
        return float(self._stack.degc[0])

    @property
    def soc(self) -> float:
        """The cell's state of charge, as a ratio."""
        return float(self._stack.state[SOC, 0])
