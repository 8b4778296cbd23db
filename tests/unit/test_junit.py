"""JUnit files, as an outside parser and the schemas of CI services read them."""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from reported import Made, expectation
from written import unfinished

from hil.core.instants import SECOND
from hil.core.records import (
    BenchFailed,
    Deviation,
    Record,
    SafeStateReached,
    StopRequested,
    Tripped,
)
from hil.results import junit
from hil.results.account import account_of

SITUATION = "board 3.1000 V, emulator 3.3000 V, since t = 4 s"
DEVIATION = Deviation(5 * SECOND, "reading-off", "cell[5].voltage", -0.2, 0.01, "V", SITUATION)
ALWAYS = {
    "board deviates from nothing",
    "limits held",
    "bench goes through",
    "devices are left safe",
    "record is whole",
    "verdict",
}

Written = Callable[..., TestSuite]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Return a function that records a run and reads its JUnit file with junitparser."""

    def write(verdict: str, *extra: Record, **about: object) -> TestSuite:
        folder = Made(verdict=verdict, reason="why", extra=extra).write(tmp_path / "run", **about)
        (suite,) = JUnitXml.fromfile(str(junit.write(folder)))
        assert isinstance(suite, TestSuite)
        return suite

    return write


def results(suite: TestSuite) -> dict[str, list[type]]:
    """Return the kinds of result of each case that has one."""
    return {case.name: [type(one) for one in case.result] for case in suite if case.result}


def case_of(suite: TestSuite, name: str) -> TestCase:
    (found,) = [case for case in suite if case.name == name]
    assert isinstance(found, TestCase)
    return found


def test_a_pass_is_green_and_every_run_has_the_same_six_cases(written: Written) -> None:
    suite = written("PASS", expectation("gap", passed=True))
    assert results(suite) == {}
    assert {case.name for case in suite} == {"gap", *ALWAYS}
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (7, 0, 0, 0)


def test_an_expectation_that_failed_is_a_failure_with_value_limit_and_place(
    written: Written,
) -> None:
    suite = written("FAIL", expectation("gap", passed=False, value=2.5))
    assert results(suite) == {"gap": [Failure], "verdict": [Failure]}
    (failure,) = case_of(suite, "gap").result
    assert failure.message == "2.50 V ± 0.10 V, expected ≤ 2 V"
    for told in ("value        2.50 V", "0.10 V (k = 2)", "00:00:01", "board telemetry"):
        assert told in failure.text


def test_what_the_bench_cannot_tell_is_an_error_not_a_skip(written: Written) -> None:
    suite = written("INCONCLUSIVE", expectation("gap", passed=None, value=2.05))
    assert results(suite) == {"gap": [Error], "verdict": [Error]}


def test_a_deviation_stands_in_the_failure_with_its_situation(written: Written) -> None:
    suite = written("FAIL", DEVIATION)
    assert results(suite)["board deviates from nothing"] == [Failure]
    (failure,) = case_of(suite, "board deviates from nothing").result
    assert SITUATION in failure.text
    assert "cell[5].voltage" in failure.message


def test_a_run_that_was_stopped_skips_what_it_did_not_reach(written: Written) -> None:
    stop = StopRequested(6 * SECOND, "SIGINT", "stop")
    suite = written("ABORTED", stop, expectation("gap", passed=None))
    assert results(suite) == {
        "gap": [Skipped],
        "bench goes through": [Error],
        "verdict": [Error],
    }


@pytest.mark.parametrize(
    ("record", "case", "kind"),
    [
        (BenchFailed(9, "LinkLost", "chamber: gone"), "bench goes through", Error),
        (Tripped(9, "cell.voltage", "cell[1]", 4.0, 3.65, "V", True), "limits held", Failure),  # noqa: FBT003 - blamed
        (Tripped(9, "chamber", "air", 90.0, 80.0, "degC", False), "limits held", Error),  # noqa: FBT003 - not blamed
        (SafeStateReached(9, "chamber", "off", "ON", False), "devices are left safe", Error),  # noqa: FBT003 - not ok
    ],
)
def test_what_ended_a_run_has_its_case(
    record: Record, case: str, kind: type, written: Written
) -> None:
    suite = written("ABORTED", record)
    assert results(suite)[case] == [kind]
    assert set(results(suite)) <= {case, "verdict"}


def test_a_run_that_was_killed_has_no_verdict(tmp_path: Path) -> None:
    records = list(Made().records())[:40]
    unfinished(tmp_path / "run", records)
    (suite,) = JUnitXml.fromfile(str(junit.write(tmp_path / "run")))
    assert {"verdict", "bench goes through", "record is whole"} <= set(results(suite))
    assert all(kinds == [Error] for kinds in results(suite).values())


def test_cases_of_one_name_are_told_apart(written: Written) -> None:
    suite = written(
        "FAIL", expectation("gap", passed=True), expectation("gap", passed=False, value=3.0)
    )
    assert [case.name for case in suite][:2] == ["gap", "gap #2"]
    assert results(suite)["gap #2"] == [Failure]


def test_the_suite_says_what_ran(written: Written) -> None:
    resolved = {"profile": {"requirements": ["REQ-1", "REQ-2"]}}
    suite = written("PASS", resolved=resolved, ended_utc="2026-01-01T00:01:30Z")
    told = {one.name: one.value for one in suite.properties()}  # type: ignore[no-untyped-call]
    assert told["requirement.1"] == "REQ-1"
    assert told["seed"] == "3"
    assert re.fullmatch("[0-9a-f]{64}", told["digest"])
    assert told["device.board"] == "maker model, serial 0001, firmware 1.0.0"
    assert suite.timestamp == "2026-01-01T00:00:00"


JENKINS = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "disabled", "skipped"},
    "testsuite": {
        *("name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp"),
        *("hostname", "id", "package", "file", "log", "url", "version"),
    },
    "testcase": {
        *("name", "time", "classname", "group", "status", "assertions", "class", "file", "line"),
    },
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "properties": set(),
    "property": {"name", "value"},
    "system-out": set(),
}
"""Elements and attributes of ``junit-10.xsd`` as Jenkins' xUnit plugin has it."""

