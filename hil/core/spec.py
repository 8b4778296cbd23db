"""What a device can do, as pure data: read by ``hil check``, drivers, twins and the verdict alike.

Every driver exposes one of these as ``SPEC``, so that no device is needed to check a profile.
``host_loss`` is what a device does by itself, by its manual, when its host says nothing any more;
empty where it goes on as it was told last.
"""

from dataclasses import dataclass

from hil.core.instants import Duration


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval in the unit that the field's name ends with."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        """Say whether ``value`` lies inside, ends included."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Expanded uncertainty (k = 2) as ``offset + gain * |value|``, in the quantity's own unit."""

    offset: float
    gain: float = 0.0

    def at(self, value: float) -> float:
        """Return the expanded uncertainty at ``value``."""
        return self.offset + self.gain * abs(value)


@dataclass(frozen=True, slots=True)
class EmulatorSpec:
    """A unit that emulates cells, with auxiliary analog outputs where it has them.

    ``calibration_days`` is how long its accuracies hold after a calibration, None where its maker
    does not say and nobody has assumed anything. ``read_noise_v`` is rms of one reading, of which
    ``read_resolution_v`` is the last digit; 0 where nobody knows it.
    """

    model: str
    channels: int
    set_v: Range
    set_resolution_v: float
    set_accuracy_v: Accuracy
    read_accuracy_v: Accuracy
    read_accuracy_a: Accuracy
    source_a: float
    sink_a: float
    settle: Duration
    reply: Duration
    aux_outputs: int = 0
    aux_v: Range = Range(0.0, 0.0)
    aux_resolution_v: float = 0.0
    calibration_days: int | None = None
    host_loss: str = ""
    read_noise_v: float = 0.0
    read_resolution_v: float = 0.0
    digital_inputs: int = 0

    def read_error_v(self, value_v: float) -> float:
        """Return by how much one reading may be off: its accuracy, and four sigma of its noise."""
        return self.read_accuracy_v.at(value_v) + 4.0 * self.read_noise_v


@dataclass(frozen=True, slots=True)
class ChamberSpec:
    """A thermal chamber and its controller; ``calibration_days`` as in ``EmulatorSpec``.

    ``read_noise_k`` and ``read_resolution_k`` are of one reading, 0 where nobody knows them.
    """

    model: str
    set_degc: Range
    ramp_k_per_min: float
    read_accuracy_k: Accuracy
    reply: Duration
    calibration_days: int | None = None
    host_loss: str = ""
    read_noise_k: float = 0.0
    read_resolution_k: float = 0.0


@dataclass(frozen=True, slots=True)
class BoardSpec:
    """A board as its interface shows it; the electronics are a board design (profiles/boards).

    ``faults`` names what it can report (``hil.ports.BoardFault``); empty where nobody knows.
    ``calibration_days`` is None: a board is what is tested, not what tests.
    """

    model: str
    max_cells: int
    cell_v: Range
    cell_resolution_v: float
    duty_resolution: float
    report_period: Duration
    reply: Duration
    faults: tuple[str, ...] = ()
    calibration_days: int | None = None
    host_loss: str = ""


@dataclass(frozen=True, slots=True)
class FaultBoxSpec:
    """A box of relays in wires between the bench and the board: each channel is one wire.

    ``carries_a`` is what a channel may carry; a relay has no accuracy that a calibration would keep
    (``calibration_days``).
    """

    model: str
    channels: int
    carries_a: float
    reply: Duration
    calibration_days: int | None = None
    host_loss: str = ""


@dataclass(frozen=True, slots=True)
class SupplySpec:
    """A unit that gives a board its own supply; ``calibration_days`` as in ``EmulatorSpec``."""

    model: str
    channels: int
    set_v: Range
    set_accuracy_v: Accuracy
    read_accuracy_v: Accuracy
    read_accuracy_a: Accuracy
    source_a: float
    settle: Duration
    reply: Duration
    calibration_days: int | None = None
    host_loss: str = ""


DeviceSpec = EmulatorSpec | ChamberSpec | BoardSpec | FaultBoxSpec | SupplySpec
