"""The wiring self-test: every single mistake found at little power, and none that is not there."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenario import Play

from drivers.cell_emulators.bloomy_abs import BloomyAbs
from drivers.virtual.bloomy_abs import BloomyAbsTwin
from hil.app.commission import Commission, Commissioned, commission
from hil.bench import commissioning, selftest
from hil.bench.rig import Rig
from hil.bench.stop import StopLadder
from hil.cli.commands import command
from hil.results import catalogue

CELLS, NTCS = 16, 4
MOST_W = 0.1

FOUND = {
    "swapped-leads": "leads {0} and {1} are swapped",
    "open-lead": "lead {0} is open",
    "shorted-leads": "leads {0} and {1} touch, or cell {0} is shorted",
    "swapped-cells": "cells {0} and {1} are swapped",
    "reversed-cell": "cell {0} is connected the wrong way round",
    "swapped-ntcs": "NTCs {0} and {1} are swapped",
    "open-ntc": "NTC {0} is open or shorted",
    "shorted-ntc": "NTC {0} is open or shorted",
}
PLACES = {
    "swapped-leads": CELLS,
    "open-lead": CELLS + 1,
    "shorted-leads": CELLS,
    "swapped-cells": CELLS - 1,
    "reversed-cell": CELLS,
    "swapped-ntcs": NTCS - 1,
    "open-ntc": NTCS,
    "shorted-ntc": NTCS,
}
EVERY = [(fault, number) for fault, most in PLACES.items() for number in range(1, most + 1)]
SOME = [(fault, 1 + most // 2) for fault, most in PLACES.items()]
SOME += [("swapped-leads", 1), ("swapped-leads", 16), ("open-lead", 1), ("open-lead", 17)]


class Watched:
    """The most that the outputs really gave in any look, whoever read what of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most_w = 0.0
        self.looks = 0
        look = selftest.SelfTest._look
        watched = self

        async def seen(self: selftest.SelfTest, *args: object, **more: object) -> object:
            result = await look(self, *args, **more)  # type: ignore[arg-type]
            watched.note(self._rig)
            return result

        monkeypatch.setattr(selftest.SelfTest, "_look", seen)

    def note(self, rig: Rig) -> None:
        """Take the power that the twins know of: set voltage times current bounds what sags."""
        twins = [rig.backdoors[name] for name in rig.emulators]
        power_w = 0.0
        for twin in twins:
            truth = twin.truth()  # type: ignore[attr-defined]
            amps = np.nan_to_num(np.array(truth["current_a"]))
            power_w += float(np.abs(amps * np.array(truth["set_v"])).sum())
        self.looks += 1
        self.most_w = max(self.most_w, power_w)


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Watch what the outputs give while the wiring is not known."""
    return Watched(monkeypatch)


def carried_out(
    folder: Path, *overrides: str, bench: str = "virtual-16s", seed: int = 1
) -> Commissioned:
    """Run the self-test in virtual time."""
    request = Commission(bench, overrides, seed=seed, certificates=folder)
    return commission(request, StopLadder(), lambda _: None)


def wired(fault: str, number: int = 0) -> str:
    """Return the key that wires the virtual harness wrongly."""
    return f"wiring.virtual.faults=[{fault} {number or ''}]"


def check_found(fault: str, number: int, tmp_path: Path, power: Watched) -> None:
    done = carried_out(tmp_path, wired(fault, number))
    [finding] = done.body["findings"]
    assert FOUND[fault].format(number, number + 1) in finding
    assert not done.body["sound"]
    assert power.looks >= 1
    assert power.most_w < MOST_W
    assert done.body["left_safe"]


@pytest.mark.parametrize(("fault", "number"), SOME)
def test_a_mistake_is_found_and_named(
    fault: str, number: int, tmp_path: Path, power: Watched
) -> None:
    check_found(fault, number, tmp_path, power)


@pytest.mark.nightly
@pytest.mark.parametrize(("fault", "number"), EVERY)
def test_every_mistake_is_found_and_named(
    fault: str, number: int, tmp_path: Path, power: Watched
) -> None:
    """All swaps of neighbours, opens, shorts and reversals on 16 cells and 4 NTCs."""
    check_found(fault, number, tmp_path, power)


def test_a_shunt_the_wrong_way_round_is_found(tmp_path: Path) -> None:
    done = carried_out(tmp_path, wired("reversed-shunt"))
    assert done.body["findings"] == ["the shunt is connected the wrong way round"]


@pytest.mark.parametrize("bench", ["virtual-16s", "mixed-16s", "virtual-16s-slow", "virtual-32s"])
def test_a_sound_bench_is_sound(bench: str, tmp_path: Path) -> None:
    """Units of three makers, slow boards and large ones; leads come out within 20 mohm."""
    body = carried_out(tmp_path, bench=bench).body
    assert (body["sound"], body["findings"], body["ended"]) == (True, [], "")
    assert max(abs(one["value"] - 60.0) for one in body["leads_mohm"].values()) < 20.0


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(20))
def test_twenty_sound_benches_have_no_findings(seed: int, tmp_path: Path) -> None:
    """Other boards, other emulators, other leads: nothing is found that is not there."""
    leads_mohm = np.random.default_rng(seed).uniform(20.0, 120.0, CELLS + 1).round(1)
    listed = ", ".join(f"{one} mohm" for one in leads_mohm)
    body = carried_out(tmp_path, f"wiring.virtual.leads=[{listed}]", seed=seed).body
    assert body["findings"] == []
    for lead, found in body["leads_mohm"].items():
        assert abs(found["value"] - leads_mohm[int(lead) - 1]) < 20.0


def test_a_bad_crimp_is_found(tmp_path: Path) -> None:
    leads = ", ".join("400 mohm" if lead == 7 else "60 mohm" for lead in range(1, CELLS + 2))
    [finding] = carried_out(tmp_path, f"wiring.virtual.leads=[{leads}]").body["findings"]
    assert finding.startswith(("lead 7 has 3", "lead 7 has 4"))
    assert finding.endswith("the bench file says 60 mohm")


def test_a_board_that_samples_while_it_bleeds_shows_all_leads(tmp_path: Path) -> None:
    body = carried_out(tmp_path, "board=unmuted").body
    found = {int(lead): one["value"] for lead, one in body["leads_mohm"].items()}
    assert sorted(found) == list(range(1, CELLS + 2))
    assert list(found.values()) == pytest.approx([60.0] * (CELLS + 1), abs=5.0)


def test_two_mistakes_at_once_are_told_as_what_was_read(tmp_path: Path, power: Watched) -> None:
    """No single fault explains them: then the readings are shown, and nothing is made up."""
    done = carried_out(tmp_path, "wiring.virtual.faults=[swapped-leads 3, reversed-cell 10]")
    [finding] = done.body["findings"]
    assert finding.startswith("with all cells set to 0.5 V: input ")
    assert "input 3 reads 0.00 V" in finding
    assert "input 10 reads 0.00 V" in finding
    assert power.most_w < MOST_W


def test_a_bleed_that_nothing_switches_off_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the wiring it has nothing to do, so no fault of that is made up for it."""
    all_on = commissioning._all_on

    async def stuck(rig: Rig) -> None:
        rig.backdoors["board"].inject("stuck-bleed", 5, active=True)
        await all_on(rig)

    monkeypatch.setattr(commissioning, "_all_on", stuck)
    [finding] = carried_out(tmp_path).body["findings"]
    assert finding.startswith("with all cells set to 0.5 V: cell 5 gives 7")


