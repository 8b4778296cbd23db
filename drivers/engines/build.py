"""Firmware images: built from ``firmware_stubs`` when they are asked for, or brought along.

What was built is kept in the user's cache, under a name that stands for everything it was made of
(sources, flags, compiler): an image that is there is never out of date, and nothing needs a build
step of its own. An image is written whole under another name first, so that two processes which
build the same one at the same time do not meet.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import drivers
from hil.core.errors import EnvironmentProblem
from hil.ports import Firmware

SOURCES = Path(drivers.__file__).parents[1] / "firmware_stubs"
"""Where the C sources stand in a checkout; an installed wheel has none."""

INSTALLED_BY = {"cc": "gcc libc6-dev", "arm-none-eabi-gcc": "gcc-arm-none-eabi"}
"""Debian's packages for each compiler that a recipe may name."""

_FLAG = re.compile(r"(?P<name>[A-Za-z_]\w*)(=-?\w+)?")
_TO_COMPILE, _TO_READ = (".c", ".S"), (".c", ".S", ".h", ".ld")
_RUNS = 0o700
"""A temporary file is not: what was built may be a program."""
_PATIENCE_S = 300
"""Nothing here takes a hundredth of it: a compiler that hangs must not hang a bench."""


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """The keys of an ``engine`` that say what it runs: an image that is there, or build flags.

    A flag is written as the compiler's ``-D`` takes it: ``NAME`` or ``NAME=WHOLE NUMBER OR NAME``.
    """

    image: str | None = None
    define: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no compiler should be handed, and flags for what is built already."""
        for flag in self.define:
            if not _FLAG.fullmatch(flag):
                raise ValueError(f"define: found '{flag}', expected NAME or NAME=VALUE")
        if self.image is not None and self.define:
            raise ValueError("define: an image that is built already takes no flags")


class Recipe(NamedTuple):
    """How an image is made.

    ``folders`` are those of ``firmware_stubs`` whose ``*.c`` and ``*.S`` are compiled and whose
    ``*.h`` are found; ``flags`` stand before the sources, ``last`` behind them (libraries).
    """

    compiler: str
    folders: tuple[str, ...]
    flags: tuple[str, ...]
    suffix: str
    last: tuple[str, ...] = ()


def image_of(recipe: Recipe, options: Mapping[str, object]) -> Firmware:
    """Return the image that ``ImageOptions`` name: one of their own, else the recipe's, built.

    Raises EnvironmentProblem.
    """
    asked = ImageOptions(**options)  # type: ignore[arg-type] # the reader of the bench file held them to it
    return brought(Path(asked.image)) if asked.image is not None else build(recipe, asked.define)


def brought(image: Path) -> Firmware:
    """Return an image that somebody built. Raises EnvironmentProblem if it cannot be read.

    What runs is a copy under the name of its content: a loader takes a path that it knows for the
    library that it has, and would run last hour's build under the SHA-256 of this one.
    """
    content = _content(image)
    sha256 = hashlib.sha256(content).hexdigest()
    copy = cache_folder() / f"{image.stem}-{sha256[:32]}{image.suffix}"
    if not copy.exists():
        _put(copy, lambda made: made.write_bytes(content))
    return Firmware(copy, sha256, {"file": str(image)})


def build(recipe: Recipe, define: Sequence[str] = (), sources: Path = SOURCES) -> Firmware:
    """Return the recipe's image with some flags defined, built now unless the cache has it.

    Raises EnvironmentProblem: no sources, no compiler (with the line that installs it), a flag that
    no source knows, or the first thing the compiler found wrong.
    """
    texts = dict(_texts(sources, recipe.folders))
    if not texts:
        raise EnvironmentProblem(
            f"no C sources in {sources}: run from a checkout, or name an image (engine.image)"
        )
    _refuse_unknown(define, texts)
    compiler = _compiler(recipe.compiler)
    flags = [*recipe.flags, *(f"-D{flag}" for flag in define)]
    about = {
        "compiler": compiler.version,
        "machine": compiler.machine,
        "flags": " ".join([*flags, *recipe.last]),
        "sources": _digest(
            [[name, hashlib.sha256(text).hexdigest()] for name, text in texts.items()]
        ),
    }
    image = cache_folder() / f"{recipe.folders[-1]}-{_digest(about)[:32]}{recipe.suffix}"
    if not image.exists():
        compiled = [name for name in texts if name.endswith(_TO_COMPILE)]
        folders = [f"-I{folder}" for folder in recipe.folders]
        # debuggers get paths as they stand below the sources: the same image on every machine
        here = f"-ffile-prefix-map={sources}=."
        _make(image, [compiler.path, *flags, here, *folders, *compiled, *recipe.last], sources)
    return Firmware(image, hashlib.sha256(_content(image)).hexdigest(), about)


def cache_folder() -> Path:
    """Return the folder of built images, made if need be. Raises EnvironmentProblem."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(home) / "bms-hil-bench" / "firmware"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        message = f"no place for firmware images (XDG_CACHE_HOME): {error}"
        raise EnvironmentProblem(message) from error
    return folder


