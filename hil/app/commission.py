"""The wiring self-test of a bench, and its certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hil.app.engines import with_firmware
from hil.app.names import resolve
from hil.app.outside import Outside, outside
from hil.app.preparation import Request, has_twins, prepare_bench, specs_of
from hil.app.rig import build
from hil.app.wiring import wiring_of
from hil.bench.clock import run_virtual
from hil.bench.commissioning import Commissioning
from hil.bench.rig import Rig
from hil.bench.selftest import LIMIT_A, Progress
from hil.bench.stop import StopLadder
from hil.bench.wall_time import run_wall, utc_now_text
from hil.core.errors import ConfigErrors
from hil.core.spec import EmulatorSpec
from hil.ports import Clock
from hil.profile import Bench
from hil.results import certificate, manifest
from hil.results.wire_hash import WireHash


@dataclass(frozen=True)
class Commission:
    """What the user asked for; ``seed`` draws the parts of virtual devices."""

    bench: str
    overrides: Sequence[str] = ()
    engine: str | None = None
    seed: int = 1
    certificates: Path = Path("certificates")
    operator: str = ""


@dataclass(frozen=True)
class Commissioned:
    """The certificate and its file; ``stopped`` if somebody ended the test."""

    body: dict[str, Any]
    file: Path
    stopped: bool


def commission(request: Commission, stop: StopLadder, progress: Progress) -> Commissioned:
    """Test how a bench is wired and leave a certificate, whatever came of it.

    Raises ConfigErrors or EnvironmentProblem before anything is touched, and EnvironmentProblem for
    a certificate that cannot be written.
    """
    bench = prepare_bench(request.bench, request.overrides, engine=request.engine)
    _limits_itself(bench)
    if has_twins(bench):
        bench = with_firmware(bench)

    async def main(clock: Clock, others: Outside | None = None) -> Commissioning:
        others, wire = others or Outside(), WireHash()

        def rig(limit_a: float | None) -> Rig:
            return build(bench, request.seed, clock, wire, fences=others.fences, limit_a=limit_a)

        test, first = Commissioning(bench, clock, stop, progress), rig(LIMIT_A)
        async with others.watched(first, clock, stop, lambda: test.left_safe) as guard:
            await test.play(first, rig, guard)
        return test

    if bench.clock == "virtual":
        test = run_virtual(main)
    else:
        asked = Request("", request.bench, request.overrides, engine=request.engine)
        with outside(bench, asked, f"the wiring test of {bench.name}") as others:
            test = run_wall(lambda clock: main(clock, others))
    stop.over()
    body = _body(request, bench, test)
    return Commissioned(body, certificate.write(request.certificates, body), bool(stop.level))


def _limits_itself(bench: Bench) -> None:
    """Refuse a unit that cannot be held to little current. Raises ConfigErrors."""
    errors = [
        bench.wrong(f"devices.{name}.driver", "found no limit of its current to set for this test")
        for name, spec in specs_of(bench).items()
        if isinstance(spec, EmulatorSpec)
        and not getattr(resolve("drivers", bench.devices[name].driver), "CURRENT_LIMITS", ())
    ]
    if errors:
        raise ConfigErrors(errors)


def _body(request: Commission, bench: Bench, test: Commissioning) -> dict[str, Any]:
    """Return the certificate."""
    found = test.found
    return {
        "utc": utc_now_text(),
        "bench": bench.name,
        "board": bench.board.model,
        "clock": bench.clock,
        "operator": request.operator,
        "sound": test.is_sound,
        "findings": found.wrong,
        "open": found.open_points,
        "ended": test.reason,
        "most_w": round(found.most_w, 4),
        "leads_mohm": {
            str(lead): {"value": round(1e3 * ohm, 1), "uncertainty": round(1e3 * spread, 1)}
            for lead, (ohm, spread) in sorted(found.leads_ohm.items())
        },
        "wiring": wiring_of(bench),
        "devices": {name: who.serial for name, who in test.who.items()},
        "identities": {name: who._asdict() for name, who in test.who.items()},
        "left_safe": test.left_safe,
        "read_back": {name: one.read_back for name, one in test.reached.items()},
        "versions": manifest.versions(),
        "steps": found.steps,
    }
