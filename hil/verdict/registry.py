"""What each metric is called, means and needs. Definitions: design/physics.md, section 4."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Literal, SupportsFloat, TypeAlias

from hil.core.instants import Instant
from hil.core.recorded import UNLESS_DEFAULT
from hil.core.spec import Accuracy

Needs: TypeAlias = Literal["emulated", "metered", "shadow", "study", "none"]
"""``emulated``: the true state of the cells; ``metered``: a meter's reading (here the emulators'
read-back); ``shadow``: a reference that decides beside the board; ``study``: what a study's packs
and boards tell and no record of a bench holds (no cell ages there); ``none``: only what the board
and the controller say. Without it a metric is n/a."""


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """Unit (as pint reads it; ``1`` is a ratio), what the metric needs, and what it says."""

    unit: str
    needs: Needs
    about: str


METRICS: Mapping[str, MetricInfo] = MappingProxyType(
    {
        "usable_capacity": MetricInfo(
            "1",
            "emulated",
            "least charge out plus least charge in of all cells, per Qmin, at the end",
        ),
        "capacity_kept": MetricInfo(
            "1", "study", "smallest true capacity of a pack at the end, per that at the start"
        ),
        "usable_of_new": MetricInfo(
            "1", "study", "usable charge at the end, per the smallest capacity at the start"
        ),
        "soc_spread": MetricInfo(
            "1", "emulated", "max - min of the charge to full (1 - s) Q, per Qmin, at the end"
        ),
        "gap_end_of_charge": MetricInfo(
            "V", "emulated", "max - min true cell voltage where the last charge ended below C/20"
        ),
        "gap_end_of_rest": MetricInfo(
            "V",
            "emulated",
            "max - min true cell voltage at the end of the last rest of 1 h or more",
        ),
        "gap_end_of_discharge": MetricInfo(
            "V", "emulated", "max - min true cell voltage where the last discharge ended"
        ),
        "measured_gap_end_of_charge": MetricInfo(
            "V", "none", "the same as the board reported it: where the last charge ended below C/20"
        ),
        "measured_gap_end_of_rest": MetricInfo(
            "V", "none", "as the board reported it, at the end of the last rest of 1 h or more"
        ),
        "measured_gap_end_of_discharge": MetricInfo(
            "V", "none", "as the board reported it, where the last discharge ended"
        ),
        "largest_gap_in_charge": MetricInfo(
            "V", "emulated", "largest max - min true cell voltage at any instant of a charge"
        ),
        "balance_time": MetricInfo(
            "h", "emulated", "from a spread above 1 % at the start until it stays below 1 %"
        ),
        "bled_charge": MetricInfo("Ah", "metered", "charge that flowed into the board's bleeds"),
        "bled_energy": MetricInfo("Wh", "metered", "energy that flowed into the board's bleeds"),
        "transfer_loss": MetricInfo(
            "Wh", "study", "energy that an active balancer took from cells and gave to none"
        ),
        "wrong_cell_share": MetricInfo(
            "1", "emulated", "bleed time of cells with less than 0.2 % to give, per all bleed time"
        ),
        "false_triggers": MetricInfo(
            "1/day", "emulated", "bleed onsets on cells with less than 0.2 % to give, per cell-day"
        ),
        "missed_triggers": MetricInfo(
            "day", "emulated", "cell-days with more than 1 % to give and no bleed for 24 h"
        ),
        "switch_cycles": MetricInfo("1/day", "none", "on and off edges of all bleeds, per day"),
        "oscillation": MetricInfo(
            "1", "none", "cell-time in which a bleed has more than 6 edges/h for 1 h or more, share"
        ),
        "duty": MetricInfo("1", "none", "mean bleed duty over all cells and the whole run"),
        "peak_bleed_temperature": MetricInfo(
            "degC", "study", "highest true temperature of the hottest part of a bleed path"
        ),
        "peak_front_end_temperature": MetricInfo(
            "degC", "study", "highest true temperature of the front ends and their references"
        ),
        "misreading_spread": MetricInfo(
            "V", "study", "largest max - min over the cells of what decides less what is true"
        ),
        "peak_pcb_temperature": MetricInfo(
            "degC", "none", "highest temperature the board reported"
        ),
        "cell_temperature_spread": MetricInfo(
            "K", "emulated", "largest max - min of the true cell temperatures"
        ),
        "max_cell_voltage": MetricInfo("V", "emulated", "highest true cell voltage"),
        "min_cell_voltage": MetricInfo("V", "emulated", "lowest true cell voltage"),
        "throughput": MetricInfo("Ah", "none", "charge through the pack, in plus out"),
        "useful_share": MetricInfo(
            "1", "emulated", "bled charge that brought cells closer together, per all bled charge"
        ),
        "shadow_disagreement": MetricInfo(
            "1", "shadow", "cell-time in which either the board or its shadow bleeds, not both"
        ),
    }
)
"""Every metric of a run or of a study's packs, by name; the same name means the same in both."""

