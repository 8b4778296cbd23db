"""Bench files: which devices there are, behind which links, and how they are wired to the board.

A real bench and its virtual twin differ in ``clock`` and in the devices' ``link`` only.

::

    devices:
      emulator-1: {driver: bloomy-abs, link: {kind: memory}, virtual: {serial: V-0001}}
    stack: [emulator-1: 1-8]                              # cells 1 to 8, from the negative end
    wiring:
      leads: 60 mohm                                      # each sense lead, or a list of N + 1
      ntcs: {1: {cell: 6, by: emulator-1 aux 1}}          # NTC 1 of the board feels cell 6
      shunt: {by: emulator-1 aux 8, centre: 0 V, ratio: 100}
      through: {leads: {1-17: fiu-1 channel 1-17}}        # sense leads that a fault box can open
      guards: {door: emulator-1 di 2}                     # switches that guard people

What a driver, a link or a twin takes beside that is its own business: it declares a frozen
dataclass (``OPTIONS``), and ``read_options`` reads the keys by it, with the same messages.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, PlainValidator, TypeAdapter, WithJsonSchema, create_model
from pydantic import Field as FormField

from hil.core.described import DescribedChamber
from hil.core.errors import ConfigError, ConfigErrors
from hil.core.instants import SECOND, Duration
from hil.core.recorded import UNLESS_DEFAULT
from hil.core.wiring import Channel, WiringPlan
from hil.physics.board import BoardDesign
from hil.ports import Firmware
from hil.profile.bases import BOARD, on_top, whole_tree
from hil.profile.conditions import nearest
from hil.profile.entries import LIMITS
from hil.profile.files import find
from hil.profile.forms import (
    NAME,
    PERIOD,
    Form,
    adapter_of,
    field_names,
    filled,
    key_of,
    make,
)
from hil.profile.instruments import name_descriptions, put_descriptions_in
from hil.profile.model import Limit, nearest_mark
from hil.profile.overrides import apply_overrides, for_bench
from hil.profile.problems import in_order, read
from hil.profile.resolved import as_json
from hil.profile.room import Room
from hil.profile.source import Mark
from hil.profile.tree import Table, Text, load_table, node_of, walk
from hil.profile.wiring import STACK, WiringFields, plan_of

MAX_PORT = 65_535


@dataclass(frozen=True)
class LinkConfig:
    """How a device is reached: the name of a link, and that link's own keys as texts.

    ``faults`` are the keys of the disturber that is put round the link; empty: none is.
    """

    kind: str
    options: Mapping[str, Any]
    faults: Mapping[str, Any]


@dataclass(frozen=True)
class EngineConfig:
    """Where a virtual board's own firmware runs: the name of an engine, and that engine's keys.

    ``firmware`` is the image, once it has been found or built.
    """

    kind: str
    options: Mapping[str, Any]
    firmware: Firmware | None = None


@dataclass(frozen=True)
class DeviceConfig:
    """One device: its driver with the driver's own keys, its link, and keys for its twin.

    ``engine`` runs the firmware of its twin; None where the twin is all there is. ``description``
    is of an instrument whose driver has no words of its own.
    """

    driver: str
    link: LinkConfig
    options: Mapping[str, Any]
    virtual: Mapping[str, Any]
    engine: EngineConfig | None = field(default=None, metadata=UNLESS_DEFAULT)
    description: DescribedChamber | None = field(default=None, metadata=UNLESS_DEFAULT)


@dataclass(frozen=True)
class Bench:
    """A bench, ready to be built. ``design`` is the name of the board's file in profiles/boards.

    ``lab`` is host and port of the control port of a lab (``hil serve``) in which the devices are.
    """

    name: str
    about: str
    file: Path
    clock: Literal["virtual", "wall"]
    tick_ns: Duration
    design: str
    board: BoardDesign
    devices: Mapping[str, DeviceConfig]
    wiring: WiringPlan
    limits: tuple[Limit, ...]
    lab: tuple[str, int] | None = None
    room: Room = field(default=Room(), metadata=UNLESS_DEFAULT)
    marks: Mapping[str, Mark] = field(default_factory=dict, compare=False, repr=False)

    def wrong(self, key: str, message: str) -> ConfigError:
        """Return an error at a dotted key, or at the nearest one above it that the file has."""
        return nearest_mark(self.marks, key, str(self.file)).error(key, message)

    def with_engine(self, kind: str, boards: Collection[str]) -> "Bench":
        """Return the bench with the firmware of the named devices in another engine.

        Whatever else their ``engine`` says stays as it is: flags are the firmware's.
        """
        devices = {
            name: replace(device, engine=_moved(device.engine, kind)) if name in boards else device
            for name, device in self.devices.items()
        }
        return replace(self, devices=devices)

    def resolved_text(self) -> str:
        """Return everything that decides the run as one line of JSON, without any path."""
        return as_json(self)


def _moved(engine: EngineConfig | None, kind: str) -> EngineConfig | None:
    """Return what an engine's keys are in an engine of another kind."""
    options = {} if engine is None else engine.options
    return EngineConfig(kind, options) if options or kind != TWIN else None


