"""A lab whose board is firmware in a library: what it says of it, and who may run on it."""

import json
from pathlib import Path

import pytest
from served import finished, hil, serving
from tools import program

pytestmark = pytest.mark.alone

SHORT = """\
profile: short
needs: {cells: 16}
controller: {strategy: none}
pack: {cell: lfp-100ah, soc: 60 %}
verdict: [max_cell_voltage <= 3.6 V]
steps: [{rest: 2 s}]
"""
INCONCLUSIVE = 2


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """Return a profile of two seconds."""
    path = tmp_path / "short.yaml"
    path.write_text(SHORT, encoding="utf-8")
    return path


def test_a_run_records_what_its_lab_runs(short: Path) -> None:
    """The run's own bench file says nothing of an engine: the lab is asked."""
    program("cc")
    with serving(short.parent, "--engine", "lib") as lab:
        engines = {one["device"]: one["engine"] for one in lab.ask("devices")["devices"]}
        words = ("run", str(short), "--bench", "loopback", "--json", *lab.overrides())
        _, out, err = finished(hil(*words, cwd=short.parent))
    assert out, err
    recorded = json.loads(out)["engine"]
    assert recorded["kind"] == "lib"
    assert engines == dict.fromkeys(("emulator-1", "emulator-2", "chamber")) | {"board": recorded}


@pytest.mark.nightly
def test_a_run_that_wants_another_engine_is_refused(short: Path) -> None:
    """A lab with a twin in it must not give a verdict on firmware."""
    with serving(short.parent) as lab:
        asked = ("run", str(short), "--bench", "loopback", "--engine", "lib", "--json")
        code, out, err = finished(hil(*asked, *lab.overrides(), cwd=short.parent))
        address = lab.listening["control"]
    assert out, err
    summary = json.loads(out)
    assert (code, summary["verdict"]) == (INCONCLUSIVE, "INCONCLUSIVE")
    found = f"lab: {address}: the board runs in 'twin', expected 'lib': hil serve --engine lib"
    assert any(found in reason for reason in summary["reasons"]), summary["reasons"]
    assert summary["engine"] == {"kind": "twin"}
