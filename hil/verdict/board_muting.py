"""The rule that no cell is measured while it or a neighbour is bled, where the board mutes.

A bleed current of 50 mA over two leads of 60 mohm takes 6 mV off the cell's own reading and puts
3 mV on those of its neighbours. The error of one reading (board less emulator read-back) is as
large as that, but it stays what it is when a bleed goes on: so the rule compares the mean error
before a change of the bleeds with that after it. All in arrays of (cells,).
"""

from collections.abc import Container, Sequence

import numpy as np

from hil.core.instants import Instant
from hil.verdict.blocks import Bools, Floats
from hil.verdict.findings import Finding, Findings, Lead

TYPICAL_V = 3.3
"""An LFP cell on its plateau: what drives a bleed's current, within a tenth."""
FULL = 0.98
"""A bleed that is on for less of its window is off again before the board samples: it is off."""
HALF, DOUBLE = 0.5, 2.0
"""Of the drop that the leads would give: what lies in between is that drop, the rest is not."""


class Muting:
    """Follows the error of each cell's reading from one pattern of bleeds to the next."""

    def __init__(self, lead: Lead, cells: int) -> None:
        """Know no error yet."""
        self._lead = lead
        leads_ohm = np.array(lead.lead_ohm)
        self._below_ohm, self._above_ohm = leads_ohm[:-1], leads_ohm[1:]
        self._duty: Sequence[float] = []
        # expected shift by the pattern that is on, and the error under it, as far as it is known
        self._shift_v = np.zeros(cells)
        self._mean_v, self._count = np.zeros(cells), np.zeros(cells, dtype=np.int64)
        # the same of the last pattern that lasted, and when it ended
        self._old_shift_v, self._old_mean_v = np.zeros(cells), np.full(cells, np.nan)
        self._old_at = np.zeros(cells, dtype=np.int64)
        self._off_v, self._due_v = np.zeros(cells), np.zeros(cells)
        self._found = np.zeros(cells, dtype=np.bool_)
        self._sets: int | None = None
        self._shown = (np.full(cells, np.nan), np.full(cells, np.nan))

    def look(
        self,
        at: Instant,
        duty: Sequence[float],
        board_v: Sequence[float],
        read_v: Sequence[float],
        cell_sets: int,
    ) -> None:
        """Take in one tick."""
        if duty != self._duty:
            self._change(at, duty)
        read = np.array(read_v)
        before, self._shown = self._shown, (self._shown[1], read)
        if cell_sets == self._sets:
            return
        self._sets = cell_sets
        error_v = np.array(board_v) - read
        # False where one of them was not read
        usable = np.isfinite(error_v)
        for earlier in before:
            usable &= np.abs(read - earlier) < self._lead.steady_v
        self._add(at, usable, error_v)

    def _change(self, at: Instant, duty: Sequence[float]) -> None:
        """Note the new pattern; where it makes a difference, what was known becomes the old one."""
        self._duty = list(duty)
        bleed_a = TYPICAL_V / self._lead.bleed_ohm
        current_a = np.where(np.array(duty) >= FULL, bleed_a, 0.0)
        below, above = _neighbours(current_a)
        shift_v = self._below_ohm * (below - current_a) + self._above_ohm * (above - current_a)
        changed = shift_v != self._shift_v
        whole = changed & (self._count >= self._lead.samples)
        self._old_shift_v[whole], self._old_mean_v[whole] = (
            self._shift_v[whole],
            self._mean_v[whole],
        )
        self._old_at[whole] = at
        self._shift_v = shift_v
        self._count[changed], self._mean_v[changed] = 0, 0.0

    def _add(self, at: Instant, usable: Bools, error_v: Floats) -> None:
        """Add a reading to the means (of the newest readings, roughly); compare those just full."""
        samples = self._lead.samples
        self._count += usable
        off_v = np.where(usable, error_v - self._mean_v, 0.0)
        self._mean_v += off_v / np.minimum(np.maximum(self._count, 1), samples)
        full = usable & (self._count == samples)
        if full.any():
            self._compare(at, full)

    def _compare(self, at: Instant, full: Bools) -> None:
        """Say of each cell that has just been seen long enough whether its error went along."""
        due_v = self._shift_v - self._old_shift_v
        off_v = self._mean_v - self._old_mean_v
        fresh = at - self._old_at < self._lead.stale
        telling = full & fresh & np.isfinite(off_v) & (np.abs(due_v) > 2.0 * self._lead.floor_v)
        share = np.divide(off_v, due_v, out=np.zeros_like(off_v), where=telling)
        self._found[telling] = ((share > HALF) & (share < DOUBLE))[telling]
        self._off_v[telling], self._due_v[telling] = off_v[telling], due_v[telling]

    def find(self, findings: Findings, explained: Container[int]) -> None:
        """Add the cells whose error went along with the bleeds."""
        for k in map(int, np.flatnonzero(self._found)):
            if k + 1 not in explained:
                off_v, due_v = float(self._off_v[k]), float(self._due_v[k])
                text = f"its reading moved by {1e3 * off_v:.2f} mV when bleeds around it changed"
                text = f"{text}, their drop along the leads is {1e3 * due_v:.2f} mV"
                finding = Finding(off_v, HALF * due_v, "V", 0, text)
                findings["measured-while-bleeding", f"cell[{k + 1}].voltage"] = finding


def _neighbours(values: Floats) -> tuple[Floats, Floats]:
    """Return what the cell below and the cell above have, 0 beyond the ends."""
    below, above = np.zeros_like(values), np.zeros_like(values)
    below[1:], above[:-1] = values[:-1], values[1:]
    return below, above
