"""Everything that can be known of a profile on a bench before hardware is touched.

Pure: devices speak through their SPEC, names through ``Known``, so a laptop without a bench gives
the same answer as the lab. Errors stop a run, warnings are said and the run goes on.

What is left to the run itself: whether the cells drawn from the spread can do what the steps ask
(a power that pulls a weak cell down is an outcome, not a mistake), and whether the instruments that
answer are those of the bench file.
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hil.balancing import STRATEGIES
from hil.balancing.layers import Layered
from hil.balancing.strategy import Bounded
from hil.core.errors import ConfigError
from hil.core.instants import Duration, clock_text
from hil.core.spec import BoardSpec, DeviceSpec, EmulatorSpec
from hil.profile.bench import Bench
from hil.profile.check_bench import bench_errors, tick_errors
from hil.profile.check_currents import current_errors
from hil.profile.check_faults import WIRING, inject_errors, reported_errors
from hil.profile.check_supply import supply_asked
from hil.profile.check_weather import weather_hints
from hil.profile.conditions import QUANTITIES, After, Compare, Condition
from hil.profile.entries import key_of_path
from hil.profile.limits import combined
from hil.profile.model import (
    Charge,
    Discharge,
    Expect,
    ExpectFault,
    FaultStep,
    Follow,
    Hold,
    Inject,
    Profile,
    Repeat,
    Rest,
    Soak,
    Step,
    all_steps,
)
from hil.profile.problems import in_order
from hil.profile.scene import Known, Scene
from hil.profile.terminations import unlimited_charges

TYPICAL_CELL_V = 3.3
TOLERANCE_SHARE = 0.25  # a bench should be four times better than what it judges


class Findings(NamedTuple):
    """What was found, each in the order of the files."""

    errors: list[ConfigError]
    warnings: list[ConfigError]


def check_profile(
    profile: Profile, bench: Bench, specs: Mapping[str, DeviceSpec], known: Known
) -> Findings:
    """Check a profile against a bench; ``specs`` by device name (an unknown driver has none)."""
    scene = Scene(profile, bench, specs, known)
    checks = (bench_errors, tick_errors, _needs, _pack, _limits, _strategy, _steps, supply_asked)
    errors = [error for check in checks for error in check(scene)]
    hints = [*_hints(scene), *unlimited_charges(scene)]
    return Findings(in_order(errors), in_order(hints))


def profile_errors(profile: Profile) -> Iterator[ConfigError]:
    """Find what contradicts itself inside one profile."""
    cells = profile.needs.cells
    for cell in profile.pack.cells:
        if cell > cells:
            yield _no_cell(profile, f"pack.cells.{cell}", cell)
    for step in all_steps(profile.steps):
        # a harness has one lead more than cells
        takes_leads = isinstance(step, FaultStep) and step.target == WIRING
        most = cells + 1 if takes_leads else cells
        if isinstance(step, FaultStep | ExpectFault) and step.cell > most:
            key = f"{key_of_path(step.path)}.{step.kind}.cell"
            yield _no_cell(profile, key, step.cell)


def _no_cell(profile: Profile, key: str, cell: int) -> ConfigError:
    """Say which cells there are."""
    needed = profile.needs.cells
    return profile.wrong(key, f"no cell {cell}; the profile has cells 1 to {needed}")


# --- the profile on this bench -----------------------------------------------------------------


def _needs(scene: Scene) -> Iterator[ConfigError]:
    """The profile's own list of needs against what the bench has."""
    needs, has = scene.profile.needs, len(scene.bench.wiring.cells)
    if needs.cells != has:
        message = f"the profile needs {needs.cells} cells, and {scene.bench.name} has {has}"
        yield scene.profile.wrong("needs.cells", message)
    if scene.chamber is not None:
        span, model = scene.chamber.set_degc, scene.chamber.model
        for end, value in (("min", needs.chamber_min_degc), ("max", needs.chamber_max_degc)):
            yield from scene.outside(f"needs.chamber.{end}", value, span, "degC", model)


def _pack(scene: Scene) -> Iterator[ConfigError]:
    """A gradient that the board's NTCs could not see would test something else.

    The board stands in the chamber, so without emulation its NTCs all feel one temperature.
    """
    if scene.profile.pack.gradient_k and not scene.bench.wiring.ntcs:
        message = "a gradient needs emulated NTCs, and this bench has none (wiring.ntcs)"
        yield scene.profile.wrong("pack.gradient", message)
    pack = scene.profile.pack
    if pack.age_years and scene.profile.cell_parameters.ageing is None:
        message = f"'{pack.cell}' does not say how it ages (ageing in its file)"
        yield scene.profile.wrong("pack.age", message)


