"""Writes the tables of the C strategies from the parameters that the Python strategies have.

    .venv/bin/python tests/firmware/strategy_tables.py

One source for both: whoever changes a fit in ``hil/balancing`` writes these anew; a test says so.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from hil.balancing.lfp import HALF_LOOP_V, OCV_V, SOC, TOP
from hil.balancing.polarisation import (
    FARADAY_AS_PER_MOL,
    GAS_J_PER_MOL_K,
    LFP,
    REFERENCE_K,
    ZERO_DEGC_K,
)
from hil.balancing.strategy import Floats

PARTS = Path(__file__).parents[2] / "firmware_stubs" / "strategies" / "parts"
CAPACITY_AH = 100

DEGC = np.arange(-25.0, 65.1, 5.0)
"""The knots of the diffusion tables lie on this grid, so those lose nothing by it."""
ASINH_FIRST, ASINH_LAST, ASINH_PER_ONE = -7, 4, 8
MANTISSAS = 32
KEPT_BITS = 12


def written(folder: Path) -> None:
    """Write both headers into a folder."""
    for name, lines in {
        "polarisation_tables.h": _polarisation(),
        "lfp_tables.h": _lfp(),
    }.items():
        (folder / name).write_text("\n".join(_header(name, lines)) + "\n")


def _header(name: str, lines: Iterator[str]) -> Iterator[str]:
    guard = name.upper().replace(".", "_")
    yield "/* Made by tests/firmware/strategy_tables.py from hil/balancing: change it there. */"
    yield f"#ifndef {guard}\n#define {guard}\n"
    yield '#include "strategy.h"\n'
    yield f'_Static_assert(CAPACITY_AH == {CAPACITY_AH}, "what these tables are made for");\n'
    yield from lines
    yield "\n#endif"


def _array(declared: str, values: Sequence[float] | Floats) -> str:
    """Return a C array of whole numbers, wrapped as the other sources are."""
    lines, line = [], "   "
    for value in values:
        word = f" {round(value)},"
        if len(line) + len(word) > 98:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join([f"static const {declared} = {{", *lines, line, "};"])


def _polarisation() -> Iterator[str]:
    inverse_k = 1.0 / (DEGC + ZERO_DEGC_K) - 1.0 / REFERENCE_K
    series = LFP.series_ohm_ah * np.exp(LFP.series_ea_j_per_mol / GAS_J_PER_MOL_K * inverse_k)
    fast = np.interp(DEGC, LFP.diffusion_degc, LFP.fast_ohm_ah)
    slow = np.interp(DEGC, LFP.diffusion_degc, LFP.slow_ohm_ah)
    thermal = 2.0 * GAS_J_PER_MOL_K / FARADAY_AS_PER_MOL * 1e5 * 0.01 * 65536
    first, step = 1024 * ASINH_FIRST, 1024 // ASINH_PER_ONE
    logs = np.arange(ASINH_FIRST, ASINH_LAST + 1e-9, 1.0 / ASINH_PER_ONE)
    yield (
        f"enum {{ TEMPERATURES = {len(DEGC)}, ASINH_ENTRIES = {len(logs)}, ASINH_FIRST = {first}, "
        f"ASINH_STEP = {step} }};"
    )
    yield f"enum {{ KEPT_ENTRIES = {KEPT_BITS} }};"
    yield "/* ln 2 in 1/65536; ln of 2^31 mA over the capacity, 1/1024; 2R/F, 0.01 mV for 0.01 K */"
    highest = math.log(2.0**31 / (1e3 * CAPACITY_AH))
    yield (
        f"enum {{ LOG_OF_2 = {round(65536 * math.log(2.0))}, "
        f"LOG_OF_HIGHEST_BIT = {round(1024 * highest)}, THERMAL = {round(thermal)} }};\n"
    )
    yield "/* at -25 degC and every 5 K: 0.01 mV a mA in 1/65536, by what flows and what flew */"
    per_ma = 65536 * 100 / CAPACITY_AH
    yield _array("int16_t PROMPT_OHM[TEMPERATURES]", (series + fast) * per_ma)
    yield _array("int16_t SLOW_OHM[TEMPERATURES]", slow * per_ma)
    yield "\n/* ln of twice the exchange current over the capacity, 1/1024 */"
    pairs = zip("AB", LFP.exchange_per_h, LFP.exchange_ea_j_per_mol, strict=True)
    for term, exchange, ea in pairs:
        log = np.log(2.0 * exchange) - ea / GAS_J_PER_MOL_K * inverse_k
        yield _array(f"int16_t LOG_OF_EXCHANGE_{term}[TEMPERATURES]", 1024 * log)
    yield "\n/* ln of 1 to 2, 1/1024 */"
    mantissas = np.log(1.0 + np.arange(MANTISSAS + 1) / MANTISSAS)
    yield _array(f"int16_t LOG_OF_MANTISSA[{MANTISSAS + 1}]", 1024 * mantissas)
    yield "\n/* asinh(exp(x)), 1/4096 */"
    yield _array("int16_t ASINH_OF_EXP[ASINH_ENTRIES]", 4096 * np.arcsinh(np.exp(logs)))
    yield "\n/* exp(-2^k s / 400 s), 1/65536 */"
    kept = np.exp(-(2.0 ** np.arange(KEPT_BITS)) / LFP.slow_tau_s)
    yield _array("uint32_t KEPT[KEPT_ENTRIES]", 65536 * kept)


def _lfp() -> Iterator[str]:
    top = SOC >= TOP
    voltage = np.round((OCV_V + HALF_LOOP_V)[top] * 1e5)
    lacks = np.round((1.0 - SOC[top]) * CAPACITY_AH * 3600 * 1e5)
    slope = np.append(-np.diff(lacks) / np.diff(voltage), 0.0)
    yield "/* The open-circuit voltage after a charge, 0.01 mV; what a cell with it lacks to full,"
    yield " * in units of 10 uA s; and how much less that is for each 0.01 mV more. */"
    yield f"enum {{ TO_FULL_ENTRIES = {len(voltage)} }};\n"
    yield "static const struct {\n    int32_t voltage;\n    uint32_t lacks;"
    yield "    uint32_t per_voltage;\n} TO_FULL[TO_FULL_ENTRIES] = {"
    for row in zip(voltage, lacks, slope, strict=True):
        yield "    {" + ", ".join(str(round(value)) for value in row) + "},"
    yield "};"


if __name__ == "__main__":
    written(PARTS)
