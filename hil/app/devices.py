"""What answers on a bench: every device's identity, and when its calibration is due."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from hil.app.leases import leases, places
from hil.app.names import installed, resolve
from hil.app.preparation import has_twins, prepare_bench, specs_of
from hil.app.protection import host_loss
from hil.app.rig import build, role_of
from hil.bench.clock import run_virtual
from hil.bench.wall_time import run_wall, utc_now_text
from hil.core.errors import BenchError, DeviceError
from hil.ports import Clock, Device, Identity, LinkKind
from hil.profile import Bench, LinkConfig
from hil.results.wire_hash import WireHash


@dataclass(frozen=True)
class Found:
    """One device: who answered, or the reason why nobody did.

    ``due`` is the last day on which its calibration holds, where both are known; ``host_loss`` what
    the device does by itself when its host dies.
    """

    device: str
    role: str
    driver: str
    link: str
    who: Identity | None
    problem: str
    due: date | None
    overdue: bool
    host_loss: str

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        who = None if self.who is None else self.who._asdict()
        due = None if self.due is None else self.due.isoformat()
        return vars(self) | {"who": who, "due": due}


def survey(name: str, overrides: Sequence[str] = ()) -> list[Found]:
    """Connect to all devices of a bench together and ask each who it is, in the file's order.

    Nothing is switched. A device that does not answer has its line all the same, and so has one
    that a run holds, which is not asked. Raises ConfigErrors for a bench that cannot be.
    """
    bench = prepare_bench(name, overrides)

    taken = _taken(bench)

    async def main(clock: Clock) -> Mapping[str, Identity | BenchError]:
        devices = [
            one for one in build(bench, 1, clock, WireHash()).devices() if one.name not in taken
        ]
        answers = await asyncio.gather(*map(_who, devices))
        found = {device.name: who for device, who in zip(devices, answers, strict=True)}
        return {**found, **taken}

    answers = run_virtual(main) if bench.clock == "virtual" else run_wall(main)
    today = date.fromisoformat(utc_now_text()[:10])
    return [_found(bench, device, answers[device], today) for device in bench.devices]


def _taken(bench: Bench) -> Mapping[str, BenchError]:
    """Return the devices that somebody drives now, and who: a question could disturb them."""
    at = {} if has_twins(bench) else places(bench)
    held = leases().held(at.values()) if at else {}
    return {
        name: DeviceError(name, f"held by {held[place].holder}")
        for name, place in at.items()
        if place in held
    }


async def _who(device: Device) -> Identity | BenchError:
    """Return who answers, or why nobody did; the link is let go in any case."""
    try:
        await device.connect()
        try:
            return await device.identify()
        finally:
            await device.close()
    except BenchError as error:
        return error


def _found(bench: Bench, name: str, answer: Identity | BenchError, today: date) -> Found:
    """Put one line together."""
    device, spec = bench.devices[name], specs_of(bench)[name]
    who = answer if isinstance(answer, Identity) else None
    due = None if who is None else calibration_due(who.calibrated, spec.calibration_days)
    return Found(
        device=name,
        role=role_of(spec),
        driver=device.driver,
        link=link_text(device.link),
        who=who,
        problem="" if who is not None else str(answer).removeprefix(f"{name}: "),
        due=due,
        overdue=due is not None and due < today,
        host_loss=host_loss(bench)[name],
    )


def calibration_due(calibrated: str, days: int | None) -> date | None:
    """Return the last day of a calibration of an ISO date; None where one of both is not known.

    An instrument may answer with anything: what is no date tells nothing.
    """
    try:
        return None if days is None else date.fromisoformat(calibrated) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None


def link_text(link: LinkConfig) -> str:
    """Return a link and its keys on one line, as the bench file has them."""
    options = dict(link.options)
    if "host" in options:
        options["host"] = f"{options['host']}:{options.pop('port', '')}"
    return " ".join([link.kind, *map(str, options.values())])


def discovered() -> dict[str, list[str]]:
    """Return by link what this host could reach, written as a bench file would; nothing is opened.

    A search that fails says so in its own list: another one may still find something.
    """
    found: dict[str, list[str]] = {}
    for name in sorted(installed("links")):
        kind: LinkKind = resolve("links", name)
        if kind.discover is not None:
            try:
                found[name] = list(kind.discover())
            except Exception as error:  # noqa: BLE001 - whatever a vendor's library raises
                found[name] = [f"# cannot look: {type(error).__name__}: {error}"]
    return found
