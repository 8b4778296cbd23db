"""The status model of an instrument: error queue, registers and the byte that sums them up.

Sources: IEEE 488.2-1992 chapter 11 (standard event register, status byte) and SCPI-1999 volume 1,
20 (OPERation and QUEStionable: condition, transition filters, event, enable) and volume 2, 21.8
(the queue). The status byte's bits: EAV 4, QUES 8, MAV 16, ESB 32, MSS 64, OPER 128.
"""

from drivers.wire.scpi_command import Channels, Command
from drivers.wire.scpi_data import ERROR_TEXT, Integer, quoted

# Bits of the standard event register (IEEE 488.2, 11.5.1).
OPERATION_COMPLETE, QUERY_ERROR, DEVICE_ERROR, EXECUTION_ERROR = 1, 4, 8, 16
COMMAND_ERROR, POWER_ON = 32, 128
# Bits of the status byte (11.2).
ERROR_AVAILABLE, QUESTIONABLE_SUMMARY, MESSAGE_AVAILABLE, EVENT_SUMMARY = 4, 8, 16, 32
MASTER_SUMMARY, OPERATION_SUMMARY = 64, 128

WHOLE = 0x7FFF
"""Bit 15 of a SCPI register is never used, so that no instrument answers a negative number."""


class Register:
    """Condition, what of its changes counts, the events that did, and which are told further."""

    def __init__(self) -> None:
        """Start with no condition and no event."""
        self.condition = self.event = 0
        self.preset()

    def preset(self) -> None:
        """Count what rises, tell nothing further (``:STATus:PRESet``); events stay."""
        self.rising, self.falling, self.enable = WHOLE, 0, 0

    def set(self, condition: int) -> None:
        """Take the condition as it is now; what changed the way that counts is an event."""
        rose, fell = condition & ~self.condition, self.condition & ~condition
        self.event |= rose & self.rising | fell & self.falling
        self.condition = condition

    def take_event(self) -> int:
        """Return the events; reading clears them."""
        value, self.event = self.event, 0
        return value

    def commands(self, header: str) -> list[Command]:
        """Return what reads and writes it under ``header``."""

        def mask(name: str) -> Command:
            def write(_: Channels, value: int) -> None:
                setattr(self, name, value & WHOLE)

            node = {"enable": "ENABle", "rising": "PTRansition", "falling": "NTRansition"}[name]
            read = lambda _: str(getattr(self, name))  # noqa: E731 - as short as it is
            return Command(f"{header}:{node}", write, read, (Integer(0, 0xFFFF),))

        return [
            Command(f"{header}[:EVENt]", read=lambda _: str(self.take_event())),
            Command(f"{header}:CONDition", read=lambda _: str(self.condition)),
            *map(mask, ("enable", "rising", "falling")),
        ]


class Status:
    """Everything that ``*STB?`` sums up."""

    def __init__(self, queue_depth: int) -> None:
        """Start as after power-up: nothing queued, nothing enabled, the power-on event set."""
        self._depth = queue_depth
        self._errors: list[tuple[int, str]] = []
        self.event, self.event_enable, self.service_enable = POWER_ON, 0, 0
        self.operation, self.questionable = Register(), Register()

    def report(self, code: int, text: str = "") -> None:
        """Queue an error and set its event bit; a full queue's last entry becomes -350."""
        if len(self._errors) < self._depth:
            self._errors.append((code, text or ERROR_TEXT.get(code, "Device-specific error")))
        else:
            self._errors[-1] = (-350, ERROR_TEXT[-350])
        self.event |= event_bit(code)

    def error_count(self) -> int:
        """Return how many errors wait in the queue."""
        return len(self._errors)

    def take_error(self) -> tuple[int, str]:
        """Return the oldest error and take it off the queue; 0 when there is none."""
        return self._errors.pop(0) if self._errors else (0, ERROR_TEXT[0])

    def clear(self) -> None:
        """Empty the queue and all event registers; masks and conditions stay (``*CLS``)."""
        self._errors.clear()
        self.event = self.operation.event = self.questionable.event = 0

    def byte(self, *, message_available: bool) -> int:
        """Return the status byte, with the master summary in bit 6."""
        value = ERROR_AVAILABLE if self._errors else 0
        value |= MESSAGE_AVAILABLE if message_available else 0
        value |= EVENT_SUMMARY if self.event & self.event_enable else 0
        for register, bit in (
            (self.questionable, QUESTIONABLE_SUMMARY),
            (self.operation, OPERATION_SUMMARY),
        ):
            value |= bit if register.event & register.enable else 0
        return value | MASTER_SUMMARY if value & self.service_enable else value

    # --- as commands -------------------------------------------------------------------------

    def common_commands(self) -> list[Command]:
        """Return what IEEE 488.2 (10.1) and SCPI (21.8) ask of every instrument."""
        byte = (Integer(0, 255),)
        return [
            Command("*ESE", self._enable_events, lambda _: str(self.event_enable), byte),
            Command("*ESR", read=self._take_event),
            Command("*SRE", self._enable_service, lambda _: str(self.service_enable), byte),
            Command(":SYSTem:ERRor[:NEXT]", read=self._next_error),
            Command(":SYSTem:ERRor:COUNt", read=lambda _: str(self.error_count())),
        ]

    def scpi_commands(self) -> list[Command]:
        """Return what SCPI-1999 (volume 1, 4.2.1) asks of an instrument beside that."""
        return [
            *self.operation.commands(":STATus:OPERation"),
            *self.questionable.commands(":STATus:QUEStionable"),
            Command(":STATus:PRESet", write=self._preset),
            Command(":SYSTem:VERSion", read=lambda _: "1999.0"),
            Command(":SYSTem:ERRor:ALL", read=self._all_errors),
        ]

    def _preset(self, _: Channels) -> None:
        self.operation.preset()
        self.questionable.preset()

    def _enable_events(self, _: Channels, mask: int) -> None:
        self.event_enable = mask

    def _enable_service(self, _: Channels, mask: int) -> None:
        self.service_enable = mask & ~MASTER_SUMMARY

    def _take_event(self, _: Channels) -> str:
        """Return the event register; reading clears it."""
        value, self.event = self.event, 0
        return str(value)

    def _next_error(self, _: Channels) -> str:
        return _told(*self.take_error())

    def _all_errors(self, _: Channels) -> str:
        """Return every error and empty the queue; no error is one entry too."""
        found = [_told(*self.take_error()) for _ in range(max(1, self.error_count()))]
        return ",".join(found)


def _told(code: int, text: str) -> str:
    return f"{code},{quoted(text)}"


def is_command_error(code: int) -> bool:
    """Say whether the parser raised it (-100 to -199), not the device."""
    return -200 < code <= -100  # noqa: PLR2004 - the class of the standard


def event_bit(code: int) -> int:
    """Return the event register's bit of an error's class (SCPI-1999 volume 2, 21.8)."""
    if code > 0:
        return DEVICE_ERROR
    classes = {1: COMMAND_ERROR, 2: EXECUTION_ERROR, 3: DEVICE_ERROR, 4: QUERY_ERROR}
    return classes.get(-code // 100, 0)
