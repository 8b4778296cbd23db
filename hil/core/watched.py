"""A rule that the bench watches, as a row of the table that manifest, report and check show."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Severity: TypeAlias = Literal["trip", "warn"]
"""What crossing a limit does: ends the run in the safe state, or is recorded once."""


@dataclass(frozen=True, slots=True)
class Watched:
    """``rule`` says what is watched and ends with the comparison; ``origin``, whose limit it is."""

    rule: str
    value: float
    unit: str
    severity: Severity
    origin: str

    @property
    def name(self) -> str:
        """Return the rule as records name it: ``cell.voltage <= 3.65 V (profile)``."""
        value = f"{self.value:g} {self.unit}".rstrip()
        return f"{self.rule} {value} ({self.origin})"

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {name: getattr(self, name) for name in self.__slots__}
