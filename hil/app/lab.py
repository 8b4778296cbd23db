"""The virtual lab: a bench's twins on real endpoints, in wall time, for whoever wants to talk.

All twins live in one process, since they touch each other: the board reads the emulators' terminals
and stands in the chamber's air. Each has a process of its own in front (``hil.ports.Endpoint``);
when that dies, the device has lost its supply. Of a board whose firmware keeps its own time only
the electronics are here: the firmware is the process in front.
"""

import asyncio
import gc
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hil.app.control import Control
from hil.app.engines import firmware_of, live_of, with_firmware
from hil.app.exposure import exposed, lab_token, refuse_open_control
from hil.app.names import keys_of, resolve
from hil.app.preparation import prepare_bench, specs_of
from hil.app.rehearsal import rehearse
from hil.app.rig import build_twin, in_building_order, role_of
from hil.bench.stop import StopLadder
from hil.bench.wall_time import run_wall
from hil.core.errors import ConfigErrors, EnvironmentProblem
from hil.ports import POWER_LOSS, Clock, ControlKind, Endpoint, LabPlan, LinkKind
from hil.profile import Bench

ANY_PORT = ("127.0.0.1", 0)


@dataclass(frozen=True)
class LabRequest:
    """What the user asked for: ``control`` is host and port, ``engine`` runs the board's firmware.

    None of both is what the bench file says. ``expose`` lets others than this host come in.
    """

    bench: str
    overrides: Sequence[str] = ()
    seed: int = 1
    control: tuple[str, int] | None = None
    engine: str | None = None
    expose: bool = False


class Lab:
    """The twins of one bench and the endpoints that they are found at."""

    def __init__(self, bench: Bench, seed: int, clock: Clock) -> None:
        """Build all twins; nothing listens yet. Raises ConfigErrors for a key that one refuses."""
        self.bench, self.clock = bench, clock
        specs = specs_of(bench)
        plan = LabPlan(seed, bench.wiring, bench.board, {})
        self.twins: dict[str, Any] = plan.twins
        self.roles = {name: role_of(specs[name]) for name in bench.devices}
        for name in in_building_order(specs):
            try:
                build_twin(name, bench, plan, clock)
            except ValueError as error:
                raise ConfigErrors([bench.wrong(f"devices.{name}", str(error))]) from error
        self.endpoints = {name: self._endpoint(name) for name in bench.devices}

    def _endpoint(self, name: str) -> Endpoint:
        """Build the endpoint where the device's link would look. Raises ConfigErrors."""
        link, engine = self.bench.devices[name].link, self.bench.devices[name].engine
        kind: LinkKind = resolve("links", link.kind)
        if kind.endpoint is None:
            message = f"'{link.kind}' can have no virtual device at its other end"
            raise ConfigErrors([self.bench.wrong(f"devices.{name}.link.kind", message)])
        options, twin = keys_of(kind, link.options), self.twins[name]
        live = live_of(engine)
        if engine is None or live is None:
            return kind.endpoint(name, self.clock, options, twin=twin)
        firmware = firmware_of(engine)
        try:
            return live(name, self.clock, options, firmware=firmware, electronics=twin)
        except ValueError as error:
            raise ConfigErrors([self.bench.wrong(f"devices.{name}.link", str(error))]) from error

    def open(self) -> None:
        """Let all endpoints listen. Raises LinkLost; call ``close`` all the same."""
        for name in self.endpoints:
            self.power_on(name)

    def close(self) -> None:
        """Listen no more; no process and no name of a pty is left behind."""
        for endpoint in self.endpoints.values():
            endpoint.close()

    def power_on(self, name: str) -> None:
        """Let a device listen, and give it its supply. Raises LinkLost if it cannot."""
        if self.endpoints[name].pid is None:
            self.endpoints[name].open(lambda: self.power_off(name))
        self.twins[name].inject(POWER_LOSS, 0, active=False)

    def power_off(self, name: str) -> None:
        """Take a device's supply: its process goes, and what it held is lost."""
        self.endpoints[name].kill()
        self.twins[name].inject(POWER_LOSS, 0, active=True)

    def places(self) -> list[dict[str, Any]]:
        """Return every place at which a device can be found, as ``hil serve`` prints them."""
        specs = specs_of(self.bench)
        return [
            {"device": name, "role": self.roles[name], "model": specs[name].model}
            | {"transport": place.transport, "address": place.address, "visa": place.visa}
            for name, endpoint in self.endpoints.items()
            for place in endpoint.places
        ]


def serve(
    request: LabRequest, stop: StopLadder, listening: Callable[[Mapping[str, Any]], None]
) -> None:
    """Serve a lab until somebody asks to stop; ``listening`` is told once when everything listens.

    Raises ConfigErrors for a bench that cannot be, LinkLost for an address that is taken,
    EnvironmentProblem for firmware that is not there and cannot be built, and for what others could
    reach without the user's word.
    """
    asked = request.bench, request.overrides
    bench = with_firmware(prepare_bench(*asked, engine=request.engine, served=True))
    kind: ControlKind = resolve("labs", "control")
    rehearse(bench, request.seed)
    host, port = request.control or bench.lab or ANY_PORT
    token = lab_token(os.environ)
    refuse_open_control(host, port, token)

    async def main(clock: Clock) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        lab = Lab(bench, request.seed, clock)
        open_to_all = exposed(lab.endpoints)
        if open_to_all and not request.expose:
            raise EnvironmentProblem(f"{open_to_all[0]}; if that is meant: hil serve --expose")
        try:
            lab.open()
            control = await kind.serve(Control(lab).handle, host, port, token)
            # What stands here stays: the collector's pauses would show in the answers' times.
            gc.collect()
            gc.freeze()
            told = {"endpoints": lab.places(), "control": control.address}
            listening(told | ({"exposed": open_to_all} if open_to_all else {}))

            def end(_source: str, _level: str) -> None:
                loop.call_soon_threadsafe(stopped.set)  # a signal's handler runs anywhere

            stop.listen(end)
            await stopped.wait()
            await control.close()
        finally:
            stop.over()
            lab.close()

    run_wall(main)
