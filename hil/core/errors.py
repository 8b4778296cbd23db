"""Every error the bench raises on purpose. Foreign exceptions become one of these at the link."""

from dataclasses import dataclass


def printable(text: str) -> str:
    """Return a text as any terminal may show it: what steers one stands there as its escape.

    Names come from files and command lines; a line feed in one must not look like another error.
    """
    if text.isprintable():
        return text
    shown = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return "".join(shown)


MAX_TOLD = 500
"""Characters of what is told of a device."""


class BenchError(Exception):
    """The root: something the bench knows how to say in one line."""


@dataclass
class ConfigError(BenchError):
    """A profile, bench or other input file that cannot be used; raised before a run id exists.

    ``line`` and ``column`` count from 1; 0 means the place is the whole file.
    """

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        """Return ``FILE:LINE:COLUMN: KEY: what was found, what was expected, what to do``."""
        file = printable(self.file)
        place = file if not self.line else f"{file}:{self.line}:{self.column}"
        key = f"{self.key}: " if self.key else ""
        return f"{place}: {key}{self.message}"


class ConfigErrors(BenchError):
    """Several configuration errors found in one pass, reported together."""

    def __init__(self, errors: list[ConfigError]) -> None:
        """Keep the errors in the order in which the file shows them."""
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


class UnitError(BenchError):
    """A quantity that is not a number with a unit of the expected dimension."""


class EnvironmentProblem(BenchError):
    """The host cannot do what is asked: a missing library, a folder that cannot be written."""


class DeviceError(BenchError):
    """A device or its link did not do what was asked; ``device`` is its name in the bench file."""

    def __init__(self, device: str, message: str) -> None:
        """Name the device and say what was expected of it in bench terms.

        What a device has answered may stand in it, and may be long: then the end is left out.
        """
        message = message if len(message) <= MAX_TOLD else f"{message[:MAX_TOLD]}..."
        super().__init__(f"{device}: {message}")
        self.device = device
        self.message = message


class LinkTimeout(DeviceError):
    """No complete answer within the time the device's own data allow."""


class LinkLost(DeviceError):
    """The link is gone: peer closed, adapter unplugged, refused."""


class MalformedReply(DeviceError):
    """An answer came but is not what the protocol says."""


class InstrumentFault(DeviceError):
    """The instrument itself reports an error or refuses; ``code`` is its own error code."""

    def __init__(self, device: str, message: str, code: int) -> None:
        """Keep the instrument's code beside the message."""
        super().__init__(device, message)
        self.code = code


class FirmwareFault(BenchError):
    """Firmware in an engine does what no controller could: it never rests, or sends no frame."""


class InterlockTrip(BenchError):
    """A limit that the bench watches was crossed; the bench goes to its safe state."""

    def __init__(self, limit: str, subject: str, message: str) -> None:
        """``limit`` names the rule, ``subject`` what crossed it (``cell[5].voltage``)."""
        super().__init__(f"{limit}: {subject}: {message}")
        self.limit = limit
        self.subject = subject


class DeadlockError(BenchError):
    """Virtual time has nothing ready and no timer left: something waits for ever."""
