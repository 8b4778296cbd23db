"""Does a bench file name devices that exist, and ask of them what they have?

Contradictions inside the file (an output wired twice) were found when it was loaded; here it meets
the installed drivers and their data sheets.
"""

from collections.abc import Iterator

from hil.core.errors import ConfigError
from hil.core.instants import to_seconds
from hil.core.spec import BoardSpec, ChamberSpec, EmulatorSpec, FaultBoxSpec, SupplySpec
from hil.physics.board import ntc_divider_v
from hil.profile.check_engine import engine_errors
from hil.profile.check_supply import supply_errors
from hil.profile.conditions import nearest
from hil.profile.scene import Devices, Scene

NTC_SPAN_DEGC = (-40.0, 105.0)
"""What an emulated NTC must be able to show: the range of a board's usual parts."""

MOST_OF_A_ROLE = 99


def bench_errors(scene: Devices, *, served: bool = False) -> Iterator[ConfigError]:
    """Names of drivers, twins and links; one board, one chamber, at least one emulator.

    A bench that is ``served`` has all its devices in one process, whatever their links are.
    """
    bench, known = scene.bench, scene.known
    for name, device in bench.devices.items():
        key = f"devices.{name}"
        driver, link = device.driver, device.link.kind
        if driver not in known.drivers:
            hint = nearest(driver, known.drivers)
            yield bench.wrong(f"{key}.driver", f"no driver '{driver}'{hint}")
        if link not in known.links:
            yield bench.wrong(f"{key}.link.kind", f"no link '{link}'{nearest(link, known.links)}")
        elif known.is_virtual(link) and driver in known.drivers and driver not in known.twins:
            hint = nearest(driver, known.twins)
            yield bench.wrong(f"{key}.driver", f"'{driver}' has no virtual twin{hint}")
        if driver in known.described and device.description is None:
            message = f"'{driver}' has no words of its own: name a file of profiles/instruments"
            yield bench.wrong(f"{key}.description", message)
        elif driver in known.drivers and driver not in known.described and device.description:
            message = f"'{driver}' knows its own words and takes no description"
            yield bench.wrong(f"{key}.description", message)
        needs, kind = known.speaks.get(driver), known.kinds.get(link)
        if needs and kind and needs != kind.carries:
            message = f"'{link}' carries {kind.carries}, and {driver} needs a link for {needs}"
            yield bench.wrong(f"{key}.link.kind", message)
    yield from engine_errors(scene, served=served)
    if not served:
        yield from _worlds(scene)
    # With an unknown driver a missing role is only its shadow.
    if len(scene.specs) == len(bench.devices):
        yield from _roles(scene, chambers=MOST_OF_A_ROLE if served else 1, served=served)
    yield from _channels(scene)


def _worlds(scene: Devices) -> Iterator[ConfigError]:
    """Real devices need wall time, and a bench is all real or all virtual.

    Bytes that come from outside have no virtual instant. A twin is wired to other twins: it cannot
    feel what a real device does. Twins in wall time are the same lab, at the pace of a real one.
    """
    bench, known = scene.bench, scene.known
    links = {name: device.link.kind for name, device in bench.devices.items()}
    real = [
        name for name, link in links.items() if link in known.kinds and not known.is_virtual(link)
    ]
    for name, link in links.items():
        if bench.clock == "virtual" and name in real:
            message = f"found '{link}', expected a memory link with clock: virtual"
            yield bench.wrong(f"devices.{name}.link.kind", message)
        elif bench.clock == "wall" and real and known.is_virtual(link):
            message = f"'{link}' ends at a virtual device, and {real[0]} is real: expected one kind"
            yield bench.wrong(f"devices.{name}.link.kind", message)


def tick_errors(scene: Scene) -> Iterator[ConfigError]:
    """A tick has to fit between what the devices need and what the board waits for.

    Shorter than an exchange, ticks would run into each other; as long as the board's patience,
    every bleed would stop before the next command comes.
    """
    own, bench = scene.profile.tick_ns, scene.bench
    tick, wrong = (own, scene.profile.wrong) if own else (bench.tick_ns, bench.wrong)
    needs = {name: spec.settle + spec.reply for name, spec in scene.of(EmulatorSpec).items()}
    needs |= {name: spec.reply for name, spec in scene.of(ChamberSpec).items()}
    needs |= {name: spec.reply for name, spec in scene.of(FaultBoxSpec).items()}
    needs |= {name: spec.settle + spec.reply for name, spec in scene.of(SupplySpec).items()}
    slowest = max(needs, key=lambda name: needs[name], default=None)
    if slowest is not None and tick <= needs[slowest]:
        takes = f"{slowest} takes {to_seconds(needs[slowest]):g} s to settle and reply"
        yield wrong("tick", f"found {to_seconds(tick):g} s, and {takes}")
    patience = bench.board.command_timeout_ns
    if scene.profile.controller.mode == "command" and tick >= patience:
        waits = f"the board stops bleeding {to_seconds(patience):g} s after a command"
        yield wrong("tick", f"found {to_seconds(tick):g} s, and {waits} (board.command_timeout)")


def _roles(scene: Devices, chambers: int, *, served: bool) -> Iterator[ConfigError]:
    """Each role as often as a bench has it, told by the kind of its data sheet.

    A run has one chamber; a lab may have more, and its board is in the first.
    """
    roles = (
        ("board", BoardSpec, 1, 1),
        ("chamber", ChamberSpec, 1, chambers),
        ("cell emulator", EmulatorSpec, 1, MOST_OF_A_ROLE),
        ("fault box", FaultBoxSpec, 0, MOST_OF_A_ROLE),
        ("supply of the board", SupplySpec, 0, MOST_OF_A_ROLE if served else 1),
    )
    for role, kind, least, most in roles:
        names = [name for name, spec in scene.specs.items() if isinstance(spec, kind)]
        if len(names) < least:
            yield scene.bench.wrong("devices", f"a bench needs a {role}, and this one has none")
        if len(names) > most:
            message = f"a bench has one {role}, found {' and '.join(names)}"
            yield scene.bench.wrong(f"devices.{names[-1]}", message)
    for spec in scene.of(BoardSpec).values():
        if scene.bench.board.cells > spec.max_cells:
            message = f"{scene.bench.board.cells} cells, and {spec.model} takes {spec.max_cells}"
            yield scene.bench.wrong("board", message)


def _channels(scene: Devices) -> Iterator[ConfigError]:
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
    boxes = scene.of(FaultBoxSpec)
    for one in plan.through:
        key, box = f"wiring.through.{one.wire}s", boxes.get(one.by.device)
        if box is None and one.by.device in scene.specs:
            yield scene.bench.wrong(key, f"'{one.by.device}' is no fault box")
        elif box is not None and not 1 <= one.by.number <= box.channels:
            message = f"no channel {one.by.number}: {box.model} has {box.channels}"
            yield scene.bench.wrong(key, message)
    for guard in plan.guards:
        key, spec = f"wiring.guards.{guard.name}", emulators.get(guard.by.device)
        inputs = 0 if spec is None else spec.digital_inputs
        if guard.by.device in scene.specs and not 1 <= guard.by.number <= inputs:
            message = f"no digital input {guard.by.number}: {guard.by.device} has {inputs}"
            yield scene.bench.wrong(key, message)
    yield from _outputs(scene)
    yield from supply_errors(scene)


def _outputs(scene: Devices) -> Iterator[ConfigError]:
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
