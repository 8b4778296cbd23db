"""The fault cases of performance.md, section 10: criteria as data, figures as measured, one table.

A pytest plugin: a test asks for ``hold`` and gives it the figures of its case; each is held against
its criterion, and the worst over all seeds stands in the table at the end of the session. Figures
travel as properties of the tests' reports, so that the table is whole beside pytest-xdist too.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import pytest

SEEDS = range(int(os.environ.get("HIL_FAULT_SEEDS", "1")))
"""What every case is tried with: one seed a commit, five in ``make faults`` and by night."""

FAULTS = {
    1: "SIGINT once, twice, SIGTERM",
    2: "kill -9 of the run",
    3: "event loop blocked for 5 s",
    4: "restart after 2, the guardian dead too",
    5: "power loss, unsynced writes dropped",
    6: "cut at every byte of the last batch",
    7: "bit flipped in a segment",
    8: "disk full, short write, fsync error",
    9: "CAN silent, bus off, interface down",
    10: "wrong CRC, wrong counter, frozen value",
    11: "SCPI hang, late answer, half an answer",
    12: "instrument unplugged, back with another serial number",
    13: "instrument reset",
    14: "broker killed, frozen, gone for an hour",
    15: "chamber sensor stuck, over-temperature",
    16: "cell voltage or temperature limit",
    17: "wall clock steps by an hour, either way",
    18: "worker killed in mid-run",
    19: "two controllers, one bench",
    20: "90 simulated days of random faults",
}


class Criterion(NamedTuple):
    """One figure of one case: what it may be ``at_most``, in virtual time (exact) or wall time."""

    case: int
    figure: str
    at_most: float
    unit: str
    kind: str


V, W = "virtual", "wall"

CRITERIA: Sequence[Criterion] = (
    Criterion(1, "emulators and load off", 500, "ms", V),
    Criterion(1, "chamber idle, bleeds off", 3_000, "ms", V),
    Criterion(1, "steps of the way down left out", 0, "", V),
    Criterion(1, "not marked as aborted", 0, "runs", V),
    Criterion(1, "emulators and load off, by the lab", 500, "ms", W),
    Criterion(1, "chamber idle, by the lab", 3_000, "ms", W),
    Criterion(2, "emulators and load off, by the guardian", 500, "ms", W),
    Criterion(2, "chamber idle, by the guardian", 3_000, "ms", W),
    Criterion(2, "acknowledged records lost", 0, "", W),
    Criterion(3, "emulators and load off, from the last tick", 2_100, "ms", W),
    Criterion(3, "chamber idle, from the last tick", 4_500, "ms", W),
    Criterion(4, "switched on before all read back off", 0, "", W),
    Criterion(4, "dead run not named", 0, "", W),
    Criterion(5, "record time lost", 1, "s", V),
    Criterion(5, "gaps that verify does not report", 0, "", V),
    Criterion(6, "losses not reported", 0, "", V),
    Criterion(6, "records of earlier batches not read", 0, "", V),
    Criterion(7, "flips not found, batch not named or exit 0", 0, "", V),
    Criterion(8, "all safe", 1_000, "ms", V),
    Criterion(8, "records gone before the last kept one, unmarked", 0, "", V),
    Criterion(8, "taken for whole", 0, "", V),
    Criterion(9, "flagged, periods after", 3, "", V),
    Criterion(9, "emulators and load off, from the trip", 300, "ms", V),
    Criterion(9, "not heard again", 0, "", V),
    Criterion(10, "looks of the bench until it is flagged", 1, "", V),
    Criterion(10, "rows with a wrong frame's value, or not marked by its age", 0, "", V),
    Criterion(11, "ticks moved", 0, "ms", V),
    Criterion(11, "ticks missed", 0, "", V),
    Criterion(11, "not spoken with again", 0, "", V),
    Criterion(12, "the others off, tick 0.5 s", 1_000, "ms", V),
    Criterion(12, "strangers taken for ours, in virtual time", 0, "", V),
    Criterion(12, "the others off", 1_000, "ms", W),
    Criterion(12, "chamber idle", 3_000, "ms", W),
    Criterion(12, "strangers taken for ours", 0, "", W),
    Criterion(13, "all off, reset over a connection", 1_000, "ms", W),
    Criterion(14, "sequence numbers that did not arrive", 0, "", W),
    Criterion(14, "a record told to a broker that is away, mean", 1, "ms", W),
    Criterion(15, "ticks from the first row beyond to the trip", 2, "", V),
    Criterion(15, "air above its limiter, at the most", 1, "K", V),
    Criterion(15, "limiter not latched", 0, "", V),
    Criterion(16, "outputs off, from the row that showed it", 1_050, "ms", V),
    Criterion(17, "ticks missed", 0, "", W),
    Criterion(17, "ticks moved", 250, "ms", W),
    Criterion(17, "clocks not recorded", 0, "", W),
    Criterion(18, "simulated runs that came out otherwise", 0, "", W),
    Criterion(18, "physical runs that began again by themselves", 0, "", W),
    Criterion(19, "second refused", 1_000, "ms", W),
    Criterion(19, "bench free with an output on", 0, "", W),
    Criterion(20, "memory, slope a simulated day", 1, "MiB", V),
    Criterion(20, "tasks left", 0, "", V),
    Criterion(20, "threads more than after the first run", 0, "", V),
    Criterion(20, "descriptors more than after the first run", 0, "", V),
    Criterion(20, "devices without a fault of their own not left safe", 0, "", V),
)

HEAD = ("case", "fault", "figure", "worst", "criterion", "time", "pass")

Hold = Callable[[int, Mapping[str, float]], None]

_MARK = "fault case"


def criterion_of(case: int, figure: str) -> Criterion:
    """Return what a figure is held against. Raises StopIteration for one without a criterion."""
    return next(one for one in CRITERIA if (one.case, one.figure) == (case, figure))


def missed(case: int, figures: Mapping[str, float]) -> list[str]:
    """Return a line for each figure that is worse than its criterion."""
    found = [(criterion_of(case, name), value) for name, value in figures.items()]
    return [
        f"case {case}: {one.figure}: {value:g} {one.unit}, at most {one.at_most:g}"
        for one, value in found
        if not value <= one.at_most
    ]


@pytest.fixture
def hold(record_property: Callable[[str, object], None]) -> Hold:
    """Return a function that notes the figures of a case, then holds them all."""

    def held(case: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            criterion_of(case, name)
            record_property(_MARK, [case, name, float(value)])
        assert not missed(case, figures)

    return held


def worst_of(reports: Iterable[pytest.TestReport]) -> dict[tuple[int, str], float]:
    """Return the worst of each figure over all tests, by case and name."""
    worst: dict[tuple[int, str], float] = {}
    for report in reports:
        for mark, told in report.user_properties:
            if mark == _MARK and isinstance(told, list):
                case, name, value = told
                key = (int(case), str(name))
                worst[key] = max(float(value), worst.get(key, float("-inf")))
    return worst


def row(one: Criterion, value: float | None) -> tuple[str, ...]:
    """Return a row of the table; without a value, what is asked for only."""
    unit = f" {one.unit}" if one.unit else ""
    told, judged = "", ""
    if value is not None:
        told, judged = f"{value:.4g}{unit}", "yes" if value <= one.at_most else "**no**"
    most = f"≤ {one.at_most:g}{unit}"
    return (str(one.case), FAULTS[one.case], one.figure, told, most, one.kind, judged)


def table(worst: Mapping[tuple[int, str], float]) -> list[str]:
    """Return the lines of the table of all that was measured."""
    measured = [one for one in CRITERIA if (one.case, one.figure) in worst]
    rows = [row(one, worst[one.case, one.figure]) for one in measured]
    return [f"| {' | '.join(cells)} |" for cells in (HEAD, ("---",) * len(HEAD), *rows)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, if a fault case was among the tests."""
    kinds = ("passed", "failed")
    reports = [one for kind in kinds for one in terminalreporter.stats.get(kind, ())]
    worst = worst_of(reports)
    if worst:
        terminalreporter.section("fault cases (design, performance.md, section 10)")
        for line in table(worst):
            terminalreporter.write_line(line)