ORDER = ["properties", "testcase", "system-out", "system-err"]


def test_elements_are_those_of_jenkins_schema_in_its_order(tmp_path: Path) -> None:
    extra = (
        expectation("gap", passed=False, value=9.0),
        expectation("open", passed=None),
        DEVIATION,
    )
    folder = Made(verdict="FAIL", extra=extra).write(tmp_path / "run")
    root = ET.fromstring(junit.write(folder).read_text(encoding="utf-8"))  # noqa: S314 - our own
    for element in root.iter():
        assert set(element.attrib) <= JENKINS[element.tag], element.tag
    (suite,) = root
    places = [ORDER.index(child.tag) for child in suite]
    assert places == sorted(places)
    assert all(len(case) <= 1 for case in suite.iter("testcase"))


def test_names_are_what_gitlab_tells_cases_apart_by(tmp_path: Path) -> None:
    """It keys a case by class name and name, and shows failure texts; both must be there."""
    extra = tuple(expectation("gap", passed=False, value=9.0) for _ in range(3))
    folder = Made(verdict="FAIL", extra=extra).write(tmp_path / "run")
    root = ET.fromstring(junit.write(folder).read_text(encoding="utf-8"))  # noqa: S314 - our own
    keys = [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]
    assert all(all(key) for key in keys)
    assert len(set(keys)) == len(keys)
    assert all(failure.text for failure in root.iter("failure"))


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = "]]></failure><testcase name='x'/>\x00\x1b[2J\ud800&"
    extra = (expectation(name, passed=False, value=9.0),)
    folder = Made(profile="a<b>&\x07", verdict="FAIL", extra=extra).write(tmp_path / "run")
    (suite,) = JUnitXml.fromfile(str(junit.write(folder)))
    assert len(list(suite)) == 1 + len(ALWAYS)
    first = next(iter(suite)).name
    assert first.startswith("]]></failure><testcase name='x'/>\\x00\\x1b[2J")


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = Made(extra=(DEVIATION,)).write(tmp_path / "run")
    once = junit.write(folder).read_bytes()
    assert junit.write(folder, tmp_path / "again.xml").read_bytes() == once
    assert once == junit.as_xml(account_of(folder)).encode()
