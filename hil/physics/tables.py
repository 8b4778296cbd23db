"""A cell type resampled on uniform grids, so that a look-up is one multiplication.

What is made here is NumPy, once per cell type; what moves is in ``circuit`` and ``diffusion``.
"""

from functools import singledispatch

import numpy as np

from hil.physics.cell_types import CellParameters, CircuitCell, DiffusionCell, Electrode
from hil.physics.particles import particle_modes
from hil.physics.salt import SaltModes, salt_modes, salt_table
from hil.physics.stack import (
    CIRCUIT,
    COLDEST_DEGC,
    DEEP,
    DEGC_STEPS,
    DIFFUSION,
    ELECTROLYTE_RATIO,
    ENERGY_V,
    ENTROPIC,
    FARADAY_AS_PER_MOL,
    FIGURES,
    GAS_J_PER_MOL_K,
    HALF_LOOP_V,
    INVERSE_A,
    INVERSE_B,
    JUNCTION_RATIO,
    KINETICS,
    NEGATIVE_EMPTY,
    NEGATIVE_EVENING_OHM,
    NEGATIVE_OHM_PER,
    NEGATIVE_SWING,
    NEGATIVE_UNEVEN_OHM,
    NOMINAL_AH,
    OCV_V,
    PARTICLE_MODES,
    POSITIVE_EMPTY,
    POSITIVE_EVENING_OHM,
    POSITIVE_OHM_PER,
    POSITIVE_SWING,
    POSITIVE_UNEVEN_OHM,
    POTENTIAL_V,
    POTENTIAL_V_PER_K,
    R1_GRADE,
    R2_GRADE,
    REFERENCE_K,
    RS_OHM,
    SALT_FIRST,
    SALT_LOWEST,
    SALT_MODES,
    SALT_PER_STEP,
    SEPARATOR_OHM,
    SLOW_TERMS,
    SOC_STEPS,
    SPAN,
    STEPS_PER_K,
    STOICHIOMETRY_STEPS,
    UNEVEN_FIRST,
    UNEVEN_TERMS,
    UNMIXED,
    V1,
    V2,
    ZERO_DEGC_K,
    CellTables,
    Floats,
)

NOTHING = np.zeros((1, 1))
"""The table of what a kind of cell does not have."""


def arrhenius(activation_j_per_mol: float, kelvin: Floats) -> Floats:
    """Return the factor on a rate at ``kelvin`` against 25 degC."""
    exponent = activation_j_per_mol / GAS_J_PER_MOL_K * (1.0 / REFERENCE_K - 1.0 / kelvin)
    return np.asarray(np.exp(exponent))


def _log_linear(at: Floats, knots: tuple[float, ...], values: tuple[float, ...]) -> Floats:
    """Interpolate the logarithm of ``values``; beyond the ends continue the last slope."""
    x, y = np.asarray(knots), np.log(np.asarray(values))
    left = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    slope = (y[left + 1] - y[left]) / (x[left + 1] - x[left])
    return np.asarray(np.exp(y[left] + slope * (at - x[left])))


def _with_last_slope(at: Floats, knots: tuple[float, ...], values: tuple[float, ...]) -> Floats:
    """Interpolate; beyond the ends continue the last slope."""
    x, y = np.asarray(knots), np.asarray(values)
    left = np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2)
    return np.asarray(y[left] + (y[left + 1] - y[left]) / (x[left + 1] - x[left]) * (at - x[left]))


def grid_degc() -> Floats:
    """Return the temperatures of the table over temperature, (1441,)."""
    return COLDEST_DEGC + np.arange(DEGC_STEPS + 1) / STEPS_PER_K


def leak_ratio(cell: CellParameters) -> Floats:
    """Return how much faster a cell leaks than at 25 degC, over temperature, (1441, 1)."""
    return arrhenius(cell.leakage_ea_j_per_mol, grid_degc() + ZERO_DEGC_K)[:, np.newaxis]


def _by_soc(ocv_v: Floats, entropic: Floats, loop_v: Floats, kinetics: Floats) -> Floats:
    """Put the columns over state of charge together, and add up what charge stores.

    U - T dU/dT is what a charge gives off whatever the temperature, for U is linear in T. Between
    knots it is a straight line, so trapezoids are exact.
    """
    by_soc = np.ones((SOC_STEPS + 1, R2_GRADE + 1))
    for column, values in ((OCV_V, ocv_v), (ENTROPIC, entropic), (HALF_LOOP_V, loop_v)):
        by_soc[:, column] = values
    by_soc[:, KINETICS] = kinetics
    reaction_v = ocv_v - REFERENCE_K * entropic
    by_soc[0, ENERGY_V] = 0.0
    by_soc[1:, ENERGY_V] = np.cumsum(0.5 * (reaction_v[1:] + reaction_v[:-1])) / SOC_STEPS
    return by_soc


