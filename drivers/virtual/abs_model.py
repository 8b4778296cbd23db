"""The modelling commands of a virtual Bloomy ABS: registers, and no model behind them.

A real unit runs a model that somebody has put on it; no such file is public, and this bench has its
own physics. So the inputs keep what they are told, the outputs are zero, and a model cannot be
loaded (-256, there is no such file), as on a unit that nobody has configured.
"""

from collections.abc import Callable

from drivers.wire.scpi import Channels, Command
from drivers.wire.scpi_data import Number, ScpiError, quoted

_INPUTS, _OUTPUTS = 8, 36
"""Global and local inputs, and outputs, as the vendor's driver counts them."""

_ANY = (Number(-3.4e38, 3.4e38, 0.0, ""),)


class ModelRegisters:
    """The inputs of a model that is not there."""

    def __init__(self) -> None:
        """Start with all inputs at zero."""
        self.reset()

    def reset(self) -> None:
        """Return to the power-on state."""
        self._inputs = {"GLOBal": [0.0] * _INPUTS, "LOCal": [0.0] * _INPUTS}

    def commands(self) -> list[Command]:
        """Return the commands."""
        inputs = [
            Command(f":MODel:{kind}#", self._setter(kind), self._getter(kind), _ANY, _INPUTS)
            for kind in self._inputs
        ]
        return [
            *inputs,
            Command(":MODel:OUT#", None, lambda at: ",".join("0.0000" for _ in at), (), _OUTPUTS),
            Command(":MODel:STATus", read=lambda _: "0"),
            Command(":MODel:TIME", read=lambda _: "0"),
            Command(":MODel:INFO", read=lambda _: f"{quoted('')},{quoted('')}"),
            Command(":MODel:ID", read=lambda _: quoted("")),
            Command(":MODel:LOAD", write=_no_model),
            Command(":MODel:START", write=_not_loaded),
            Command(":MODel:STOP", write=_nothing),
            Command(":MODel:UNLOAD", write=_nothing),
        ]

    def _setter(self, kind: str) -> Callable[[Channels, float], None]:
        def put(channels: Channels, value: float) -> None:
            for channel in channels:
                self._inputs[kind][channel - 1] = value

        return put

    def _getter(self, kind: str) -> Callable[[Channels], str]:
        return lambda at: ",".join(f"{self._inputs[kind][one - 1]:.6g}" for one in at)


def _no_model(_: Channels) -> None:
    """Refuse: nobody has put a model on this unit."""
    raise ScpiError(-256, "no model on this unit")


def _not_loaded(_: Channels) -> None:
    """Refuse: what is not loaded does not start."""
    raise ScpiError(-221, "no model is loaded")


def _nothing(_: Channels) -> None:
    """Stop, or unload, what is not there: nothing is to be done."""
