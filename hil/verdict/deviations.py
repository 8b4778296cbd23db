"""Whether the board does what a board must do, tick by tick.

The watch compares what the board reports with what the bench emulates and commands. Each rule
yields *findings*: what is wrong in this tick. A finding becomes a ``Deviation`` when it has lasted
longer than its rule allows, once, until it goes away and comes back. A healthy board costs a few
comparisons a cell; all that is slow happens on findings only.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import sub
from typing import NamedTuple, TypeAlias

from hil.core.instants import MINUTE, SECOND, Duration, Instant, to_seconds
from hil.core.records import Deviation
from hil.core.signals import Layout
from hil.ports import BoardFault


class Explains(NamedTuple):
    """A fault that, once the board reports it, explains wrong readings of the cells around it.

    They go from ``first`` to ``last``, counted from the cell that the fault names; a fault that
    names none (the lead above the stack) counts from the last cell.
    """

    fault: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How far off and for how long a board may be, from its data and the bench's.

    ``reading_v`` is the sum of the board's error, the emulator's, and what cells may move between
    two looks. ``explained`` lists the faults whose report turns a wrong reading into a found one:
    an open lead disturbs both its cells, a silent front end all that it measures.
    """

    reading_v: float = 0.015
    reading_window: Duration = 5 * SECOND
    frozen_sets: int = 20
    frozen_move_v: float = 0.005
    silent_after: Duration = 3 * SECOND
    duty: float = 0.02
    obey_window: Duration = 3 * SECOND
    leak_a: float = 0.010
    leak_window: Duration = 3 * SECOND
    temperature_k: float = 3.0
    temperature_window: Duration = MINUTE
    rejected_frames: int = 3
    rejected_window: Duration = 10 * SECOND
    explained: tuple[Explains, ...] = (
        Explains("open-wire", -1, 1),
        Explains("top-lead-open", 0, 0),
        Explains("front-end-silent", 0, 15),
    )


class Finding(NamedTuple):
    """What one rule says of one subject in one tick; ``window`` is how long it may last."""

    value: float
    limit: float
    unit: str
    window: Duration
    situation: str


Findings: TypeAlias = dict[tuple[str, str], Finding]
"""By name of the deviation and subject."""


@dataclass(slots=True)
class _Onset:
    """Since when a finding has lasted, and whether it has been told."""

    since: Instant
    told: bool = False


class BoardWatch:
    """Watches one board; ``check`` once a tick."""

    def __init__(
        self, layout: Layout, tolerances: Tolerances, ntc_cells: Mapping[int, int]
    ) -> None:
        """Find the columns once. ``ntc_cells``: emulated NTC -> cell it shows, both from 1."""
        self._tolerances = tolerances
        self._cell_v = layout.columns("board.cell_v")
        self._read_v = layout.columns("emulator.read_v")
        self._read_a = layout.columns("emulator.read_a")
        self._duty = layout.columns("board.duty")
        self._command = layout.columns("command.duty")
        self._age = layout.index("board.age_s")
        ntc, degc = layout.index("board.ntc_degc"), layout.index("plant.cell_degc")
        self._ntc_pairs = [(n, ntc + n - 1, degc + cell - 1) for n, cell in ntc_cells.items()]
        self._onsets: dict[tuple[str, str], _Onset] = {}
        self._started: Instant | None = None
        self._readings = _Readings(tolerances)
        self._bleeds = _Bleeds(tolerances)
        self._rejects = _Rejects(tolerances)

    def check(
        self,
        at: Instant,
        row: Sequence[float],
        faults: frozenset[BoardFault],
        cell_sets: int,
        rejected: int,
    ) -> list[Deviation]:
        """Return the deviations that this tick settles.

        ``row`` is laid out as the layout says; ``faults`` is what the board reports now,
        ``cell_sets`` and ``rejected`` are the counters of its ``BoardReport``.
        """
        if self._started is None:
            self._started = at
        findings: Findings = {}
        silent = self._silence(at, row[self._age], findings)
        self._readings.look(row[self._cell_v], row[self._read_v], cell_sets)
        if silent:
            self._readings.forget()
        else:
            # what a silent board last said is old news: one name for one trouble
            self._readings.find(findings, faults)
            self._bleeds.find(findings, at, row[self._command], row[self._duty], faults)
            self._temperatures(row, findings)
        self._bleeds.find_leaks(findings, row[self._duty], row[self._read_a])
        self._rejects.find(findings, at, rejected)
        return self._settle(at, findings) if findings or self._onsets else []

    def _silence(self, at: Instant, age_s: float, findings: Findings) -> bool:
        """Find a board whose last cell voltages are too old, or that has sent none at all."""
        limit_s = to_seconds(self._tolerances.silent_after)
        if math.isnan(age_s):
            age_s = to_seconds(at - (self._started or 0))
        if age_s <= limit_s:
            return False
        text = f"no complete set of cell voltages for {age_s:.1f} s"
        findings["board-silent", "board"] = Finding(age_s, limit_s, "s", 0, text)
        return True

    def _temperatures(self, row: Sequence[float], findings: Findings) -> None:
        """Find NTCs that show another temperature than the cell they are wired to."""
        limit_k = self._tolerances.temperature_k
        for n, ntc, cell in self._ntc_pairs:
            off_k = row[ntc] - row[cell]
            if not -limit_k <= off_k <= limit_k and not math.isnan(off_k):
                text = f"board {row[ntc]:.1f} degC, emulated {row[cell]:.1f} degC"
                window = self._tolerances.temperature_window
                finding = Finding(off_k, limit_k, "K", window, text)
                findings["temperature-off", f"ntc[{n}]"] = finding

    def _settle(self, at: Instant, findings: Findings) -> list[Deviation]:
        """Time the findings: return those that have just lasted too long."""
        self._onsets = {key: onset for key, onset in self._onsets.items() if key in findings}
        deviations = []
        for key, finding in findings.items():
            onset = self._onsets.setdefault(key, _Onset(at))
            if not onset.told and at - onset.since >= finding.window:
                onset.told = True
                name, subject = key
                text = f"{finding.situation}, since t = {to_seconds(onset.since):g} s"
                value, limit, unit = finding.value, finding.limit, finding.unit
                deviations.append(Deviation(at, name, subject, value, limit, unit, text))
        return deviations