def _limits(scene: Scene) -> Iterator[ConfigError]:
    """Limits that can never be crossed, and limits that trip at once."""
    for limit in scene.profile.limits:
        span = scene.span(limit.quantity)
        under = f"limits.{limit.quantity}" + (".warn" if limit.severity == "warn" else "")
        for end, value in (("min", limit.minimum), ("max", limit.maximum)):
            unit = QUANTITIES[limit.quantity].unit
            yield from scene.outside(f"{under}.{end}", value, span, unit, "the bench")
    trips = [one for one in combined(scene.profile, scene.bench, scene.specs) if one.trips]
    for quantity in dict.fromkeys(limit.quantity for limit in scene.profile.limits):
        ends = {one.side: one for one in trips if one.quantity == quantity}
        low, high = ends.get("min"), ends.get("max")
        if low is not None and high is not None and low.value > high.value:
            whose = " and ".join(dict.fromkeys((low.origin, high.origin)))
            message = f"the limits of {whose} on {quantity} leave nothing between them"
            yield scene.profile.wrong(f"limits.{quantity}", message)


def _strategy(scene: Scene) -> Iterator[ConfigError]:
    """A strategy that needs truth has none on real cells; a period of 0 never lets the tick end."""
    controller = scene.profile.controller
    links = [device.link.kind for device in scene.bench.devices.values()]
    real = any(link in scene.known.kinds and not scene.known.is_virtual(link) for link in links)
    if STRATEGIES[controller.strategy].needs_truth and real:
        message = f"'{controller.strategy}' needs the true state of the cells: virtual benches only"
        yield scene.profile.wrong("controller.strategy", message)
    if controller.mode == "shadow":
        yield from _shadow(scene)
    every: Duration | None = getattr(controller.parameters, "every_ns", None)
    if every is not None and every <= 0:
        yield scene.profile.wrong("controller.every", "found 0 s, expected more")


def _shadow(scene: Scene) -> Iterator[ConfigError]:
    """A shadow needs a strategy that says what a board could decide, and a board that decides.

    Of a board that is reached over a wire nobody knows before it answers; a twin that is all there
    is of the board has no firmware, and bleeds only what it is told.
    """
    profile = scene.profile
    strategy = profile.controller.strategy
    if not issubclass(STRATEGIES[strategy], Bounded):
        fit = ", ".join(name for name, one in STRATEGIES.items() if issubclass(one, Bounded))
        message = f"a board cannot be held against '{strategy}': expected one of {fit}"
        yield profile.wrong("controller.strategy", f"{message}, or mode: command")
    if isinstance(profile.controller.parameters, Layered):
        message = "a board that decides by itself has no layers of ours around it: leave them out"
        yield profile.wrong("controller.layers", message)
    if getattr(profile.controller.parameters, "duty_ratio", 1.0) != 1.0:
        message = "a board that decides by itself bleeds all the time: expected 100 %"
        yield profile.wrong("controller.duty", message)
    for name in scene.of(BoardSpec):
        device = scene.bench.devices[name]
        if scene.known.is_virtual(device.link.kind) and device.engine is None:
            message = f"'{name}' of {scene.bench.name} has no firmware that decides by itself"
            hint = "give it an engine (--engine lib), or use mode: command"
            yield profile.wrong("controller.mode", f"{message}: {hint}")


def _steps(scene: Scene) -> Iterator[ConfigError]:
    """Each step by its kind; steps inside a repeat once."""
    for step in all_steps(scene.profile.steps):
        key = f"{key_of_path(step.path)}.{step.kind}"
        if isinstance(step, Soak):
            yield from _soak(scene, step, key)
        elif isinstance(step, Charge | Discharge | Hold | Follow):
            yield from _drive(scene, step, key)
            yield from current_errors(scene, step, key)
        elif isinstance(step, Repeat):
            yield from _repeat(scene, step)
        elif isinstance(step, Expect):
            yield from _expect(scene, step, key)
        elif isinstance(step, FaultStep):
            yield from inject_errors(scene, step, key)
        elif isinstance(step, ExpectFault):
            yield from reported_errors(scene, step, key)


def _soak(scene: Scene, step: Soak, key: str) -> Iterator[ConfigError]:
    """The set-point against the chamber and against what the profile said it needs.

    A ramp faster than the chamber's would silently become the chamber's own.
    """
    chamber = scene.chamber
    if chamber is None:
        return
    at = f"{key}.chamber"
    yield from scene.outside(at, step.chamber_degc, chamber.set_degc, "degC", chamber.model)
    window = scene.profile.needs.chamber
    low = -math.inf if window.min_degc is None else window.min_degc
    high = math.inf if window.max_degc is None else window.max_degc
    if not low <= step.chamber_degc <= high:
        message = (
            f"{step.chamber_degc:g} degC is outside what the profile needs, {low:g} to {high:g}"
        )
        yield scene.profile.wrong(at, f"{message} degC (needs.chamber)")
    ramp = step.ramp_k_per_min
    if ramp is not None and ramp > chamber.ramp_k_per_min:
        message = f"{ramp:g} K/min, and {chamber.model} does {chamber.ramp_k_per_min:g} K/min"
        yield scene.profile.wrong(f"{key}.ramp", message)