# --- how it is written -------------------------------------------------------------------------


def _link(value: Any) -> LinkConfig:
    """Split ``kind`` and ``faults`` from the keys that only the link itself understands."""
    if not isinstance(value, Table) or not isinstance(value.get("kind"), str):
        raise ValueError("expected a mapping with 'kind', such as {kind: memory}")  # noqa: TRY004 - pydantic collects ValueErrors
    faults = value.get("faults", Table(value.mark))
    if not isinstance(faults, Table):
        raise ValueError("expected a mapping as 'faults', such as {lost: 0.1 %}")  # noqa: TRY004 - pydantic collects ValueErrors
    options = Table(value.mark)
    for key, one in value.items():
        if key not in ("kind", "faults"):
            options.put(key, one, value.keys_at[key])
    return LinkConfig(str(value["kind"]), options, faults)


LINK: Any = Annotated[
    LinkConfig,
    PlainValidator(_link),
    WithJsonSchema(
        {
            "type": "object",
            "properties": {"kind": {"type": "string"}, "faults": {"type": "object"}},
            "required": ["kind"],
        }
    ),
]


def _options(value: Any) -> Table:
    """Keep a table as it is: who declares its keys reads it later (``read_options``)."""
    if not isinstance(value, Table):
        raise ValueError("expected a mapping")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


OPTIONS: Any = Annotated[dict, PlainValidator(_options), WithJsonSchema({"type": "object"})]


TWIN = "twin"
"""The engine of a virtual board that is no firmware: the twin does all of it."""


def _engine(value: Any) -> EngineConfig | None:
    """Split ``kind`` from the keys that only the engine itself understands.

    Keys without a kind are kept: ``--engine`` may still bring one (``Bench.with_engine``).
    """
    if isinstance(value, Text):
        return None if value == TWIN else EngineConfig(str(value), {})
    if not isinstance(value, Table) or not isinstance(value.get("kind", ""), str):
        raise ValueError("expected the name of an engine, or {kind: NAME, ...}")  # noqa: TRY004 - pydantic collects ValueErrors
    options = Table(value.mark)
    for key, one in value.items():
        if key != "kind":
            options.put(key, one, value.keys_at[key])
    kind = str(value.get("kind", TWIN))
    return EngineConfig(kind, options) if options or kind != TWIN else None


ENGINE: Any = Annotated[
    EngineConfig | None,
    PlainValidator(_engine),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "properties": {"kind": {"type": "string"}}},
            ],
            "examples": ["lib"],
        }
    ),
]


DESCRIPTION: Any = Annotated[
    filled(DescribedChamber) | None, WithJsonSchema({"type": "string", "examples": ["cts"]})
]


class DeviceFields(Form):
    """One entry of ``devices``."""

    driver: str = FormField(description="a name of the entry points hil.drivers")
    link: LINK
    options: OPTIONS = FormField(default_factory=dict, description="the driver's own keys")
    virtual: OPTIONS = FormField(default_factory=dict, description="the twin's own keys")
    engine: ENGINE = FormField(default=None, description="what runs a virtual board's firmware")
    description: DESCRIPTION = FormField(
        default=None, description="a file of profiles/instruments, for a driver without own words"
    )


DEVICE: Any = Annotated[DeviceFields, AfterValidator(lambda form: make(DeviceConfig, form))]


