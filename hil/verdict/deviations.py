"""Whether the board does what a board must do, tick by tick.

The watch compares what the board reports with what the bench emulates and commands, or, in shadow
mode, with what the reference decides. Each rule yields *findings*: what is wrong in this tick. A
finding becomes a ``Deviation`` when it has lasted longer than its rule allows, once, until it goes
away and comes back. A healthy board costs a few comparisons a cell; all that is slow happens on
findings only.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hil.core.instants import Instant, to_seconds
from hil.core.records import Deviation
from hil.core.signals import Layout
from hil.ports import BoardReport
from hil.verdict.board_bleeds import Bleeds
from hil.verdict.board_muting import Muting
from hil.verdict.board_readings import Readings
from hil.verdict.findings import Finding, Findings, Tolerances
from hil.verdict.oscillation import Oscillations
from hil.verdict.shadow import Shadow


@dataclass(slots=True)
class _Onset:
    """Since when a finding has lasted, in which step it began, and whether it has been told."""

    since: Instant
    step: str
    told: bool = False


class BoardWatch:
    """Watches one board; ``check`` once a tick."""

    def __init__(
        self,
        layout: Layout,
        tolerances: Tolerances,
        ntc_cells: Mapping[int, int],
        shadow: Shadow | None = None,
    ) -> None:
        """Find the columns once. ``ntc_cells``: emulated NTC -> cell it shows, both from 1.

        With a ``shadow`` the board decides its bleeds by itself, else it does as commanded.
        """
        self._tolerances, self._shadow = tolerances, shadow
        self._cell_v = layout.columns("board.cell_v")
        self._read_v = layout.columns("emulator.read_v")
        self._read_a = layout.columns("emulator.read_a")
        self._duty = layout.columns("board.duty")
        self._command = layout.columns("command.duty")
        self._age = layout.index("board.age_s")
        ntc, degc = layout.index("board.ntc_degc"), layout.index("plant.cell_degc")
        self._current = layout.index("board.current_a")
        self._flowing = layout.index("pack.current_a")
        self._shown_a: deque[float] = deque(maxlen=tolerances.current_looks)
        self._ntc_pairs = [(n, ntc + n - 1, degc + cell - 1) for n, cell in ntc_cells.items()]
        self._onsets: dict[tuple[str, str], _Onset] = {}
        self._started: Instant | None = None
        self._cells = cells = self._duty.stop - self._duty.start
        self._readings = Readings(tolerances)
        self._bleeds = Bleeds(tolerances)
        self._muting = tolerances.lead and Muting(tolerances.lead, cells)
        self._oscillations = Oscillations(cells)
        self._rejects = _Rejects(tolerances)

    def check(
        self, at: Instant, row: Sequence[float], report: BoardReport, step: str
    ) -> list[Deviation]:
        """Return the deviations that this tick settles.

        ``row`` is laid out as the layout says, with the newest ``report`` in it; ``step`` is the
        path of the one that is on, as the profile and the report have it.
        """
        if self._started is None:
            self._started = at
        findings: Findings = {}
        self._shown_a.append(row[self._flowing])
        silent = self._silence(at, row[self._age], findings)
        self._readings.look(row[self._cell_v], row[self._read_v], report.cell_sets)
        if silent:
            self._readings.forget()
        else:
            # what a silent board last said is old news: one name for one trouble
            self._status(report, findings)
            self._readings.find(findings, report.faults)
            self._decisions(findings, at, row, report)
            self._oscillations.find(findings, at, row[self._duty])
            self._electrics(findings, at, row, report)
            self._temperatures(row, findings)
            self._currents(row, findings)
        self._bleeds.find_leaks(findings, row[self._duty], row[self._read_a])
        self._rejects.find(findings, at, report.rejected_frames)
        return self._settle(at, findings, step) if findings or self._onsets else []

    def _decisions(
        self, findings: Findings, at: Instant, row: Sequence[float], report: BoardReport
    ) -> None:
        """Hold the board's bleeds against what was commanded, or against what it had to decide."""
        if self._shadow is None:
            command, duty = row[self._command], row[self._duty]
            self._bleeds.find(findings, at, command, duty, report.faults)
        else:
            self._shadow.find(findings, at, row, report.faults)

    def _electrics(
        self, findings: Findings, at: Instant, row: Sequence[float], report: BoardReport
    ) -> None:
        """Hold what the board says that it does with its bleeds against what the cells feel."""
        duty, read_v, read_a = row[self._duty], row[self._read_v], row[self._read_a]
        faults = report.faults
        explained = self._tolerances.cells_explained(faults, self._cells) if faults else ()
        self._bleeds.find_currents(findings, duty, read_v, read_a, explained)
        if self._muting:
            self._muting.look(at, duty, row[self._cell_v], read_v, report.cell_sets)
            self._muting.find(findings, explained)

    def _status(self, report: BoardReport, findings: Findings) -> None:
        """Find a board whose cell voltages come and whose status does not."""
        if report.cells_at is None:
            return
        heard = self._started if report.status_at is None else report.status_at
        late, limit = report.cells_at - (heard or 0), self._tolerances.silent_after
        if late > limit:
            text = f"cell voltages come, and no status for {to_seconds(late):.1f} s before them"
            finding = Finding(to_seconds(late), to_seconds(limit), "s", 0, text)
            findings["status-lost", "board"] = finding

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

    def _currents(self, row: Sequence[float], findings: Findings) -> None:
        """Find a current that is none of those that the board was shown of late."""
        error, told_a = self._tolerances.current_a, row[self._current]
        if error is None or math.isnan(told_a):
            return
        low_a, high_a = min(self._shown_a), max(self._shown_a)
        nearest_a = min(max(told_a, low_a), high_a)
        off_a, limit_a = told_a - nearest_a, error.at(nearest_a)
        if abs(off_a) > limit_a:
            text = f"board {told_a:.2f} A, emulated {nearest_a:.2f} A"
            window = self._tolerances.obey_window
            findings["current-off", "board"] = Finding(off_a, limit_a, "A", window, text)

    def _settle(self, at: Instant, findings: Findings, step: str) -> list[Deviation]:
        """Time the findings: return those that have just lasted too long."""
        self._onsets = {key: onset for key, onset in self._onsets.items() if key in findings}
        deviations = []
        for key, finding in findings.items():
            onset = self._onsets.setdefault(key, _Onset(at, step))
            if not onset.told and at - onset.since >= finding.window:
                onset.told = True
                name, subject = key
                # ten digits: hundredths of a second in a run of months
                since = f"since t = {to_seconds(onset.since):.10g} s in {onset.step}"
                text = f"{finding.situation}, {since}"
                value, limit, unit = finding.value, finding.limit, finding.unit
                deviations.append(Deviation(at, name, subject, value, limit, unit, text))
        return deviations


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
