"""The parsers of interfaces with messages: a twin's HiSLIP end, both connections."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from garbage import Feed, Parser

from drivers.links.endpoint import Caller
from drivers.links.endpoint_hislip import HislipGuest
from drivers.wire.hislip import Kind, Message, Reader
from hil.core.instants import Instant


class _Echo:
    """An instrument that answers all that it is told, at once."""

    def attach(self, send: Callable[[bytes, Instant], None]) -> None:
        self._send = send

    def receive(self, data: bytes) -> None:
        self._send(data, 0)

    def status_byte(self, *, message_available: bool) -> int:
        return 16 if message_available else 0

    def hang_up(self) -> None: ...

    def interrupted(self) -> None: ...


class _Now:
    """A clock on which all happens at once."""

    def call_at(self, _at: Instant, what: Callable[..., None], *arguments: Any) -> None:
        what(*arguments)


def _hislip_device(_stack: ExitStack) -> Feed:
    """Feed both connections in turn; one that was ended is opened again."""
    clock: Any = _Now()
    guest = HislipGuest(_Echo(), clock)
    answers: list[bytes] = []
    state = {"session": 0, "turn": 0}
    there: list[int] = []

    def opened(first: Message) -> None:
        state["session"] += 1
        session = state["session"]
        guest.opened(Caller(session, answers.append, lambda: there.remove(session)))
        there.append(session)
        guest.arrived(session, first.packed())

    def feed(piece: bytes) -> bool:
        state["turn"] += 1
        if len(there) != 2 or state["turn"] % 16 == 0:  # one may skip 2 ** 64 bytes by now
            for session in there:
                guest.ended(session)
            there.clear()
            opened(Message(Kind.INITIALIZE, payload=b"hislip0"))
            [answer] = Reader().feed(answers[-1])
            opened(Message(Kind.ASYNC_INITIALIZE, parameter=answer.parameter & 0xFFFF))
        answers.clear()
        guest.arrived(there[state["turn"] % 2], piece)
        Reader().feed(b"".join(answers))  # what is answered is well formed
        return bool(answers)

    return feed


def message_parsers() -> Iterable[Parser]:
    """Yield the device's end."""
    kinds = [Message(kind).packed() for kind in Kind]
    data = [Message(Kind.DATA_END, payload=b"*IDN?\n").packed(), Message(Kind.DATA, 1).packed()]
    tokens = [b"HS", b"HS\x06", b"HS\x07", b"\0" * 8, b"\xff" * 8, b"\0\0\0\x04", *kinds]
    yield Parser("HiSLIP device", _hislip_device, (), [*kinds, *data], tokens)
