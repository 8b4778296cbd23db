"""The firmware's own checks: warnings of two compilers, cppcheck, and no state outside a board."""

import shutil
import subprocess
from pathlib import Path

import pytest
from fw_rig import ROOT
from tools import program

PLACES = ("app", "port", "port_host", "port_lib", "port_mps2", "strategies", "Makefile")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources, so that what is built leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("firmware")
    for place in PLACES:
        source = ROOT / "firmware_stubs" / place
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / place)
    return folder


def make(folder: Path, target: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own Makefile
        [program("make"), "-C", str(folder), target], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("target", "needs"), [("host", "cc"), ("arm", "arm-none-eabi-gcc"), ("lint", "cppcheck")]
)
def test_nobody_has_anything_to_say_of_the_sources(sources: Path, target: str, needs: str) -> None:
    program(needs)
    done = make(sources, target)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("target", "needs", "wrong"),
    [
        ("host", "cc", "int narrow(long wide) { return (short)wide + wide; }"),
        ("arm", "arm-none-eabi-gcc", "static int unused(void) { return 1; }"),
        ("lint", "cppcheck", "int past(void); int past(void) { int a[2] = {0}; return a[2]; }"),
    ],
)
def test_what_is_wrong_with_a_source_is_found(
    sources: Path, target: str, needs: str, wrong: str
) -> None:
    program(needs)
    spoilt = sources / "app/wrong.c"
    spoilt.write_text(wrong + "\n")
    try:
        assert make(sources, target).returncode != 0
    finally:
        spoilt.unlink()


def test_the_library_offers_four_functions_and_holds_no_state(sources: Path) -> None:
    program("cc")
    assert make(sources, "lib").returncode == 0
    listed = subprocess.run(  # noqa: S603 - a fixed command
        [program("nm"), "--defined-only", "--format=sysv", str(sources / "build/libbms.so")],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [[field.strip() for field in line.split("|")] for line in listed.stdout.splitlines()]
    symbols = [(row[0], row[2], row[6]) for row in rows if len(row) == 7 and row[0] != "Name"]
    offered = {name for name, kind, _ in symbols if kind == "T" and name.startswith("bms_")}
    assert offered == {"bms_lib_abi", "bms_lib_size", "bms_lib_init", "bms_lib_step"}
    # what can be written while it runs belongs to the start-up code alone
    writable = {name for name, _, section in symbols if section in {".data", ".bss", "*COM*"}}
    assert writable <= {"completed.0", "__dso_handle", "__TMC_END__", "_edata", "_end"}
