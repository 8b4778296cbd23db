"""The layout of one tick's row: which number stands where, under which name and unit.

A tick is one flat list of floats; the layout, recorded once at the start of a run, names them.
Folds (metrics, reports, exports) find their columns here and never by position.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_COLUMNS = 2**16


@dataclass(frozen=True, slots=True)
class Signal:
    """``width`` equal columns: ``width`` 0 is a scalar, ``n`` is ``name[1]`` to ``name[n]``."""

    name: str
    unit: str
    width: int = 0


class Layout:
    """An ordered set of signals and the columns each one takes."""

    def __init__(self, signals: Iterable[Signal]) -> None:
        """Lay the signals out one after the other.

        Raises ValueError for two of one name, and for a row that no bench has.
        """
        self.signals = tuple(signals)
        self._place: dict[str, slice] = {}
        at = 0
        for signal in self.signals:
            self._place[signal.name] = slice(at, at + max(1, signal.width))
            at += max(1, signal.width)
        self.width = at
        if len(self._place) != len(self.signals):
            raise ValueError("a row with two signals of one name")
        # Read from a damaged record, a width may be anything: it is not to fill the memory.
        if at > MOST_COLUMNS:
            raise ValueError(f"a row of {at} columns; more than {MOST_COLUMNS} is no row")

    def __contains__(self, name: str) -> bool:
        """Say whether the row has a signal of this name."""
        return name in self._place

    def columns(self, name: str) -> slice:
        """Return the columns of ``name``; KeyError if the row has none."""
        return self._place[name]

    def index(self, name: str) -> int:
        """Return the first column of ``name``: for a scalar, its only one."""
        start: int = self._place[name].start
        return start

    def names(self) -> list[str]:
        """Return one name a column, cells counted from 1: ``cell.board_v[16]``."""
        return [
            f"{signal.name}[{k + 1}]" if signal.width else signal.name
            for signal in self.signals
            for k in range(max(1, signal.width))
        ]


def tick_layout(
    cells: int,
    ntcs: int,
    units: int = 1,
    *,
    shadow: bool = False,
    weather: bool = False,
    guards: Sequence[str] = (),
    supply: bool = False,
) -> Layout:
    """Return the row of a bench with one stack of ``cells`` and a board with ``ntcs`` cell NTCs.

    ``plant`` is truth, ``emulator`` what the emulators were told and read back (current positive
    into the board, averaged over ``span_s``: the time since the unit was read before, one column a
    unit of ``hil.core.wiring.units_of``), ``board`` what the board reported, ``command`` what the
    controller asked for. ``pack.current_a`` is positive in discharge. In ``shadow`` mode nothing is
    commanded, and ``reference`` is what the controller decides beside the board. In ``weather``
    the row says what the pack's enclosure stands in, and what it has come to. ``guards`` are the
    signals of switches that guard people: 1 closed, 0 open. ``supply`` is the board's own as its
    unit reads it back.
    """
    beside = [Signal("reference.duty", "1", cells)] if shadow else []
    if weather:
        beside += [Signal("pack.ambient_degc", "degC"), Signal("plant.enclosure_degc", "degC")]
    beside += [Signal(name, "1") for name in guards]
    if supply:
        beside += [Signal("supply.read_v", "V"), Signal("supply.read_a", "A")]
    return Layout(
        [
            Signal("step", "1"),
            Signal("pack.current_a", "A"),
            Signal("pack.voltage_v", "V"),
            Signal("chamber.set_degc", "degC"),
            Signal("chamber.air_degc", "degC"),
            Signal("plant.cell_v", "V", cells),
            Signal("plant.soc", "1", cells),
            Signal("plant.cell_degc", "degC", cells),
            Signal("emulator.set_v", "V", cells),
            Signal("emulator.read_v", "V", cells),
            Signal("emulator.read_a", "A", cells),
            Signal("emulator.span_s", "s", units),
            Signal("board.cell_v", "V", cells),
            Signal("board.duty", "1", cells),
            Signal("board.ntc_degc", "degC", ntcs),
            Signal("board.pcb_degc", "degC"),
            Signal("board.current_a", "A"),
            Signal("board.age_s", "s"),
            Signal("command.duty", "1", cells),
            *beside,
        ]
    )