@singledispatch
def tabulate(cell: CellParameters) -> CellTables:
    """Resample a cell type: 0.25 % in charge, 0.125 K from -60 to 120 degC.

    The charge grid contains every knot, so between knots the curves stay straight lines. On the
    temperature grid linear interpolation of the steepest Arrhenius law is within 0.004 %.
    """
    raise TypeError(f"no kind of cell: {cell!r}")


@tabulate.register
def _(cell: CircuitCell) -> CellTables:
    soc = np.arange(SOC_STEPS + 1) / SOC_STEPS
    by_soc = _by_soc(
        np.interp(soc, cell.soc_ratio, cell.ocv_v),
        np.interp(soc, cell.soc_ratio, cell.entropic_v_per_k),
        np.interp(soc, cell.soc_ratio, cell.hysteresis_v),
        np.interp(soc, cell.kinetics_soc_ratio, cell.kinetics_ratio),
    )
    by_soc[:, R1_GRADE] = np.interp(soc, cell.rc_soc_ratio, cell.r1_grade_ratio)
    by_soc[:, R2_GRADE] = np.interp(soc, cell.rc_soc_ratio, cell.r2_grade_ratio)
    degc = grid_degc()
    kelvin = degc + ZERO_DEGC_K
    ah = cell.capacity_ah
    by_degc = np.zeros((DEGC_STEPS + 1, ELECTROLYTE_RATIO + 1))
    # A resistance falls with temperature as a rate rises: the same law with the sign turned.
    by_degc[:, RS_OHM] = cell.rs_ohm_ah / ah * arrhenius(-cell.rs_ea_j_per_mol, kelvin)
    by_degc[:, INVERSE_A] = 0.5 / (cell.i0a_per_h * ah * arrhenius(cell.i0a_ea_j_per_mol, kelvin))
    by_degc[:, INVERSE_B] = 0.5 / (cell.i0b_per_h * ah * arrhenius(cell.i0b_ea_j_per_mol, kelvin))
    figures = np.zeros(FIGURES)
    figures[SPAN], figures[NOMINAL_AH] = cell.hysteresis_span_ratio, ah
    rates_per_s = np.empty((DEGC_STEPS + 1, SLOW_TERMS[CIRCUIT]))
    rates_per_s[:] = 1.0 / cell.tau1_s, 1.0 / cell.tau2_s
    # Driven by the cell's current times its resistance ratio, an RC pair goes to I R.
    steady = np.empty_like(rates_per_s)
    steady[:, V1] = _log_linear(degc, cell.rc_at_degc, cell.r1_ohm_ah) / ah
    steady[:, V2] = _log_linear(degc, cell.rc_at_degc, cell.r2_ohm_ah) / ah
    none, leak = NOTHING, leak_ratio(cell)
    return CellTables(
        CIRCUIT, by_soc, by_degc, leak, none, none, none, none, figures, rates_per_s, steady
    )


@tabulate.register
def _(cell: DiffusionCell) -> CellTables:
    kind = DEEP if cell.depth else DIFFUSION
    salt = salt_modes(cell)
    table, lowest, per_step = salt_table(cell.electrolyte)
    negative, positive = _by_stoichiometry(cell.negative), _by_stoichiometry(cell.positive)
    figures = _figures(cell)
    figures[SALT_LOWEST], figures[SALT_PER_STEP] = lowest, per_step
    by_degc = _electrodes_by_degc(cell)
    rates_per_s, steady = _slow_terms(cell, salt)
    by_soc = _full_cell(cell, figures, negative, positive)
    shape = _salt_shape(cell, salt)
    return CellTables(
        *(kind, by_soc, by_degc, leak_ratio(cell), negative, positive, table, shape, figures),
        *(rates_per_s, steady),
    )


