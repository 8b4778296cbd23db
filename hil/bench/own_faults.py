"""What the bench itself has put wrong, and which readings therefore say nothing of the board.

A board is judged by what it makes of its inputs. Where the bench has wired an input to something
else, or shows it something else than the truth, what is read there is the bench's doing.
"""

import math
from collections.abc import Collection, Mapping, Sequence

from hil.bench.stack import Stack
from hil.core.signals import Layout
from hil.profile.check_faults import SENSORS, WIRING

_MISWIRED: Mapping[str, Sequence[int]] = {
    "swapped-leads": (-1, 0, 1),
    "shorted-leads": (0,),
    "swapped-cells": (0, 1),
    "reversed-cell": (0,),
}
"""Whose inputs no longer see what their emulators read back, counted from the fault's own cell.

Not an open lead: a board that sees half of two cells there owes it to its host to say so.
"""
_NTCS: Mapping[str, Sequence[int]] = {"swapped-ntcs": (0, 1), "open-ntc": (0,), "shorted-ntc": (0,)}
"""Which NTCs show something else than their cells, counted from the fault's own."""


class OwnFaults:
    """The faults that stand, and what they touch; cells are indices from 0, NTCs numbers."""

    def __init__(self, stack: Stack, layout: Layout) -> None:
        """Begin without a fault; find the columns of the row once."""
        self._stack = stack
        self._read_a, self._ntc = layout.index("emulator.read_a"), layout.index("board.ntc_degc")
        self._current = layout.index("board.current_a")
        self._command = layout.columns("command.duty")
        self._relays: set[int] = set()
        self._standing: set[tuple[str, str, int]] = set()
        self._miswired: set[int] = set()
        self._ntcs: set[int] = set()
        self._has_current = self._has_host = False

    def host(self, *, active: bool) -> None:
        """Note that the bench is no sound host of the board: what it commands does not count."""
        self._has_host = active

    def relay(self, unit: str, channel: int, *, active: bool) -> None:
        """Note a fault that an emulator has put on a channel itself.

        Its read-back is taken before the fault relay: what the board sees there, nobody reads.
        """
        cell = self._stack.units[unit][channel - 1]
        (self._relays.add if active else self._relays.discard)(cell)

    def note(self, target: str, fault: str, number: int, *, active: bool) -> None:
        """Note a fault of the harness or of an emulated sensor; ``number`` as in the profile."""
        if target not in (WIRING, SENSORS):
            return
        (self._standing.add if active else self._standing.discard)((target, fault, number))
        self._miswired = {
            number + offset - 1
            for target, fault, number in self._standing
            for offset in _MISWIRED.get(fault, ())
            if target == WIRING and 1 <= number + offset <= self._stack.cells
        }
        self._ntcs = {
            number + offset
            for target, fault, number in self._standing
            if number
            for offset in _NTCS.get(fault, (0,) if target == SENSORS else ())
        }
        self._has_current = any(
            fault == "reversed-shunt" or (target == SENSORS and not number)
            for target, fault, number in self._standing
        )

    def unread(self, unit: str) -> Collection[int]:
        """Return the cells of a unit whose voltages as read back are not the board's."""
        return (self._relays | self._miswired).intersection(self._stack.units[unit])

    def judged(self, row: list[float]) -> list[float]:
        """Return the row without what is nothing that the board did.

        A miswired cell has been drained by what flows there; a sensor shows what the bench says.
        """
        if not self._standing and not self._has_host:
            return row
        row = row.copy()
        if self._has_host:
            row[self._command] = [math.nan] * self._stack.cells
        for k in self._miswired:
            row[self._read_a + k] = math.nan
        for ntc in self._ntcs:
            row[self._ntc + ntc - 1] = math.nan
        if self._has_current:
            row[self._current] = math.nan
        return row
