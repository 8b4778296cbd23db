"""What each C strategy takes of a master chip: flash, memory, and instructions a decision.

Flash is what a linker keeps of a strategy alone, with what it pulls in of the compiler's library.
Instructions are counted by an emulated Cortex-M that lets a fixed time pass for each of them, stack
is looked for where it was painted; over every decision of a recorded day, and some harder ones
(``chip_day``).
"""

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import yaml
from c_strategies import INCLUDES, SOURCES, file_of, parts
from chip_day import chip_day, hard_cases
from tools import program

CLAIM = SOURCES / "E23-old-master-chips.yaml"
STRATEGIES = (
    *("none", "fixed-threshold", "compensated-trade", "top-balance", "state-aware"),
    *("compensated-physics", "charge-ledger", "compensated-float"),
)
CHIP = SOURCES / "chip"
MEMORY = SOURCES.parent / "port_mps2" / "memory.c"
"""memcpy and the like, which a compiler calls by itself: without a C library they are ours."""

FLAGS = (
    *("-std=c11", "-mthumb", "-ffreestanding", "-ffunction-sections", "-fdata-sections"),
    *("-Wall", "-Wextra", "-Werror", *INCLUDES, f"-I{CHIP}", f"-I{MEMORY.parent}"),
)
LINKED = ("-nostdlib", "-Wl,--gc-sections")
SHIFT = 8
"""An instruction takes 2^SHIFT ns of the emulator's time: several ticks of SysTick, which tell
them apart, and so few that 24 bits hold two million instructions."""


class Machine(NamedTuple):
    """A machine of QEMU, and the clock that its SysTick counts, MHz."""

    name: str
    mhz: int

    @property
    def ticks_per_instruction(self) -> float:
        """Return by how much SysTick counts on for each instruction."""
        return self.mhz * 1e-3 * 2.0**SHIFT


MACHINES = {"cortex-m0plus": Machine("microbit", 16), "cortex-m3": Machine("mps2-an385", 25)}
"""No machine of QEMU has a Cortex-M0+; the microbit's M0 has the same instructions (ARMv6-M)."""


class Build(NamedTuple):
    """One strategy, built for one core at one level of optimisation."""

    strategy: str
    core: str
    level: str


class Step(NamedTuple):
    """One decision on the chip: instructions, bytes of stack, and what was decided."""

    instructions: int
    stack: int
    bleeding: int
    percent: int
    wants_full: bool


class Cost(NamedTuple):
    """What a build takes: bytes, and instructions of the worst decision and of the mean one."""

    flash: int
    state: int
    stack: int
    worst: int
    mean: int

    @property
    def ram(self) -> int:
        """Return what it keeps and what it needs while it decides, bytes."""
        return self.state + self.stack


def compiled(build: Build, sources: Sequence[Path], extra: Sequence[str], to: Path) -> Path:
    """Build an image for a core. Raises CalledProcessError."""
    command = [program("arm-none-eabi-gcc"), *FLAGS, f"-mcpu={build.core}", build.level, *LINKED]
    words = [*map(str, sources), str(MEMORY), *extra, "-lgcc", "-o", str(to)]
    subprocess.run([*command, *words], check=True)  # noqa: S603 - the cross compiler, our sources
    return to


def flash_of(build: Build, folder: Path) -> int:
    """Return the bytes of code and constants that a strategy needs, and nothing else with it.

    Raises ValueError where it has variables of its own: all it remembers belongs into its state.
    """
    entries = [f"-Wl,-u,strategy_{one}" for one in ("start", "step", "size")]
    extra = ["-Wl,-e,strategy_step", "-Wl,--build-id=none", *entries]
    image = compiled(build, [file_of(build.strategy), *parts()], extra, folder / "alone.elf")
    command = [program("arm-none-eabi-size"), "-A", str(image)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(".")]
    sizes = {row[0]: int(row[1]) for row in rows}
    if sizes.get(".data", 0) or sizes.get(".bss", 0):
        raise ValueError(f"{build.strategy}: found variables outside of its state: {sizes}")
    return sum(size for name, size in sizes.items() if name in (".text", ".rodata", ".ARM.exidx"))


