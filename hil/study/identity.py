"""What a result stands for: a digest of everything that it was computed from, the code included.

Results are kept under that digest (``hil.study.store``), so what was computed once is found again
by whoever asks the same question, and by nobody who asks another one: a changed parameter, figure
or line of physics is another digest. Comments and docstrings are not: they change no result.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from hil.core.recorded import UNLESS_DEFAULT

COMPUTES = "hil.study.arms"
"""The module that turns inputs into results: its sources, and all that they import, count."""

_INPUTS = "hil.profile"
"""What reads files: what it makes of them is input, and is digested itself, value by value."""

_DECIDES = "hil.balancing"
"""Strategies and layers: each one's own sources count, where it decides."""

_NUMERICS = ("numpy", "numba", "llvmlite")
_DIGITS = 32
"""Hexadecimal digits that are kept: with 128 bits no two of 10^12 results meet."""


class Identity:
    """Digests values; what was digested once is looked up, since most packs share most of it."""

    def __init__(self) -> None:
        """Start knowing nothing."""
        # the value is kept beside its digest: an id is only good while its object lives
        self._known: dict[int, tuple[object, bytes]] = {}

    def of(self, *values: object) -> str:
        """Return the digest of values. Raises TypeError for one whose content is not known."""
        return self._of(values).hex()[:_DIGITS]

    def _of(self, value: object) -> bytes:
        if not (is_dataclass(value) or isinstance(value, (tuple, list, np.ndarray))):
            return _digest(type(value).__name__, [_plain(value, self._of)])
        found = self._known.get(id(value))
        if found is None:
            found = self._known[id(value)] = (value, _digest(type(value).__name__, self._in(value)))
        return found[1]

    def _in(self, value: Any) -> Iterator[bytes]:
        """Yield what a value consists of; of a long row of numbers all at once."""
        if isinstance(value, np.ndarray):
            yield f"{value.dtype.str}{value.shape}".encode()
            yield np.ascontiguousarray(value).tobytes()
        elif isinstance(value, (tuple, list)):
            if value and all(type(one) is float for one in value):
                yield np.array(value).tobytes()
            else:
                yield from map(self._of, value)
        else:
            module = type(value).__module__
            if module.startswith(f"{_DECIDES}."):
                yield code_version(module).encode()
            for field in fields(value):
                own = getattr(value, field.name)
                if not _says_nothing(field, own):
                    yield field.name.encode()
                    yield self._of(own)


def _says_nothing(field: "Field[Any]", own: object) -> bool:
    """Return whether a field is what every record from before it existed meant."""
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return field.metadata.get("resolved") == UNLESS_DEFAULT["resolved"] and own == default


def _plain(value: object, of: Any) -> bytes:
    """Return the bytes of a value without parts of its own, or of a mapping or a set."""
    if isinstance(value, float | np.floating):
        return float(value).hex().encode()
    if value is None or isinstance(value, bool | int | str | np.integer | np.bool_):
        return repr(value).encode()
    if isinstance(value, Path):
        return value.name.encode()  # where a file lies says nothing of what is in it
    if isinstance(value, Mapping):
        return b"".join(sorted(of(key) + of(one) for key, one in value.items()))
    if isinstance(value, frozenset | set):
        return b"".join(sorted(map(of, value)))
    raise TypeError(f"{type(value).__name__}: its content is not known, so it has no digest")


def _digest(kind: str, parts: Any) -> bytes:
    sha = hashlib.sha256(kind.encode())
    for part in parts:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.digest()


@cache
def code_version(start: str = COMPUTES) -> str:
    """Return the digest of all code that a module runs, and of the versions it runs on.

    That of ``COMPUTES`` is everything that results come from, but for strategies.
    """
    sources = {name: _bare(path) for name, path in _reached(start).items()}
    versions = {name: version(name) for name in _NUMERICS}
    return Identity().of(sources, versions)


@cache
def whole_code() -> str:
    """Return the digest of all code that any result could come from, every strategy's included.

    What a worker must have in common with whoever asks it: results go by the digests of the latter.
    """
    return Identity().of(code_version(), code_version(_DECIDES))


def _reached(start: str) -> dict[str, Path]:
    """Return every module of ours that one imports, directly or not, itself included."""
    found: dict[str, Path] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in found or f"{name}.".startswith(f"{_INPUTS}."):
            continue
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            continue
        found[name] = Path(spec.origin)
        waiting += _imports(ast.parse(found[name].read_bytes()))
    return found


def _imports(tree: ast.Module) -> Iterator[str]:
    """Yield the names of our modules in a source's imports, those inside of functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hil."):
            yield str(node.module)
            for one in node.names:  # a module of a package looks like any other name of it
                if _is_module(f"{node.module}.{one.name}"):
                    yield f"{node.module}.{one.name}"
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.startswith("hil."))


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # what stands before the last dot is no package
        return False


@cache
def _bare(path: Path) -> str:
    """Return a source as its syntax tree, without docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [one for one in node.body if not _is_text(one)]
    return ast.dump(tree)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
