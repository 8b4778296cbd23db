"""What all twins that speak SCPI have in common: the front of the instrument, up to its parser."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from drivers.wire.scpi import ScpiDevice
from drivers.wire.scpi_data import check_field
from hil.core.instants import Duration, Instant
from hil.ports import Clock


@dataclass(frozen=True, slots=True)
class ScpiOptions:
    """What each of them can be told in a bench file.

    ``reply_ns`` is the time from the end of a question to the start of its answer.
    """

    serial: str = "V-0001"
    reply_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse what the instrument could not send."""
        check_field("serial", self.serial)


Options = TypeVar("Options", bound=ScpiOptions)


class ScpiTwin(ABC, Generic[Options]):
    """The way in and out (``ByteTwin``), and a part of ``Inhabited``.

    A subclass sets ``_scpi`` once it can say which commands it has.
    """

    _scpi: ScpiDevice

    def __init__(self, name: str, clock: Clock, options: Options) -> None:
        """Begin with the supply on and nobody attached."""
        self.name = name
        self._clock, self._options = clock, options
        self._send: Callable[[bytes, Instant], None] | None = None
        self._silent = False
        self._powered = True

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        """Give the instrument its way out."""
        self._send = send

    def receive(self, data: bytes) -> None:
        """Take bytes; answers leave after the reply time. Without a supply it hears nothing."""
        if not self._hears():
            return
        self._answer(self._scpi.receive(data))

    def _answer(self, replies: Sequence[str]) -> None:
        """Send what there is to answer, and come back when somebody waits for what is under way."""
        if self._scpi.waits:
            self._clock.call_at(self._arrival(), self._go_on)
        if self._silent or self._send is None:
            return
        at = self._clock.now() + self._options.reply_ns + self._late()
        for reply in replies:
            self._send(reply.encode("ascii") + b"\n", at)

    def _go_on(self) -> None:
        """Answer what waited; it has perhaps hung up, or the supply has gone."""
        if self._hears():
            self._answer(self._scpi.settled())

    def _arrival(self) -> Instant:
        """Return when what is under way will have ended; now, where nothing takes time."""
        return self._clock.now()

    def hang_up(self) -> None:
        """The client has gone: half a line of it stays behind no longer."""
        self._scpi.hang_up()

    def status_byte(self, *, message_available: bool) -> int:
        """Return the status byte, as a serial poll has it."""
        return self._scpi.status.byte(message_available=message_available)

    def interrupted(self) -> None:
        """Note that a new message came before an answer was read (-410)."""
        self._scpi.hang_up()
        self._scpi.report(-410)

    def replace(self, serial: str) -> None:
        """Put another unit in this place, trimmed alike. Raises ValueError for no serial number."""
        self._options = replace(self._options, serial=serial)
        self._scpi.rename(self._identity())

    def _hears(self) -> bool:
        """Say whether what arrives now is heard."""
        return self._powered

    def _late(self) -> Duration:
        """Return how much later than usual it answers."""
        return 0

    @abstractmethod
    def _identity(self) -> str:
        """Return the answer to ``*IDN?``."""
