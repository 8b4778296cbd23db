"""What a chamber with a Watlow F4T controller is and how its lines look on the wire.

Sources: the controller's manual (SCPI section) as quoted by public clients; capitals in the
twin's table are the manual's short forms. The F4T answers one line a query: compound messages
are not documented for it, so none are sent. Two public clients read a blank line after an order,
others none: both are taken. Figures marked [A] are assumptions.
"""

from drivers.wire.scpi_data import parse_strings
from hil.core.instants import MILLISECOND
from hil.core.spec import Accuracy, ChamberSpec, Range

SPEC = ChamberSpec(
    model="Watlow F4T",
    set_degc=Range(-40.0, 180.0),
    ramp_k_per_min=5.0,  # the empty chamber's standard rate; a heavy load slows it down
    read_accuracy_k=Accuracy(0.5),  # [A] sensor and controller together
    reply=20 * MILLISECOND,  # [A]
    calibration_days=365,  # [A]; the controller tells no date, the chamber's label does
    read_noise_k=0.02,  # [A]
    read_resolution_k=0.001,  # [A] three decimals
)

REPLY_LIMIT = 1500 * MILLISECOND
"""How long a public client waits for an answer."""

CONDITIONING_OUTPUT = 1
"""The event output that lets heater and compressor run, as chamber makers wire it by default."""

OUTPUTS = 8

ROOM_DEGC = 23.0
"""A set-point that does no harm, of a machine that conditions on whatever it is told."""

LOOP = ":SOURCE:CLOOP1"
CASCADE = ":SOURCE:CASCADE1"
READ_AIR = f"{LOOP}:PVALUE?"
READ_SET = f"{LOOP}:SPOINT?"
READ_ERROR = f"{LOOP}:ERROR?"
READ_INNER_AIR = f"{CASCADE}:INNER:PVALUE?"
READ_INNER_SET = f"{CASCADE}:INNER:SPOINT?"
READ_INNER_ERROR = f"{CASCADE}:INNER:ERROR?"
HOLD_INNER = (
    f"{CASCADE}:FUNCTION DEVIATION",
    f"{CASCADE}:RANGE:LOW 0",
    f"{CASCADE}:RANGE:HIGH 0",
    f"{CASCADE}:CONTROL BOTH",
)
"""A cascade whose inner set-point may not deviate from the outer one controls the air alone."""

CELSIUS = ":UNIT:TEMPERATURE C"
READ_UNIT = ":UNIT:TEMPERATURE?"
STOP_PROGRAM = ":PROGRAM:SELECTED:STATE STOP"


def set_point_line(set_degc: float, loop: str = LOOP) -> str:
    """Return the line that sets the temperature loop."""
    return f"{loop}:SPOINT {set_degc:.2f}"


def ramp_lines(ramp_k_per_min: float | None) -> list[str]:
    """Return the lines that make set-point changes ramp, or jump where the ramp is None."""
    if ramp_k_per_min is None:
        return [f"{LOOP}:RACTION OFF"]
    return [
        f"{LOOP}:RSCALE MINUTES",
        f"{LOOP}:RRATE {ramp_k_per_min:.3f}",
        f"{LOOP}:RACTION SETPOINT",
    ]


def output_line(output: int, *, on: bool) -> str:
    """Return the line that switches an event output."""
    return f":OUTPUT{output}:STATE {'ON' if on else 'OFF'}"


def read_output_line(output: int) -> str:
    """Return the line that asks whether an event output is on."""
    return f":OUTPUT{output}:STATE?"


def parse_output(reply: str) -> bool:
    """Return whether an output is on; raises ValueError for any other answer."""
    states = {"ON": True, "OFF": False, "1": True, "0": False}
    if reply.strip().upper() not in states:
        raise ValueError(f"expected ON or OFF, found {reply!r}")
    return states[reply.strip().upper()]


def parse_identity(reply: str) -> tuple[str, str, str, str]:
    """Return maker, model, serial and firmware; fields may be quoted. Raises ValueError."""
    maker, model, serial, firmware = parse_strings(reply, 4)
    return maker, model, serial, firmware