def _slow_terms(cell: DiffusionCell, salt: SaltModes) -> tuple[Floats, Floats]:
    """Return rates (1/s) and steady places of all slow terms, over temperature.

    They are driven by the current in full charges per second: discharge takes the negative
    electrode's mean down by its swing in that unit, and a mode with it by swing x R^2/D x gain.
    """
    kelvin = grid_degc() + ZERO_DEGC_K
    rates_per_s = np.empty((DEGC_STEPS + 1, SLOW_TERMS[DEEP if cell.depth else DIFFUSION]))
    steady = np.empty_like(rates_per_s)
    modes = particle_modes(cell.particle_shells)
    for first, electrode in ((0, cell.negative), (PARTICLE_MODES, cell.positive)):
        faster = arrhenius(electrode.diffusivity_ea_j_per_mol, kelvin)
        tau_s = electrode.particle_radius_m**2 / (electrode.diffusivity_m2_per_s * faster)
        swing = electrode.at_full_ratio - electrode.at_empty_ratio
        for mode in range(PARTICLE_MODES):
            rates_per_s[:, first + mode] = modes.rates[mode] / tau_s
            steady[:, first + mode] = -swing * tau_s * modes.gains[mode]
    slower = arrhenius(-cell.electrolyte.diffusivity_ea_j_per_mol, kelvin)
    for mode in range(SALT_MODES):
        rates_per_s[:, SALT_FIRST + mode] = salt.rates_per_s[mode] / slower
        steady[:, SALT_FIRST + mode] = slower
    if cell.depth:
        _uneven_terms(cell, rates_per_s, steady)
    return rates_per_s, steady


_NEVER_PER_S = 1e-12
"""The rate of a term that only adds up: its gain is then the length of the step, to rounding."""


def _uneven_terms(cell: DiffusionCell, rates_per_s: Floats, steady: Floats) -> None:
    """Fill in the terms of a deep cell: those of the particles again, and the means before them."""
    for electrode, first in ((cell.negative, 0), (cell.positive, PARTICLE_MODES)):
        at = UNEVEN_FIRST + (UNEVEN_TERMS if first else 0)
        rates_per_s[:, at] = _NEVER_PER_S
        steady[:, at] = -(electrode.at_full_ratio - electrode.at_empty_ratio) / _NEVER_PER_S
        modes = slice(first, first + PARTICLE_MODES)
        rates_per_s[:, at + 1 : at + UNEVEN_TERMS] = rates_per_s[:, modes]
        steady[:, at + 1 : at + UNEVEN_TERMS] = steady[:, modes]


def _salt_shape(cell: DiffusionCell, salt: SaltModes) -> Floats:
    """Return by how much every mode shifts the salt at either electrode, (2, SALT_MODES).

    The shift that an ampere makes at 25 degC, times the amperes of a full charge in a second: for
    that is what a mode of 1 was driven by.
    """
    full_charge_a = 3600.0 * cell.capacity_ah
    return np.array([salt.negative_per_a, salt.positive_per_a]) * full_charge_a


def _figures(cell: DiffusionCell) -> Floats:
    """Return the scalars of a diffusion cell but those of the salt's table."""
    figures = np.zeros(FIGURES)
    negative, positive = cell.negative, cell.positive
    electrolyte = cell.electrolyte
    figures[SPAN], figures[NOMINAL_AH] = cell.hysteresis_span_ratio, cell.capacity_ah
    figures[NEGATIVE_EMPTY] = negative.at_empty_ratio
    figures[NEGATIVE_SWING] = negative.at_full_ratio - negative.at_empty_ratio
    figures[POSITIVE_EMPTY] = positive.at_empty_ratio
    figures[POSITIVE_SWING] = positive.at_full_ratio - positive.at_empty_ratio
    figures[UNMIXED] = 0.0 if cell.heat_of_mixing else 1.0
    figures[JUNCTION_RATIO] = 1.0 - electrolyte.transference_ratio
    # With the reaction spread evenly over the electrode a third of its depth counts.
    for place, electrode in ((NEGATIVE_OHM_PER, negative), (POSITIVE_OHM_PER, positive)):
        figures[place] = electrode.thickness_m / (3.0 * electrode.transport_ratio * cell.area_m2)
    _uneven_figures(cell, figures)
    knots = electrolyte.knots_mol_per_m3
    there = np.interp(electrolyte.concentration_mol_per_m3, knots, electrolyte.conductivity_s_per_m)
    figures[SEPARATOR_OHM] = electrolyte.separator_thickness_m / (
        float(there) * electrolyte.separator_transport_ratio * cell.area_m2
    )
    return figures


