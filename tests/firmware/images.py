"""Firmware images built for tests: with a defect, from changed sources, or as they are."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools import program

FIRMWARE = Path(__file__).parents[2] / "firmware_stubs"
WARNED_OF_ELSEWHERE = ("-w",)
"""What a mutant's compiler would say is of no interest: `make -C firmware_stubs check` asks."""
REPEATABLE = ("-O2", "-fPIC", "-shared", "-std=c11", "-Wl,--build-id=none")


class DoesNotCompile(Exception):
    """The changed source is no C any more."""


def compiled(
    image: Path,
    define: Sequence[str] = (),
    changed: Mapping[str, str] | None = None,
) -> Path:
    """Build a shared library; ``changed`` gives new text for files of the app.

    Equal code gives equal bytes, so an image tells whether a change changed anything. Raises
    DoesNotCompile.
    """
    folder = image.with_suffix(".sources")
    shutil.copytree(FIRMWARE / "app", folder / "app", dirs_exist_ok=True)
    shutil.copytree(FIRMWARE / "port_lib", folder / "port_lib", dirs_exist_ok=True)
    for name, text in (changed or {}).items():
        (folder / "app" / name).write_text(text)
    sources = sorted(str(one.relative_to(folder)) for one in folder.glob("*/*.c"))
    flags = [*REPEATABLE, *WARNED_OF_ELSEWHERE, *(f"-D{one}" for one in define), "-Iapp"]
    done = subprocess.run(  # noqa: S603 - the compiler of the system, our own sources
        [program("cc"), *flags, *sources, "-o", str(image)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(folder)
    if done.returncode:
        raise DoesNotCompile(done.stderr.splitlines()[0] if done.stderr else "no word why")
    return image
