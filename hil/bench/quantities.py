"""What the words of a profile mean on the bench: ``cell.voltage`` is the emulators' read-back.

One table from the names that conditions, limits and expectations use to columns of the tick row.
"""

import math
from collections.abc import Callable, Sequence

from hil.core.signals import Layout

SOURCES: dict[str, tuple[str, str]] = {
    "cell.voltage": ("emulator.read_v", "emulator read-back"),
    "board.cell.voltage": ("board.cell_v", "board telemetry"),
    "cell.temperature": ("plant.cell_degc", "plant (emulated truth)"),
    "board.temperature": ("board.pcb_degc", "board telemetry"),
    "board.ntc": ("board.ntc_degc", "board telemetry"),
    "board.age": ("board.age_s", "bench clock"),
    "board.current": ("board.current_a", "board telemetry"),
    "current": ("pack.current_a", "plant (emulated truth)"),
    "pack.voltage": ("pack.voltage_v", "plant (emulated truth)"),
    "chamber.temperature": ("chamber.air_degc", "chamber telemetry"),
    "gap": ("plant.cell_v", "plant (emulated truth)"),
    "board.bleeding": ("board.duty", "board telemetry"),
    "board.supply.voltage": ("supply.read_v", "supply read-back"),
    "board.supply.current": ("supply.read_a", "supply read-back"),
}
"""Quantity -> (signal of the row, where it is read)."""

OF_ALL: dict[str, Callable[[Sequence[float]], float]] = {
    "gap": lambda cell_v: max(cell_v) - min(cell_v),
    "board.bleeding": lambda duty: sum(share > 0.0 for share in duty) / len(duty),
}
"""Quantity -> what is made of all values of its signal; of one that is unknown nothing is known."""

ERRORS: dict[str, tuple[str, str, str]] = {
    "board.cell.error": ("board.cell_v", "emulator.read_v", "board less emulator read-back"),
    "board.current.error": ("board.current_a", "pack.current_a", "board less plant"),
    "board.temperature.error": ("board.pcb_degc", "chamber.air_degc", "board less chamber"),
}
"""Quantity -> (signal of the board, signal of the instrument it is held against, in words).

All are of one tick, but the board's is older by up to its cycle: it means something at rest and
after a soak that was long enough for the board to follow.
"""


class Reader:
    """Reads quantities from tick rows of one layout."""

    def __init__(self, layout: Layout) -> None:
        """Keep the layout; look-ups happen once per condition, not once per tick."""
        self.layout = layout

    def columns(self, quantity: str) -> slice:
        """Return the columns of a quantity; KeyError for a name that is none.

        What is not in ``SOURCES`` is a signal of the row itself: a guard.
        """
        return self.layout.columns(SOURCES.get(quantity, (quantity,))[0])

    def where(self, quantity: str) -> str:
        """Return where the quantity is read, as reports show it."""
        return ERRORS[quantity][2] if quantity in ERRORS else SOURCES[quantity][1]

    def values(self, quantity: str, row: Sequence[float]) -> list[float]:
        """Return the quantity: one value, or one a cell. ``current`` is a magnitude."""
        if quantity in ERRORS:
            told, real, _ = ERRORS[quantity]
            pair = row[self.layout.columns(told)], row[self.layout.columns(real)]
            return [board - bench for board, bench in zip(*pair, strict=True)]
        values = list(row[self.columns(quantity)])
        if quantity == "current":
            return [abs(values[0])]
        if quantity in OF_ALL:
            return [math.nan if any(map(math.isnan, values)) else OF_ALL[quantity](values)]
        return values
