"""A stack of cells in series as the compiled code sees it: arrays with named rows and columns.

Nothing here moves; ``circuit`` and ``diffusion`` say how a cell reacts, ``motion`` moves a stack.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

GAS_J_PER_MOL_K = 8.314462618
FARADAY_AS_PER_MOL = 96485.33212
ZERO_DEGC_K = 273.15
REFERENCE_DEGC = 25.0
REFERENCE_K = ZERO_DEGC_K + REFERENCE_DEGC

CIRCUIT, DIFFUSION, DEEP = range(3)
"""How the cells of a stack react: ``CellTables.kind``. A deep cell is a diffusion cell
whose reaction may be faster on one side of an electrode than on the other."""

# Rows of the state, (7, cells). LEAKED_AS, HEAT_J, DELIVERED_J and GRADIENT_J only add up: they are
# truth for the metrics and close the balances. PENDING_J is heat of the last step that its voltage
# at the end has shown and the next step gives off; GRADIENT_J what gradients in the particles took
# and give back as heat of mixing, where a cell type leaves that out of its heat.
SOC, HYSTERESIS, LEAKED_AS, HEAT_J, DELIVERED_J, PENDING_J, GRADIENT_J = range(7)

# Rows of what tells one cell of the population from another, (5, cells). OFFSET_K is how far the
# cell sits above the pack's own temperature without load (the imposed gradient).
CAPACITY_AH, RESISTANCE_RATIO, LEAKAGE_A, LINK_OHM, OFFSET_K = range(5)

# Rows of a stack seen from its terminals at one instant, (8, cells): V = EMF - drop(I). Solves
# for a current need the first five only: tables and exponentials stay out of their loops.
# STORED_V is the chemical energy per charge of the whole cell, a function of charge; SURFACE_V
# is U - T dU/dT at the surface of the particles, where the reaction takes place; LEAK_A what a cell
# loses by itself.
EMF_V, SERIES_OHM, THERMAL_V, SLOW_PER_A, FAST_PER_A, STORED_V, SURFACE_V, LEAK_A = range(8)

# Rows of what charge and slow terms alone say of a cell, (6, cells), of which ``motion.show`` makes
# terminals at a temperature: voltage at 25 degC and its change with temperature, what the salt adds
# per thermal voltage, its resistance at 25 degC, the factors on both inverse exchange currents.
REST_V, REST_V_PER_K, JUNCTION, SALT_OHM, SLOW_GRADE, FAST_GRADE = range(6)

# Columns of the table over state of charge, (401, 7).
OCV_V, ENTROPIC, HALF_LOOP_V, KINETICS, ENERGY_V, R1_GRADE, R2_GRADE = range(7)
SOC_STEPS = 400

# Columns of the table over temperature, (1441, 4). The last one is for electrolytes only.
RS_OHM, INVERSE_A, INVERSE_B, ELECTROLYTE_RATIO = range(4)
COLDEST_DEGC, STEPS_PER_K, DEGC_STEPS = -60.0, 8, 1440

# Columns of the table over the stoichiometry of an electrode, (GRID + 1, 2).
POTENTIAL_V, POTENTIAL_V_PER_K = range(2)
STOICHIOMETRY_STEPS = 8192

# Columns of the table over the electrolyte's salt, (513, 3): what the terminals see of it.
LOG_RATIO, RESISTIVITY_OHM_M, ROOT_RATIO = range(3)
SALT_STEPS = 512

# Scalars of a cell type, (FIGURES,).
(
    SPAN,
    NEGATIVE_EMPTY,
    NEGATIVE_SWING,
    POSITIVE_EMPTY,
    POSITIVE_SWING,
    SALT_LOWEST,
    SALT_PER_STEP,
    JUNCTION_RATIO,
    NEGATIVE_OHM_PER,
    SEPARATOR_OHM,
    POSITIVE_OHM_PER,
    NOMINAL_AH,
    UNMIXED,
    NEGATIVE_UNEVEN_OHM,
    POSITIVE_UNEVEN_OHM,
    NEGATIVE_EVENING_OHM,
    POSITIVE_EVENING_OHM,
) = range(17)
FIGURES = 17

# Slow terms of a cell, in this order: the two RC pairs of a circuit; or the modes of the lithium in
# both electrodes' particles and those of the salt between them.
V1, V2 = range(2)
PARTICLE_MODES, SALT_MODES = 8, 4
SALT_FIRST = 2 * PARTICLE_MODES
# Behind them, in a deep cell, how the lithium of an electrode differs between its two sides: the
# difference of the means, then that of the modes; first of the negative, then of the positive.
UNEVEN_FIRST = SALT_FIRST + SALT_MODES
UNEVEN_TERMS = 1 + PARTICLE_MODES
SLOW_TERMS = (2, UNEVEN_FIRST, UNEVEN_FIRST + 2 * UNEVEN_TERMS)
"""How many slow terms a circuit, a diffusion cell and a deep cell have."""


NOTHING = 1e-30
"""A slow term below this is over: numbers that small would slow every sum down a hundredfold."""

MAX_SUBSTEP_S = 10.0
"""A step of the bench that is longer is cut: what is not linear is taken at a step's start."""


class CellTables(NamedTuple):
    """A cell type resampled on uniform grids, so that a look-up is one multiplication.

    ``rates_per_s`` and ``steady`` (1441, SLOW_TERMS[kind]) say of every slow term, by temperature,
    how fast it decays and where a drive of 1 takes it. ``salt_shape`` (2, SALT_MODES) is what a
    mode of the salt counts at negative and positive. ``leak_ratio`` (1441, 1) is how much faster a
    cell loses charge by itself than at 25 degC: apart from ``by_degc``, for packs of one type may
    differ in it.
    """

    kind: int
    by_soc: Floats
    by_degc: Floats
    leak_ratio: Floats
    negative: Floats
    positive: Floats
    salt: Floats
    salt_shape: Floats
    figures: Floats
    rates_per_s: Floats
    steady: Floats


class Stack(NamedTuple):
    """Cells in series: what they are, and where they are now. Rows and columns as named above.

    ``slow`` (cells, SLOW_TERMS[kind]) lies cell by cell, for its terms are moved together; ``degc``
    (cells + 1,) ends with the box. These two, ``state`` and ``terminals`` change in place;
    ``terminals`` follows from the others.
    """

    state: Floats
    slow: Floats
    degc: Floats
    terminals: Floats
    cells: Floats
    tables: CellTables


class Pace(NamedTuple):
    """What belongs to one length of step: the exact decays of everything that is linear.

    ``decay`` and ``gain`` (cells + 1 square, by source node) move the temperatures,
    ``slow_decay`` and ``slow_gain`` (1441, SLOW_TERMS[kind]) the slow terms at a temperature:
    a term becomes decay x itself + gain x drive.
    """

    dt_s: float
    decay: Floats
    gain: Floats
    slow_decay: Floats
    slow_gain: Floats
