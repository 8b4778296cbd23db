"""Three looks at everything hostile: did its code run, did it leave its folder, is an output on?

``sys.addaudithook`` hears of what Python is about to do, and cannot be taken away again: one hook,
which listens while a case is on. What libraries write without Python is found by comparing trees.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from hil.cli import BUG, main

MARK = "pwned_by_data"
"""Stands in every text that would be code, were it run."""

PATIENCE_S = 20
"""A case that takes longer waits for something for ever, or computes it; most take a tenth."""

MOST_LINES, MOST_CHARACTERS = 12, 1_000
"""Of a complaint: a line each for what is wrong, none of them a screen long."""

PROCESSES = {
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"),
    *("os.forkpty", "pty.spawn", "webbrowser.open"),
}
LIBRARIES = {"ctypes.dlopen"}
CHANGES = {
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.symlink": (1,),
    "os.link": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "shutil.rmtree": (0,),
    "shutil.move": (0, 1),
    "shutil.copyfile": (1,),
}
"""Events by which names change, and which of their arguments say where."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Watch:
    """What was seen while it was on. ``inside`` is where a case may write."""

    inside: tuple[Path, ...] = ()
    offences: list[str] = field(default_factory=list)
    on: bool = False

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take one audit event."""
        if not self.on:
            return
        self.on = False  # what looking at it raises is not the case's
        try:
            self._judge(event, arguments)
        finally:
            self.on = True

    def _judge(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in PROCESSES:
            if not _is_git(arguments):
                self._offence(event, arguments)
        elif event in LIBRARIES:
            self._library(arguments[0])
        elif event == "exec":
            self._code(arguments[0])
        elif event == "compile":
            if MARK in _text(arguments[0]):
                self._offence(event, arguments)
        elif event == "import":
            self._module(arguments)
        else:
            self._change(event, arguments)

    def _change(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Look where something is written, made, moved or removed."""
        where = CHANGES.get(event, ())
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
            where = (0,)
        for one in where:
            self._place(event, arguments[one])

    def _offence(self, event: str, arguments: object) -> None:
        self.offences.append(f"{event}: {arguments!r:.300}")

    def _library(self, name: object) -> None:
        """Python's own extensions and those of installed packages are no offence."""
        path = _text(name)
        if path and not _is_installed(path) and os.sep in path:
            self._offence("ctypes.dlopen", path)

    def _code(self, code: object) -> None:
        if not isinstance(code, CodeType):
            return
        file = code.co_filename  # of what libraries make up as they are loaded: <string>
        if (file[0] != "<" and self._is_inside(file)) or MARK in str(code.co_consts):
            self._offence("exec", code)

    def _module(self, arguments: tuple[Any, ...]) -> None:
        name, path = _text(arguments[0]), _text(arguments[1])
        if MARK in name or (path and not _is_installed(path)):
            self._offence("import", arguments[:2])

    def _place(self, event: str, place: object) -> None:
        """Refuse a place outside; descriptors were opened before, and devices hold nothing."""
        if isinstance(place, int):
            return
        path = os.path.realpath(_text(place))
        if path in ("/dev/null", "/dev/ptmx") or path.startswith("/dev/pts/"):
            return
        if not (self._is_inside(path) or "__pycache__" in path or _is_scratch(path)):
            self._offence(event, path)

    def _is_inside(self, path: str) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(folder) for folder in self.inside)


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("latin-1")
    return str(value) if isinstance(value, str | os.PathLike) else ""


def _is_installed(path: str) -> bool:
    """Say whether a file is Python's, an installed package's or of this checkout."""
    real = os.path.realpath(path)
    places = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[2]), "/usr/lib", "/lib")
    return any(real.startswith(f"{os.path.realpath(place)}{os.sep}") for place in places)


def _is_scratch(path: str) -> bool:
    """Say whether a path is ``tempfile``'s own: a name that nobody could have chosen."""
    inner = os.path.relpath(path, os.path.realpath(tempfile.gettempdir()))
    return inner.startswith("tmp") and "pytest" not in inner


def _is_git(arguments: tuple[Any, ...]) -> bool:
    """Say whether a process is git, asked what it is asked of every profile's folder."""
    words = [str(word) for word in arguments[1] or ()] if len(arguments) > 1 else []
    told = {"rev-parse", "config", "status"}
    return words[:2] == ["git", "--no-optional-locks"] and bool(told & set(words))


WATCH = Watch()
sys.addaudithook(WATCH.hear)


def tree(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return every name below a folder with its kind and, of files, what is in it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", os.fsencode(path.readlink()))
        elif path.is_file():
            found[name] = ("file", path.read_bytes())
        else:
            found[name] = ("other", b"")
    return found


@dataclass
class Ground:
    """Where a case plays: ``here`` is its folder, ``elsewhere`` what it must leave alone."""

    here: Path
    elsewhere: Path
    twins: dict[str, Any] = field(default_factory=dict)
    mangled: dict[str, Callable[[Any, int], Any]] = field(default_factory=dict)
    """By device: what becomes of what it says, the how-manieth time."""

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Play a case: whatever it does to others is a failure, and so is taking for ever."""
        before, cwd, loaded = tree(self.elsewhere), Path.cwd(), set(sys.modules)
        WATCH.inside, WATCH.offences = (self.here, Path(os.environ["HIL_LEASES"])), []
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(PATIENCE_S)
        os.chdir(self.here)
        WATCH.on = True
        try:
            yield
        finally:
            WATCH.on = False
            signal.alarm(0)
            os.chdir(cwd)
        assert not WATCH.offences, "; ".join(WATCH.offences)
        assert tree(self.elsewhere) == before
        new = {name: getattr(sys.modules[name], "__file__", None) for name in sys.modules}
        foreign = {n: f for n, f in new.items() if n not in loaded and f and not _is_installed(f)}
        assert not foreign
        self._all_off()

    def _all_off(self) -> None:
        """Look at the twins themselves: what they say is not asked."""
        for name, twin in self.twins.items():
            truth = twin.truth()
            left = {
                key: truth[key]
                for key in ("on", "outputs", "conditioning", "bleeds", "duty", "aux_v")
                if key in truth and _is_on(truth[key])
            }
            assert not left, f"{name} left on: {left}"


def _is_on(value: Any) -> bool:
    return any(map(_is_on, value)) if isinstance(value, list | tuple) else bool(value)


def _too_long(_number: int, _frame: object) -> None:
    raise TimeoutError(f"not over after {PATIENCE_S} s")


def told(
    ground: Ground, capsys: pytest.CaptureFixture[str], *words: str, codes: tuple[int, ...]
) -> str:
    """Run a command on something hostile; return what it complained of, which is short and plain.

    ``codes`` are the exit codes that will do; that of a bug in the bench never does.
    """
    capsys.readouterr()
    with ground.watched():
        code = main(list(words))
    out, err = capsys.readouterr()
    assert BUG not in codes
    assert code in codes, f"exit code {code}: {out[-500:]} {err[-1500:]}"
    assert "Traceback" not in out + err
    for line in (out + err).splitlines():
        assert line.isprintable(), f"steers the terminal: {line!r:.200}"
    return err


def short(complaint: str) -> str:
    """Hold a complaint to its length, and return it."""
    lines = complaint.strip().splitlines()
    assert 1 <= len(lines) <= MOST_LINES, complaint[:2000]
    assert all(len(line) <= MOST_CHARACTERS for line in lines), complaint[:2000]
    return complaint
