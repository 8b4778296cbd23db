"""Rules about cell voltages: that they are right, and that they move when the cells do."""

import math
from collections.abc import Sequence
from operator import sub

from hil.ports import BoardFault
from hil.verdict.findings import Finding, Findings, Tolerances


class Readings:
    """Cell voltages as the board reads them, against those at the emulators' outputs.

    A reading is older than the tick that sees it, by up to a board cycle and its way over the wire,
    while the cells move on. So it is right if it lies within tolerance of *any* voltage that the
    emulator has shown since the tick before the previous set arrived.
    """

    def __init__(self, tolerances: Tolerances) -> None:
        """Start without a set."""
        self._tolerances = tolerances
        self._sets: int | None = None
        self._board_v: list[float] = []
        self._since: list[Sequence[float]] = []
        self._off: list[tuple[int, float, float]] = []
        self._frozen: dict[int, tuple[int, float]] = {}
        self._stuck: list[tuple[int, float]] = []

    def look(self, board_v: Sequence[float], read_v: Sequence[float], cell_sets: int) -> None:
        """Take in one tick; without a new set, what the last one showed still stands."""
        self._since.append(read_v)
        if cell_sets == self._sets:
            return
        new = list(board_v)
        self._off = self._compare(new, read_v)
        self._stuck = self._freeze(new, self._since[0], cell_sets)
        self._sets, self._board_v = cell_sets, new
        self.forget()

    def forget(self) -> None:
        """Let go of what is too old for the next set; so a silent board does not fill memory."""
        del self._since[:-2]

    def _compare(
        self, board_v: Sequence[float], read_v: Sequence[float]
    ) -> list[tuple[int, float, float]]:
        """Return (cell index, board, emulator) of the readings out of tolerance."""
        limit_v = self._tolerances.reading_v
        error_v = list(map(sub, board_v, read_v))
        # a NaN in front hides the others from max and min: then each one is looked at
        if max(error_v) <= limit_v and min(error_v) >= -limit_v:
            return []
        off = []
        for k in range(len(error_v)):
            if -limit_v <= error_v[k] <= limit_v or math.isnan(board_v[k]):
                continue
            shown = [values[k] for values in self._since if not math.isnan(values[k])]
            # without an emulated voltage there is nothing to compare with
            if shown and not min(shown) - limit_v <= board_v[k] <= max(shown) + limit_v:
                off.append((k, board_v[k], read_v[k]))
        return off

    def _freeze(
        self, board_v: Sequence[float], read_v: Sequence[float], cell_sets: int
    ) -> list[tuple[int, float]]:
        """Return (cell index, movement) of readings that stood still while the cell moved.

        ``read_v`` is the oldest voltage that the set may show: a set that was measured just before
        a jump of the current is late, not stuck.
        """
        same = [k for k, (a, b) in enumerate(zip(board_v, self._board_v, strict=False)) if a == b]
        if not same:
            self._frozen.clear()
            return []
        self._frozen = {k: self._frozen.get(k, (cell_sets, read_v[k])) for k in same}
        return [
            (k, abs(read_v[k] - from_v))
            for k, (first_set, from_v) in self._frozen.items()
            if cell_sets - first_set >= self._tolerances.frozen_sets
            and abs(read_v[k] - from_v) > self._tolerances.frozen_move_v
        ]

    def find(self, findings: Findings, faults: frozenset[BoardFault]) -> None:
        """Add the cells that are off or stuck, unless the board itself has said why."""
        if not self._off and not self._stuck:
            return
        explained = self._tolerances.cells_explained(faults, len(self._board_v))
        limits = self._tolerances
        for k, told_v, real_v in self._off:
            if k + 1 not in explained:
                text = f"board {told_v:.4f} V, emulator {real_v:.4f} V"
                error_v, window = told_v - real_v, limits.reading_window
                finding = Finding(error_v, limits.reading_v, "V", window, text)
                findings["reading-off", f"cell[{k + 1}].voltage"] = finding
        for k, moved_v in self._stuck:
            if k + 1 not in explained:
                text = f"stuck at {self._board_v[k]:.4f} V while the cell moved {moved_v:.4f} V"
                finding = Finding(moved_v, limits.frozen_move_v, "V", 0, text)
                findings["reading-frozen", f"cell[{k + 1}].voltage"] = finding
