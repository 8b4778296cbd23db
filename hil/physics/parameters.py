"""What a pack of cells is made of: plain numbers, no behaviour. Cells: ``cell_types``."""

from dataclasses import dataclass, field

from hil.core.recorded import UNLESS_DEFAULT
from hil.physics.ageing import Life
from hil.physics.cell_types import CellParameters
from hil.physics.requirements import require_not_negative, require_positive

WIDEST_LEAKAGE_RATIO = 3.0
"""As the sigma of a logarithm this is a factor of 20 either way; far beyond, ``exp`` overflows."""

OLDEST_YEARS = 30.0


@dataclass(frozen=True, slots=True)
class PackSpread:
    """How far the cells of one pack lie apart: standard deviations, not limits.

    Capacity and resistance are normal around 1, leakage is log-normal (the sigma of its
    logarithm), state of charge is normal around the pack's. Ageing is normal around 1: how much
    faster a cell loses capacity and gains resistance than another under the same conditions.
    Defaults: a new pack, engineering assumptions of ADR 0005, to be swept; 10 % of ageing are the
    0.5 % of capacity that a pack at 25 degC is thought to spread each year.
    """

    capacity_ratio: float = 0.01
    resistance_ratio: float = 0.04
    leakage_ratio: float = 0.3
    soc_ratio: float = 0.0
    ageing_ratio: float = field(default=0.1, metadata=UNLESS_DEFAULT)

    def __post_init__(self) -> None:
        """Refuse spreads so wide that a drawn cell could have no capacity or no resistance."""
        require_not_negative(self, ("leakage_ratio", "soc_ratio"))
        if self.leakage_ratio > WIDEST_LEAKAGE_RATIO:
            found = f"{self.leakage_ratio:g} is not within 0 to {WIDEST_LEAKAGE_RATIO:g}"
            raise ValueError(f"leakage_ratio: {found}")
        for name in ("capacity_ratio", "resistance_ratio", "ageing_ratio"):
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
    to be swept). Zero conductance is allowed and means insulated. ``bleed_heat_ratio`` is what
    part of a bleed's power warms the cell that is bled; the rest warms the air of the box, but for
    ``end_heat_ratio`` of that, which goes into the top cell: a board that is screwed to its side.

    The cells drawn are new ones; the pack has then lived for ``age_years`` of ``life``. With
    ``ages`` it goes on ageing while it is stepped: for studies over years, off on the bench, where
    capacity counts as known. Both need a cell type that says how it ages.
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
    bleed_heat_ratio: float = 0.25
    end_heat_ratio: float = field(default=0.0, metadata=UNLESS_DEFAULT)
    age_years: float = 0.0
    life: Life = field(default_factory=Life)
    ages: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty stack, a negative resistance and a box without heat capacity."""
        require_positive(self, ("cells", "enclosure_j_per_k"))
        conductances = ("cell_cell_w_per_k", "cell_air_w_per_k", "enclosure_ambient_w_per_k")
        require_not_negative(self, (*conductances, "link_ohm", "seam_ohm", "seam_every"))
        for name in ("bleed_heat_ratio", "end_heat_ratio", "soc_ratio"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}: {getattr(self, name)} is not within 0 to 1")
        if not 0.0 <= self.age_years <= OLDEST_YEARS:
            raise ValueError(f"age_years: {self.age_years} is not within 0 to {OLDEST_YEARS:g}")
        if (self.age_years or self.ages) and self.cell.ageing is None:
            raise ValueError("age_years: the cell type does not say how it ages (ageing)")
