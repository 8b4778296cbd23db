"""The strategies in C, built for this host and called as the Python ones are."""

import ctypes
import subprocess
from ctypes import Structure, c_bool, c_int16, c_int32, c_size_t, c_uint8, c_uint16, c_uint32
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tools import program

from hil.balancing.strategy import Floats, Observation

SOURCES = Path(__file__).parents[2] / "firmware_stubs" / "strategies"
CELLS, NTCS = 16, 4
UNKNOWN_VOLTAGE, UNKNOWN_CURRENT, UNKNOWN_TEMPERATURE = 0xFFFF, -(2**31), -(2**15)
INCLUDES = (f"-I{SOURCES}", f"-I{SOURCES / 'parts'}")
TRAPS = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
"""What C leaves undefined, such as an integer that overflows, ends the test there and then."""
STRICT = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", *TRAPS)


class Seen(Structure):
    """``struct observation``."""

    _fields_ = (
        ("time_s", c_uint32),
        ("milliamps", c_int32),
        ("cells", c_uint16 * CELLS),
        ("ntcs", c_int16 * NTCS),
    )


class Decided(Structure):
    """``struct decision``."""

    _fields_ = (("bleeding", c_uint32), ("percent", c_uint8), ("wants_full", c_bool))


class Counted(NamedTuple):
    """An observation as the wire has it: what both languages are given, neither rounds it again.

    Whole numbers of s, mA, 0.1 mV (cells,) and 0.1 degC (ntcs,); the unknown as in ``strategy.h``.
    """

    time_s: int
    milliamps: int
    cells: tuple[int, ...]
    ntcs: tuple[int, ...]

    def seen(self) -> Seen:
        """Return what the C is given."""
        cells, ntcs = (c_uint16 * CELLS)(*self.cells), (c_int16 * NTCS)(*self.ntcs)
        return Seen(self.time_s, self.milliamps, cells, ntcs)

    def observation(self) -> Observation:
        """Return what the Python is given: the same numbers in SI units, the unknown as NaN."""
        return Observation(
            time_s=np.array(float(self.time_s)),
            cell_v=_known(self.cells, UNKNOWN_VOLTAGE) / 1e4,
            current_a=_known([self.milliamps], UNKNOWN_CURRENT)[0] / 1e3,
            ntc_degc=_known(self.ntcs, UNKNOWN_TEMPERATURE) / 10.0,
            pcb_degc=np.array(25.0),
            age_s=np.array(0.0),
            valid=np.ones(CELLS, np.bool_),
        )


def _known(counts: Any, unknown: int) -> Floats:
    values = np.array(counts, float)
    return np.where(values == unknown, np.nan, values)


def counted(observation: Observation, pack: int) -> Counted:
    """Return what a wire leaves of one pack's observation out of a batch."""
    cells = np.nan_to_num(np.round(observation.cell_v[pack] * 1e4), nan=UNKNOWN_VOLTAGE)
    ntcs = np.nan_to_num(np.round(observation.ntc_degc[pack] * 10.0), nan=UNKNOWN_TEMPERATURE)
    return Counted(
        *(round(float(observation.time_s[pack])), round(float(observation.current_a[pack]) * 1e3)),
        *(tuple(int(one) for one in cells), tuple(int(one) for one in ntcs)),
    )


def shared_library(sources: list[Path], to: Path) -> ctypes.CDLL:
    """Compile some sources into a library and open it. Raises CalledProcessError."""
    command = [program("cc"), *STRICT, "-fPIC", "-shared", *INCLUDES, *map(str, sources)]
    subprocess.run([*command, "-o", str(to)], check=True)  # noqa: S603 - the system's compiler
    return ctypes.CDLL(str(to))


def parts() -> list[Path]:
    """Return what the strategies share."""
    return sorted((SOURCES / "parts").glob("*.c"))


class CStrategy:
    """One strategy's library, and one pack's memory of it."""

    def __init__(self, source: Path, to: Path) -> None:
        """Build ``source`` with what it shares into ``to``."""
        self._library = shared_library([source, *parts()], to)
        self._library.strategy_step.restype = Decided
        self.size = c_size_t.in_dll(self._library, "strategy_size").value
        self._memory = ctypes.create_string_buffer(self.size)
        self.start()

    def start(self) -> None:
        """Begin anew; what the memory held before must not matter, so it is filled with noise."""
        ctypes.memset(self._memory, 0xA5, self.size)
        self._library.strategy_start(self._memory)

    def step(self, one: Counted) -> Decided:
        """Decide."""
        decided: Decided = self._library.strategy_step(self._memory, ctypes.byref(one.seen()))
        return decided


def bits(mask: int) -> tuple[bool, ...]:
    """Return who bleeds, cell by cell."""
    return tuple(bool(mask >> cell & 1) for cell in range(CELLS))


def file_of(name: str) -> Path:
    """Return the source of a strategy by the name that ``hil.balancing`` gives it."""
    return SOURCES / f"{name.replace('-', '_')}.c"