OF_RUNS: Mapping[str, MetricInfo] = MappingProxyType(
    {name: info for name, info in METRICS.items() if info.needs != "study"}
)
"""Every name a profile's verdict may use: what the records of a bench can tell at all."""


EXACT = Accuracy(0.0)
_PREFIX = "uncertainty."


@dataclass(frozen=True, slots=True)
class Uncertainties:
    """Expanded uncertainties (k = 2) of what the metrics are made of, from device data.

    The defaults are those of no device: exact. The bench fills in its devices' SPEC and writes them
    into the run's first record, so that whoever folds the records later needs no device for it.
    """

    set_v: Accuracy = EXACT
    read_v: Accuracy = EXACT
    read_a: Accuracy = EXACT
    pack_a: Accuracy = EXACT
    pcb_k: Accuracy = EXACT
    chamber_k: Accuracy = EXACT
    supply_v: Accuracy = field(default=EXACT, metadata=UNLESS_DEFAULT)
    supply_a: Accuracy = field(default=EXACT, metadata=UNLESS_DEFAULT)

    def constants(self) -> dict[str, tuple[float, ...]]:
        """Return them as the first record keeps them: ``uncertainty.set_v``: (offset, gain)."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        left_out = [f.name for f in fields(self) if f.metadata and named[f.name] == f.default]
        return {
            f"{_PREFIX}{name}": (one.offset, one.gain)
            for name, one in named.items()
            if name not in left_out
        }

    @classmethod
    def of(cls, constants: Mapping[str, tuple[float, ...]]) -> "Uncertainties":
        """Read them from the constants of a run's first record; what is not there is exact.

        Raises TypeError for one that is not two numbers.
        """
        names = [f.name for f in fields(cls) if f"{_PREFIX}{f.name}" in constants]
        return cls(**{name: Accuracy(*constants[f"{_PREFIX}{name}"]) for name in names})


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric with its expanded uncertainty and where and when it was read.

    ``value`` is NaN where the run gave no such reading; ``where`` then says why.
    """

    value: float
    uncertainty: float
    unit: str
    read_at: Instant
    where: str

    def plain(self) -> dict[str, float | str | None]:
        """Return what a run's summary shows of it."""
        return {
            "value": finite(self.value),
            "uncertainty": finite(self.uncertainty),
            "unit": self.unit,
            "where": self.where,
        }


def finite(value: float) -> float | None:
    """Return None for NaN and infinities, which JSON does not have."""
    return value if math.isfinite(value) else None


def metric(
    name: str, value: SupportsFloat, uncertainty: SupportsFloat, at: Instant, where: str
) -> MetricValue:
    """Return a value of the metric ``name`` in its unit; takes NumPy scalars too."""
    return MetricValue(float(value), float(uncertainty), METRICS[name].unit, at, where)


def not_available(name: str, at: Instant, why: str) -> MetricValue:
    """Return the metric ``name`` as not available: NaN, and why."""
    return MetricValue(math.nan, math.nan, METRICS[name].unit, at, f"n/a: {why}")