def day_source(folder: Path) -> Path:
    """Write the recorded day as C; return the file."""
    rows = [
        f"    {{{one.time_s}, {one.milliamps}, {{{_list(one.cells)}}}, {{{_list(one.ntcs)}}}}},"
        for one in [*chip_day(), *hard_cases()]
    ]
    head = ['#include "day.h"', "const struct observation DAY[] = {"]
    tail = ["};", "const uint32_t DAY_DECISIONS = sizeof(DAY) / sizeof(DAY[0]);", ""]
    source = folder / "day.c"
    source.write_text("\n".join([*head, *rows, *tail]))
    return source


def _list(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def image_of(build: Build, folder: Path) -> Path:
    """Build what an emulated chip runs: a strategy, its recorded day, and who measures."""
    sources = [file_of(build.strategy), *parts(), CHIP / "main.c", day_source(folder)]
    return compiled(build, sources, ["-T", str(CHIP / "chip.ld")], folder / "chip.elf")


def told_by(image: Path, machine: Machine, *options: str) -> list[list[int]]:
    """Run an image until it ends; return its lines of numbers. Raises CalledProcessError."""
    command = [program("qemu-system-arm"), "-M", machine.name, "-kernel", str(image), "-nographic"]
    quiet = ["-monitor", "none", "-serial", "none"]
    counting = ["-icount", f"shift={SHIFT},sleep=off"]
    asked = ["-semihosting-config", "enable=on,target=native"]
    done = subprocess.run(  # noqa: S603 - the emulator, our own image
        [*command, *quiet, *counting, *asked, *options],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = (done.stdout + done.stderr).splitlines()
    return [[int(word, 16) for word in line.split()] for line in lines]


def ran(build: Build, folder: Path, machine: Machine | None = None) -> tuple[int, list[Step]]:
    """Return a strategy's state in bytes, and each decision: the day's, then the hard cases.

    Raises ValueError.
    """
    on = machine or MACHINES[build.core]
    (state, nothing), *lines = told_by(image_of(build, folder), on)
    return state, [_step(line, nothing, on) for line in lines]


def _step(line: Sequence[int], nothing: int, machine: Machine) -> Step:
    ticks, stack, bleeding, rest = line
    if ticks == 0xFFFFFFFF:  # what main.c says
        raise ValueError("a decision takes longer than SysTick can count")
    instructions = round((ticks - nothing) / machine.ticks_per_instruction)
    return Step(instructions, stack, bleeding, rest & 0xFF, bool(rest >> 8))


def cost_of(build: Build, folder: Path) -> Cost:
    """Measure one build."""
    state, steps = ran(build, folder)
    instructions = [one.instructions for one in steps]
    return Cost(
        flash=flash_of(build, folder),
        state=state,
        stack=max(one.stack for one in steps),
        worst=max(instructions),
        mean=round(mean(instructions[: len(chip_day())])),
    )


def costs(folder: Path) -> dict[Build, Cost]:
    """Measure all strategies on all cores and levels that the claim names."""
    builds = yaml.safe_load(CLAIM.read_text())["builds"]
    return {build: cost_of(build, folder) for build in _each(builds["cores"], builds["levels"])}


def _each(cores: Sequence[str], levels: Sequence[str]) -> Iterator[Build]:
    for strategy in STRATEGIES:
        for core in cores:
            for level in levels:
                yield Build(strategy, core, level)


def compiler() -> str:
    """Return the first line by which the cross compiler names itself: its figures are its own."""
    command = [program("arm-none-eabi-gcc"), "--version"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - as said
    return done.stdout.splitlines()[0]