def test_a_unit_that_falls_silent_ends_the_test_with_all_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is found, nothing is sound: the bench could not tell, and everything is off."""
    look, count = selftest.SelfTest._look, 0

    async def falls_silent(self: selftest.SelfTest, *args: object, **more: object) -> object:
        nonlocal count
        count += 1
        twin = self._rig.backdoors["emulator-2"]
        if count == 3:
            twin.inject("silent", 0, active=True)
        return await look(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(selftest.SelfTest, "_look", falls_silent)
    body = carried_out(tmp_path).body
    assert "emulator-2" in body["ended"]
    assert (body["sound"], body["findings"]) == (False, [])
    assert not body["left_safe"]  # the silent one could not be read back, and nobody says it was
    assert body["read_back"]["emulator-1"] == "outputs 0,0,0,0,0,0,0,0"


def test_a_unit_in_alarm_ends_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fan that fails drops two cells: that is nothing about the wiring."""
    all_on = commissioning._all_on

    async def alarmed(rig: Rig) -> None:
        await all_on(rig)
        rig.backdoors["emulator-1"].inject("alarm", 3, active=True)

    monkeypatch.setattr(commissioning, "_all_on", alarmed)
    body = carried_out(tmp_path).body
    assert body["ended"].startswith("emulator-1: in alarm 0x")
    assert (body["findings"], body["left_safe"]) == ([], True)


