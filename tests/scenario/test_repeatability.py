"""One seed, one run: to the bit, whatever else the machine is doing; anything else, another run."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play, finished, hil

Profile = Callable[..., Path]

STEPS = """\
  - charge: {current: 30 A, until: [any cell.voltage >= 3.45 V, after: 2 min]}
  - hold: {voltage: 3.45 V, cell_max: 3.50 V, max_current: 30 A, until: [after: 2 min]}
  - rest: 1 min
  - expect: {gap: {max: 200 mV}}
"""
PACK = "{cell: lfp-100ah, soc: 98.5 %, spread: {capacity: 1 %, soc: 0.5 %, leakage: 30 %}}"
BALANCING = "{strategy: fixed-threshold, every: 10 s, start: 10 mV, stop: 5 mV}"

HOG = "while True: pass"


def test_the_digest_of_a_seed_is_the_same_in_every_process_and_beside_a_hog(
    profile: Profile, tmp_path: Path
) -> None:
    path = str(profile(STEPS, pack=PACK, controller=BALANCING))
    hog = subprocess.Popen([sys.executable, "-c", HOG])  # noqa: S603 - our own program
    try:
        digests = {
            finished(
                hil(
                    *("run", path, "--seed", "7", "--json"),
                    cwd=tmp_path,
                    environment={"PYTHONHASHSEED": hash_seed},
                )
            )[1]["digest"]
            for hash_seed in ("0", "1", "4711")
        }
    finally:
        hog.kill()
        hog.wait()
    assert len(digests) == 1


@pytest.mark.nightly
def test_another_seed_or_a_thousandth_of_one_cells_capacity_is_another_run(
    play: Play, profile: Profile
) -> None:
    path = profile(STEPS, pack=PACK, controller=BALANCING)
    runs = [
        play(path),
        play(path, seed=2),
        play(path, "pack.cells.5.capacity=100.1 %"),
        play(path, "board.offset=5.1 mV"),
        play(path, "bench.tick=500 ms"),
        play(path, "controller.stop=6 mV"),
    ]
    assert len({run.digest for run in runs}) == len(runs)
    assert play(path).digest == runs[0].digest


def test_one_least_significant_bit_of_one_reading_is_another_run(
    play: Play, profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drivers.wire import reference_board as wire  # noqa: PLC0415 - patched below

    path = profile("  - rest: 20 s\n")
    before = play(path)
    encode, calls = wire.encode_cell_voltages, 0

    def one_bit_off(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        *head, counts = arguments
        if calls == 100:
            counts = (counts[0] ^ 1, *counts[1:])  # type: ignore[index]
        return encode(*head, counts)  # type: ignore[arg-type, call-arg]

    monkeypatch.setattr(wire, "encode_cell_voltages", one_bit_off)
    after = play(path)
    assert calls > 100
    assert after.digest != before.digest
    differing = [
        a["at"] for a, b in zip(before.of("tick"), after.of("tick"), strict=True) if a != b
    ]
    assert len(differing) > 1, "the wire hash rolls on, so every later tick differs"


def test_json_mode_prints_one_object_with_the_promised_names_and_nothing_else(
    profile: Profile, tmp_path: Path
) -> None:
    process = hil("run", str(profile("  - rest: 3 s\n")), "--json", cwd=tmp_path)
    out, _err = process.communicate(timeout=120)
    body = json.loads(out)
    promised = {
        *("verdict", "run", "folder", "simulated_s", "wall_s", "startup_s", "speed", "digest"),
        *("expectations", "metrics", "events", "traffic"),
    }
    assert promised <= body.keys()
    assert {"can_frames", "scpi_lines", "board_cycles"} == body["traffic"].keys()
    for one in body["expectations"]:
        names = {"name", "value", "uncertainty", "unit", "limit", "passed", "read_at_s"}
        assert names <= one.keys()
    assert process.returncode == {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 2}[body["verdict"]]
    assert (tmp_path / body["folder"] / "summary.json").is_file()
