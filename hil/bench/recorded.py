"""The first record of a run, written and read back: all that a replay needs besides the others.

It holds profile and bench as resolved, one line of JSON each (``hil.profile.resolved``). What a
replay has to know of them comes back here as the types it was written from: the pack, what was
expected, the stack. No file is looked at, so a record means the same when the files have changed.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from hil.core.instants import Duration
from hil.core.records import RunStarted
from hil.core.signals import Layout
from hil.core.wiring import Channel
from hil.physics.ageing import AgeingParameters, Life
from hil.physics.cell_types import (
    CellParameters,
    CircuitCell,
    DiffusionCell,
    Electrode,
    Electrolyte,
)
from hil.physics.parameters import PackSpread
from hil.physics.plant import Plant
from hil.profile import Bench, Profile
from hil.profile.conditions import Criterion
from hil.profile.model import CellOverride, Expect, ExpectFault, ExpectGone, PackConfig
from hil.profile.weather import Weather
from hil.verdict.registry import Uncertainties

T = TypeVar("T")


def run_started(
    profile: Profile,
    bench: Bench,
    seed: int,
    tick: Duration,
    layout: Layout,
    plant: Plant,
    accuracies: Uncertainties,
) -> RunStarted:
    """Return the first record of a run."""
    return RunStarted(
        at=0,
        profile=profile.name,
        bench=bench.name,
        seed=seed,
        tick=tick,
        resolved=f"[{profile.resolved_text()},{bench.resolved_text()}]",
        signals=tuple((signal.name, signal.unit, signal.width) for signal in layout.signals),
        constants={
            "plant.capacity_ah": tuple(plant.capacity_ah.tolist()),
            "pack.nominal_ah": (profile.cell_parameters.capacity_ah,),
            **accuracies.constants(),
        },
    )


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a run's first record says that it was.

    ``steps`` counts those of the outermost list; ``expects`` has every expectation by the path of
    its step; ``channels`` is the stack, cell 1 first.
    """

    cells: int
    pack: PackConfig
    cell: CellParameters
    steps: int
    expects: Mapping[str, Expect | ExpectFault]
    criteria: tuple[Criterion, ...]
    channels: tuple[Channel, ...]

    @classmethod
    def of(cls, started: RunStarted) -> "Recorded":
        """Read it. Raises ValueError with one line where it is not what this program writes."""
        try:
            profile, bench = json.loads(started.resolved)
            recorded = cls(
                cells=profile["needs"]["cells"],
                pack=_pack(profile["pack"]),
                cell=_cell(profile["cell_parameters"]),
                steps=len(profile["steps"]),
                expects=dict(_expects(profile["steps"])),
                criteria=tuple(_filled(Criterion, one) for one in profile["verdict"]),
                channels=tuple(_filled(Channel, one) for one in bench["wiring"]["cells"]),
            )
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            text = f"{type(error).__name__}: {error}"
            raise ValueError(f"profile and bench cannot be read from the record: {text}") from error
        if recorded.cells != len(recorded.channels):
            raise ValueError(f"{recorded.cells} cells on {len(recorded.channels)} channels")
        return recorded


def _cell(body: Mapping[str, Any]) -> CellParameters:
    kinds: dict[str, type] = {
        "negative": Electrode,
        "positive": Electrode,
        "electrolyte": Electrolyte,
        "ageing": AgeingParameters,
    }
    parts: dict[str, Any] = {
        name: _filled(kind, body[name]) for name, kind in kinds.items() if name in body
    }
    if "negative" in body:
        return _filled(DiffusionCell, {**body, **parts})
    return _filled(CircuitCell, {**body, **parts})


def _pack(body: Mapping[str, Any]) -> PackConfig:
    spread = _filled(PackSpread, body["spread"])
    cells = {int(number): _filled(CellOverride, one) for number, one in body["cells"].items()}
    ambient = body["ambient_degc"]
    if isinstance(ambient, Mapping):
        ambient = _filled(Weather, ambient)
    life = _filled(Life, body["life"]) if "life" in body else Life()
    parts = {"spread": spread, "cells": cells, "ambient_degc": ambient, "life": life}
    return _filled(PackConfig, {**body, **parts})


def _expects(steps: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Expect | ExpectFault]]:
    """Yield path and step of every expectation, those inside a repeat once."""
    for step in steps:
        if step["kind"] == "expect":
            yield step["path"], _filled(_kind(step), step)
        yield from _expects(step.get("steps", ()))


def _kind(step: Mapping[str, Any]) -> type[Expect | ExpectFault]:
    if "fault" not in step:
        return Expect
    return ExpectGone if "gone" in step else ExpectFault


def _filled(kind: type[T], body: Mapping[str, Any]) -> T:
    """Return a dataclass with its fields from ``body``, lists as tuples.

    Raises TypeError where one is missing, ValueError where the dataclass itself refuses one.
    """
    named = {f.name: body[f.name] for f in fields(kind) if f.name in body}  # type: ignore[arg-type]
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in named.items()})
