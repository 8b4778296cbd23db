"""A pack before it runs: the cells drawn for it, its links, and how its heat spreads.

What is made here is NumPy, once per pack; what moves is in ``motion``.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from hil.physics.motion import refresh_terminals
from hil.physics.noise import noise_row
from hil.physics.parameters import PackParameters
from hil.physics.stack import (
    CAPACITY_AH,
    GRADIENT_J,
    LEAK_A,
    LEAKAGE_A,
    LINK_OHM,
    OFFSET_K,
    RESISTANCE_RATIO,
    SLOW_TERMS,
    SOC,
    CellTables,
    Floats,
    Pace,
    Stack,
)
from hil.physics.wear import Ageing, begin, live

Overrides: TypeAlias = Mapping[int, Mapping[str, float]]
"""By cell (from 1), in place of what the spread drew: ``soc_ratio`` is its initial charge,
``capacity_ratio``, ``resistance_ratio`` and ``leakage_ratio`` are ratios of the cell type's own."""

# The population's own place in the noise: no other device may draw from it. Never change these,
# or every seed means another pack.
POPULATION_DEVICE = 0xCE11
_CAPACITY_DRAW, _RESISTANCE_DRAW, _LEAKAGE_DRAW, _SOC_DRAW, _AGEING_DRAW = range(5)


def _normals(seed: int, draw: int, cells: int) -> Floats:
    """Return one standard normal a cell; the same for a cell whatever the length of the stack."""
    out = np.empty(cells)
    noise_row(seed, POPULATION_DEVICE, draw, out)
    return out


def link_resistances(pack: PackParameters) -> Floats:
    """Return the resistance (ohm) that each cell shows above itself; the top cell shows none."""
    ohm = np.full(pack.cells, pack.link_ohm)
    if pack.seam_every:
        ohm[pack.seam_every - 1 :: pack.seam_every] = pack.seam_ohm
    ohm[-1] = 0.0
    return ohm


def draw_cells(pack: PackParameters, seed: int) -> tuple[Floats, Floats]:
    """Draw the population of a pack: ``cells`` (5, cells) and the initial ``state`` (7, cells).

    Rows as named in ``stack``. Leakage is log-normal with the type's leakage as its median.
    """
    n, spread = pack.cells, pack.spread
    cells = np.empty((OFFSET_K + 1, n))
    z = [_normals(seed, draw, n) for draw in range(_SOC_DRAW + 1)]
    cells[CAPACITY_AH] = pack.cell.capacity_ah * (1.0 + spread.capacity_ratio * z[_CAPACITY_DRAW])
    cells[RESISTANCE_RATIO] = 1.0 + spread.resistance_ratio * z[_RESISTANCE_DRAW]
    cells[LEAKAGE_A] = pack.cell.leakage_a * np.exp(spread.leakage_ratio * z[_LEAKAGE_DRAW])
    cells[LINK_OHM] = link_resistances(pack)
    cells[OFFSET_K] = pack.gradient_k * np.linspace(-0.5, 0.5, n) if n > 1 else 0.0
    state = np.zeros((GRADIENT_J + 1, n))
    state[SOC] = pack.soc_ratio + spread.soc_ratio * z[_SOC_DRAW]
    return cells, state


def apply_overrides(
    pack: PackParameters, overrides: Overrides, cells: Floats, state: Floats
) -> None:
    """Put what was asked for single cells in place of what was drawn.

    Raises ValueError for a cell the pack does not have, an unknown name or a ratio out of range.
    """
    places = {
        "soc_ratio": (state[SOC], 1.0),
        "capacity_ratio": (cells[CAPACITY_AH], pack.cell.capacity_ah),
        "resistance_ratio": (cells[RESISTANCE_RATIO], 1.0),
        "leakage_ratio": (cells[LEAKAGE_A], pack.cell.leakage_a),
    }
    for number, changes in overrides.items():
        if not 1 <= number <= pack.cells:
            raise ValueError(f"cell {number}: the pack has cells 1 to {pack.cells}")
        for name, ratio in changes.items():
            if name not in places:
                raise ValueError(f"cell {number}: no override {name!r}; known: {', '.join(places)}")
            row, nominal = places[name]
            if not (ratio > 0.0 or (ratio == 0.0 and name in ("soc_ratio", "leakage_ratio"))):
                raise ValueError(f"cell {number}: {name} {ratio} is not above zero")
            row[number - 1] = nominal * ratio


