"""What a cell type and a pack of them are made of: plain numbers, no behaviour.

The numbers of a cell live in ``profiles/cells/*.yaml``, each with its source. A field's name ends
with its unit, which the loader strips: ``capacity_ah`` is ``capacity: 100 Ah`` in the file.
Resistances and exchange currents are written per ampere-hour of capacity, so that one measured
set serves cells of any size: R = ``rs_ohm_ah`` / capacity, I0 = ``i0a_per_h`` x capacity.
"""

from dataclasses import dataclass, field
from itertools import pairwise


def _require_increasing(name: str, knots: tuple[float, ...]) -> None:
    """Raise ValueError unless ``knots`` are at least two and strictly increasing."""
    if len(knots) < 2 or any(b <= a for a, b in pairwise(knots)):  # noqa: PLR2004 - a line has two ends
        raise ValueError(f"{name}: at least two strictly increasing knots are needed")


def _require_length(name: str, values: tuple[float, ...], knots: tuple[float, ...]) -> None:
    """Raise ValueError unless there is one value for each knot."""
    if len(values) != len(knots):
        raise ValueError(f"{name}: {len(values)} values for {len(knots)} knots")


def _require_positive(owner: object, names: tuple[str, ...]) -> None:
    """Raise ValueError unless every named field (a float or a tuple of them) is above zero."""
    for name in names:
        value = getattr(owner, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not number > 0.0:
                raise ValueError(f"{name}: {number} is not above zero")


def _require_not_negative(owner: object, names: tuple[str, ...]) -> None:
    """Raise ValueError if a named field is below zero or not a number."""
    for name in names:
        if not getattr(owner, name) >= 0.0:
            raise ValueError(f"{name}: {getattr(owner, name)} is below zero")


@dataclass(frozen=True, slots=True)
class CellParameters:
    """One cell type at the start of its life. Raises ValueError for what cannot be a cell.

    ``about`` says whose cell it is. ``ocv_v``, ``hysteresis_v`` (half the width of the loop) and
    ``entropic_v_per_k`` (dU/dT) stand on the knots ``soc_ratio``, which run from 0 to 1 on
    multiples of 0.25 %; ``kinetics_ratio`` (the g(s) of the charge-transfer terms, 1 in the
    middle) has its own knots and is held outside them. ``r1_ohm_ah`` and ``r2_ohm_ah`` stand on
    the temperatures ``rc_at_degc``. ``fitted_*`` is the range in which the figures were measured
    or fitted; outside the model extrapolates and says so.
    """

    about: str
    capacity_ah: float

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

    mass_kg: float
    heat_capacity_j_per_kg_k: float

    leakage_a: float
    leakage_ea_j_per_mol: float

    fitted_from_soc_ratio: float
    fitted_to_soc_ratio: float
    fitted_from_degc: float
    fitted_to_degc: float
    fitted_to_rate_per_h: float

    def __post_init__(self) -> None:
        """Refuse tables that do not fit each other and numbers without a physical meaning."""
        _require_increasing("soc_ratio", self.soc_ratio)
        if (self.soc_ratio[0], self.soc_ratio[-1]) != (0.0, 1.0):
            raise ValueError("soc_ratio: the knots must run from 0 to 1")
        if any(abs(s * 400.0 - round(s * 400.0)) > 1e-6 for s in self.soc_ratio):  # noqa: PLR2004
            raise ValueError("soc_ratio: every knot must be a multiple of 0.25 %")
        _require_increasing("ocv_v", self.ocv_v)
        _require_increasing("kinetics_soc_ratio", self.kinetics_soc_ratio)
        _require_increasing("rc_at_degc", self.rc_at_degc)
        for name in ("ocv_v", "hysteresis_v", "entropic_v_per_k"):
            _require_length(name, getattr(self, name), self.soc_ratio)
        _require_length("kinetics_ratio", self.kinetics_ratio, self.kinetics_soc_ratio)
        _require_length("r1_ohm_ah", self.r1_ohm_ah, self.rc_at_degc)
        _require_length("r2_ohm_ah", self.r2_ohm_ah, self.rc_at_degc)
        _require_positive(self, _POSITIVE)
        _require_not_negative(self, ("leakage_a", "leakage_ea_j_per_mol", "rs_ea_j_per_mol"))
        if any(v < 0.0 for v in self.hysteresis_v):
            raise ValueError("hysteresis_v: half a loop's width is not below zero")


_POSITIVE = (
    "capacity_ah",
    "ocv_v",
    "hysteresis_span_ratio",
    "rs_ohm_ah",
    "i0a_per_h",
    "i0b_per_h",
    "kinetics_ratio",
    "r1_ohm_ah",
    "r2_ohm_ah",
    "tau1_s",
    "tau2_s",
    "mass_kg",
    "heat_capacity_j_per_kg_k",
)


WIDEST_LEAKAGE_RATIO = 3.0
"""As the sigma of a logarithm this is a factor of 20 either way; far beyond, ``exp`` overflows."""


@dataclass(frozen=True, slots=True)
class PackSpread:
    """How far the cells of one pack lie apart: standard deviations, not limits.

    Capacity and resistance are normal around 1, leakage is log-normal (the sigma of its
    logarithm), state of charge is normal around the pack's. Defaults: a new pack,
    engineering assumptions of ADR 0005, to be swept.
    """

    capacity_ratio: float = 0.01
    resistance_ratio: float = 0.04
    leakage_ratio: float = 0.3
    soc_ratio: float = 0.0

    def __post_init__(self) -> None:
        """Refuse spreads so wide that a drawn cell could have no capacity or no resistance."""
        _require_not_negative(self, ("leakage_ratio", "soc_ratio"))
        if self.leakage_ratio > WIDEST_LEAKAGE_RATIO:
            found = f"{self.leakage_ratio:g} is not within 0 to {WIDEST_LEAKAGE_RATIO:g}"
            raise ValueError(f"leakage_ratio: {found}")
        for name in ("capacity_ratio", "resistance_ratio"):
            # Normals are drawn from 32 bits and end at 6.7 sigma, so 0.14 keeps every ratio > 0.06.
            if not 0.0 <= getattr(self, name) <= 0.14:  # noqa: PLR2004
                raise ValueError(f"{name}: {getattr(self, name)} is not within 0 to 0.14")


@dataclass(frozen=True, slots=True)
class PackParameters:
    """A stack of cells of one type in one box. Raises ValueError for what cannot be one.

    ``soc_ratio`` and ``initial_temperature_degc`` are the state before the first step.
    ``gradient_k`` is how much warmer the top cell sits than cell 1, linear along the stack, imposed
    from outside (an inverter, the sun on one wall): it is what the unloaded cells settle at.

    Sense point: the bench reads each cell from its negative terminal to the negative terminal of
    the next cell, the top cell to its own positive terminal. So the link above a cell
    (``link_ohm``; ``seam_ohm`` instead after every ``seam_every`` cells, 0 = no seams) is part
    of what that cell shows, and the top cell shows none.

    Conductances and capacities of the box: defaults from ADR 0005 (assumptions,
    to be swept). Zero conductance is allowed and means insulated.
    """

    cells: int
    cell: CellParameters
    spread: PackSpread = field(default_factory=PackSpread)
    soc_ratio: float = 0.5
    initial_temperature_degc: float = 25.0
    gradient_k: float = 0.0
    link_ohm: float = 0.0002
    seam_ohm: float = 0.001
    seam_every: int = 0
    cell_cell_w_per_k: float = 1.5
    cell_air_w_per_k: float = 0.8
    enclosure_ambient_w_per_k: float = 5.0
    enclosure_j_per_k: float = 5000.0

    def __post_init__(self) -> None:
        """Refuse an empty stack, a negative resistance and a box without heat capacity."""
        _require_positive(self, ("cells", "enclosure_j_per_k"))
        conductances = ("cell_cell_w_per_k", "cell_air_w_per_k", "enclosure_ambient_w_per_k")
        _require_not_negative(self, (*conductances, "link_ohm", "seam_ohm", "seam_every"))
        if not 0.0 <= self.soc_ratio <= 1.0:
            raise ValueError(f"soc_ratio: {self.soc_ratio} is not within 0 to 1")
