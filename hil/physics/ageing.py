"""How a cell type ages, and what life a pack had before a run: plain numbers, no behaviour.

The laws are those of Naumann et al., "Analysis and modeling of calendar aging of a commercial
LiFePO4/graphite cell", J. Energy Storage 17 (2018) 153, and of its companion on cycle ageing,
J. Power Sources 451 (2020) 227666, as SimSES (TU Munich) tabulates them. ``wear.py`` applies them;
``docs/physics/ageing.md`` holds the equations. It is apart from this file because profiles read
this one, and who only reads a profile pays for no compiler.
"""

from dataclasses import dataclass, fields

from hil.physics.requirements import require_not_negative

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class AgeingParameters:
    """The laws of one cell type; T in kelvin, s its charge, C a rate in 1/h, D a depth.

    - calendar loss of capacity, a ratio of the new cell's: a exp(-Ea/R (1/T - 1/298.15))
      (b (s - 0.5)^3 + c) sqrt(t), with a ``calendar_per_root_second``, b ``calendar_soc_cubic``,
      c ``calendar_soc_constant``, t in seconds;
    - growth of resistance at rest, a ratio: a exp(...) (b (s - 0.5)^2 + c) t (``growth_*``);
    - loss by cycles: (a C + b) (c (D - 0.6)^3 + d) sqrt(full equivalent cycles), with a
      ``cycle_per_rate_ratio`` and b ``cycle_base_ratio`` (both are percent in the paper);
    - growth by cycles: (a C + b) (c (D - 0.5)^3 + d) full equivalent cycles, never below zero:
      the published line falls through zero just above 1C.

    ``fitted_*`` is what the cells were measured at; outside the laws extrapolate, and what was aged
    there is counted apart (``wear.OUTSIDE_S``, ``wear.OUTSIDE_CYCLES``).
    Raises ValueError for laws under which a cell could grow young.
    """

    about: str

    calendar_per_root_second: float
    calendar_ea_j_per_mol: float
    calendar_soc_cubic: float
    calendar_soc_constant: float

    growth_per_second: float
    growth_ea_j_per_mol: float
    growth_soc_square: float
    growth_soc_constant: float

    cycle_base_ratio: float
    cycle_per_rate_ratio: float
    cycle_depth_cubic: float
    cycle_depth_constant: float

    cycle_growth_base_ratio: float
    cycle_growth_per_rate_ratio: float
    cycle_growth_depth_cubic: float
    cycle_growth_depth_constant: float

    fitted_from_degc: float
    fitted_to_degc: float
    fitted_to_rate_per_h: float

    def __post_init__(self) -> None:
        """Refuse rates below zero anywhere between an empty and a full cell."""
        rates = ("calendar_per_root_second", "growth_per_second", "cycle_base_ratio")
        energies = ("calendar_ea_j_per_mol", "growth_ea_j_per_mol")
        require_not_negative(self, (*rates, *energies, "cycle_per_rate_ratio"))
        # every factor is monotone on either side of its centre: its ends and its centre decide
        shapes = (
            ("calendar_soc_constant", self.calendar_soc_cubic, 3, (-0.5, 0.0, 0.5)),
            ("growth_soc_constant", self.growth_soc_square, 2, (-0.5, 0.0, 0.5)),
            ("cycle_depth_constant", self.cycle_depth_cubic, 3, (-0.6, 0.0, 0.4)),
            ("cycle_growth_depth_constant", self.cycle_growth_depth_cubic, 3, (-0.5, 0.0, 0.5)),
        )
        for name, slope, power, places in shapes:
            constant = getattr(self, name)
            if not all(slope * x**power + constant >= 0.0 for x in places):
                raise ValueError(f"{name}: with {constant} the factor falls below zero")
        if not self.fitted_from_degc < self.fitted_to_degc:
            raise ValueError(f"fitted_to_degc: {self.fitted_to_degc} is below fitted_from_degc")


@dataclass(frozen=True, slots=True)
class Life:
    """How a pack has lived until the run starts; every year alike.

    ``temperature_degc`` is that of the middle of the stack (the imposed gradient comes on top),
    ``soc_ratio`` the charge it stood at, ``cycles_per_day`` its full equivalent cycles,
    ``depth_ratio`` and ``rate_per_h`` what one of them was like. The defaults are those of the
    check figures of the design: a home that makes 600 cycles of 85 % in two years. All [assumed].
    """

    temperature_degc: float = 25.0
    soc_ratio: float = 0.6
    cycles_per_day: float = 600.0 / (2.0 * DAYS_PER_YEAR)
    depth_ratio: float = 0.85
    rate_per_h: float = 0.2

    def __post_init__(self) -> None:
        """Refuse what no pack can have lived through."""
        require_not_negative(self, ("cycles_per_day", "rate_per_h"))
        for name in ("soc_ratio", "depth_ratio"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name}: {getattr(self, name)} is not within 0 to 1")
        if not -60.0 <= self.temperature_degc <= 100.0:  # noqa: PLR2004 - what an ambient may be
            raise ValueError(f"temperature_degc: {self.temperature_degc} is not within -60 to 100")


LAWS = tuple(f.name for f in fields(AgeingParameters) if f.name != "about")
"""The names of all numbers of the laws, in their order."""
