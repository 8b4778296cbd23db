"""Does a bench file name devices that exist, and ask of them what they have?

Contradictions inside the file (an output wired twice) were found when it was loaded; here it meets
the installed drivers and their data sheets.
"""

from collections.abc import Iterator

from hil.core.errors import ConfigError
from hil.core.spec import BoardSpec, ChamberSpec, EmulatorSpec
from hil.physics.board import ntc_divider_v
from hil.profile.conditions import nearest
from hil.profile.scene import Scene

NTC_SPAN_DEGC = (-40.0, 105.0)
"""What an emulated NTC must be able to show: the range of a board's usual parts."""


def bench_errors(scene: Scene) -> Iterator[ConfigError]:
    """Names of drivers, twins and links; one board, one chamber, at least one emulator.

    Virtual time runs over memory links only: bytes that come from outside have no virtual instant.
    """
    bench, known = scene.bench, scene.known
    virtual = bench.clock == "virtual"
    for name, device in bench.devices.items():
        key = f"devices.{name}"
        driver, link = device.driver, device.link.kind
        if driver not in known.drivers:
            hint = nearest(driver, known.drivers)
            yield scene.bench.wrong(f"{key}.driver", f"no driver '{driver}'{hint}")
        if link not in known.links:
            yield scene.bench.wrong(f"{key}.link", f"no link '{link}'{nearest(link, known.links)}")
        elif virtual != link.startswith("memory"):
            expected = "a memory link" if virtual else "a link to a real device"
            message = f"found '{link}', expected {expected} with clock: {bench.clock}"
            yield scene.bench.wrong(f"{key}.link", message)
        if virtual and driver in known.drivers and driver not in known.twins:
            hint = nearest(driver, known.twins)
            yield scene.bench.wrong(f"{key}.driver", f"'{driver}' has no virtual twin{hint}")
    # With an unknown driver a missing role is only its shadow.
    if len(scene.specs) == len(bench.devices):
        yield from _roles(scene)
    yield from _channels(scene)


def _roles(scene: Scene) -> Iterator[ConfigError]:
    """Each role as often as a bench has it, told by the kind of its data sheet."""
    roles = (
        ("board", BoardSpec, 1),
        ("chamber", ChamberSpec, 1),
        ("cell emulator", EmulatorSpec, 99),
    )
    for role, kind, most in roles:
        names = [name for name, spec in scene.specs.items() if isinstance(spec, kind)]
        if not names:
            yield scene.bench.wrong("devices", f"a bench needs a {role}, and this one has none")
        if len(names) > most:
            message = f"a bench has one {role}, found {' and '.join(names)}"
            yield scene.bench.wrong(f"devices.{names[-1]}", message)
    for spec in scene.of(BoardSpec).values():
        if scene.bench.board.cells > spec.max_cells:
            message = f"{scene.bench.board.cells} cells, and {spec.model} takes {spec.max_cells}"
            yield scene.bench.wrong("board", message)


def _channels(scene: Scene) -> Iterator[ConfigError]:
    """Cells on channels that no emulator has."""
    plan, emulators = scene.bench.wiring, scene.of(EmulatorSpec)
    for number, channel in enumerate(plan.cells, 1):
        spec = emulators.get(channel.device)
        if spec is None and channel.device in scene.specs:
            message = f"cell {number}: '{channel.device}' is no cell emulator"
            yield scene.bench.wrong("stack", message)
        elif spec is not None and channel.number > spec.channels:
            message = f"cell {number}: {channel.device} has channels 1 to {spec.channels}"
            yield scene.bench.wrong("stack", message)
    yield from _outputs(scene)


def _outputs(scene: Scene) -> Iterator[ConfigError]:
    """Auxiliary outputs that there are not, or that cannot show what they stand for.

    An output that clips would show the board a temperature or a current that never was.
    """
    plan, board, emulators = scene.bench.wiring, scene.bench.board, scene.of(EmulatorSpec)
    # The coldest NTC gives the highest voltage; the shunt must reach past the over-current trip,
    # else a test of that trip would stop at the output's end and blame the board.
    ntc_v = tuple(ntc_divider_v(board, degc) for degc in NTC_SPAN_DEGC)
    outputs = [(f"wiring.ntcs.{wire.ntc}.by", wire.by, ntc_v) for wire in plan.ntcs]
    if plan.shunt is not None:
        swing_v = plan.shunt.ratio * board.shunt_ohm * board.over_current_a
        ends = (plan.shunt.centre_v - swing_v, plan.shunt.centre_v + swing_v)
        outputs.append(("wiring.shunt.by", plan.shunt.by, ends))
    for key, channel, needed_v in outputs:
        spec = emulators.get(channel.device)
        if spec is None:
            continue
        if channel.number > spec.aux_outputs:
            message = f"no output {channel.number}: {spec.model} has {spec.aux_outputs}"
            yield scene.bench.wrong(key, message)
        if any(volt not in spec.aux_v for volt in needed_v):
            needs = f"needs {min(needed_v):.3g} to {max(needed_v):.3g} V"
            has = f"{spec.aux_v.low:g} to {spec.aux_v.high:g} V"
            yield scene.bench.wrong(key, f"{needs}, and {channel.device} gives {has}")