class _Readings:
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
        explained = self._explained(faults)
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

    def _explained(self, faults: frozenset[BoardFault]) -> set[int]:
        """Return the cells (from 1) whose readings the reported faults explain."""
        return {
            cell
            for explains in self._tolerances.explained
            for name, named in faults
            if name == explains.fault
            for around in (named or len(self._board_v),)
            for cell in range(around + explains.first, around + explains.last + 1)
        }


class _Bleeds:
    """Whether the bleeds follow the command, and whether current flows only where they are on."""

    def __init__(self, tolerances: Tolerances) -> None:
        """Start without a command."""
        self._tolerances = tolerances
        self._command: Sequence[float] = []
        self._given_at: list[Instant] = []

    def find(
        self,
        findings: Findings,
        at: Instant,
        command: Sequence[float],
        duty: Sequence[float],
        faults: frozenset[BoardFault],
    ) -> None:
        """Add bleeds that the board reports otherwise than commanded, a while after the command.

        A board that reports a fault may bleed less than it is told, never more.
        """
        if command != self._command:
            self._take(at, command)
        if command == duty:
            return
        limit, window = self._tolerances.duty, self._tolerances.obey_window
        for k, (asked, told) in enumerate(zip(command, duty, strict=True)):
            if -limit <= told - asked <= limit or math.isnan(told - asked):
                continue
            if (faults and told < asked) or at - self._given_at[k] < window:
                continue
            text = f"commanded {asked:.3f}, reported {told:.3f}"
            finding = Finding(told - asked, limit, "1", 0, text)
            findings["bleed-not-obeyed", f"cell[{k + 1}].duty"] = finding

    def _take(self, at: Instant, command: Sequence[float]) -> None:
        """Note when each cell's command last changed."""
        old = self._command or [math.nan] * len(command)
        times = self._given_at or [at] * len(command)
        self._given_at = [
            at if new != was else since for new, was, since in zip(command, old, times, strict=True)
        ]
        self._command = command

    def find_leaks(
        self, findings: Findings, duty: Sequence[float], read_a: Sequence[float]
    ) -> None:
        """Add cells that feed current into the board while it reports their bleed off."""
        limit_a = self._tolerances.leak_a
        if max(read_a) <= limit_a:  # a NaN first hides the rest: then the loop looks at each
            return
        for k, (told, flows_a) in enumerate(zip(duty, read_a, strict=True)):
            if flows_a > limit_a and not told > 0.0:
                text = f"{flows_a:.4f} A flow, reported duty {told:.3f}"
                finding = Finding(flows_a, limit_a, "A", self._tolerances.leak_window, text)
                findings["bleed-without-command", f"cell[{k + 1}].current"] = finding


class _Rejects:
    """Frames with a bad check or counter: one may be noise, a burst is the board's doing."""

    def __init__(self, tolerances: Tolerances) -> None:
        """Start without a frame."""
        self._tolerances = tolerances
        self._count: int | None = None
        self._burst = 0
        self._burst_at: Instant = 0

    def find(self, findings: Findings, at: Instant, rejected: int) -> None:
        """Add the burst, if there is one; it ends after a while without another bad frame."""
        # a counter that falls has started again: the board was reconnected
        new = 0 if self._count is None else max(0, rejected - self._count)
        self._count = rejected
        if new:
            self._burst += new
            self._burst_at = at
        elif at - self._burst_at > self._tolerances.rejected_window:
            self._burst = 0
        limit = self._tolerances.rejected_frames
        if self._burst >= limit:
            text = f"{self._burst} frames with a bad check or counter"
            finding = Finding(float(self._burst), float(limit), "1", 0, text)
            findings["rejected-frames", "board"] = finding
