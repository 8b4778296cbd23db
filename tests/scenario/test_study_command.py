"""``hil study`` as its users meet it: what is printed, what is JSON, and which exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from studied import findings, study


@pytest.fixture(scope="module")
def by_json(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = study(
        tmp_path_factory.mktemp("json"), "--json", "--workers", "1", "--seeds", "9001,9002"
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_json_says_what_was_claimed_found_and_drawn(by_json: dict[str, Any]) -> None:
    assert {
        "experiment",
        "claim",
        "supported",
        "arms",
        "checks",
        "draws",
        "seeds",
        "wall_s",
    } <= set(by_json)
    assert (by_json["experiment"], by_json["supported"]) == ("T1", "supported")
    assert (by_json["draws"], by_json["seeds"]) == (4, [9001, 9002])
    assert {"none", "oracle", "high", "low", "alike/low"} <= set(by_json["arms"])
    for values in by_json["arms"].values():
        assert {"median", "low", "high"} <= set(values["usable_capacity"])
    low, high = (by_json["arms"][name]["bled_charge"] for name in ("low", "high"))
    assert low["median"] > high["median"] + 0.001
    for check in by_json["checks"]:
        assert {"name", "expected", "found", "passed"} <= set(check)
        assert check["passed"] is True


@pytest.mark.nightly
def test_two_workers_find_what_one_does(by_json: dict[str, Any], tmp_path: Path) -> None:
    done = study(tmp_path, "--json", "--workers", "2", "--seeds", "9001,9002")
    assert findings(done) == {
        name: one for name, one in by_json.items() if name not in ("wall_s", "work")
    }


@pytest.mark.nightly
def test_other_seeds_are_other_packs(by_json: dict[str, Any], tmp_path: Path) -> None:
    done = study(tmp_path, "--json", "--workers", "1", "--seeds", "5")
    assert json.loads(done.stdout)["arms"]["none"] != by_json["arms"]["none"]


def test_a_claim_that_is_contradicted_is_a_finding_and_no_failure(tmp_path: Path) -> None:
    swapped = ("--set", "arms.low.start=60 mV", "--set", "arms.low.stop=50 mV", "--workers", "1")
    done = study(tmp_path, *swapped)
    assert done.returncode == 0
    assert done.stdout.startswith("NOT SUPPORTED  T1: More bleeding\n")
    assert "NO   claim: more is bled" in done.stdout
    assert "\nset     arms.low.start=60 mV, arms.low.stop=50 mV\n" in done.stdout


def test_an_effect_without_its_cause_is_a_study_not_to_be_believed(tmp_path: Path) -> None:
    done = study(tmp_path, "--set", "variants.alike.spread.soc=1 %", "--workers", "1")
    assert done.returncode == 2
    assert "THIS STUDY CANNOT BE BELIEVED" in done.stdout


@pytest.mark.nightly
def test_a_page_keeps_what_somebody_wrote_about_it(tmp_path: Path) -> None:
    arguments = ("--workers", "1", "--page", str(tmp_path / "atlas"), "--set", "soc=91 %")
    assert study(tmp_path, *arguments).returncode == 0
    page, plot = tmp_path / "atlas/T01-more.md", tmp_path / "atlas/T01-more.svg"
    first, drawn = page.read_text(encoding="utf-8"), plot.read_bytes()
    assert "**Supported** (as written): the effect shows in 100% of 6 draws." in first
    assert "| alike/low |" in first
    assert 'hil study T01-more --set "soc=91 %" --seeds 1,2,3 --page' in first
    assert "Drawn anew for each pack: leakage 0.1 mA to 1 mA, log." in first
    page.write_text(first.replace("Nobody has written down yet", "I have seen"), encoding="utf-8")
    assert study(tmp_path, *arguments).returncode == 0
    assert "I have seen what this means." in page.read_text(encoding="utf-8")
    assert plot.read_bytes() == drawn


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--seeds", "1,1"), 64, "expected each seed once"),
        (("--seeds", "1,x"), 64, "found 'x'"),
        (("--workers", "0"), 64, "workers"),
        (("--set", "gradiant=0 K"), 65, "gradiant"),
        (("--set", "duration=1 min"), 65, "whole number"),
    ],
)
def test_what_cannot_be_studied_is_told_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = study(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.nightly
@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_one_arm_cannot_do_is_told_with_its_name(tmp_path: Path, workers: str) -> None:
    done = study(tmp_path, "--set", "arms.low.every=7 min", "--workers", workers)
    assert (done.returncode, done.stdout) == (65, "")
    last = done.stderr.splitlines()[-1]
    assert "arm 'low', 'alike/low': a study of 43200 s: expected a whole number of 420 s" in last
