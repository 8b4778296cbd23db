"""The watch sees what it is there to see: else every case would pass."""

import ctypes
import os
import subprocess
import sys

import pytest
from watch import MARK, Ground


def _run_a_program(_: Ground) -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def _ask_a_shell(_: Ground) -> None:
    os.system("true")  # noqa: S605, S607 - to be seen


def _compile_data(_: Ground) -> None:
    compile(f"{MARK} = 1", "<data>", "exec")


def _run_data(ground: Ground) -> None:
    code = compile("1", str(ground.here / "sent.py"), "exec")
    exec(code, {})  # noqa: S102 - to be seen


def _import_what_was_sent(ground: Ground) -> None:
    (ground.here / f"{MARK}_module.py").write_text("")
    sys.path.insert(0, str(ground.here))
    try:
        __import__(f"{MARK}_module")
    finally:
        sys.path.pop(0)
        del sys.modules[f"{MARK}_module"]


def _load_a_library(ground: Ground) -> None:
    with pytest.raises(OSError, match="sent"):
        ctypes.CDLL(str(ground.here / "sent.so"))


def _write_elsewhere(ground: Ground) -> None:
    (ground.elsewhere / "secret.yaml").write_text("x")


def _write_through_a_link(ground: Ground) -> None:
    (ground.here / "link").symlink_to(ground.elsewhere / "secret.yaml")
    (ground.here / "link").write_text("x")


def _move_away(ground: Ground) -> None:
    (ground.elsewhere / "secret.csv").rename(ground.here / "mine")


def _leave_on(ground: Ground) -> None:
    class Twin:
        @staticmethod
        def truth() -> dict[str, object]:
            return {"on": [False, True], "cell_v": [3.3, 3.3]}

    ground.twins["emulator-1"] = Twin


@pytest.mark.parametrize(
    "offence",
    [
        *(_run_a_program, _ask_a_shell, _compile_data, _run_data, _import_what_was_sent),
        *(_load_a_library, _write_elsewhere, _write_through_a_link, _move_away, _leave_on),
    ],
    ids=lambda offence: offence.__name__.strip("_"),
)
def test_an_offence_is_seen(offence: object, ground: Ground) -> None:
    with pytest.raises(AssertionError), ground.watched():
        offence(ground)  # type: ignore[operator]
