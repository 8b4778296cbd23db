"""One file reads the wall clock, and only links and engines touch the outside world."""

import ast
from collections.abc import Iterator

import pytest
from house import PACKAGES, relative, sources, tree_of

WALL_CLOCK = "hil/bench/wall_time.py"
OUTSIDE = ("drivers/links/", "drivers/engines/")

# fmt: off
OUTSIDE_MODULES = {
    "aiomqtt", "can", "ctypes", "distributed", "fcntl", "http", "mmap", "multiprocessing", "pty",
    "pyvisa", "requests", "select", "selectors", "serial", "socket", "socketserver", "ssl",
    "subprocess", "termios", "urllib", "usb",
}
ASYNCIO_OUTSIDE = {
    "create_connection", "create_datagram_endpoint", "create_server", "create_subprocess_exec",
    "create_subprocess_shell", "open_connection", "open_unix_connection", "start_server",
    "start_unix_server",
}
# fmt: on

# Each exception with its reason; one that is no longer needed fails the test as well.
ALLOWED = {
    ("hil/app/guarded.py", "subprocess"): "the guardian is a process of its own",
    ("hil/app/summons.py", "start_unix_server"): "a run's door for `hil safe`",
    ("hil/app/summons.py", "socket"): "`hil safe` knocks there",
    ("hil/bench/wall_time.py", "ctypes"): "timerfd is absent from Python's os before 3.13",
    (
        "hil/live/courier.py",
        "aiomqtt",
    ): "telemetry is no device: its broker is no part of the bench",
    ("hil/live/courier.py", "socket"): "a frozen broker's connection is shut down, not opened",
    ("hil/live/target.py", "urllib"): "urllib.parse takes a URL apart and opens nothing",
    ("hil/results/disk.py", "fcntl"): "a run's folder is locked while it is recorded or repaired",
    ("hil/results/manifest.py", "subprocess"): "git is asked which commit a run was made with",
    ("hil/study/fan_out.py", "distributed"): "packs of a study are shared among workers (ADR 14)",
}


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what is imported by its full name, and the name that it goes by in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, alias.asname or alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", alias.asname or alias.name


def attributes(tree: ast.AST) -> Iterator[str]:
    """Yield every dotted name that is used, with the names of imports in full."""
    full = {alias: name for name, alias in imports(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner, _, rest = ast.unparse(node).partition(".")
            yield f"{full.get(owner, owner)}.{rest}"


def clock_reads(tree: ast.AST) -> list[str]:
    """Return every way in which a file could read the wall clock, by import or by call."""
    found = [name for name, _ in imports(tree) if name.partition(".")[0] == "time"]
    ends = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
    return found + [name for name in attributes(tree) if name.endswith(ends)]


def outside_uses(tree: ast.AST) -> list[str]:
    """Return the modules and asyncio calls with which a file could reach beyond the process.

    ``can.Message`` is a plain record, the frame type of our ports; everything else of python-can
    opens buses.
    """
    names = [name for name, _ in imports(tree) if name != "can.Message"]
    modules = {name.partition(".")[0] for name in names} & OUTSIDE_MODULES
    calls = {name.rpartition(".")[2] for name in [*names, *attributes(tree)]} & ASYNCIO_OUTSIDE
    return sorted(modules | calls)


def test_the_wall_clock_is_read_in_one_file() -> None:
    reads = {relative(path): clock_reads(tree_of(path)) for path in sources(*PACKAGES)}
    assert [path for path, found in reads.items() if found] == [WALL_CLOCK], reads


def test_only_links_and_engines_reach_outside() -> None:
    used = {
        (relative(path), use)
        for path in sources(*PACKAGES)
        for use in outside_uses(tree_of(path))
        if not relative(path).startswith(OUTSIDE)
    }
    assert used == set(ALLOWED)


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from time import perf_counter as stopwatch",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as d\nd.now(tz=None)",
        "from datetime import date\ntoday = date.today",
    ],
)
def test_a_clock_read_is_found(line: str) -> None:
    assert clock_reads(ast.parse(line))


@pytest.mark.parametrize(
    "line",
    [
        "import socket as s",
        "from ctypes import CDLL",
        "import serial.tools",
        "import can",
        "from can import Bus",
        "from asyncio import open_connection",
        "import asyncio\nasyncio.create_subprocess_exec('x')",
        "loop.create_connection(None)",
    ],
)
def test_a_way_out_is_found(line: str) -> None:
    assert outside_uses(ast.parse(line))


@pytest.mark.parametrize(
    "line",
    [
        "from can import Message",
        "import asyncio\nasyncio.Queue()",
        "from datetime import date\ndate.fromisoformat('2026-01-01')",
        "clock.now()",
    ],
)
def test_what_is_allowed_is_not_found(line: str) -> None:
    assert not outside_uses(ast.parse(line))
    assert not clock_reads(ast.parse(line))