def read_address(text: str) -> tuple[str, int]:
    """Read ``HOST:PORT``; port 0 means any that is free. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
        raise ValueError(f"found '{text}', expected HOST:PORT such as 127.0.0.1:5099")
    return host, int(port)


ADDRESS: Any = Annotated[
    tuple,
    PlainValidator(lambda value: read_address(str(value))),
    WithJsonSchema({"type": "string", "examples": ["127.0.0.1:5099"]}),
]


class LabFields(Form):
    """The lab in which the devices are virtual: where faults can be put into them."""

    control: ADDRESS = FormField(description="its control port, HOST:PORT")


CLOCK: Any = Literal["virtual", "wall"]

BenchForm = create_model(
    "Bench",
    __base__=Form,
    __doc__="The devices of a bench, their links, and the wiring to the board.",
    bench=(NAME, FormField(description="name of the bench")),
    about=(str, ""),
    clock=(CLOCK, ...),
    tick=(PERIOD, SECOND),
    board=(filled(BoardDesign), ...),
    devices=(dict[str, DEVICE], ...),
    stack=(list[STACK], FormField(min_length=1)),
    wiring=(WiringFields, ...),
    limits=(LIMITS, ()),
    lab=(LabFields | None, None),
    room=(filled(Room), Room()),
)

# --- loading -----------------------------------------------------------------------------------


def load_bench(
    path_or_name: str | Path,
    overrides: Sequence[str] = (),
    root: Path | None = None,
    named_at: Mark | None = None,
) -> Bench:
    """Return a bench by its path or its name in ``root/benches``. Raises ConfigErrors.

    ``named_at`` is where a profile names it: the place of the error if there is no such bench.

    Of ``overrides`` (``key=value`` as of ``--set``) it takes those that begin with ``bench.`` or
    with a key that only bench files have.
    """
    path = find(str(path_or_name), "benches", root, named_at, "bench" if named_at else "")
    tree = load_table(path, str(path))
    _name_design(tree)  # so that ``board.cycle`` has a table to go into
    _name_engines(tree)
    name_descriptions(tree)
    apply_overrides(tree, for_bench(overrides), "bench.")
    _refuse_code(tree)
    name_descriptions(tree)
    put_descriptions_in(tree, root)
    _name_design(tree)  # and again, for ``board=NAME``
    design = _put_design_in(tree, root)
    form = read(TypeAdapter(BenchForm), tree)
    marks = dict(walk(tree))
    bench = Bench(
        name=form.bench,
        about=form.about,
        file=path,
        clock=form.clock,
        tick_ns=form.tick,
        design=design,
        board=form.board,
        devices=form.devices,
        wiring=plan_of(form.stack, form.wiring),
        limits=form.limits,
        lab=form.lab and form.lab.control,
        room=form.room,
        marks=marks,
    )
    errors = list(_wiring_errors(bench))
    if errors:
        raise ConfigErrors(in_order(errors))
    return bench


def _name_design(tree: Table) -> None:
    """Write ``board: NAME`` as ``board: {design: NAME}``, so that keys can be set beside it."""
    board = tree.get("board")
    if isinstance(board, Text):
        table = Table(board.mark)
        table.put("design", board, board.mark)
        tree.put("board", table, tree.keys_at["board"])


def _name_engines(tree: Table) -> None:
    """Write ``engine: NAME`` as ``engine: {kind: NAME}``, so that keys can be set beside it."""
    devices = tree.get("devices")
    for device in devices.values() if isinstance(devices, Table) else ():
        engine = device.get("engine") if isinstance(device, Table) else None
        if isinstance(engine, Text):
            table = Table(engine.mark)
            table.put("kind", engine, engine.mark)
            device.put("engine", table, device.keys_at["engine"])


def _refuse_code(tree: Table) -> None:
    """Refuse firmware that a bench file brings along: it is code, and a bench file is data.

    Whoever types its path means to run it; whoever takes a bench file from somebody does not.
    """
    devices = tree.get("devices")
    for name, device in devices.items() if isinstance(devices, Table) else ():
        engine = device.get("engine") if isinstance(device, Table) else None
        image = engine.get("image") if isinstance(engine, Table) else None
        if image is not None and not image.mark.is_override:
            key = f"devices.{name}.engine.image"
            message = "names code to run, which no bench file may: name it yourself, --set bench."
            raise ConfigErrors([image.mark.error(key, f"{message}{key}=PATH")])


def _put_design_in(tree: Table, root: Path | None) -> str:
    """Replace ``board`` by its design file with the bench's own keys on top; return its name.

    Done on the tree, before anything is read, so that a mistake is told at its own file and line,
    and an override of one key is checked with all the others of the board.
    """
    board = tree.get("board")
    if not isinstance(board, Table) or not isinstance(board.get("design"), Text):
        return ""
    name: Text = board.pop("design")
    design = on_top(whole_tree(name, BOARD, root, name.mark, "board"), board)
    tree.put("board", design, tree.keys_at["board"])
    return str(name)


def _wiring_errors(bench: Bench) -> Iterator[ConfigError]:
    """Find what contradicts itself inside one bench file."""
    plan, board, cells = bench.wiring, bench.board, len(bench.wiring.cells)
    if len(plan.lead_ohm) != cells + 1:
        expected = f"expected 1 or {cells + 1} for {cells} cells"
        yield bench.wrong("wiring.leads", f"found {len(plan.lead_ohm)} leads, {expected}")
    if any(not ohm >= 0.0 for ohm in plan.lead_ohm):
        yield bench.wrong("wiring.leads", "a lead has less than 0 ohm")
    true_ohm = plan.virtual.lead_ohm
    if len(true_ohm) not in (0, cells + 1) or any(not ohm >= 0.0 for ohm in true_ohm):
        expected = f"expected 1 or {cells + 1} leads of 0 ohm and more"
        yield bench.wrong("wiring.virtual.leads", f"found {len(true_ohm)} leads, {expected}")
    if cells != board.cells:
        yield bench.wrong("stack", f"{cells} channels for a board of {board.cells} cells")
    for wire in plan.ntcs:
        key = f"wiring.ntcs.{wire.ntc}"
        if wire.ntc > board.ntcs:
            yield bench.wrong(key, f"no NTC {wire.ntc}: the board has {board.ntcs}")
        if wire.cell > cells:
            yield bench.wrong(f"{key}.cell", f"no cell {wire.cell}: the stack has {cells}")
    if plan.shunt is not None and plan.shunt.ratio == 0.0:
        yield bench.wrong("wiring.shunt.ratio", "found 0, expected another number")
    yield from _through_errors(bench)
    yield from _taken_twice(bench)


def _through_errors(bench: Bench) -> Iterator[ConfigError]:
    """Find wires that there are not, and those that would pass two relays."""
    passed: set[tuple[str, int]] = set()
    counts = {"lead": len(bench.wiring.cells) + 1, "ntc": bench.board.ntcs}
    for one in bench.wiring.through:
        key, most = f"wiring.through.{one.wire}s", counts[one.wire]
        if not 1 <= one.number <= most:
            yield bench.wrong(key, f"no {one.wire} {one.number}: there are {most}")
        if (one.wire, one.number) in passed:
            yield bench.wrong(key, f"{one.wire} {one.number} passes two channels")
        passed.add((one.wire, one.number))


def _taken_twice(bench: Bench) -> Iterator[ConfigError]:
    """Find outputs of devices that do not exist, and outputs that are wired to two things.

    Two cells on one channel would show the board one voltage twice, and nothing would look wrong.
    """
    plan = bench.wiring
    outputs = [("stack", channel) for channel in plan.cells]
    outputs += [(f"wiring.ntcs.{wire.ntc}.by", wire.by) for wire in plan.ntcs]
    outputs += [("wiring.shunt.by", plan.shunt.by)] if plan.shunt is not None else []
    outputs += [(f"wiring.through.{one.wire}s", one.by) for one in plan.through]
    outputs += [(f"wiring.guards.{one.name}", one.by) for one in plan.guards]
    outputs += [("wiring.supply.by", plan.supply.by)] if plan.supply is not None else []
    taken: set[tuple[str, Channel]] = set()
    for key, channel in outputs:
        if channel.device not in bench.devices:
            hint = nearest(channel.device, bench.devices)
            yield bench.wrong(key, f"no device '{channel.device}'{hint}")
        # cell outputs, auxiliary outputs and digital inputs are numbered apart
        kind = key if key == "stack" else "di" if key.startswith("wiring.guards.") else "aux"
        output = (kind, channel)
        if output in taken:
            yield bench.wrong(key, f"{channel.device} {channel.number} is wired twice")
        taken.add(output)


def read_options(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Read a driver's, twin's or link's own keys by the dataclass that declares them.

    ``{reply: 5 ms}`` becomes ``{"reply_ns": 5000000}`` for a class with a field ``reply_ns: int``;
    keys that are not written are left out. Raises ConfigErrors at the place in the bench file.
    """
    value = read(adapter_of(cls), node_of(options, Mark(cls.__name__)))
    names = field_names(cls)
    return {name: getattr(value, name) for name in names if key_of(name, names) in options}
