"""Profiles, benches, climates and overrides that somebody sent: each is refused, in plain words."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from watch import MARK, Ground, short, told

from hil.cli import BAD_INPUT, ENVIRONMENT, USAGE
from hil.profile.files import CHECKOUT

REFUSED = (BAD_INPUT, ENVIRONMENT, USAGE)

PROFILE = (CHECKOUT / "runs" / "open-sense-lead.yaml").read_text(encoding="utf-8")
BENCH = (CHECKOUT / "benches" / "loopback.yaml").read_text(encoding="utf-8")
VIRTUAL = (CHECKOUT / "benches" / "virtual-16s.yaml").read_text(encoding="utf-8")

CODE = f"__import__('os').system('touch {MARK}')"
ESCAPES = "\x1b]0;owned\x07\x1b[2J"


def steps(text: str) -> str:
    """Return a profile with other steps."""
    return PROFILE[: PROFILE.index("steps:")] + f"steps:\n{text}\n"


def laughs() -> str:
    """Return nine anchors, each ten times the one before."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(lines)


def chain() -> str:
    """Return anchors that hold each other, every one 22 levels deep."""
    lines = [f"a{n}: &a{n} {'[' * 22}{f'*a{n - 1}' if n else 'x'}{']' * 22}" for n in range(38)]
    return "\n".join(lines)


PROFILES: dict[str, str | bytes] = {
    "python object": f"!!python/object/apply:os.system ['touch {MARK}']\n",
    "python name": PROFILE.replace("about:", "about: !!python/name:os.system #", 1),
    "python module": f"profile: !!python/module:{MARK}\n",
    "own tag": PROFILE.replace("profile:", "profile: !exec", 1),
    "billion laughs": laughs(),
    "chain of aliases": chain(),
    "alias of itself": "steps: &a [*a]\n",
    "brackets without end": "[" * 200_000,
    "braces without end": "{a: " * 50_000,
    "larger than a profile may be": PROFILE + "# " + "x" * 300_000,
    "a key without end": f"{'k' * 200_000}: 1\n",
    "NUL": PROFILE.encode().replace(b"profile:", b"pro\0file:", 1),
    "UTF-16": PROFILE.encode("utf-16"),
    "no text at all": bytes(range(256)) * 64,
    "escape codes": PROFILE.encode().replace(b"profile:", f"profile: {ESCAPES}".encode(), 1),
    "escaped escape codes": PROFILE.replace("profile:", 'profile: "\\e[2J\\a" #', 1),
    "text that turns round": PROFILE.replace("profile:", "profile: \u202egnp.exe #", 1),
    "a name that is a path": PROFILE.replace("profile:", "profile: ../../evil #", 1),
    "two documents": PROFILE + "\n---\n" + PROFILE,
    "a key twice": PROFILE + "\nprofile: other\n",
    "a parameter that is code": steps(f"  - rest: ${{{CODE}}}"),
    "a template": steps("  - rest: '{{ cycler.__init__.__globals__.os.system() }}'"),
    "a format string": steps("  - rest: '%n%n%s{0.__class__}'"),
    "include elsewhere": steps("  - include: ../elsewhere/secret.yaml"),
    "include by its path": steps("  - include: /etc/passwd"),
    "include a device": steps("  - include: /dev/zero"),
    "include through a link": steps("  - include: ./link.yaml"),
    "include itself": steps("  - include: ./hostile.yaml"),
    "a series elsewhere": steps(
        "  - follow: {series: {file: ../elsewhere/secret.csv, column: net_w}}"
    ),
    "a series through a link": steps("  - follow: {series: {file: link.csv, column: net_w}}"),
    "a bench elsewhere": "bench: ../elsewhere/secret.yaml\n" + PROFILE,
    "a current beyond numbers": steps("  - charge: {current: 1e999 A, until: {after: 1 h}}"),
    "a current that is no number": steps("  - charge: {current: nan A, until: {after: 1 h}}"),
    "a duration of ages": steps("  - rest: 1e30 h"),
    "a thousand million rounds": steps("  - repeat: {times: 1000000000, steps: [{rest: 1 s}]}"),
    "a number without end": steps(f"  - rest: {'9' * 100_000} s"),
    "a condition without end": steps(
        f"  - charge: {{current: 1 A, until: any cell.voltage >= {'(' * 50_000} V}}"
    ),
    "spaces without end": steps(f"  - rest: 1{' ' * 100_000}x s"),
    "a climate by its path": PROFILE.replace(
        "pack: {", "pack: {ambient: {climate: ../../elsewhere/secret, from: 1 May}, ", 1
    ),
}


