"""Whether a claim about old chips holds: costs of strategies against budgets of chips. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from chip_cost import Build, Cost

KIB = 1024
SUPPORTED, UNSUPPORTED = 0.90, 0.10
"""As of any experiment (ADR 13): shares of the draws, which here are combinations."""


class Chip(NamedTuple):
    """A master chip: kibibytes, MHz, and cycles that an instruction takes in the mean."""

    flash_kib: float
    ram_kib: float
    clock_mhz: float
    cycles_per_instruction: float


class Budget(NamedTuple):
    """What balancing may take of a chip, per cent: flash, RAM, the second between decisions."""

    flash_percent: float
    ram_percent: float
    time_percent: float


class Checked(NamedTuple):
    """One check: what it is, what was expected and found, in words, and whether it held."""

    name: str
    role: str
    expected: str
    found: str
    held: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """The file of checks, with every chip that its ranges make."""

    file: Mapping[str, Any]

    @property
    def chips(self) -> list[Chip]:
        """Return every combination of what a chip may be."""
        ranges = [self.file["chips"][name] for name in Chip._fields]
        return [Chip(*values) for values in product(*ranges)]

    @property
    def budget(self) -> Budget:
        """Return what balancing may take."""
        return Budget(**self.file["budget"])

    def lacking(self, cost: Cost, chip: Chip) -> list[str]:
        """Return what a chip has not enough of for a strategy; empty: there is room."""
        return [
            name for name, percent in self.taken(cost, chip).items() if percent > self._may(name)
        ]

    def taken(self, cost: Cost, chip: Chip) -> dict[str, float]:
        """Return how much of a chip a strategy takes, per cent of each."""
        cycles = cost.worst * chip.cycles_per_instruction
        return {
            "flash": 100.0 * cost.flash / (chip.flash_kib * KIB),
            "ram": 100.0 * cost.ram / (chip.ram_kib * KIB),
            "time": 100.0 * cycles / (chip.clock_mhz * 1e6),
        }

    def _may(self, name: str) -> float:
        percent: float = getattr(self.budget, f"{name}_percent")
        return percent

    def without_room(self, strategies: Sequence[str], costs: Mapping[Build, Cost]) -> float:
        """Return the share of combinations of chip, core and level with no room for any of them."""
        builds = {(build.core, build.level) for build in costs}
        lacks = [
            all(self.lacking(costs[Build(one, *build)], chip) for one in strategies)
            for build, chip in product(sorted(builds), self.chips)
        ]
        return sum(lacks) / len(lacks)

    def verdict(self, costs: Mapping[Build, Cost]) -> tuple[str, float]:
        """Return what became of the claim, and the share of combinations in which it shows."""
        claimed = [one["strategy"] for one in self.file["checks"] if one["role"] == "claim"]
        share = self.without_room(claimed, costs)
        if share >= SUPPORTED:
            return "supported", share
        return ("partly" if share >= UNSUPPORTED else "not supported"), share

    def checked(self, costs: Mapping[Build, Cost]) -> Iterator[Checked]:
        """Hold every check against what was measured."""
        for check in self.file["checks"]:
            how = self._ratio if "against" in check else self._room
            yield Checked(check["name"], check["role"], *how(check, costs))

    def _room(self, check: Mapping[str, Any], costs: Mapping[Build, Cost]) -> tuple[str, str, bool]:
        share = 100.0 * self.without_room([check["strategy"]], costs)
        found = f"in {share:.0f} %"
        if "no_room_in_at_least_percent" in check:
            least = check["no_room_in_at_least_percent"]
            expected = f"no room for {check['strategy']} in at least {least} % of the combinations"
            return expected, found, share >= least
        most = check["no_room_in_at_most_percent"]
        expected = f"no room for {check['strategy']} in at most {most} % of the combinations"
        return expected, found, share <= most

    def _ratio(
        self, check: Mapping[str, Any], costs: Mapping[Build, Cost]
    ) -> tuple[str, str, bool]:
        times = [
            _amount(cost, check["quantity"])
            / _amount(costs[build._replace(strategy=check["against"])], check["quantity"])
            for build, cost in costs.items()
            if build.strategy == check["strategy"]
        ]
        found = f"{min(times):.3g} to {max(times):.3g} times"
        of = f"{check['quantity']} of {check['strategy']} to those of {check['against']}"
        if "at_least_times" in check:
            least = check["at_least_times"]
            return f"{of}: at least {least:g} times", found, min(times) >= least
        most = check["at_most_times"]
        return f"{of}: at most {most:g} times", found, max(times) <= most


def _amount(cost: Cost, quantity: str) -> int:
    return {"instructions": cost.worst, "flash": cost.flash, "ram": cost.ram}[quantity]
