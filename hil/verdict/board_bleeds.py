"""Rules about bleeds: commands are followed, current flows where they are on and only there."""

import math
from collections.abc import Container, Sequence

from hil.core.instants import Instant
from hil.ports import BoardFault
from hil.verdict.findings import Finding, Findings, Tolerances

LEAST, MOST = 0.75, 1.25
"""Of the current that a duty gives by the board's data: what may flow."""


class Bleeds:
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

        A board that reports a fault may bleed less than it is told, never more. One that reports
        nothing of a bleed counts as one that does nothing, when it has had time for a report.
        """
        if command != self._command:
            self._take(at, command)
        if command == duty:
            return
        limit, window = self._tolerances.duty, self._tolerances.obey_window
        for k, (asked, told) in enumerate(zip(command, duty, strict=True)):
            off = (0.0 if math.isnan(told) else told) - asked
            if not abs(off) > limit or (faults and off < 0.0) or at - self._given_at[k] < window:
                continue
            text, lasts = f"commanded {asked:.3f}, reported {told:.3f}", 0
            if math.isnan(told):
                text, lasts = f"commanded {asked:.3f}, and no report of it", window
            finding = Finding(off, limit, "1", lasts, text)
            findings["bleed-not-obeyed", f"cell[{k + 1}].duty"] = finding

    def _take(self, at: Instant, command: Sequence[float]) -> None:
        """Note when each cell's command last changed."""
        old = self._command or [math.nan] * len(command)
        times = self._given_at or [at] * len(command)
        self._given_at = [
            at if new != was else since for new, was, since in zip(command, old, times, strict=True)
        ]
        self._command = command

    def find_currents(
        self,
        findings: Findings,
        duty: Sequence[float],
        read_v: Sequence[float],
        read_a: Sequence[float],
        explained: Container[int],
    ) -> None:
        """Add cells that the board says it bleeds, and that feed it clearly less or more than that.

        ``explained`` (from 1) are those whose leads it has found open. A quarter on either side is
        left to parts, to heat, and to what a board mutes beyond its settling time; what the
        read-back cannot tell accuses nobody.
        """
        limits = self._tolerances
        # a NaN first hides the rest: then the loop looks at each
        if max(duty) <= 0.0 or not limits.bleed_s:
            return
        for k, (told, volts, flows_a) in enumerate(zip(duty, read_v, read_a, strict=True)):
            due_a = told * volts * limits.bleed_s
            u_a = limits.read_a.at(due_a)
            name, limit_a = "bleed-without-current", LEAST * due_a
            if not flows_a + u_a < limit_a:
                name, limit_a = "bleed-beyond-duty", MOST * due_a
                if not (told > 0.0 and flows_a - u_a > limit_a):
                    continue
            if k + 1 not in explained:
                text = f"reported duty {told:.3f} draws {due_a:.4f} A, {flows_a:.4f} A flow"
                finding = Finding(flows_a, limit_a, "A", limits.idle_window, text)
                findings[name, f"cell[{k + 1}].current"] = finding

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
