"""Which signals of a record are plotted together, and what people are told of each plot.

Adding a plot is adding a line to ``PLOTS`` and its layers to ``layers_of``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from hil.core.records import RunStarted
from hil.core.signals import Layout
from hil.results.report.decimation import Floats

Take = Callable[[Floats], Floats]
"""Returns (ticks, lines) from rows (ticks, columns)."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Lines of one plot that are shown together; ``cells`` says that there is one for each cell."""

    plot: str
    name: str
    labels: tuple[str, ...]
    cells: bool
    take: Take


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot. ``about`` says in a sentence what is to be seen; ``missing`` what is not there."""

    key: str
    title: str
    unit: str
    about: str
    missing: str = ""


PLOTS = (
    Plot("cells", "Cell voltages", "V", "One line a cell; colours run from the first to the last."),
    Plot(
        "gap",
        "Voltage gap",
        "V",
        "Highest minus lowest cell voltage at each instant; while current flows it holds the "
        "cells' resistances too.",
    ),
    Plot(
        "spread",
        "Spread of the charge to full",
        "1",
        "Largest minus smallest charge that a cell lacks to full, per smallest capacity: what "
        "balancing is to bring down.",
        "No estimate of the cells' charge is in this record, so only the truth is shown.",
    ),
    Plot(
        "bleeds", "Bleed map", "1", "Bleed duty of each cell over time, as the board reported it."
    ),
    Plot(
        "temperatures", "Temperatures", "degC", "Chamber, cells and what the board's own NTCs read."
    ),
    Plot("current", "Pack current", "A", "Positive while the pack is discharged."),
)
ESTIMATES = ("controller.soc", "board.soc")
"""Signals, one a cell, that would be an estimate of the state of charge; no bench has one yet."""


def layers_of(layout: Layout, started: RunStarted) -> Iterator[Layer]:
    """Yield the layers of all plots whose signals the record has."""

    def cells(plot: str, name: str, signal: str, label: str = "cell") -> Iterator[Layer]:
        if signal in layout:
            place = layout.columns(signal)
            labels = tuple(f"{label} {k + 1}" for k in range(place.stop - place.start))
            yield Layer(plot, name, labels, label == "cell", lambda rows: rows[:, place])

    def one(plot: str, name: str, signal: str, take: Take | None = None) -> Iterator[Layer]:
        if signal in layout:
            place = layout.columns(signal)
            fold = take or (lambda part: part)
            yield Layer(plot, name, (name,), False, lambda rows: fold(rows[:, place]))  # noqa: FBT003 - no cells

    yield from cells("cells", "plant (truth)", "plant.cell_v")
    yield from cells("cells", "board reading", "board.cell_v")
    yield from one("gap", "plant (truth)", "plant.cell_v", _range)
    yield from one("gap", "board reading", "board.cell_v", _range)
    capacity_ah = np.array(started.constants.get("plant.capacity_ah", ()))
    to_full = _to_full(capacity_ah)
    yield from one("spread", "plant (truth)", "plant.soc", to_full)
    for signal in ESTIMATES:
        yield from one("spread", f"estimate ({signal.partition('.')[0]})", signal, to_full)
    yield from cells("bleeds", "board", "board.duty")
    yield from one("temperatures", "chamber set-point", "chamber.set_degc")
    yield from one("temperatures", "chamber air", "chamber.air_degc")
    yield from one("temperatures", "seen by the pack's box", "pack.ambient_degc")
    yield from one("temperatures", "in the pack's box (truth)", "plant.enclosure_degc")
    yield from one("temperatures", "hottest cell (truth)", "plant.cell_degc", _highest)
    yield from one("temperatures", "coolest cell (truth)", "plant.cell_degc", _lowest)
    yield from one("temperatures", "board PCB", "board.pcb_degc")
    yield from cells("temperatures", "board NTCs", "board.ntc_degc", "board NTC")
    yield from one("current", "pack (truth)", "pack.current_a")
    yield from one("current", "board reading", "board.current_a")


def _highest(part: Floats) -> Floats:
    highest: Floats = part.max(axis=1, keepdims=True)
    return highest


def _lowest(part: Floats) -> Floats:
    lowest: Floats = part.min(axis=1, keepdims=True)
    return lowest


def _range(part: Floats) -> Floats:
    """Return the largest minus the smallest of each row; unknown if one of them is."""
    return _highest(part) - _lowest(part)


def _to_full(capacity_ah: Floats) -> Take:
    """Return the spread as the metric ``soc_spread`` has it; of the bare SOC without capacities."""

    def take(soc: Floats) -> Floats:
        if len(capacity_ah) != soc.shape[1]:
            return _range(soc)
        spread: Floats = _range((1.0 - soc) * capacity_ah) / capacity_ah.min()
        return spread

    return take