def make_stack(
    pack: PackParameters, tables: CellTables, seed: int, overrides: Overrides | None = None
) -> Stack:
    """Draw the pack of ``seed``, at rest and in thermal equilibrium at its initial temperature.

    Raises ValueError for an override that does not fit the pack.
    """
    cells, state = draw_cells(pack, seed)
    slow = np.zeros((pack.cells, SLOW_TERMS[tables.kind]))
    apply_overrides(pack, overrides or {}, cells, state)
    degc = np.full(pack.cells + 1, float(pack.initial_temperature_degc))
    degc[:-1] += cells[OFFSET_K]
    stack = Stack(state, slow, degc, np.zeros((LEAK_A + 1, pack.cells)), cells, tables)
    refresh_terminals(stack)
    return stack


def age_stack(pack: PackParameters, stack: Stack, seed: int) -> Ageing | None:
    """Let a new stack live through the pack's age; return what ages on with it, None if nothing.

    Ratios that a user set by hand are those of the new cells.
    """
    if pack.cell.ageing is None or not (pack.age_years or pack.ages):
        return None
    pace = 1.0 + pack.spread.ageing_ratio * _normals(seed, _AGEING_DRAW, pack.cells)
    ageing = begin(pack.cell.ageing, stack, pace)
    if pack.age_years:
        live(ageing, pack.life, pack.age_years, stack.cells[OFFSET_K])
    refresh_terminals(stack)
    return ageing if pack.ages else None


class ThermalNetwork:
    """Cells in a row, each touching its neighbours and the air of the box, the box the ambient.

    Linear with constant coefficients, so one step is exact: with C dx/dt = heat - K x, where x is
    above ambient, x(t + dt) = exp(-C^-1 K dt) x + integral. C^-1/2 K C^-1/2 is symmetric and its
    eigenvectors give both matrices for any step.
    """

    def __init__(
        self, heat_j_per_k: Floats, conductance_w_per_k: Floats, end_heat_ratio: float = 0.0
    ) -> None:
        """Find the modes once: capacities (nodes,) and conductances (nodes, nodes), symmetric.

        ``end_heat_ratio`` of what is given to the last node arrives in the one before it: heat of
        a board that leaves through the top cell instead of by the air of the box.
        """
        self._end_heat_ratio = end_heat_ratio
        self._root = np.sqrt(heat_j_per_k)
        rates, self._modes = np.linalg.eigh(conductance_w_per_k / np.outer(self._root, self._root))
        # Rounding leaves the rate of an insulated box a hair off zero, on either side.
        self._rates = np.maximum(rates, 0.0)

    @classmethod
    def of_pack(cls, pack: PackParameters) -> "ThermalNetwork":
        """Connect the cells of a pack, its box and the ambient."""
        n = pack.cells
        heat_j_per_k = np.full(n + 1, pack.cell.mass_kg * pack.cell.heat_capacity_j_per_kg_k)
        heat_j_per_k[n] = pack.enclosure_j_per_k
        conductance = np.zeros((n + 1, n + 1))
        for c in range(n):
            _join(conductance, c, n, pack.cell_air_w_per_k)
        for c in range(n - 1):
            _join(conductance, c, c + 1, pack.cell_cell_w_per_k)
        conductance[n, n] += pack.enclosure_ambient_w_per_k
        return cls(heat_j_per_k, conductance, pack.end_heat_ratio)

    def propagators(self, dt_s: float) -> tuple[Floats, Floats]:
        """Return ``decay`` and ``gain`` (K/W) for a step of ``dt_s``.

        Both (nodes, nodes) and transposed: row = the node that acts, column = the one acted on.
        """
        exponent = self._rates * dt_s
        decay = np.exp(-exponent)
        # (1 - exp(-r dt)) / r, whose limit at r = 0 is dt.
        held_s = dt_s * np.where(exponent > 0.0, -np.expm1(-exponent), 1.0)
        held_s /= np.where(exponent > 0.0, exponent, 1.0)
        modes, root = self._modes, self._root
        gain = np.ascontiguousarray((modes * held_s) @ modes.T / np.outer(root, root))
        gain[-1] += self._end_heat_ratio * (gain[-2] - gain[-1])
        return np.ascontiguousarray((modes * decay) @ modes.T * root[:, None] / root), gain


def pace_of(tables: CellTables, network: ThermalNetwork, dt_s: float) -> Pace:
    """Return everything that belongs to a step of ``dt_s``."""
    decay, gain = network.propagators(dt_s)
    exponent = -dt_s * tables.rates_per_s
    return Pace(dt_s, decay, gain, np.exp(exponent), -np.expm1(exponent) * tables.steady)


def _join(conductance: Floats, a: int, b: int, w_per_k: float) -> None:
    """Let two nodes exchange heat."""
    conductance[a, a] += w_per_k
    conductance[b, b] += w_per_k
    conductance[a, b] -= w_per_k
    conductance[b, a] -= w_per_k
