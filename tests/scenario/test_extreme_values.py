"""Every quantity of a profile, a bench and a board, far too small, far too large and negative.

``hil check`` may let a strange bench pass: then it runs, and ends with a verdict. What it may not
do is break the bench.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.cli import BAD_INPUT, main
from hil.core import units
from hil.profile.files import CHECKOUT
from hil.profile.source import Mark
from hil.profile.tree import Node, Table, Text, load_table, parse

PROFILE = """\
profile: extreme
needs: {cells: 16, chamber: {min: 20 degC, max: 50 degC}}
controller: {strategy: top-balance, start: 10 mV, stop: 5 mV}
pack:
  cell: lfp-100ah
  soc: 60 %
  gradient: 1 K
  ambient: 25 degC
  spread: {capacity: 1 %, soc: 0.3 %, leakage: 30 %, resistance: 4 %}
  cells: {5: {capacity: 99 %, soc: 50 %, resistance: 120 %}}
limits: {cell.voltage: {min: 2.5 V, max: 3.65 V}, board.temperature: {max: 85 degC}}
verdict: [max_cell_voltage <= 3.60 V]
steps:
  - soak: {chamber: 25 degC, ramp: 2 K/min, for: 1 s, within: 5 K}
  - charge: {current: 20 A, until: [after: 2 s]}
  - hold: {voltage: 3.4 V, cell_max: 3.5 V, max_current: 20 A, until: [after: 1 s]}
  - discharge: {power: 100 W, until: [after: 1 s]}
  - expect: {gap: {max: 60 mV}}
"""
EXTREMES = ("0", "-1", "1e-300", "1e-9", "1e9", "1e300")
VERDICTS = (0, 1, 2, 3)


def quantities(node: Node, key: str) -> Iterator[tuple[str, str]]:
    """Yield the key of every number below a node, with its unit."""
    if isinstance(node, Text):
        number, unit = units.split(node)
        if number:
            yield key, unit
        return
    numbered = enumerate(node, 1)
    items = node.items() if isinstance(node, Table) else ((str(k), one) for k, one in numbered)
    for name, one in items:
        yield from quantities(one, f"{key}.{name}".removeprefix("."))


def every_quantity() -> Iterator[tuple[str, str]]:
    """Yield what can be overridden, with its unit."""
    yield from quantities(parse(PROFILE, Mark("f")), "")
    yield from quantities(load_table(CHECKOUT / "benches" / "virtual-16s.yaml", "f"), "bench")
    yield from quantities(load_table(CHECKOUT / "boards" / "reference-16s.yaml", "f"), "board")
    yield from (("devices.chamber.virtual.room", "degC"), ("devices.chamber.virtual.reply", "s"))


@pytest.mark.nightly
@pytest.mark.parametrize(("key", "unit"), [*every_quantity()])
def test_no_value_however_extreme_breaks_the_bench(
    key: str,
    unit: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("extreme.yaml").write_text(PROFILE, encoding="utf-8")
    for number in EXTREMES:
        override = f"{key}={number} {unit}".strip()
        code = main(["run", "extreme.yaml", "--set", override, "--until", "12 s", "--json"])
        told = capsys.readouterr().err
        assert code in (*VERDICTS, BAD_INPUT), f"{override}: {told}"
        assert "Traceback" not in told
