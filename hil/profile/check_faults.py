"""Faults by name: those that a profile puts in, and those that it expects the board to report.

Who owns a fault says what it is: twins and drivers in ``FAULTS`` and ``FAULTS_OF_A_CELL``, boards
in ``BoardSpec.faults``. A slip would show hours later, as a board that did not notice.
"""

from collections.abc import Iterator

from hil.core.errors import ConfigError
from hil.core.spec import BoardSpec, EmulatorSpec
from hil.profile.conditions import nearest
from hil.profile.model import ExpectFault, FaultStep
from hil.profile.scene import Scene

WIRING = "wiring"
"""The target of ``inject`` that is no device: the harness."""

SUPPLY = "supply"
"""The board's own supply, where the bench gives it."""

SUPPLY_FAULTS = ("brown-out", "lost")

SENSORS = "sensors"
"""The other one: the NTCs and the shunt that the bench emulates, as it shows them."""


def inject_errors(scene: Scene, step: FaultStep, key: str) -> Iterator[ConfigError]:
    """Target and fault by name, and a cell where the fault is one of a cell, and only there."""
    faults = scene.known.faults
    if step.target not in faults:
        hint = nearest(step.target, faults)
        yield scene.profile.wrong(f"{key}.target", f"'{step.target}' takes no faults{hint}")
    elif step.fault not in faults[step.target]:
        hint = nearest(step.fault, faults[step.target])
        yield scene.profile.wrong(
            f"{key}.fault", f"{step.target} knows no fault '{step.fault}'{hint}"
        )
    elif faults[step.target][step.fault] and not step.cell:
        message = f"'{step.fault}' is a fault of one cell: expected 'cell' beside it"
        yield scene.profile.wrong(f"{key}.fault", message)
    elif step.cell and not faults[step.target][step.fault]:
        message = f"'{step.fault}' is a fault of the whole {step.target}: expected no 'cell'"
        yield scene.profile.wrong(f"{key}.cell", message)
    else:
        yield from _elsewhere(scene, step, key)
        yield from _not_emulated(scene, step, key)
        yield from _not_through(scene, step, key)


def _elsewhere(scene: Scene, step: FaultStep, key: str) -> Iterator[ConfigError]:
    """Refuse a cell that another unit emulates: the fault would hit a neighbour's channel."""
    wired = scene.bench.wiring.cells
    if step.target in scene.of(EmulatorSpec) and 0 < step.cell <= len(wired):
        by = wired[step.cell - 1].device
        if by != step.target:
            message = f"cell {step.cell} is emulated by {by}, not by {step.target}"
            yield scene.profile.wrong(f"{key}.cell", message)


def _not_emulated(scene: Scene, step: FaultStep, key: str) -> Iterator[ConfigError]:
    """Refuse an NTC that the bench does not emulate: it cannot show the board another one."""
    emulated = [wire.ntc for wire in scene.bench.wiring.ntcs]
    if step.target == SENSORS and step.cell and step.cell not in emulated:
        known = ", ".join(map(str, emulated))
        message = f"NTC {step.cell} is not emulated; the bench emulates {known}"
        yield scene.profile.wrong(f"{key}.cell", message)


def _not_through(scene: Scene, step: FaultStep, key: str) -> Iterator[ConfigError]:
    """Refuse a wire that passes no fault box, where nothing but such a box could open it."""
    bench = scene.bench
    by_box = [one.number for one in bench.wiring.through if one.fault == step.fault]
    has_door = bench.lab is not None or any(
        scene.known.is_virtual(device.link.kind) for device in bench.devices.values()
    )
    if step.target == WIRING and by_box and not has_door and step.cell not in by_box:
        wire, known = step.fault.removeprefix("open-"), ", ".join(map(str, by_box))
        message = f"{wire} {step.cell} passes no fault box; these do: {known}"
        yield scene.profile.wrong(f"{key}.cell", message)


def reported_errors(scene: Scene, step: ExpectFault, key: str) -> Iterator[ConfigError]:
    """What the board cannot report would fail a board that is right."""
    for spec in scene.of(BoardSpec).values():
        if spec.faults and step.fault not in spec.faults:
            hint = nearest(step.fault, spec.faults)
            yield scene.profile.wrong(
                f"{key}.board", f"{spec.model} reports no fault '{step.fault}'{hint}"
            )
