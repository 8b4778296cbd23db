"""What a cell type is made of: plain numbers, no behaviour.

The numbers live in ``profiles/cells/*.yaml``, each with its source. A field's name ends with its
unit, which the loader strips: ``capacity_ah`` is ``capacity: 100 Ah`` in the file.

Two ways to know a cell. A ``CircuitCell`` is known from measurements at its terminals: an
open-circuit table, resistances, exchange currents, RC pairs; they are written per ampere-hour, so
that one measured set serves cells of any size: R = ``rs_ohm_ah`` / capacity, I0 = ``i0a_per_h`` x
capacity. A ``DiffusionCell`` is known from its electrodes: it is the more faithful one where
diffusion counts, in full charges and in the cold (docs/physics.md).
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from hil.core.recorded import UNLESS_DEFAULT
from hil.physics.ageing import AgeingParameters
from hil.physics.requirements import (
    require_increasing,
    require_length,
    require_not_negative,
    require_positive,
)
from hil.physics.stack import FARADAY_AS_PER_MOL

NOT_VALIDATED = "validated against a model, not against measured cells"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellType:
    """What every cell has at the start of its life, however its voltage is known.

    ``about`` says whose cell it is. ``fitted_*`` is the range in which the figures were measured or
    fitted; outside the model extrapolates and says so. ``cooling_w_per_k`` is what a bare cell
    gives to moving air (None: nobody has measured it alone).
    """

    about: str
    capacity_ah: float

    mass_kg: float
    heat_capacity_j_per_kg_k: float
    cooling_w_per_k: float | None = field(default=None, metadata=UNLESS_DEFAULT)

    leakage_a: float
    leakage_ea_j_per_mol: float

    fitted_from_soc_ratio: float
    fitted_to_soc_ratio: float
    fitted_from_degc: float
    fitted_to_degc: float
    fitted_to_rate_per_h: float

    validated_against: str = field(default=NOT_VALIDATED, metadata=UNLESS_DEFAULT)
    ageing: AgeingParameters | None = field(default=None, metadata=UNLESS_DEFAULT)

    def _check_common(self) -> None:
        """Refuse numbers without a physical meaning."""
        require_positive(self, ("capacity_ah", "mass_kg", "heat_capacity_j_per_kg_k"))
        require_not_negative(self, ("leakage_a", "leakage_ea_j_per_mol"))
        if self.cooling_w_per_k is not None:
            require_not_negative(self, ("cooling_w_per_k",))
        require_positive(self, ("fitted_to_rate_per_h",))
        # Turned round, a range holds nothing: the cell would stand outside of it all the time.
        for first, last in _FITTED_RANGES:
            begins, ends = getattr(self, first), getattr(self, last)
            if not begins < ends:
                raise ValueError(f"{last}: {ends:g} is not above {begins:g}, where it begins")


_FITTED_RANGES = (
    ("fitted_from_soc_ratio", "fitted_to_soc_ratio"),
    ("fitted_from_degc", "fitted_to_degc"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitCell(CellType):
    """A cell known from measurements at its terminals. Raises ValueError for what cannot be one.

    ``ocv_v``, ``hysteresis_v`` (half the width of the loop) and ``entropic_v_per_k`` (dU/dT) stand
    on the knots ``soc_ratio``, which run from 0 to 1 on multiples of 0.25 %; ``kinetics_ratio``
    (the g(s) of the charge-transfer terms, 1 in the middle) has its own knots and is held outside
    them. ``r1_ohm_ah`` and ``r2_ohm_ah`` stand on the temperatures ``rc_at_degc``; what charge
    makes of them, ``r1_grade_ratio`` and ``r2_grade_ratio``, on ``rc_soc_ratio``, held outside.
    """

    soc_ratio: tuple[float, ...]
    ocv_v: tuple[float, ...]
    hysteresis_v: tuple[float, ...]
    entropic_v_per_k: tuple[float, ...]
    hysteresis_span_ratio: float

    rs_ohm_ah: float
    rs_ea_j_per_mol: float
    i0a_per_h: float
    i0a_ea_j_per_mol: float
    i0b_per_h: float
    i0b_ea_j_per_mol: float
    kinetics_soc_ratio: tuple[float, ...]
    kinetics_ratio: tuple[float, ...]

    rc_at_degc: tuple[float, ...]
    r1_ohm_ah: tuple[float, ...]
    r2_ohm_ah: tuple[float, ...]
    tau1_s: float
    tau2_s: float
    rc_soc_ratio: tuple[float, ...] = field(default=(0.0, 1.0), metadata=UNLESS_DEFAULT)
    r1_grade_ratio: tuple[float, ...] = field(default=(1.0, 1.0), metadata=UNLESS_DEFAULT)
    r2_grade_ratio: tuple[float, ...] = field(default=(1.0, 1.0), metadata=UNLESS_DEFAULT)

    def __post_init__(self) -> None:
        """Refuse tables that do not fit each other and numbers without a physical meaning."""
        self._check_common()
        _check_soc_knots("soc_ratio", self.soc_ratio)
        require_increasing("ocv_v", self.ocv_v)
        require_increasing("kinetics_soc_ratio", self.kinetics_soc_ratio)
        require_increasing("rc_at_degc", self.rc_at_degc)
        for name in ("ocv_v", "hysteresis_v", "entropic_v_per_k"):
            require_length(name, getattr(self, name), self.soc_ratio)
        require_length("kinetics_ratio", self.kinetics_ratio, self.kinetics_soc_ratio)
        require_length("r1_ohm_ah", self.r1_ohm_ah, self.rc_at_degc)
        require_length("r2_ohm_ah", self.r2_ohm_ah, self.rc_at_degc)
        require_increasing("rc_soc_ratio", self.rc_soc_ratio)
        require_length("r1_grade_ratio", self.r1_grade_ratio, self.rc_soc_ratio)
        require_length("r2_grade_ratio", self.r2_grade_ratio, self.rc_soc_ratio)
        require_positive(self, _POSITIVE_OF_A_CIRCUIT)
        require_not_negative(self, ("rs_ea_j_per_mol",))
        _check_loop(self.hysteresis_v)


_POSITIVE_OF_A_CIRCUIT = (
    "ocv_v",
    "hysteresis_span_ratio",
    "rs_ohm_ah",
    "i0a_per_h",
    "i0b_per_h",
    "kinetics_ratio",
    "r1_ohm_ah",
    "r2_ohm_ah",
    "r1_grade_ratio",
    "r2_grade_ratio",
    "tau1_s",
    "tau2_s",
)


def _check_soc_knots(name: str, knots: tuple[float, ...]) -> None:
    """Refuse knots that the table over charge could not hold (``tables.SOC_STEPS``)."""
    require_increasing(name, knots)
    if (knots[0], knots[-1]) != (0.0, 1.0):
        raise ValueError(f"{name}: the knots must run from 0 to 1")
    if any(abs(s * 400.0 - round(s * 400.0)) > 1e-6 for s in knots):  # noqa: PLR2004
        raise ValueError(f"{name}: every knot must be a multiple of 0.25 %")


def _check_loop(hysteresis_v: tuple[float, ...]) -> None:
    if any(v < 0.0 for v in hysteresis_v):
        raise ValueError("hysteresis_v: half a loop's width is not below zero")


def _require_shares(owner: object, names: tuple[str, ...]) -> None:
    """Refuse a pore that is larger than what it is in, and one that conducts better than none."""
    for name in names:
        if not getattr(owner, name) <= 1.0:
            raise ValueError(f"{name}: {getattr(owner, name):g} is more than 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Electrode:
    """One porous electrode, in the terms of the BPX standard. Raises ValueError for nonsense.

    Stoichiometry is the share of lithium sites that are taken; ``at_empty_ratio`` and
    ``at_full_ratio`` are its means at 0 and 100 % state of charge. The open-circuit potential
    ``ocp_v`` stands on ``stoichiometry_ratio`` and keeps its last slope beyond; dU/dT has knots
    of its own and is held. ``transport_ratio`` is what porosity leaves of the electrolyte's
    conductivity and diffusivity. ``conductivity_s_per_m`` is that of the solid, as it stands in
    the electrode. Exchange current density (A/m2): F k sqrt(c / c0) sqrt(x (1 - x)).
    """

    thickness_m: float
    particle_radius_m: float
    surface_per_m: float
    porosity_ratio: float
    transport_ratio: float
    conductivity_s_per_m: float
    concentration_mol_per_m3: float
    diffusivity_m2_per_s: float
    diffusivity_ea_j_per_mol: float
    rate_mol_per_m2_s: float
    rate_ea_j_per_mol: float
    at_empty_ratio: float
    at_full_ratio: float
    stoichiometry_ratio: tuple[float, ...]
    ocp_v: tuple[float, ...]
    entropic_stoichiometry_ratio: tuple[float, ...]
    entropic_v_per_k: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse an electrode that no lithium could use."""
        require_positive(self, _POSITIVE_OF_AN_ELECTRODE)
        _require_shares(self, ("porosity_ratio", "transport_ratio"))
        require_not_negative(self, ("diffusivity_ea_j_per_mol", "rate_ea_j_per_mol"))
        require_increasing("stoichiometry_ratio", self.stoichiometry_ratio)
        require_length("ocp_v", self.ocp_v, self.stoichiometry_ratio)
        # An electrode's potential falls as it fills; one that rises would charge itself.
        require_increasing("ocp_v, from full to empty", self.ocp_v[::-1])
        require_increasing("entropic_stoichiometry_ratio", self.entropic_stoichiometry_ratio)
        knots = self.entropic_stoichiometry_ratio
        require_length("entropic_v_per_k", self.entropic_v_per_k, knots)
        for name in ("at_empty_ratio", "at_full_ratio"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"{name}: {getattr(self, name)} is not between 0 and 1")

    def charge_ah(self, area_m2: float) -> float:
        """Return the charge between empty and full of an electrode of this area."""
        share = self.surface_per_m * self.particle_radius_m / 3.0  # spheres: a = 3 share / R
        sites_mol = self.concentration_mol_per_m3 * share * self.thickness_m * area_m2
        swing = abs(self.at_full_ratio - self.at_empty_ratio)
        return swing * sites_mol * FARADAY_AS_PER_MOL / 3600.0