def test_whoever_stops_it_finds_all_off(tmp_path: Path) -> None:
    stop = StopLadder()

    def tell(text: str) -> None:
        if text.startswith("cell 4"):
            stop.request("SIGINT")

    request = Commission("virtual-16s", certificates=tmp_path)
    done = commission(request, stop, tell)
    assert done.stopped
    assert (done.body["ended"], done.body["sound"]) == ("stopped by SIGINT", False)
    assert done.body["left_safe"]


def test_a_unit_whose_current_nothing_limits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is touched: 5 A into a harness that nobody has tested melt it."""
    monkeypatch.setattr(BloomyAbs, "CURRENT_LIMITS", ())
    code = command(["commission", "--certificates", str(tmp_path)])
    assert code == 65
    assert "no limit of its current to set" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_outputs_are_limited_until_the_wiring_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 mA in the first pass, the bench's own 1 A in the second."""
    limits: list[set[tuple[float, float]]] = []
    note = selftest.SelfTest._note

    def noted(self: selftest.SelfTest, *args: object) -> None:
        twin = self._rig.backdoors["emulator-1"]
        assert isinstance(twin, BloomyAbsTwin)
        limits.append({twin.limits_a(channel) for channel in range(1, 9)})
        note(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(selftest.SelfTest, "_note", noted)
    assert carried_out(tmp_path).body["sound"]
    passes = [limit for limit, last in zip(limits, [None, *limits], strict=False) if limit != last]
    assert passes == [{(0.02, 0.02)}, {(1.0, 1.0)}]


def test_the_command_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["commission", "--certificates", str(tmp_path)]
    assert command(asked) == 0
    assert capsys.readouterr().out.startswith("SOUND  wiring of virtual-16s to reference-16s\n")
    assert command([*asked, "--set", wired("swapped-leads", 3), "--json"]) == 1
    body = json.loads(capsys.readouterr().out)
    assert body["findings"] == ["leads 3 and 4 are swapped"]
    assert Path(body["certificate"]).is_file()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_run_cites_the_certificate_of_its_bench(play: Play, tmp_path: Path) -> None:
    """Sound, of another wiring, or wrong: the run says which, and its manifest has the SHA-256."""
    folder = tmp_path / "certificates"
    assert "wiring" not in played(play, folder)[1]
    done = carried_out(folder)
    manifest, told = played(play, folder)
    assert manifest["commissioned"]["certificate"] == done.file.name
    digest = hashlib.sha256(done.file.read_bytes()).hexdigest()
    assert manifest["commissioned"]["sha256"] == digest
    assert "found sound" in told
    assert manifest["unguarded"] == played(play, tmp_path)[0]["unguarded"]

    manifest, told = played(play, folder, "bench.wiring.leads=70 mohm")
    assert "of another wiring: hil commission --bench virtual-16s" in told
    assert told in manifest["unguarded"]
    told = played(play, folder, "bench.devices.board.virtual.serial=2")[1]
    assert "is of board 00000001, now 00000002" in told

    carried_out(folder, wired("swapped-leads", 3))
    assert "not sound" in played(play, folder)[1]
    assert "leads 3 and 4 are swapped" in played(play, folder)[1]


def played(play: Play, certificates: Path, *overrides: str) -> tuple[dict[str, Any], str]:
    """Run for some seconds; return the manifest and what the summary says of the wiring."""
    run = play("open-sense-lead", *overrides, until_s=3.0, certificates=certificates)
    manifest: dict[str, Any] = catalogue.read_json(Path(run.summary["folder"]), catalogue.MANIFEST)
    return manifest, str(run.summary["wiring"])


DEEP = "[" * 100_000
"""More lists in each other than a reader of JSON can follow."""


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"utc": 1}', "nonsense", '{"bench": {}}', DEEP])
def test_what_is_no_certificate_is_refused_before_anything_is_touched(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "20260101T000000Z-virtual-16s.json").write_text(text)
    runs = tmp_path / "runs"
    asked = ["run", "open-sense-lead", "--certificates", str(tmp_path), "--runs-dir", str(runs)]
    assert command(asked) == 69
    assert "certificate" in capsys.readouterr().err
    assert not runs.exists()
