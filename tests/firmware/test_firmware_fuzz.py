"""The firmware under the sanitizers: whatever comes over its wires, it stays inside its memory."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from images import FIRMWARE
from tools import program

SANITIZED = ("-g", "-O1", "-std=c11", "-fno-sanitize-recover=all", "-Iapp")
INPUTS = 30_000
NIGHTLY_S = 900


def built(compiler: str, sanitizers: str, sources: Sequence[str], to: Path) -> str:
    """Build the firmware with the fuzzer's target; return the program's path."""
    app = sorted(str(one.relative_to(FIRMWARE)) for one in FIRMWARE.glob("app/*.c"))
    words = [program(compiler), *SANITIZED, f"-fsanitize={sanitizers}", *sources, *app]
    done = subprocess.run(  # noqa: S603 - the system's compiler, our own sources
        [*words, "-o", str(to)], cwd=FIRMWARE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return str(to)


def tried(words: Sequence[str]) -> str:
    """Run a fuzzer and return what it said; a finding ends it with another code than 0."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout + done.stderr


def test_seeded_inputs_find_nothing(tmp_path: Path) -> None:
    sources = ("fuzz/fuzz.c", "fuzz/seeded.c")
    fuzzer = built("cc", "address,undefined", sources, tmp_path / "seeded")
    assert tried([fuzzer, str(INPUTS), "1"]) == f"{INPUTS} inputs tried\n"


def test_a_step_out_of_bounds_is_found(tmp_path: Path) -> None:
    """The fuzzer looks: a firmware that reads one cell too far does not get through."""
    text = (FIRMWARE / "app" / "balancing.c").read_text()
    right = "cell < cells; cell++"
    assert right in text
    wrong = tmp_path / "balancing.c"
    wrong.write_text(text.replace(right, "cell < cells + 64; cell++"))
    app = sorted(str(one) for one in FIRMWARE.glob("app/*.c") if one.name != "balancing.c")
    to = tmp_path / "seeded"
    flags = [*SANITIZED, "-fsanitize=address,undefined", str(wrong), *app]
    words = [program("cc"), *flags, "fuzz/fuzz.c", "fuzz/seeded.c", "-o", str(to)]
    subprocess.run(words, cwd=FIRMWARE, check=True)  # noqa: S603 - the system's compiler
    done = subprocess.run(  # noqa: S603 - just built
        [str(to), str(INPUTS), "1"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "balancing.c" in done.stderr


@pytest.mark.nightly
def test_guided_inputs_find_nothing(tmp_path: Path) -> None:
    fuzzer = built("clang", "fuzzer,address,undefined", ("fuzz/fuzz.c",), tmp_path / "guided")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    told = tried([fuzzer, f"-max_total_time={NIGHTLY_S}", "-max_len=4000", str(corpus)])
    assert "Done " in told
