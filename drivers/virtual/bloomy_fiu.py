"""A virtual Bloomy fault-insertion unit: its wires are the harness of the virtual board.

Assumed, and to be checked on a real one [M]: a channel that is led to the voltmeter or the ammeter
still carries its wire, one that is led to the fault bus does not, since nothing hangs on that bus.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.virtual.fiu_relays import Relays
from drivers.virtual.line_twin import LineTwin
from drivers.wire import bloomy_fiu as wire
from drivers.wire.bloomy_fiu import Route, Sum8
from hil.core.wiring import Through
from hil.ports import POWER_LOSS, Clock, Injectable, LabPlan

_BREAKS = frozenset({Route.OPEN, Route.TO_BUS})


@dataclass(frozen=True, slots=True)
class FiuOptions:
    """The keys that a bench file may give a virtual unit; ``serial`` stands on its label only."""

    serial: str = "V-0001"
    module: int = 0
    reply_ns: int = wire.ANSWER


class BloomyFiuTwin(LineTwin):
    """One module on its link (``ByteTwin``), and its relays in the harness."""

    OPTIONS: ClassVar[type] = FiuOptions
    FAULTS: ClassVar[tuple[str, ...]] = ("silent", "interlock-open", "stuck-relay", POWER_LOSS)
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = ("stuck-relay",)

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``FiuOptions``. Raises ValueError for no such module."""
        self._options = FiuOptions(**(options or {}))
        super().__init__(name, clock, Sum8(is_padded=True), self._options.reply_ns)
        self._relays = Relays(self._options.module)
        self._wires = [one for one in plan.wiring.through if one.by.device == name]
        # it is built after the board, whose harness it cuts
        self._harness: Injectable | None = next(
            (twin for twin in plan.twins.values() if hasattr(twin, "WIRING_FAULTS")), None
        )
        self._stuck: set[int] = set()
        self._open: set[Through] = set()

    def truth(self) -> Mapping[str, Any]:
        """Return what its relays are told and which wires they really hold open."""
        return {
            "serial": self._options.serial,
            "powered": self._powered,
            "routes": [str(route) for route in self._relays.routes],
            "open": sorted(f"{one.wire} {one.number}" for one in self._open),
        }

    def replace(self, serial: str) -> None:
        """Put another unit in this place; nothing on its wire tells."""
        self._options = FiuOptions(serial, self._options.module, self._options.reply_ns)

    def _heard(self, line: str | None) -> str | None:
        answer = self._relays.heard(line)
        self._move()
        return answer

    def _move(self) -> None:
        """Let the wires be what the relays make of them; one that is stuck leaves its own alone."""
        routes = self._relays.routes
        for one in self._wires:
            is_open = routes[one.by.number - 1] in _BREAKS
            if one.by.number in self._stuck or is_open == (one in self._open):
                continue
            (self._open.add if is_open else self._open.discard)(one)
            if self._harness is not None:
                self._harness.inject(one.fault, one.number, active=is_open)

    # --- Injectable ----------------------------------------------------------------------------

    def inject(self, fault: str, cell: int, *, active: bool) -> None:
        """Put one of ``FAULTS`` in or out; ``cell`` is a channel from 1 where a relay sticks.

        Without its supply all relays fall back to connected, and nothing is answered. A stuck relay
        stays where it is whatever it is told, and the unit does not notice. Raises ValueError for
        any other fault or channel.
        """
        if fault == "silent":
            self._silent = active
        elif fault == "interlock-open":
            self._relays.interlock_closed = not active
        elif fault == POWER_LOSS:
            self._powered = not active
            if active:
                self._forget_lines()
                self._relays.reset()
        elif fault == "stuck-relay":
            if not 1 <= cell <= wire.CHANNELS:
                raise ValueError(f"{self.name}: no channel {cell}; it has 1 to {wire.CHANNELS}")
            (self._stuck.add if active else self._stuck.discard)(cell)
        else:
            raise ValueError(f"{self.name}: no fault {fault!r}; it knows {', '.join(self.FAULTS)}")
        self._move()