# --- what goes in --------------------------------------------------------------------------------


def _texts(sources: Path, folders: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of everything that an image may be made of, in a fixed order."""
    for folder in folders:
        for path in sorted((sources / folder).glob("*")):
            if path.suffix in _TO_READ:
                yield path.relative_to(sources).as_posix(), path.read_bytes()


def _refuse_unknown(define: Sequence[str], texts: Mapping[str, bytes]) -> None:
    """Refuse a flag whose name stands in no source.

    It would change nothing: a misspelt defect would be a clean firmware, and pass.
    """
    words = {word for text in texts.values() for word in re.findall(rb"[A-Za-z_]\w*", text)}
    for flag in define:
        name = flag.partition("=")[0]
        if name.encode() not in words:
            raise EnvironmentProblem(f"engine.define: '{name}' stands in no source of the firmware")


class _Compiler(NamedTuple):
    """A compiler that is there; ``machine`` is what it makes code for."""

    path: str
    version: str
    machine: str


@cache
def _compiler(name: str) -> _Compiler:
    """Find a compiler and ask it who it is. Raises EnvironmentProblem with what installs it."""
    path = shutil.which(name)
    if path is None:
        packages = INSTALLED_BY.get(name, name)
        install = f"sudo apt-get install --no-install-recommends {packages}"
        raise EnvironmentProblem(f"no compiler '{name}' for the firmware: {install}")
    version, machine = (_asked([path, word], Path()) for word in ("--version", "-dumpmachine"))
    return _Compiler(path, version.partition("\n")[0], machine.strip())


# --- the build -----------------------------------------------------------------------------------


def _make(image: Path, command: Sequence[str], sources: Path) -> None:
    """Compile an image, from the sources' folder: complaints name a file as it stands there."""
    _put(image, lambda made: _asked([*command, "-o", str(made)], sources))


def _put(image: Path, write: Callable[[Path], object]) -> None:
    """Have a file written beside ``image``, and give it that name when it is whole."""
    try:
        handle, name = tempfile.mkstemp(dir=image.parent, suffix=image.suffix)
        os.close(handle)
        made = Path(name)
        try:
            write(made)
            made.chmod(_RUNS)
            with made.open("rb") as file:
                os.fsync(file.fileno())
            made.replace(image)
        finally:
            made.unlink(missing_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"cannot write {image}: {error.strerror}") from error


def _asked(command: Sequence[str], folder: Path) -> str:
    """Run a compiler and return what it says. Raises EnvironmentProblem with its first error."""
    plain = {**os.environ, "LC_ALL": "C"}  # its words are searched
    try:
        done = subprocess.run(  # noqa: S603 - a compiler of this host, flags that were looked at
            command,
            cwd=folder,
            env=plain,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentProblem(f"{command[0]} does not run: {error}") from error
    if done.returncode:
        lines = done.stderr.splitlines()
        first = next((line for line in lines if "error" in line or "undefined" in line), None)
        told = first or (lines[0] if lines else f"exit code {done.returncode}")
        raise EnvironmentProblem(f"the firmware cannot be built: {told}")
    return done.stdout


def _digest(body: object) -> str:
    """Return what stands for plain data."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _content(image: Path) -> bytes:
    """Return what is in an image. Raises EnvironmentProblem if it cannot be read."""
    try:
        return image.read_bytes()
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise EnvironmentProblem(f"firmware image {image}: {reason}") from error
