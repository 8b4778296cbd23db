"""Runs as the bench lays them out, made of smooth curves: for tests of what people get to see."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from written import UTC, journal_in

from hil.core.instants import SECOND
from hil.core.records import (
    DeviceIdentified,
    ExpectationJudged,
    Record,
    RunEnded,
    RunStarted,
    SafeStateArmed,
    SafeStateReached,
    StepEnded,
    StepStarted,
    Tick,
)
from hil.core.signals import Layout, tick_layout
from hil.results import catalogue
from hil.results.seal import Sealer

DAY_S = 86_400
BLOCK = 4_096


@dataclass(frozen=True)
class Made:
    """A run to be made: ``extra`` records come after its last tick, before the safe state."""

    ticks: int = 60
    cells: int = 16
    ntcs: int = 4
    profile: str = "made"
    device: str = "board"
    verdict: str = "PASS"
    reason: str = "every expectation met, no deviation"
    resolved: str = '[{"about":"made"},{"clock":"virtual"}]'
    extra: tuple[Record, ...] = field(default=())

    @property
    def layout(self) -> Layout:
        return tick_layout(self.cells, self.ntcs)

    def started(self) -> RunStarted:
        signals = tuple((one.name, one.unit, one.width) for one in self.layout.signals)
        constants = {
            "plant.capacity_ah": tuple(100.0 + 0.1 * k for k in range(self.cells)),
            "pack.nominal_ah": (100.0,),
        }
        return RunStarted(
            0, self.profile, "made-bench", 3, SECOND, self.resolved, signals, constants
        )

    def rows(self, first: int, count: int) -> Any:
        """Return (count, width): cells that follow the day, bleeds at noon, noise of the board."""
        t = np.arange(first, first + count)
        draw = np.random.default_rng([11, first])
        rows = np.zeros((count, self.layout.width))
        day = np.sin(2 * np.pi * t / DAY_S)[:, None]
        cell = np.arange(self.cells)[None, :]
        volts = 3.30 + 0.1 * day + 1e-3 * cell * (1 + day)
        bleeding = (day > 0.7) & (cell % 3 == 0)
        filled = {
            "step": 1.0,
            "pack.current_a": 20 * day,
            "pack.voltage_v": volts.sum(axis=1, keepdims=True),
            "chamber.set_degc": 45.0,
            "chamber.air_degc": 45 + 0.1 * draw.standard_normal((count, 1)).round(1),
            "plant.cell_v": volts,
            "plant.soc": 0.5 + 0.3 * day + 1e-3 * cell,
            "plant.cell_degc": 45 + day + 0.01 * cell,
            "emulator.set_v": volts,
            "emulator.read_v": volts,
            "emulator.read_a": 0.05 * bleeding,
            "emulator.span_s": 1.0,
            "board.cell_v": (volts + 1e-3 * draw.standard_normal(volts.shape)).round(4),
            "board.duty": bleeding * 1.0,
            "board.ntc_degc": (45 + day).round(1),
            "board.pcb_degc": (47 + day).round(1),
            "board.current_a": (20 * day + 0.02 * draw.standard_normal((count, 1))).round(3),
            "board.age_s": 0.1,
            "command.duty": bleeding * 1.0,
        }
        for name, values in filled.items():
            rows[:, self.layout.columns(name)] = values
        return rows

    def records(self) -> Iterator[Record]:
        end = self.ticks * SECOND
        yield self.started()
        yield SafeStateArmed(0, self.device, 10, "all bleeds off")
        yield DeviceIdentified(0, self.device, "maker", "model", "0001", "1.0.0", "")
        yield StepStarted(0, 1, "1.rest", "rest")
        for first in range(0, self.ticks, BLOCK):
            rows = self.rows(first, min(BLOCK, self.ticks - first)).tolist()
            for k, row in enumerate(rows, first):
                yield Tick(k * SECOND, tuple(row), "0" * 64)
        yield StepEnded(end, 1, "1.rest", "time is over")
        yield from self.extra
        yield SafeStateReached(end, self.device, "all bleeds off", "bleeds 0 of 16 on", True)  # noqa: FBT003 - ok
        yield RunEnded(end, self.verdict, self.reason)

    def write(self, folder: Path, **about: Any) -> Path:
        """Record, archive and seal it as ``hil run`` does; return its folder."""
        book, sealer = journal_in(folder), Sealer()
        book.listen(sealer.feed)
        for record in self.records():
            book.emit(record)
        book.close()
        catalogue.write_json(folder, catalogue.SUMMARY, {"run": folder.name})
        begun = {
            "run": folder.name,
            "started_utc": UTC,
            "profile": self.profile,
            "repeat": "hil run made --seed 3",
            "versions": {"python": "3.11.7"},
            **about,
        }
        sealer.seal(folder, begun, digest=book.digest(), records=book.seq, ended_utc=UTC)
        return folder


def expectation(name: str, *, passed: bool | None, value: float = 1.0) -> ExpectationJudged:
    """Return an expectation ``<= 2 V`` with an uncertainty of 0.1 V."""
    return ExpectationJudged(
        SECOND, name, value, 0.1, "V", "<=", 2.0, passed, SECOND, "board telemetry"
    )
