"""Which engine runs a board's firmware: what a bench file and ``--engine`` say, and may not say."""

import json
from pathlib import Path

import pytest
import yaml
from engine_stub import built
from test_profile_schema import fits

from hil.app.engines import engine_told, with_firmware
from hil.app.preparation import Request, prepare_bench
from hil.cli import main
from hil.core.errors import ConfigErrors
from hil.profile import Bench, bench_schema, load_bench
from hil.profile.files import CHECKOUT

ENGINE = "bench.devices.board.engine"
USAGE = 64


def engine_of(*overrides: str) -> tuple[str, dict[str, object]] | None:
    """Return kind and keys of the board's engine on the virtual bench."""
    engine = load_bench("virtual-16s", overrides).devices["board"].engine
    return None if engine is None else (engine.kind, dict(engine.options))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ([], None),
        ([f"{ENGINE}=twin"], None),
        ([f"{ENGINE}={{kind: twin}}"], None),
        ([f"{ENGINE}=lib"], ("lib", {})),
        ([f"{ENGINE}={{kind: lib}}"], ("lib", {})),
        ([f"{ENGINE}.define=[A, B=2]"], ("twin", {"define": ["A", "B=2"]})),
        ([f"{ENGINE}.kind=lib", f"{ENGINE}.kind=qemu"], ("qemu", {})),
        ([f"{ENGINE}={{image: x.so}}", f"{ENGINE}.kind=lib"], ("lib", {"image": "x.so"})),
        ([f"{ENGINE}={{kind: lib, image: x.so}}", f"{ENGINE}=twin"], None),
    ],
)
def test_what_a_bench_file_says(
    written: list[str], meant: tuple[str, dict[str, object]] | None
) -> None:
    assert engine_of(*written) == meant


def test_a_key_beside_a_name_that_the_file_has(tmp_path: Path) -> None:
    """``engine: lib`` in the file, a flag on the command line: nothing has to be rewritten."""
    tree = yaml.safe_load((CHECKOUT / "benches/virtual-16s.yaml").read_text())
    tree["devices"]["board"]["engine"] = "lib"
    file = tmp_path / "firmware.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    bench = load_bench(file, [f"{ENGINE}.define=[DEFECT_CELL=3]"])
    engine = bench.devices["board"].engine
    assert engine is not None
    assert (engine.kind, engine.options) == ("lib", {"define": ["DEFECT_CELL=3"]})


def test_the_command_line_takes_the_engine_and_leaves_the_flags() -> None:
    flags = f"{ENGINE}={{kind: process, define: [DEFECT_STUCK_BLEED]}}"
    bench = prepare_bench("virtual-16s", [flags], engine="lib")
    engine = bench.devices["board"].engine
    assert engine is not None
    assert (engine.kind, engine.options["define"]) == ("lib", ["DEFECT_STUCK_BLEED"])
    others = [device.engine for name, device in bench.devices.items() if name != "board"]
    assert others == [None] * 3


def test_the_command_line_takes_the_engine_away() -> None:
    bench = prepare_bench("virtual-16s", [f"{ENGINE}=lib"], engine="twin")
    assert bench.devices["board"].engine is None


@pytest.mark.parametrize(
    ("engine", "override", "told"),
    [
        (None, f"{ENGINE}=libb", "no engine 'libb'; did you mean 'lib'?"),
        (None, f"{ENGINE}.define=[STEP=2]", "found define, expected with them the engine"),
        ("twin", f"{ENGINE}.define=[STEP=2]", "found define, expected with them the engine"),
        (None, "bench.devices.chamber.engine=lib", "'watlow-f4t' has no firmware to run"),
        ("lib", f"{ENGINE}.define=[A B]", "define: found 'A B', expected NAME or NAME=VALUE"),
        ("lib", f"{ENGINE}={{image: a.so, define: [A]}}", "takes no flags"),
        ("lib", f"{ENGINE}.defines=[A]", "unknown key 'defines'; did you mean 'define'?"),
        (None, f"{ENGINE}=[lib]", "expected the name of an engine, or {kind: NAME, ...}"),
        ("lib", "bench.devices.board.virtual.boot=3 s", "unknown key 'boot'"),
        ("process", "bench.tick=1 s", "'process' keeps its own time, and this bench gives it"),
        ("qemu", "bench.clock=wall", "in a lab only (hil serve --engine qemu)"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(engine: str | None, override: str, told: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        prepare_bench("virtual-16s", [override], engine=engine)
    [line] = str(caught.value).splitlines()
    assert told in line


def test_a_real_board_runs_its_own_firmware(tmp_path: Path) -> None:
    """Without a lab behind the link an engine there would be a claim that nothing holds."""
    tree = yaml.safe_load((CHECKOUT / "benches/loopback.yaml").read_text())
    del tree["lab"]
    file = tmp_path / "real.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert prepare_bench(str(file)).devices["board"].engine is None
    assert prepare_bench("loopback", engine="lib").devices["board"].engine is not None
    assert prepare_bench(str(file), engine="qemu", served=True).devices["board"].engine is not None
    with pytest.raises(ConfigErrors, match="is real and runs its own firmware"):
        prepare_bench(str(file), engine="lib")


@pytest.mark.parametrize("command", ["run", "check"])
def test_an_engine_that_nobody_installed_is_a_usage_error(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "open-sense-lead", "--engine", "unicorn"]) == USAGE
    told = capsys.readouterr().err
    assert "--engine: found 'unicorn', expected one of twin, lib, process, qemu" in told


def test_how_to_repeat_names_the_engine() -> None:
    assert Request("p", engine="lib", seed=7).command() == "hil run p --engine lib --seed 7"


def test_schema_takes_both_ways_of_writing() -> None:
    bench = yaml.safe_load((CHECKOUT / "benches/virtual-16s.yaml").read_text())
    schema = bench_schema()
    for engine, right in (
        ("lib", True),
        ({"kind": "lib", "define": ["A"]}, True),
        (["lib"], False),
    ):
        bench["devices"]["board"]["engine"] = engine
        assert fits(bench, schema, schema) is right


# --- what a record says --------------------------------------------------------------------------


def resolved(bench: Bench) -> dict[str, object]:
    board: dict[str, object] = json.loads(bench.resolved_text())["devices"]["board"]
    return board


def test_a_bench_without_an_engine_is_recorded_as_before() -> None:
    """Old runs repeat to their digest: what they could not say leaves no trace."""
    plain = load_bench("virtual-16s")
    assert set(resolved(plain)) == {"driver", "link", "options", "virtual"}
    assert load_bench("virtual-16s", [f"{ENGINE}=twin"]).resolved_text() == plain.resolved_text()


def test_an_image_is_recorded_by_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = built(tmp_path / "fw")
    bench = with_firmware(
        prepare_bench("virtual-16s", [f"{ENGINE}.image={made.image}"], engine="lib")
    )
    assert resolved(bench)["engine"] == {"kind": "lib", "options": {"image": made.sha256}}
    told = {"kind": "lib", "sha256": made.sha256, "file": str(made.image)}
    assert engine_told(bench) == told


def test_a_twin_is_recorded_as_one() -> None:
    assert engine_told(with_firmware(prepare_bench("virtual-16s"))) == {"kind": "twin"}
