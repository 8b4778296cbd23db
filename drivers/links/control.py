"""The lab's control port: one JSON object a line each way, for several clients at once.

Everything it is asked is answered with one line: what was found under ``"ok": true``, or why not
under ``"ok": false`` and ``"error"``.
"""

import asyncio
import hmac
import json
import socket
from collections.abc import Mapping
from typing import Any

from drivers.links.endpoint_doors import TcpOpening
from hil.core.errors import BenchError, DeviceError, LinkLost, LinkTimeout, printable
from hil.ports import ControlKind, Handle

_LONGEST = 1 << 16
_KEY = "token"
_ANSWER_WITHIN_S = 1.0
"""A lab answers in milliseconds; a tick waits for it with the outputs on."""


class ControlServer:
    """``hil.ports.ControlPort``: hands requests to the lab and its answers back."""

    def __init__(self, handle: Handle, token: str) -> None:
        """``handle`` answers one request; with a token those alone that say it. Use ``serve``."""
        self._handle, self._token = handle, token.encode()
        self._server: asyncio.Server
        self._clients: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        """Where it listens, as ``host:port``."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    async def listen(self, host: str, port: int) -> None:
        """Begin. Raises OSError that names the address."""
        door = TcpOpening(host, port).open()
        plug = socket.socket(fileno=door.descriptor)
        self._server = await asyncio.start_server(self._serve, sock=plug, limit=_LONGEST)

    async def close(self) -> None:
        """Listen no more; whoever is connected is let go."""
        self._server.close()
        for writer in self._clients:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client's lines until it goes, or says one that is too long."""
        self._clients.add(writer)
        try:
            while line := await _next_line(reader):
                answer, stays = self._answer(line)
                writer.write(_line(answer))
                await writer.drain()
                if not stays:
                    break
            if line is None:
                writer.write(_line(_refused(f"a line of more than {_LONGEST} bytes")))
        except ConnectionError:
            pass  # it has gone: there is nobody to tell
        finally:
            self._clients.discard(writer)
            writer.close()

    def _answer(self, line: bytes) -> tuple[Mapping[str, Any], bool]:
        """Answer one line; whatever it says, there is an answer. Say whether its client may stay.

        One that speaks no JSON may not: a web page can have a browser post lines to any port of
        this host, and HTTP's own come first. Nor one that does not know the token.
        """
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return _refused('not JSON: expected one object a line, such as {"do": "truth"}'), False
        if not isinstance(request, dict):
            return _refused(f"found {type(request).__name__}, expected an object"), False
        if not self._knows_token(request.pop(_KEY, None)):
            return _refused(f"{_KEY}: missing or wrong: this lab has one (HIL_LAB_TOKEN)"), False
        try:
            return {"ok": True, **self._handle(request)}, True
        except (ValueError, BenchError) as error:
            return _refused(str(error)), True

    def _knows_token(self, said: object) -> bool:
        """Compare in a time that tells nothing of how much was right."""
        word = said.encode(errors="replace") if isinstance(said, str) else b""
        return not self._token or hmac.compare_digest(word, self._token)


async def _next_line(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next line, empty when the client has gone; None for one that is too long."""
    try:
        return await reader.readline()
    except ValueError:
        return None


def _refused(why: str) -> Mapping[str, Any]:
    return {"ok": False, "error": printable(why)}


def _line(body: Mapping[str, Any]) -> bytes:
    """Write a body as a line; ``NaN`` would be no JSON, and there is none (``Lab`` sees to it)."""
    return json.dumps(body, allow_nan=False).encode("ascii") + b"\n"


async def serve(handle: Handle, host: str, port: int, token: str = "") -> ControlServer:
    """Listen on ``host:port``; port 0 is any free one. Raises LinkLost.

    Requests must have ``token``, where there is one, under the key of that name.
    """
    server = ControlServer(handle, token)
    try:
        await server.listen(host, port)
    except OSError as error:
        raise LinkLost("control", error.strerror or str(error)) from error
    return server


async def ask(
    host: str, port: int, request: Mapping[str, Any], token: str = ""
) -> Mapping[str, Any]:
    """Ask a lab one thing, on a connection of its own, and return its answer.

    The token crosses the network as it is: beyond a network of one's own, take a tunnel. Raises
    LinkLost, LinkTimeout; DeviceError with the lab's reason if it refuses.
    """
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            answer = await _exchange(host, port, {**request, **({_KEY: token} if token else {})})
    except TimeoutError as error:
        raise LinkTimeout("lab", f"{where}: no answer within {_ANSWER_WITHIN_S:g} s") from error
    except (OSError, ValueError) as error:
        raise LinkLost("lab", f"{where}: {error}") from error
    if not answer.get("ok"):
        raise DeviceError("lab", f"{where}: {answer.get('error')}")
    return answer


async def _exchange(host: str, port: int, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Send one line and read one. Raises OSError, and ValueError for anything but an object."""
    reader, writer = await asyncio.open_connection(host, port, limit=_LONGEST)
    try:
        writer.write(_line(request))
        answer = json.loads(await reader.readline() or b"null")
    finally:
        writer.close()
    if not isinstance(answer, dict):
        raise ValueError("it does not speak as a lab's control port does")  # noqa: TRY004 - as json's own
    return answer


CONTROL = ControlKind(serve=serve, ask=ask)
"""The entry point ``control`` of ``hil.labs``."""
