"""The auxiliary analog and digital channels of a virtual Bloomy ABS.

The analog outputs are ideal but for their converter's steps: the vendor publishes no accuracy.
Nothing on this bench drives the analog inputs, which therefore read zero; digital ones read what is
wired to them, low where nothing is.
"""

from collections.abc import Callable

from drivers.wire import bloomy_abs as wire
from drivers.wire.scpi import Channels, Command
from drivers.wire.scpi_data import Boolean, Number

SPEC = wire.SPEC
_VENDOR = (":SOURce:AUX:OUT#", ":SOURce:DAUX:OUT#", ":MEASure:AUX:IN#", ":MEASure:DAUX:IN#")
_SHORT = (":AUX:AOUT#", ":AUX:DOUT#", ":AUX:AIN#", ":AUX:DIN#")
"""The vendor's driver spells them the first way; other descriptions of the unit the second."""


class SideChannels:
    """The registers of the outputs, and the commands for outputs and inputs."""

    def __init__(self, level: Callable[[int], bool]) -> None:
        """Start with all outputs at zero; ``level`` is what stands at a digital input, from 1."""
        self._level = level
        self.reset()

    def reset(self) -> None:
        """Return to the power-on state."""
        self._analog_v = [0.0] * SPEC.aux_outputs
        self._digital = [False] * wire.DIGITAL_OUTPUTS

    def analog_v(self, number: int) -> float:
        """Return the voltage of analog output ``number``, from 1."""
        return self._analog_v[number - 1]

    def commands(self) -> list[Command]:
        """Return the commands in both spellings."""
        volts = (Number(SPEC.aux_v.low, SPEC.aux_v.high, 0.0, "V"),)
        level, digital = (Boolean(),), wire.DIGITAL_OUTPUTS
        rows: list[Command] = []
        for analog_out, digital_out, analog_in, digital_in in (_VENDOR, _SHORT):
            rows += [
                Command(analog_out, self._set_analog, self._read_analog, volts, SPEC.aux_outputs),
                Command(digital_out, self._set_digital, self._read_digital, level, digital),
                Command(analog_in, None, _constant("0.0000"), (), wire.AUX_INPUTS),
                Command(digital_in, None, self._read_inputs, (), wire.DIGITAL_INPUTS),
            ]
        return rows

    def _set_analog(self, channels: Channels, value_v: float) -> None:
        """Go to the converter's nearest step."""
        steps = round(value_v / SPEC.aux_resolution_v)
        for channel in channels:
            self._analog_v[channel - 1] = steps * SPEC.aux_resolution_v

    def _read_analog(self, channels: Channels) -> str:
        return ",".join(f"{self._analog_v[channel - 1]:.4f}" for channel in channels)

    def _set_digital(self, channels: Channels, high: bool) -> None:  # noqa: FBT001 - parsed
        for channel in channels:
            self._digital[channel - 1] = high

    def _read_digital(self, channels: Channels) -> str:
        return ",".join(str(int(self._digital[channel - 1])) for channel in channels)

    def _read_inputs(self, channels: Channels) -> str:
        return ",".join(str(int(self._level(channel))) for channel in channels)


def _constant(reading: str) -> Callable[[Channels], str]:
    """Return the query of an input that always reads the same."""
    return lambda channels: ",".join(reading for _ in channels)
