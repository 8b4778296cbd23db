"""Can the emulated shunt show the currents that a profile asks for?

The auxiliary output ends somewhere: beyond that the board would be shown less current than flows,
and be judged for what it could not see. Signs as everywhere: + discharges the pack.
"""

import math
from collections.abc import Iterator

from hil.core.errors import ConfigError
from hil.core.spec import EmulatorSpec, Range
from hil.profile.model import Charge, Discharge, Follow, Hold
from hil.profile.scene import Scene

EMPTY_CELL_V = 2.5
"""Where a power is given and no lowest cell voltage: that of an empty LFP cell, so the most A."""


def current_errors(
    scene: Scene, step: Charge | Discharge | Hold | Follow, key: str
) -> Iterator[ConfigError]:
    """Compare a step's largest currents, each way, with the range of the shunt's emulation."""
    shown = _shown_a(scene)
    if shown is None:
        return
    for name, asked_a in _asked_a(scene, step):
        current_a = _obeying(scene, step, asked_a)
        if math.isfinite(current_a) and current_a not in shown:
            has = f"{shown.low:.4g} to {shown.high:.4g} A"
            message = f"up to {abs(current_a):.4g} A, and the shunt's emulation shows {has}"
            yield scene.profile.wrong(f"{key}.{name}", f"{message} (wiring.shunt)")
            return  # the other direction of a series would say the same again


def _shown_a(scene: Scene) -> Range | None:
    """Return the currents that the auxiliary output can stand for; None without an emulation."""
    shunt = scene.bench.wiring.shunt
    spec = None if shunt is None else scene.of(EmulatorSpec).get(shunt.by.device)
    if shunt is None or spec is None:
        return None
    volt_per_ampere = shunt.ratio * scene.bench.board.shunt_ohm
    ends = [(volt - shunt.centre_v) / volt_per_ampere for volt in (spec.aux_v.low, spec.aux_v.high)]
    return Range(min(ends), max(ends))


def _asked_a(scene: Scene, step: Charge | Discharge | Hold | Follow) -> Iterator[tuple[str, float]]:
    """Yield the largest currents that a step asks for, with the key that does."""
    cells = len(scene.bench.wiring.cells)
    if isinstance(step, Charge | Discharge):
        sign = 1.0 if isinstance(step, Discharge) else -1.0
        if step.current_a is not None:
            yield "current", sign * step.current_a
        if step.power_w is not None:
            yield "power", sign * step.power_w / (cells * EMPTY_CELL_V)
    elif isinstance(step, Hold):
        yield "max_current", -math.inf if step.max_current_a is None else -step.max_current_a
    else:
        a_unit = 1.0 if step.series.kind == "current" else 1.0 / (cells * step.cell_min_v)
        for value in (min(step.series.values), max(step.series.values)):
            yield "series", step.scale * a_unit * value


def _obeying(scene: Scene, step: Charge | Discharge | Hold | Follow, asked_a: float) -> float:
    """Cap a current by what the board allows, where the step listens to it."""
    if step.limit != "board":
        return asked_a
    board = scene.bench.board
    return max(-board.charge_limit_a, min(board.discharge_limit_a, asked_a))