_POSITIVE_OF_AN_ELECTRODE = (
    "thickness_m",
    "particle_radius_m",
    "surface_per_m",
    "porosity_ratio",
    "transport_ratio",
    "conductivity_s_per_m",
    "concentration_mol_per_m3",
    "diffusivity_m2_per_s",
    "rate_mol_per_m2_s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Electrolyte:
    """Salt between the electrodes: conductivity and diffusivity stand on ``knots_mol_per_m3``.

    ``separator_*`` is the layer that holds it between the electrodes. Raises ValueError for
    tables that do not fit.
    """

    concentration_mol_per_m3: float
    transference_ratio: float
    knots_mol_per_m3: tuple[float, ...]
    conductivity_s_per_m: tuple[float, ...]
    diffusivity_m2_per_s: tuple[float, ...]
    conductivity_ea_j_per_mol: float
    diffusivity_ea_j_per_mol: float
    separator_thickness_m: float
    separator_porosity_ratio: float
    separator_transport_ratio: float

    def __post_init__(self) -> None:
        """Refuse tables that do not fit each other or the salt that is there."""
        require_increasing("knots_mol_per_m3", self.knots_mol_per_m3)
        for name in ("conductivity_s_per_m", "diffusivity_m2_per_s"):
            require_length(name, getattr(self, name), self.knots_mol_per_m3)
            require_positive(self, (name,))
        first, last = self.knots_mol_per_m3[0], self.knots_mol_per_m3[-1]
        if not 0.0 < first < self.concentration_mol_per_m3 < last:
            found = f"{self.concentration_mol_per_m3} is not inside its knots"
            raise ValueError(f"concentration_mol_per_m3: {found}")
        if not 0.0 <= self.transference_ratio < 1.0:
            raise ValueError(f"transference_ratio: {self.transference_ratio} is not in [0, 1)")
        separator = ("thickness_m", "porosity_ratio", "transport_ratio")
        require_positive(self, tuple(f"separator_{name}" for name in separator))
        _require_shares(self, ("separator_porosity_ratio", "separator_transport_ratio"))
        activation = ("conductivity_ea_j_per_mol", "diffusivity_ea_j_per_mol")
        require_not_negative(self, activation)


NO_HYSTERESIS_SOC = (0.0, 1.0)

FEWEST_SHELLS, MOST_SHELLS = 10, 25
"""Fewer have too few modes to keep eight; of more, eight would not tell enough."""

_CHARGES_AGREE = 0.005
"""How far the charge of an electrode may be from the capacity that is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusionCell(CellType):
    """A cell known from its electrodes. Raises ValueError for what cannot be one.

    ``area_m2`` is that of one side of the electrodes together: a cell of fifty times the
    capacity is one of fifty times the area. ``contact_ohm`` is what tabs and foils add.
    ``hysteresis_v`` (half a loop's width) stands on ``hysteresis_soc_ratio``. ``heat_of_mixing``:
    whether what gradients in the particles cost is given off as heat; most published simulations
    leave it out, so a cell that is held against one may have to. ``depth``: whether the reaction
    may be faster on the side of the separator than on that of the foil, as it is in fast cycles; it
    takes half as long again to compute. ``particle_shells``: how many shells of equal thickness a
    particle is made of, as in a simulation that the cell is held against; 0 is a smooth sphere.
    """

    area_m2: float
    contact_ohm: float = 0.0
    negative: Electrode
    positive: Electrode
    electrolyte: Electrolyte
    hysteresis_soc_ratio: tuple[float, ...] = NO_HYSTERESIS_SOC
    hysteresis_v: tuple[float, ...] = (0.0, 0.0)
    hysteresis_span_ratio: float = 0.02
    heat_of_mixing: bool = True
    depth: bool = False
    particle_shells: int = 0

    def __post_init__(self) -> None:
        """Refuse electrodes whose charge is not the cell's."""
        self._check_common()
        require_positive(self, ("area_m2", "hysteresis_span_ratio"))
        require_not_negative(self, ("contact_ohm",))
        _check_soc_knots("hysteresis_soc_ratio", self.hysteresis_soc_ratio)
        require_length("hysteresis_v", self.hysteresis_v, self.hysteresis_soc_ratio)
        _check_loop(self.hysteresis_v)
        if self.particle_shells and not FEWEST_SHELLS <= self.particle_shells <= MOST_SHELLS:
            expected = f"expected 0 or {FEWEST_SHELLS} to {MOST_SHELLS}"
            raise ValueError(f"particle_shells: found {self.particle_shells}, {expected}")
        if not self.negative.at_full_ratio > self.negative.at_empty_ratio:
            raise ValueError("negative: at_full_ratio: the negative electrode fills in charge")
        if not self.positive.at_full_ratio < self.positive.at_empty_ratio:
            raise ValueError("positive: at_full_ratio: the positive electrode empties in charge")
        for name in ("negative", "positive"):
            charge_ah = getattr(self, name).charge_ah(self.area_m2)
            if not abs(charge_ah / self.capacity_ah - 1.0) <= _CHARGES_AGREE:
                found = f"its sites hold {charge_ah:.5g} Ah from empty to full"
                raise ValueError(f"{name}: {found}, capacity_ah says {self.capacity_ah:g}")


CellParameters: TypeAlias = CircuitCell | DiffusionCell
"""Every kind of cell that a pack may be made of."""
