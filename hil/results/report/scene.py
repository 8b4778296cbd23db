"""What the plots of a report show: which signals, in which plots, and their points as bytes.

A signal that a record does not have, or
that was never known, is left out of its plot, and a plot without any says so. Points travel as
little-endian arrays in base64, a quarter of what they take as JSON, with one time axis for all.
"""

import base64
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hil.core.instants import SECOND, Instant, to_seconds
from hil.core.records import Record, RunStarted
from hil.results.account import layout_of
from hil.results.contents import Contents, Rows
from hil.results.figures import lasting, plain
from hil.results.report.decimation import Decimation, Picture
from hil.results.report.plots import PLOTS, Layer, Plot, layers_of

BUDGET_BYTES = 1_750_000
"""Room for points, as base64. Were every bucket of a week half unknown it would be half as much
again (see ``decimation``), and the page with its tables still below 3 MB."""

BASE64 = 4 / 3
MOST_POINTS = 12_000
"""More than three screens' width of points shows nothing more."""

DUTY_STEPS = 250
UNKNOWN_DUTY = 255
"""Duties are bytes: 0 off, then in 250ths upwards, so that the shortest bleed is not off."""


class Scene:
    """Listens to the records of a run while its account is made, and keeps what is to be drawn."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        """Wait for the first record; points take ``budget_bytes`` of the page, or a little more."""
        self._budget = budget_bytes
        self._ticks = self._width = 0
        self._layers: list[Layer] = []
        self._decimation: Decimation | None = None

    def begin(self, contents: Contents) -> None:
        """Learn how many ticks there may be."""
        self._ticks = contents.most_ticks()

    def feed(self, part: Record | Rows) -> None:
        """Take one record, or many ticks."""
        if isinstance(part, RunStarted) and self._decimation is None:
            self._set_up(part)
        elif isinstance(part, Rows):
            self._take(part)

    def _take(self, rows: Rows) -> None:
        """Draw ticks, if they are laid out as the first record says."""
        if self._decimation is not None and rows.values.shape[1] == self._width and self._layers:
            columns = [layer.take(rows.values) for layer in self._layers]
            self._decimation.add(rows.at_ns, np.concatenate(columns, axis=1))

    def _set_up(self, started: RunStarted) -> None:
        layout = layout_of(started)
        self._width = layout.width
        self._layers = list(layers_of(layout, started))
        lines = sum(len(layer.labels) for layer in self._layers)
        shares: list[int] = []
        at = 0
        for layer in self._layers:
            if layer.plot == "bleeds":
                shares = list(range(at, at + len(layer.labels)))
            at += len(layer.labels)
        every = ticks_a_bucket(self._ticks, lines - len(shares), self._budget)
        self._decimation = Decimation(started.tick, every, lines, shares)

    def drawn(self) -> "Drawn":
        """Return what is to be drawn."""
        none = Decimation(1, 1, 0, ()).picture()
        return Drawn(self._layers, self._decimation.picture() if self._decimation else none)


def ticks_a_bucket(ticks: int, lines: int, budget_bytes: int) -> int:
    """Return into how large buckets ticks must go for their points to fit; 1 keeps them all."""
    point_bytes = (4 * max(1, lines) + 8) * BASE64
    points = max(2, min(MOST_POINTS, int(budget_bytes / point_bytes)))
    return 1 if ticks <= points else math.ceil(ticks / (points // 2))


@dataclass(frozen=True, slots=True)
class Drawn:
    """The plots of a run with their points."""

    layers: list[Layer]
    picture: Picture

    def body(self, zero: Instant) -> tuple[dict[str, Any], str]:
        """Return what the page's script reads: a description, and the points in base64.

        The bytes are, little-endian, one after the other: times in s (float64), edges of the
        buckets in s (float64), the lines (float32), mean and peak duty of each cell (uint8).
        """
        picture, parts = self.picture, list(self._lines())
        kept = [row for _, rows in parts for row in rows]
        times = (picture.at_ns - zero) / 1e9
        edges = (picture.bucket_ns - zero) / 1e9
        data = b"".join(
            [
                times.astype("<f8").tobytes(),
                edges.astype("<f8").tobytes(),
                picture.values[kept].astype("<f4").tobytes(),
                _duties(picture.mean).tobytes(),
                _duties(picture.peak).tobytes(),
            ]
        )
        layers = [
            {"plot": layer.plot, "name": layer.name, "labels": layer.labels, "cells": layer.cells}
            for layer, _ in parts
        ]
        description = {
            "points": len(times),
            "buckets": max(0, len(edges) - 1),
            "every": picture.every,
            "layers": layers,
            "bleeding": len(picture.mean),
            "plots": [
                {"key": plot.key, "title": plot.title, "unit": plot.unit} for plot in self.plots()
            ],
        }
        return description, base64.b64encode(data).decode("ascii")

    def _lines(self) -> Iterator[tuple[Layer, range]]:
        """Yield the layers that are drawn as lines and known somewhere, with their rows."""
        at = 0
        for layer in self.layers:
            rows = range(at, at + len(layer.labels))
            at = rows.stop
            known = np.isfinite(self.picture.values[rows.start : rows.stop]).any()
            if layer.plot != "bleeds" and known:
                yield layer, rows

    def plots(self) -> list[Plot]:
        """Return the plots that have something to show, in their order."""
        there = {layer.plot for layer, _ in self._lines()}
        if np.isfinite(self.picture.mean).any():
            there.add("bleeds")
        return [plot for plot in PLOTS if plot.key in there]

    def missing(self, plot: Plot) -> str:
        """Return what a plot lacks, if anything."""
        names = [layer.name for layer, _ in self._lines() if layer.plot == plot.key]
        return plot.missing if not any(name.startswith("estimate") for name in names) else ""

    def alternative(self, plot: Plot, zero: Instant) -> str:
        """Say in words what a plot shows, for who cannot see it."""
        if plot.key == "bleeds":
            return self._bled()
        told = []
        for layer, rows in self._lines():
            if layer.plot == plot.key:
                told.append(f"{layer.name}: {self._extremes(layer, rows, plot.unit, zero)}")
        return "; ".join(told) + "."

    def _extremes(self, layer: Layer, rows: range, unit: str, zero: Instant) -> str:
        """Return the least and greatest value of a layer, of which line, and when."""
        values = self.picture.values[rows.start : rows.stop].astype(float)
        ends = []
        for arg in (np.nanargmin, np.nanargmax):
            line, point = np.unravel_index(int(arg(values)), values.shape)
            of = f" ({layer.labels[line]})" if len(layer.labels) > 1 else ""
            # to the second: extremes stand at the ends of their bucket
            at = lasting(int(self.picture.at_ns[point] - zero) // SECOND * SECOND)
            ends.append((plain(float(values[line, point]), unit), f"{of} at {at}"))
        (least, first), (most, last) = ends
        return f"{least} throughout" if least == most else f"from {least}{first} to {most}{last}"

    def _bled(self) -> str:
        """Say how much each cell was bled."""
        weights = np.diff(self.picture.bucket_ns).astype(float)
        known = np.isfinite(self.picture.mean)
        with np.errstate(invalid="ignore"):
            duty = np.where(known, self.picture.mean, 0.0) @ weights / (known @ weights)
        bled = [(cell, float(one)) for cell, one in enumerate(duty, 1) if one > 0.0]
        told = ", ".join(f"cell {cell} {100 * one:.3g} %" for cell, one in bled)
        rest = "; no other" if len(bled) < len(duty) else ""
        return f"Mean duty over the run: {told}{rest}." if told else "No cell was bled."


def _duties(shares: Any) -> Any:
    """Return duties as bytes; the least bleed is not off, and what is not known is 255."""
    steps = np.ceil(np.clip(shares, 0.0, 1.0) * DUTY_STEPS - 1e-6)
    return np.where(np.isnan(shares), UNKNOWN_DUTY, np.nan_to_num(steps)).astype(np.uint8)


def resolution(picture: Picture, started: RunStarted | None) -> str:
    """Say how fine the plots are."""
    if started is None or picture.every == 1:
        return "Every tick is drawn."
    span = to_seconds(picture.every * started.tick)
    return (
        f"Of every {picture.every} ticks ({span:g} s) each line shows its least and its greatest "
        "value: no spike is lost. The ticks themselves are in ticks.parquet."
    )
