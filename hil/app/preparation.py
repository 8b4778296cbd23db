"""All that can be known of a profile and a bench before any device is touched."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.app.engines import twin_of, twins_of
from hil.app.names import driver_of, installed, keys_of, resolve
from hil.bench.sensor_faults import SensorFaults
from hil.core.errors import ConfigError, ConfigErrors
from hil.core.instants import Duration, to_seconds
from hil.core.spec import BoardSpec, DeviceSpec
from hil.core.watched import Watched
from hil.live.target import Target
from hil.ports import Describing
from hil.profile import (
    Bench,
    BenchScene,
    DeviceConfig,
    Known,
    Profile,
    bench_errors,
    check_profile,
    load_bench,
    load_profile,
)
from hil.profile.check_faults import SENSORS, SUPPLY, SUPPLY_FAULTS, WIRING
from hil.profile.watch import unguarded, watched


@dataclass(frozen=True)
class Request:
    """What the user asked for; ``until`` cuts the run short at that much simulated time.

    ``fail_fast`` ends it with the first thing that is held against the board.

    ``certificates`` holds those of wiring, of which the record cites the bench's newest.

    ``mqtt`` is where telemetry goes: it changes nothing of the run, so ``command`` leaves it out.
    ``engine`` runs the board's firmware, in place of what the bench file says.
    """

    profile: str
    bench: str | None = None
    overrides: Sequence[str] = ()
    seed: int = 1
    runs: Path = Path("runs")
    certificates: Path = Path("certificates")
    until: Duration | None = None
    fail_fast: bool = False
    operator: str = ""
    mqtt: Target | None = None
    engine: str | None = None

    def command(self) -> str:
        """Return the command line that asks for the same again."""
        words = ["hil", "run", self.profile]
        if self.bench:
            words += ["--bench", self.bench]
        if self.engine:
            words += ["--engine", self.engine]
        for override in self.overrides:
            words += ["--set", override]
        if self.until is not None:
            words += ["--until", f"{to_seconds(self.until):g} s"]
        if self.fail_fast:
            words.append("--fail-fast")
        return shlex.join([*words, "--seed", str(self.seed)])


@dataclass(frozen=True)
class Prepared:
    """A profile and a bench that fit each other, and what the check wants said.

    ``watched`` is what ends or marks the run by itself; ``notes`` are dangers to people that the
    bench has no input to see.
    """

    profile: Profile
    bench: Bench
    warnings: Sequence[str] = ()
    watched: Sequence[Watched] = ()
    notes: Sequence[str] = ()


def prepare(request: Request) -> Prepared:
    """Load both files and check all that can be known before touching hardware.

    Raises ConfigErrors with every error found.
    """
    profile, bench = _both(request)
    specs = specs_of(bench)
    findings = check_profile(profile, bench, specs, _known(bench))
    errors = [*findings.errors, *_key_errors(bench)]
    if errors:
        raise ConfigErrors(errors)
    return Prepared(
        profile,
        bench,
        tuple(map(str, findings.warnings)),
        tuple(watched(profile, bench, specs)),
        tuple(unguarded(bench, specs)),
    )


def prepare_bench(
    name: str, overrides: Sequence[str] = (), *, engine: str | None = None, served: bool = False
) -> Bench:
    """Load a bench file and check all that can be known of it without a profile.

    ``engine`` is that of ``Request``; ``served`` is for a lab, which has the devices that a run
    looks for. Raises ConfigErrors with every error found.
    """
    bench = with_engine(load_bench(name, overrides), engine)
    scene = BenchScene(bench, specs_of(bench), _known(bench))
    errors = list(bench_errors(scene, served=served))
    errors += _key_errors(bench)
    if errors:
        raise ConfigErrors(errors)
    return bench


def _both(request: Request) -> tuple[Profile, Bench]:
    """Load profile and bench; with a bench on the command line, errors of both come together."""
    errors: list[ConfigError] = []
    profile = bench = None
    try:
        profile = load_profile(request.profile, request.overrides)
    except ConfigErrors as found:
        errors += found.errors
    name = request.bench if request.bench is not None or profile is None else profile.bench
    try:
        named_at = profile.marks.get("bench") if profile and request.bench is None else None
        bench = None if name is None else load_bench(name, request.overrides, named_at=named_at)
    except ConfigErrors as found:
        errors += found.errors
    if profile is None or bench is None:
        raise ConfigErrors(errors)
    return profile, with_engine(bench, request.engine)


def with_engine(bench: Bench, engine: str | None) -> Bench:
    """Return the bench with its board in the engine of ``--engine``, if there was one."""
    if engine is None:
        return bench
    boards = [name for name, spec in specs_of(bench).items() if isinstance(spec, BoardSpec)]
    return bench.with_engine(engine, boards)


def _known(bench: Bench) -> Known:
    return Known(
        drivers=frozenset(installed("drivers")),
        twins=frozenset(installed("twins")),
        links=frozenset(installed("links")),
        faults=_faults(bench),
        kinds=_used(bench, "links", lambda device: device.link.kind),
        engines={name: resolve("engines", name) for name in installed("engines")},
        firmware=frozenset(installed("firmware")),
        speaks={
            name: driver.CARRIES
            for name, driver in _used(bench, "drivers", lambda device: device.driver).items()
            if hasattr(driver, "CARRIES")
        },
        described=frozenset(
            name
            for name, driver in _used(bench, "drivers", lambda device: device.driver).items()
            if isinstance(driver, Describing)
        ),
    )


def _used(bench: Bench, group: str, named: Callable[[DeviceConfig], str]) -> dict[str, Any]:
    """Return what the bench names of a group, as far as it is installed."""
    names = dict.fromkeys(map(named, bench.devices.values()))
    return {name: resolve(group, name) for name in names if name in installed(group)}


def specs_of(bench: Bench) -> dict[str, DeviceSpec]:
    """Return the data sheets of the devices whose driver is installed."""
    drivers = {
        name: driver_of(device)
        for name, device in bench.devices.items()
        if device.driver in installed("drivers")
    }
    # one that needs a description and has none has no data sheet either: an error of its own
    return {name: one.SPEC for name, one in drivers.items() if hasattr(one, "SPEC")}


def _key_errors(bench: Bench) -> list[ConfigError]:
    """Read every key that a driver, twin or link declares for itself; return what is wrong."""
    errors: list[ConfigError] = []
    for device in bench.devices.values():
        link = device.link.kind
        carries = resolve("links", link).carries if link in installed("links") else ""
        written = [
            ("drivers", device.driver, device.options),
            (twins_of(device), device.driver, device.virtual),
            ("links", link, device.link.options),
            ("disturbers", carries, device.link.faults),
        ]
        if device.engine is not None:
            written.append(("engines", device.engine.kind, device.engine.options))
        for group, name, keys in written:
            if name in installed(group):
                try:
                    keys_of(resolve(group, name), keys)
                except ConfigErrors as found:
                    errors += found.errors
    return errors


def _faults(bench: Bench) -> dict[str, dict[str, bool]]:
    """Return each target's faults, and which of them are a cell's: the twins' and the drivers'.

    A twin's are back doors, so they are there only where the bench has the twin, or its lab has;
    those of emulated sensors are the bench's own.
    """
    faults: dict[str, dict[str, bool]] = {}
    emulated = (
        *(["ntc"] if bench.wiring.ntcs else []),
        *(["current"] if bench.wiring.shunt else []),
    )
    # on a real bench what a fault box can open is all that can be put into the wiring
    faults[WIRING] = {one.fault: True for one in bench.wiring.through}
    faults[SENSORS] = {
        fault: cell
        for fault, cell in _of(SensorFaults, "FAULTS").items()
        if fault.endswith(emulated)
    }
    for name, device in bench.devices.items():
        owners = (
            [resolve("drivers", device.driver)] if device.driver in installed("drivers") else []
        )
        if device.driver in installed(twins_of(device)) and (bench.lab or _has_twin(device)):
            twin = twin_of(device)
            owners.append(twin)
            faults[WIRING].update(_of(twin, "WIRING_FAULTS"))
        faults[name] = {key: cell for owner in owners for key, cell in _of(owner, "FAULTS").items()}
    if bench.wiring.supply is not None:
        faults[SUPPLY] = {**faults.get(SUPPLY, {}), **dict.fromkeys(SUPPLY_FAULTS, False)}
    return {target: taken for target, taken in faults.items() if taken}


def _of(owner: Any, names: str) -> dict[str, bool]:
    """Return the faults that ``owner`` lists under ``names``, and which of them are a cell's."""
    cells = getattr(owner, "FAULTS_OF_A_CELL", ())
    return {fault: fault in cells for fault in getattr(owner, names, ())}


def has_twins(bench: Bench) -> bool:
    """Say whether all devices of a bench are twins in this process."""
    return all(map(_has_twin, bench.devices.values()))


def _has_twin(device: DeviceConfig) -> bool:
    """Say whether a device's link ends in this process; an unknown link is an error of its own."""
    kind = device.link.kind
    return kind not in installed("links") or resolve("links", kind).needs_twin