@pytest.mark.parametrize("name", PROFILES)
def test_a_hostile_profile(name: str, ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    content = PROFILES[name]
    path = ground.here / "hostile.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (ground.here / "link.yaml").symlink_to(ground.elsewhere / "secret.yaml")
    (ground.here / "link.csv").symlink_to(ground.elsewhere / "secret.csv")
    complaint = short(told(ground, capsys, "run", "hostile.yaml", codes=REFUSED))
    assert "hostile.yaml" in complaint
    assert "swordfish" not in complaint
    assert not (ground.here / "runs").exists()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _round(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    "make", [_pipe, _endless, _round, Path.mkdir], ids=lambda one: one.__name__
)
def test_a_profile_that_is_no_file(
    make: Callable[[Path], None], ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    make(ground.here / "hostile.yaml")
    assert "hostile.yaml" in short(told(ground, capsys, "run", "hostile.yaml", codes=REFUSED))


def engine(text: str) -> str:
    """Return the virtual bench with firmware on its board."""
    tree = yaml.safe_load(VIRTUAL)
    tree["devices"]["board"]["engine"] = yaml.safe_load(text)
    return yaml.safe_dump(tree)


def link(text: str, device: str = "chamber") -> str:
    """Return the bench on sockets with another link for one device."""
    tree = yaml.safe_load(BENCH)
    tree["devices"][device]["link"] = yaml.safe_load(text)
    return yaml.safe_dump(tree)


BENCHES = {
    "a library as firmware": engine("{kind: lib, image: ./sent.so}"),
    "a program as firmware": engine("{kind: process, image: ./sent.sh}"),
    "an image for another engine": engine("{kind: qemu, image: ../elsewhere/secret.yaml}"),
    "words for the compiler": engine("{kind: lib, define: ['A -o /tmp/x', '-fplugin=./sent.so']}"),
    "a library as VISA backend": link(
        '{kind: visa, resource: "TCPIP::127.0.0.1::1::SOCKET", backend: ./sent.so}'
    ),
    "a package as VISA backend": link(
        f'{{kind: visa, resource: "TCPIP::127.0.0.1::1::SOCKET", backend: "@{MARK}"}}'
    ),
    "a URL that writes a file": link(
        '{kind: can, interface: slcan, channel: "spy://x?file=../elsewhere/secret.yaml"}', "board"
    ),
    "an interface by its module": link(
        f"{{kind: can, interface: {MARK}.module, channel: x}}", "board"
    ),
    "a driver by its module": BENCH.replace("driver: watlow-f4t", "driver: os:system", 1),
    "a link by its module": link("{kind: 'subprocess:Popen', args: [touch, x]}"),
    "a board elsewhere": BENCH.replace("board: ref", "board: ../elsewhere/secret.yaml # ref", 1),
    "a board by a way round": BENCH.replace("board: reference-16s", "board: ./board.yaml", 1),
    "a million channels": BENCH.replace("- emulator-1: 1-8", "- emulator-1: 1-99999999", 1),
    "a lead of no number": BENCH.replace("leads: 60 mohm", "leads: nan ohm", 1),
    "an endless lead": BENCH.replace("leads: 60 mohm", "leads: 1e999 ohm", 1),
    "a lead that feeds": BENCH.replace("leads: 60 mohm", "leads: -1 ohm", 1),
    "limits that never hold": BENCH.replace("max: 3.80 V", "max: inf V", 1),
    "a port that is none": link("{kind: tcp, host: 127.0.0.1, port: 999999999999}"),
    "a control port that is none": BENCH.replace("127.0.0.1:5099", "127.0.0.1:-1", 1),
    "a tick before it began": BENCH.replace("tick: 1 s", "tick: -1 s", 1),
    "a twin that boots for ever": BENCH.replace("boot: 1 s", "boot: 1e300 s", 1),
    "a code object": BENCH.replace("bench: loopback", f"bench: !!python/object:{MARK}.x", 1),
    "escape codes": BENCH.replace("bench: loopback", 'bench: "\\e]0;x\\a"', 1),
}


@pytest.mark.parametrize("name", BENCHES)
def test_a_hostile_bench(name: str, ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    (ground.here / "hostile.yaml").write_text(BENCHES[name], encoding="utf-8")
    (ground.here / "board.yaml").write_text("model: x\nbased_on: ../elsewhere/secret\n")
    (ground.here / "sent.so").write_bytes(b"\x7fELF" + b"\0" * 60)
    (ground.here / "sent.sh").write_text(f"#!/bin/sh\ntouch {MARK}\n")
    (ground.here / "sent.sh").chmod(0o700)
    (ground.here / f"pyvisa_{MARK}.py").write_text("raise SystemExit\n")
    words = ("run", "open-sense-lead", "--bench", "./hostile.yaml")
    complaint = short(told(ground, capsys, *words, codes=REFUSED))
    assert "hostile.yaml" in complaint or "board.yaml" in complaint
    assert not (ground.here / "runs").exists()


def test_a_bench_that_its_profile_brings_along_runs_no_code(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    (ground.here / "mine.yaml").write_text(BENCHES["a library as firmware"], encoding="utf-8")
    (ground.here / "sent.so").write_bytes(b"\x7fELF" + b"\0" * 60)
    text = "bench: ./mine.yaml\n" + PROFILE
    (ground.here / "hostile.yaml").write_text(text, encoding="utf-8")
    complaint = short(told(ground, capsys, "run", "hostile.yaml", codes=REFUSED))
    assert "mine.yaml" in complaint
    assert "names code to run" in complaint


OVERRIDES = {
    "a python object": "pack.soc=!!python/object/apply:os.system [ls]",
    "a key without end": ".".join(["a"] * 5_000) + "=1",
    "a name without end": "k" * 500_000 + "=1",
    "an item beyond all": f"steps.{'9' * 5_000}.rest=1 s",
    "brackets without end": "pack.soc=" + "[" * 50_000,
    "escape codes": f"pack.soc={ESCAPES}",
    "a parameter that is code": f"steps.1.rest=${{{CODE}}}",
    "a number without end": "pack.soc=" + "9" * 100_000 + " %",
    "a soc that is no number": "pack.soc=nan %",
    "no key": "=1",
    "a bench that is no bench": "bench=/etc/passwd",
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_a_hostile_override(name: str, ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("run", "open-sense-lead", "--set", OVERRIDES[name])
    complaint = short(told(ground, capsys, *words, codes=REFUSED))
    assert "--set" in complaint or "/etc/passwd" in complaint


CLIMATE = (CHECKOUT / "climates" / "humid.yaml").read_text(encoding="utf-8")
YEAR = (CHECKOUT / "climates" / "humid.csv").read_text(encoding="utf-8")

CLIMATES: dict[str, tuple[str, str]] = {
    "its hours elsewhere": (CLIMATE.replace("humid.csv", "../../../elsewhere/secret.csv"), YEAR),
    "its hours by their path": (CLIMATE.replace("humid.csv", "/etc/passwd"), YEAR),
    "its hours a device": (CLIMATE.replace("humid.csv", "/dev/zero"), YEAR),
    "its hours a link": (CLIMATE.replace("humid.csv", "link.csv"), YEAR),
    "an hour of no number": (CLIMATE, YEAR.replace("\n0,", "\nnan,", 1)),
    "an hour beyond numbers": (CLIMATE, YEAR.replace("\n5,", "\n1e999,", 1)),
    "a year of one line": (CLIMATE, "x" * 1_000_000),
    "a year too many": (CLIMATE, YEAR * 3),
    "a formula": (CLIMATE, YEAR.replace("\n7,", "\n=cmd|' /C calc'!A0,", 1)),
}


@pytest.mark.parametrize("name", CLIMATES)
def test_a_hostile_climate(name: str, ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    root = ground.here / "profiles"
    for folder in ("climates", "runs", "benches", "boards", "cells"):
        (root / folder).mkdir(parents=True)
        for file in (CHECKOUT / folder).glob("*.yaml"):
            (root / folder / file.name).write_bytes(file.read_bytes())
    text, year = CLIMATES[name]
    (root / "climates" / "hostile.yaml").write_text(text, encoding="utf-8")
    (root / "climates" / "humid.csv").write_text(year, encoding="utf-8")
    (root / "climates" / "link.csv").symlink_to(ground.elsewhere / "secret.csv")
    words = ("--set", "pack.ambient={climate: hostile, from: 1 May}")
    complaint = short(told(ground, capsys, "run", "open-sense-lead", *words, codes=REFUSED))
    assert "climates" in complaint or "/dev/zero" in complaint