def _drive(
    scene: Scene, step: Charge | Discharge | Hold | Follow, key: str
) -> Iterator[ConfigError]:
    """Voltages that the emulators cannot show, and steps without an end."""
    names = ("voltage_v", "cell_max_v", "cell_min_v")
    for name in names:
        at = f"{key}.{name.removesuffix('_v')}"
        value = getattr(step, name, None)
        yield from scene.outside(at, value, scene.cell_v, "V", "the cell emulators")
    for number, condition in enumerate(step.until, 1):
        if isinstance(condition, Compare):
            span = scene.span(condition.quantity)
            unit = QUANTITIES[condition.quantity].unit
            at = f"{key}.until.{number}"
            yield from scene.outside(at, condition.limit, span, unit, "the bench")
    if not isinstance(step, Follow) and not any(_ends(step, one) for one in step.until):
        ways = {"charge": "a voltage it rises to", "discharge": "a voltage it falls to"}
        way = ways.get(step.kind, "a current it falls to")
        message = f"can go on for ever: expected {way}, or after: TIME"
        yield scene.profile.wrong(f"{key}.until", message)


# What a step does by itself drives its condition: a charge raises voltages, a hold lets the current
# fall. Only such a condition, or a time, is sure to come; any other may be added beside it.


def _ends(step: Charge | Discharge | Hold, condition: Condition) -> bool:
    """Say whether a condition is sure to come true in the course of the step."""
    if isinstance(condition, After):
        return True
    rising = condition.comparison in (">", ">=")
    if isinstance(step, Hold):
        return condition.quantity == "current" and not rising
    return condition.quantity.endswith("voltage") and rising == isinstance(step, Charge)


def _repeat(scene: Scene, step: Repeat) -> Iterator[ConfigError]:
    """A period that one turn cannot keep."""
    # only what is certain counts: a charge may end at once
    least = sum(map(_least, step.steps))
    if step.every_ns is not None and least > step.every_ns:
        takes = f"one turn takes at least {clock_text(least)}"
        key = f"{key_of_path(step.path)}.every"
        yield scene.profile.wrong(key, f"{clock_text(step.every_ns)}, and {takes}")


def _least(step: Step) -> Duration:
    """Return the least time that a step takes."""
    if isinstance(step, Rest | Soak):
        return step.for_ns
    if isinstance(step, Inject):
        return step.for_ns or 0
    if isinstance(step, Repeat):
        turn = sum(map(_least, step.steps))
        return turn * step.count if step.every_ns is None else step.every_ns * step.count
    return 0


def _expect(scene: Scene, step: Expect, key: str) -> Iterator[ConfigError]:
    """An expectation that no measurement could miss, or meet."""
    span = scene.span(step.quantity)
    for end, value in (("min", step.minimum), ("max", step.maximum)):
        at = f"{key}.{step.quantity}.{end}"
        yield from scene.outside(at, value, span, step.unit, "the bench")


# --- hints -------------------------------------------------------------------------------------


def _hints(scene: Scene) -> Iterator[ConfigError]:
    """Say where the bench is too coarse for what it is to judge.

    Verdicts are guard-banded by U: within U of its limit a value is INCONCLUSIVE. Above a quarter
    of the tolerance (the usual 4:1 of metrology) that eats up what the profile wants to know.
    """
    yield from weather_hints(scene, sum(map(_least, scene.profile.steps)))
    emulators = list(scene.of(EmulatorSpec).values())
    if not emulators:
        return
    set_v = max(spec.set_accuracy_v.at(TYPICAL_CELL_V) for spec in emulators)
    read_v = max(spec.read_accuracy_v.at(TYPICAL_CELL_V) for spec in emulators)
    # a gap is a difference of two set voltages
    expanded = {
        "gap": math.sqrt(2.0) * set_v,
        "cell.voltage": read_v,
        "board.cell.error": read_v,
    }
    for step in all_steps(scene.profile.steps):
        if not isinstance(step, Expect) or step.quantity not in expanded:
            continue
        low = 0.0 if step.quantity == "gap" and step.minimum is None else step.minimum
        if low is None or step.maximum is None:
            continue
        u, tolerance = expanded[step.quantity], step.maximum - low
        if u > TOLERANCE_SHARE * tolerance:
            key = f"{key_of_path(step.path)}.expect.{step.quantity}"
            share = f"U = {1e3 * u:.2g} mV is more than a quarter of {1e3 * tolerance:.3g} mV"
            yield scene.profile.wrong(key, f"{share}: expect INCONCLUSIVE near the limit")
