"""The parsers of interfaces with messages: a twin's HiSLIP end, both connections."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from garbage import Feed, Parser

from drivers.links.endpoint import Caller
from drivers.links.endpoint_hislip import HislipGuest
from drivers.links.endpoint_vxi11 import CoreGuest, DatagramPortmapGuest
from drivers.wire.hislip import Kind, Message, Reader
from drivers.wire.onc_rpc import RecordReader, packed, record
from drivers.wire.vxi11 import CORE, Procedure
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


class _Later:
    """A clock on which answers come at once, and no time is ever over."""

    def call_at(self, at: Instant, what: Callable[..., None], *arguments: Any) -> "_Later":
        if at == 0:
            what(*arguments)
        return self

    def now(self) -> Instant:
        return 1

    def cancel(self) -> None: ...


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


def _vxi11_device(_stack: ExitStack) -> Feed:
    """Feed a core channel with a link; one that was ended is opened again."""
    clock: Any = _Later()
    guest = CoreGuest(_Echo(), clock, lambda: 9)
    answers: list[bytes] = []
    state = {"session": 0, "turn": 0}
    there: list[int] = []

    def feed(piece: bytes) -> bool:
        state["turn"] += 1
        if not there or state["turn"] % 16 == 0:  # one may wait for 2 ** 31 bytes by now
            for session in there:
                guest.ended(session)
            there.clear()
            state["session"] += 1
            session = state["session"]
            guest.opened(Caller(session, answers.append, there.clear))
            there.append(session)
            guest.arrived(session, record(_call(Procedure.CREATE_LINK, packed(0, 0, 0, 0))))
        answers.clear()
        guest.arrived(there[0], piece)
        list(RecordReader(1 << 24).feed(b"".join(answers)))  # what is answered is well formed
        return bool(answers)

    return feed


def _call(procedure: int, arguments: bytes) -> bytes:
    """Return a call of the core channel, by nobody in particular."""
    head = packed(7, 0, 2, CORE.program, CORE.version, procedure, 0, 0, 0, 0)
    return head + arguments


def _portmapper(_stack: ExitStack) -> Feed:
    """Feed a portmapper, a datagram a piece."""
    answers: list[bytes] = []
    guest = DatagramPortmapGuest(lambda: {CORE: 1_024})

    def feed(piece: bytes) -> bool:
        answers.clear()
        guest.opened(Caller(1, answers.append, answers.clear))
        guest.arrived(1, piece)
        return bool(answers)

    return feed


def message_parsers() -> Iterable[Parser]:
    """Yield the devices' ends."""
    calls = [_call(procedure, packed(1, 0, 100, 0, 8, 4) + b"*IDN") for procedure in Procedure]
    sent = [record(call) for call in calls]
    words = [b"\0" * 4, b"\xff" * 4, packed(1), packed(2), packed(8), packed(CORE.program), *sent]
    yield Parser("VXI-11 device", _vxi11_device, (), sent, words)
    asks = [packed(7, 0, 2, 100_000, 2, one, 0, 0, 0, 0, CORE.program, 1, 6, 0) for one in range(5)]
    yield Parser("portmapper", _portmapper, (), asks, words)
    kinds = [Message(kind).packed() for kind in Kind]
    data = [Message(Kind.DATA_END, payload=b"*IDN?\n").packed(), Message(Kind.DATA, 1).packed()]
    tokens = [b"HS", b"HS\x06", b"HS\x07", b"\0" * 8, b"\xff" * 8, b"\0\0\0\x04", *kinds]
    yield Parser("HiSLIP device", _hislip_device, (), [*kinds, *data], tokens)
