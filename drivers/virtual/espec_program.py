"""The remote program of a virtual ESPEC P300: one step, in which the set-point moves in a line."""

import re
from dataclasses import dataclass, replace

from hil.core.instants import MINUTE, SECOND, Duration, Instant

_RELAYS = re.compile(r"RELAY(ON|OFF)((?:,\d{1,2})+)")
_WORD = re.compile(r"(GOTEMP|TEMP|GOHUMI|HUMI|TIME|REF)(\S*)")
_DEGC = re.compile(r"[+-]?\d{1,4}(\.\d{1,2})?")
_TIME = re.compile(r"(\d{1,2}):(\d{1,2})")


@dataclass(frozen=True)
class RemoteProgram:
    """Where the set-point begins, where it is to be when the time is over, and how far it has got.

    ``done_ns`` had passed at ``since``; paused, no more does.
    """

    start_degc: float
    end_degc: float
    time_ns: Duration
    since: Instant
    done_ns: Duration = 0
    paused: bool = False

    def passed_ns(self, now: Instant) -> Duration:
        """Return how much of its time has passed."""
        going = 0 if self.paused else now - self.since
        return min(self.done_ns + going, self.time_ns)

    def left_ns(self, now: Instant) -> Duration:
        """Return how much is left."""
        return self.time_ns - self.passed_ns(now)

    def at(self, now: Instant) -> float:
        """Return the set-point."""
        share = self.passed_ns(now) / self.time_ns
        return self.start_degc + (self.end_degc - self.start_degc) * share

    def state(self, now: Instant) -> str:
        """Return what the controller calls it."""
        if not self.left_ns(now):
            return "RUN END HOLD"
        return "RUN PAUSE" if self.paused else "RUN"

    def heading(self, now: Instant) -> tuple[float, float | None]:
        """Return the set-point that the machine is to go to, and at which ramp in K/s."""
        if self.paused:
            return self.at(now), None
        rise_k = abs(self.end_degc - self.start_degc)
        return self.end_degc, rise_k / (self.time_ns / SECOND) if rise_k else None

    def steered(self, verb: str, now: Instant) -> "RemoteProgram":
        """Return the program paused, continued, or at its end."""
        done_ns = self.time_ns if verb == "ADVANCE" else self.passed_ns(now)
        return replace(self, since=now, done_ns=done_ns, paused=verb == "PAUSE")

    def text(self) -> str:
        """Return it as ``RUN PRGM?`` tells it."""
        hours, minutes = divmod(self.time_ns // MINUTE, 60)
        return f"TEMP{self.start_degc:.1f} GOTEMP{self.end_degc:.1f} TIME{hours}:{minutes:02d}"


def parse_program(text: str, now: Instant) -> tuple[RemoteProgram, dict[str, set[int]]]:
    """Return the program of ``TEMPx TIMEh:m [GOTEMPy] [RELAYON,1,2]``, and the relays by ON, OFF.

    Raises ValueError.
    """
    relays = {
        state: set(map(int, numbers[1:].split(","))) for state, numbers in _RELAYS.findall(text)
    }
    words = [_WORD.fullmatch(word) for word in re.split(r"[ ,]+", _RELAYS.sub("", text)) if word]
    if not all(words):
        raise ValueError(f"not understood: {text!r}")
    found = {word[1]: word[2] for word in words if word is not None}
    start, time = found.get("TEMP", ""), _TIME.fullmatch(found.get("TIME", ""))
    end = found.get("GOTEMP", start)
    if time is None or not _DEGC.fullmatch(start) or not _DEGC.fullmatch(end):
        raise ValueError(f"not understood: {text!r}")
    minutes = 60 * int(time[1]) + int(time[2])
    if not minutes or int(time[2]) >= 60:  # noqa: PLR2004 - minutes of an hour
        raise ValueError(f"no time: {text!r}")
    return RemoteProgram(float(start), float(end), minutes * MINUTE, now), relays
