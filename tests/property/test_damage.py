"""Every way to damage a stored run is found, named, and never ends in a false PASS.

The night tries every byte and prints the table; a commit tries every hundredth or so.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from damage import Case, Good, Result, of_closed, of_unfinished, suffer
from written import closed, sample, unfinished

from hil.cli import BAD_INPUT, main
from hil.core.records import Record, RunEnded, StepStarted
from hil.results import store

SECOND = 10**9
TICKS = 60
RUN: list[Record] = [
    *sample(TICKS)[:-2],
    StepStarted(TICKS * SECOND, 1, "1", "rest"),
    RunEnded(TICKS * SECOND, "PASS", "every expectation met"),
]
"""Passes: whatever is lost of it, it must not do so any more."""

Cases = Callable[[Path, int], Iterator[Case]]
KINDS = [
    pytest.param(lambda folder: unfinished(folder, RUN, 10), of_unfinished, id="unfinished"),
    pytest.param(lambda folder: closed(folder, RUN), of_closed, id="closed"),
]
REPAIRED_EVERY = 20
"""A repair writes and syncs a whole run: not every byte is worth one."""


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Good]:
    """Return a function that writes a good run of three segments and returns it."""
    monkeypatch.setattr(store, "ROWS_A_SEGMENT", 20)

    def made(write: Callable[[Path], str]) -> Good:
        write(tmp_path / "good")
        return Good(tmp_path / "good", RUN)

    return made


def outcomes(good: Good, cases: Cases, step: int) -> Iterator[tuple[Case, Result]]:
    scratch = good.folder.with_name("damaged")
    for k, case in enumerate(cases(good.folder, step)):
        mend = k % REPAIRED_EVERY == 0 or case.change is None
        yield case, suffer(case, good, scratch, mend=mend)


@pytest.mark.parametrize(("write", "cases"), KINDS)
def test_damage_is_found_named_and_never_repaired_into_a_pass(
    write: Callable[[Path], str], cases: Cases, make: Callable[..., Good]
) -> None:
    for case, result in outcomes(make(write), cases, 211):
        assert not result.wrong, case
        assert result.named or result.harmless, case


@pytest.mark.nightly
@pytest.mark.parametrize(("write", "cases"), KINDS)
def test_table_of_damage(
    write: Callable[[Path], str], cases: Cases, make: Callable[..., Good]
) -> None:
    rows: dict[str, Counter[str]] = {}
    wrong = []
    for case, result in outcomes(make(write), cases, 1):
        row = rows.setdefault(case.kind, Counter())
        row.update(cases=1, found=result.found, named=result.named, harmless=result.harmless)
        if result.wrong or not (result.named or result.harmless):
            wrong.append((case, result))
    columns = ("cases", "found", "named", "harmless")
    print("\n" + " " * 45, *(f"{name:>8}" for name in columns))  # noqa: T201 - the table
    for kind, row in rows.items():
        print(f"{kind:45}", *(f"{row[name]:8}" for name in columns))  # noqa: T201 - the table
    assert not wrong


@pytest.mark.parametrize(("write", "cases"), KINDS)
def test_the_command_says_one_line_a_finding_and_65(
    write: Callable[[Path], str],
    cases: Cases,
    make: Callable[..., Good],
    capsys: pytest.CaptureFixture[str],
) -> None:
    good = make(write)
    one = {case.kind: case for case in cases(good.folder, 997)}
    folder = good.folder.with_name("damaged")
    for case in one.values():
        if suffer(case, good, folder, mend=False).harmless:
            continue
        assert main(["runs", "verify", str(folder)]) == BAD_INPUT or case.file == "manifest.json"
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err, case
        if case.file != "manifest.json":
            assert f"\n{case.file}: " in "\n" + told.out, case
