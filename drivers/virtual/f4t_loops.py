"""The loops that a virtual Watlow F4T may have beside temperature: humidity, and a cascade."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from drivers.wire.scpi import Channels, Command
from drivers.wire.scpi_data import Boolean, Choice, Number
from drivers.wire.watlow_f4t import SPEC

_GAIN = 2.0  # [A] of the outer loop: kelvins of air for a kelvin that the load is away

Say = Callable[[float], str]
"""Spells degC in the controller's unit."""


@dataclass
class HumidityLoop:
    """Loop 2: its registers. Nothing in the machine moves the humidity."""

    registers: dict[str, Any] = field(
        default_factory=lambda: {
            "PVALUE": 50.0,
            "SPOINT": 50.0,
            "ERROR": "NONE",
            "IDLE": 50.0,
            "RACTION": "OFF",
            "RSCALE": "MINUTES",
            "RRATE": 5.0,
            "RTIME": 0.0,
        }
    )

    def shown(self, register: str) -> str:
        """Return a register as the controller says it."""
        value = self.registers[register]
        return f"{value:.3f}" if isinstance(value, float) else str(value)


@dataclass
class Cascade:
    """Cascade loop 1: an outer sensor in the load steers the set-point of the air.

    ``PROCESS`` keeps that between two temperatures, ``DEVIATION`` within so many kelvins of the
    outer set-point; with ``CONTROL OFF`` the air goes to the outer set-point itself.
    """

    function: str = "PROCESS"
    low: float = SPEC.set_degc.low
    high: float = SPEC.set_degc.high
    control: str = "BOTH"
    second: bool = False

    def inner_degc(self, set_degc: float, load_degc: float) -> float:
        """Return the set-point of the air."""
        if self.control == "OFF":
            return set_degc
        wanted = set_degc + _GAIN * (set_degc - load_degc)
        if self.function == "DEVIATION":
            return min(max(wanted, set_degc - self.low), set_degc + self.high)
        return min(max(wanted, self.low), self.high)


@dataclass(frozen=True)
class CascadeCommands:
    """What the commands of a cascade need of their controller; ``changed`` is called by each.

    ``now`` is the cascade, which a reset makes anew; ``reading`` and ``load`` show inner and outer
    sensor, ``target`` the inner set-point, ``error`` what the controller calls the state of the
    loops; ``kelvin`` and ``meant`` take a difference and a temperature in its unit,
    ``shown_kelvin`` and ``shown`` spell them.
    """

    now: Callable[[], Cascade]
    changed: Callable[[], None]
    reading: Callable[[Channels], str]
    load: Callable[[], str]
    target: Callable[[], str]
    error: Callable[[Channels], str]
    kelvin: Callable[[float], float]
    meant: Callable[[float], float]
    shown_kelvin: Say
    shown: Say

    def rows(self, set_point: tuple[Callable[..., None], Callable[..., str]]) -> list[Command]:
        """Return the commands; ``set_point`` sets and reads the outer one."""
        loop, any_number = ":SOURce:CAScade#", (Number(-1e4, 1e4),)
        controls = (Choice("OFF", "COOL", "HEAT", "BOTH"),)
        function = Choice("PROCESS", "DEVIATION")
        return [
            Command(f"{loop}:SPOint", *set_point, any_number, 1),
            Command(f"{loop}:OUTer:SPOint", None, set_point[1], (), 1),
            Command(f"{loop}:OUTer:PVALue", None, self._load, (), 1),
            Command(f"{loop}:OUTer:ERRor", None, self.error, (), 1),
            Command(f"{loop}:INNer:SPOint", None, self._target, (), 1),
            Command(f"{loop}:INNer:PVALue", None, self.reading, (), 1),
            Command(f"{loop}:INNer:ERRor", None, self.error, (), 1),
            Command(f"{loop}:FUNCtion", *self._plain("function"), (function,), 1),
            Command(f"{loop}:RANGe:LOW", *self._range("low"), any_number, 1),
            Command(f"{loop}:RANGe:HIGH", *self._range("high"), any_number, 1),
            Command(f"{loop}:CONTrol", *self._plain("control"), controls, 1),
            Command(f"{loop}:SSPoint:CONTrol", *self._switch("second"), (Boolean(),), 1),
        ]

    def _load(self, _: Channels) -> str:
        return self.load()

    def _target(self, _: Channels) -> str:
        return self.target()

    def _plain(self, name: str) -> tuple[Callable[..., None], Callable[..., str]]:
        return self._register(name, lambda value: value, str)

    def _switch(self, name: str) -> tuple[Callable[..., None], Callable[..., str]]:
        return self._register(name, bool, lambda on: "ON" if on else "OFF")

    def _range(self, name: str) -> tuple[Callable[..., None], Callable[..., str]]:
        """A limit is a temperature or a difference, as the function says when it is written."""
        return self._register(name, self._taken, self._spelt)

    def _taken(self, value: float) -> float:
        return self.kelvin(value) if self._deviates() else self.meant(value)

    def _spelt(self, value: float) -> str:
        return self.shown_kelvin(value) if self._deviates() else self.shown(value)

    def _deviates(self) -> bool:
        return self.now().function == "DEVIATION"

    def _register(
        self, name: str, take: Callable[[Any], Any], say: Callable[[Any], str]
    ) -> tuple[Callable[..., None], Callable[..., str]]:
        def write(_: Channels, value: Any) -> None:
            setattr(self.now(), name, take(value))
            self.changed()

        return write, lambda _: say(getattr(self.now(), name))