def _uneven_figures(cell: DiffusionCell, figures: Floats) -> None:
    """Fill in what drives the reaction to one side of an electrode, and what evens it out.

    With the depth y from foil (0) to separator (1) the reaction is I + J sqrt(2) cos(pi y). Ohm's
    law in solid and salt, projected on the cosine: the drop along the salt less that along the
    solid pushes the reaction to the separator with sqrt(2) / pi^2 (Rk - Rs) I, the salt's own
    gradient with the same shape adds to it; (Rk + Rs) / pi^2 J works against it.
    """
    electrolyte = cell.electrolyte
    c0, knots = electrolyte.concentration_mol_per_m3, electrolyte.knots_mol_per_m3
    conductivity = float(np.interp(c0, knots, electrolyte.conductivity_s_per_m))
    diffusivity = float(np.interp(c0, knots, electrolyte.diffusivity_m2_per_s))
    places = (
        (cell.negative, NEGATIVE_UNEVEN_OHM, NEGATIVE_EVENING_OHM),
        (cell.positive, POSITIVE_UNEVEN_OHM, POSITIVE_EVENING_OHM),
    )
    share = 1.0 - electrolyte.transference_ratio
    for electrode, uneven, evening in places:
        per_area = electrode.thickness_m / (electrode.transport_ratio * cell.area_m2)
        salt_ohm = per_area / conductivity
        solid_ohm = electrode.thickness_m / (electrode.conductivity_s_per_m * cell.area_m2)
        # across an electrode of even reaction the salt falls by share I L / (2 F D), as a parabola
        fall_per_a = share * per_area / (2.0 * FARADAY_AS_PER_MOL * diffusivity * c0)
        junction_v = 2.0 * GAS_J_PER_MOL_K * REFERENCE_K / FARADAY_AS_PER_MOL * share
        gradient_ohm = 2.0 * junction_v * fall_per_a
        figures[uneven] = np.sqrt(2.0) / np.pi**2 * (salt_ohm - solid_ohm + gradient_ohm)
        figures[evening] = (salt_ohm + solid_ohm) / np.pi**2


def _by_stoichiometry(electrode: Electrode) -> Floats:
    """Resample an electrode's potential and its dU/dT over the share of taken sites, 0 to 1."""
    taken = np.arange(STOICHIOMETRY_STEPS + 1) / STOICHIOMETRY_STEPS
    table = np.empty((STOICHIOMETRY_STEPS + 1, 2))
    table[:, POTENTIAL_V] = _with_last_slope(taken, electrode.stoichiometry_ratio, electrode.ocp_v)
    knots = electrode.entropic_stoichiometry_ratio
    table[:, POTENTIAL_V_PER_K] = np.interp(taken, knots, electrode.entropic_v_per_k)
    return table


def _electrodes_by_degc(cell: DiffusionCell) -> Floats:
    """Return the table over temperature of a diffusion cell.

    ``INVERSE_A`` and ``INVERSE_B`` are 1 / 2 I0 of the negative and positive electrode where their
    stoichiometry term sqrt(x (1 - x)) and the salt's are 1.
    """
    kelvin = grid_degc() + ZERO_DEGC_K
    negative, positive = cell.negative, cell.positive
    solid_ohm = sum(
        electrode.thickness_m / (3.0 * electrode.conductivity_s_per_m * cell.area_m2)
        for electrode in (negative, positive)
    )
    by_degc = np.empty((DEGC_STEPS + 1, ELECTROLYTE_RATIO + 1))
    by_degc[:, RS_OHM] = cell.contact_ohm + solid_ohm
    for electrode, inverse in ((negative, INVERSE_A), (positive, INVERSE_B)):
        surface_m2 = electrode.surface_per_m * electrode.thickness_m * cell.area_m2
        rate = electrode.rate_mol_per_m2_s * arrhenius(electrode.rate_ea_j_per_mol, kelvin)
        by_degc[:, inverse] = 0.5 / (FARADAY_AS_PER_MOL * surface_m2 * rate)
    slower = arrhenius(-cell.electrolyte.conductivity_ea_j_per_mol, kelvin)
    by_degc[:, ELECTROLYTE_RATIO] = slower
    return by_degc


def _full_cell(cell: DiffusionCell, figures: Floats, negative: Floats, positive: Floats) -> Floats:
    """Return the table over charge of a cell whose electrodes are even: positive minus negative."""
    soc = np.arange(SOC_STEPS + 1) / SOC_STEPS
    taken = np.arange(STOICHIOMETRY_STEPS + 1) / STOICHIOMETRY_STEPS
    at_negative = figures[NEGATIVE_EMPTY] + soc * figures[NEGATIVE_SWING]
    at_positive = figures[POSITIVE_EMPTY] + soc * figures[POSITIVE_SWING]
    columns = [
        np.interp(at_positive, taken, positive[:, column])
        - np.interp(at_negative, taken, negative[:, column])
        for column in (POTENTIAL_V, POTENTIAL_V_PER_K)
    ]
    loop_v = np.interp(soc, cell.hysteresis_soc_ratio, cell.hysteresis_v)
    ocv_v, entropic = columns
    return _by_soc(ocv_v, entropic, loop_v, np.ones(SOC_STEPS + 1))
