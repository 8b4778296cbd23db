"""Carries messages to a broker, in a thread with an event loop of its own.

The bench must not share its loop with an MQTT client: there, any exception that nobody fetched
ends the run (``hil.bench.clock.watched``), and aiomqtt leaves some when a broker dies; it connects
and looks names up on the loop's default executor, behind which a run's end would hang. So nothing
that a broker does can reach the tick but through the interpreter's lock, and ``breather_s`` leaves
that to the tick while one is due.

Every call has a time-out of 2 s: what is in flight when a broker dies waits it out.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from logging import NullHandler, getLogger
from socket import SHUT_RDWR, socket
from typing import Any, TypeAlias

import aiomqtt

from hil.bench.wall_time import monotonic_ns
from hil.core.errors import BenchError
from hil.core.instants import SECOND
from hil.live.messages import Message, back_filled
from hil.live.outbox import Source
from hil.live.target import Target

TIMEOUT_S = 2.0
KEEPALIVE_S = 10
"""A broker takes a client for lost after one and a half times this; then it tells the last will."""

WINDOW = 20
"""Messages under way at once: 10,000 a second where one by one were 3,600 (performance.md, 6)."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
HEARTBEAT_S = 10.0
"""How the run stands is told this often: the will of an earlier run may have come in between."""

LOOKED_EVERY_S = 0.2
"""Whoever waits for the last messages looks this often whether the user has had enough."""

AT_LEAST_ONCE = 1
Range: TypeAlias = tuple[int, int]

QUIET = getLogger("hil.live.aiomqtt")
QUIET.addHandler(NullHandler())
QUIET.propagate = False  # what matters of it is told once, in our words


@dataclass
class Delivery:
    """What has become of the messages so far. ``delivered`` are ranges (first, last) of numbers."""

    sent: int = 0
    backfilled: int = 0
    connections: int = 0
    problem: str = ""
    delivered: list[Range] = field(default_factory=list)

    def note(self, seq: int, *, backfill: bool) -> None:
        """Count a message that the broker has acknowledged; one sent twice counts once."""
        last = self.delivered[-1][1] if self.delivered else -2
        if seq <= last:
            return
        self.sent += 1
        self.backfilled += backfill
        if seq == last + 1:
            self.delivered[-1] = (self.delivered[-1][0], seq)
        else:
            self.delivered.append((seq, seq))


@dataclass(frozen=True)
class Letter:
    """What a courier says besides the messages, all under ``topic``, and as whom.

    ``client`` is the name under which the broker knows it, empty for any: who takes a name that is
    in use ends the other one.

    ``state`` gives how the run stands now, ``lost`` is what the broker says of a run that is gone,
    both empty for nothing to say. ``newest`` is the number of the newest record: what is not newer
    when a connection comes is back-filled. ``breather_s`` says how long to keep still, 0 for go on.
    """

    topic: str
    client: str
    lost: bytes
    state: Callable[[], bytes]
    newest: Callable[[], int]
    breather_s: Callable[[], float] = lambda: 0.0


class Courier:
    """Delivers what a source has until it is told to finish."""

    def __init__(self, target: Target, letter: Letter, source: Source, log: Any) -> None:
        """``log`` is a structlog logger; nothing happens before ``start``."""
        self._target, self._letter, self._source, self._log = target, letter, source, log
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake, self._hurry = asyncio.Event(), asyncio.Event()
        self._tried = threading.Event()
        self._finishing = self._give_up = self._state_due = False
        self._told_ns = self._advanced_ns = monotonic_ns()
        self._thread = threading.Thread(target=self._work, name="telemetry", daemon=True)
        self.delivery = Delivery()
        self.error: Exception | None = None

    # --- called by others' threads ----------------------------------------------------------

    def start(self) -> None:
        """Start; return when a first connection has been tried, or after its time-out."""
        self._thread.start()
        self._tried.wait(2 * TIMEOUT_S)

    def wake(self, *, state: bool = False) -> None:
        """Say that the source has something, or that the run stands otherwise than before."""
        self._state_due |= state
        self._call(self._wake.set)

    def finish(self, stuck_s: float, most_s: float, enough: Callable[[], bool]) -> bool:
        """Deliver what is left; return whether all of it was.

        Gives up after ``stuck_s`` without an acknowledgement, after ``most_s`` in any case, and
        when ``enough`` says so; how the run stands is still told then, if the broker takes that.
        """
        end_ns = monotonic_ns() + round(most_s * SECOND)
        self._advanced_ns, self._finishing = monotonic_ns(), True
        self._call(self._wake.set)
        self._call(self._hurry.set)
        while self._thread.is_alive():
            left_ns = min(self._advanced_ns + round(stuck_s * SECOND), end_ns) - monotonic_ns()
            if left_ns <= 0 or enough():
                self._give_up = True
                self._call(self._hurry.set)
                self._thread.join(2 * TIMEOUT_S)
                return False
            self._thread.join(min(left_ns / SECOND, LOOKED_EVERY_S))
        return self.error is None

    @property
    def over(self) -> bool:
        """Say whether the thread has ended."""
        return not self._thread.is_alive()

    def _call(self, action: Callable[[], None]) -> None:
        """Let the thread's loop do something; harmless when it has ended."""
        if self._loop is not None:
            with suppress(RuntimeError):  # closed between two looks: then there is nobody to tell
                self._loop.call_soon_threadsafe(action)

    # --- the thread ------------------------------------------------------------------------

    def _work(self) -> None:
        """Carry until all is done; an error of ours ends telemetry, with a line, never the run."""
        try:
            with asyncio.Runner() as runner:
                self._loop = runner.get_loop()
                self._loop.set_default_executor(_DaemonThreads())
                self._loop.set_exception_handler(self._unfetched)
                runner.run(self._both())
        except Exception as error:  # noqa: BLE001 - told here or raised by who waits for it
            self.error = error
            self.delivery.problem = self.delivery.problem or f"{type(error).__name__}: {error}"
            if not isinstance(error, BenchError):
                self._log.exception("telemetry has ended: this is a bug in the bench")
        finally:
            self._tried.set()

    def _unfetched(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Note what the library leaves behind when a broker dies; we have heard of that already."""
        self._log.debug("telemetry", found=str(context.get("exception") or context["message"]))

    async def _both(self) -> None:
        room = asyncio.create_task(self._keep_room())
        try:
            await self._carry()
        finally:
            room.cancel()

    async def _keep_room(self) -> None:
        """Let the source keep its memory small; ten times a second is often enough, and cheap."""
        while True:
            await asyncio.sleep(0.1)
            self._source.make_room()

    async def _carry(self) -> None:
        """Connect, deliver, and connect again, until all is delivered or given up."""
        pause_s = FIRST_PAUSE_S
        while not self._give_up:
            before = self.delivery.sent
            try:
                async with self._connected() as client:
                    await self._deliver(client)
                    return
            except aiomqtt.MqttError as error:
                self._told(error)
                if self._finishing and not self.delivery.connections:
                    return  # it has never been there: nobody waits for it to come now
            self._tried.set()
            # Not for a connection alone: a broker may hang up on a message that it finds too large.
            pause_s = FIRST_PAUSE_S if self.delivery.sent > before else pause_s
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _pause(self, pause_s: float) -> None:
        """Wait before the next attempt; a run that ends has less time for that."""
        self._hurry.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(
                self._hurry.wait(), FIRST_PAUSE_S if self._finishing else pause_s
            )

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiomqtt.Client]:
        """Connect; leave nothing behind whatever happens. Raises MqttError."""
        letter, target = self._letter, self._target
        will = aiomqtt.Will(f"{letter.topic}/state", letter.lost, AT_LEAST_ONCE, retain=True)
        client = aiomqtt.Client(
            target.host,
            target.port,
            username=target.user,
            password=target.password,
            identifier=letter.client or None,
            will=will if letter.lost else None,
            timeout=TIMEOUT_S,
            keepalive=KEEPALIVE_S,
            max_inflight_messages=WINDOW,
            tls_params=aiomqtt.TLSParameters() if target.tls else None,
            logger=QUIET,
        )
        client.pending_calls_threshold = WINDOW
        client._client.connect_timeout = TIMEOUT_S  # noqa: SLF001 - aiomqtt hands on no time-out of its own
        try:
            async with client:
                yield client
        finally:
            _let_go(client)

    async def _deliver(self, client: aiomqtt.Client) -> None:
        """Send what the source has, and how the run stands; return when finished and empty."""
        newest = self._letter.newest()
        self.delivery.connections += 1
        if self.delivery.problem:
            self._log.info("telemetry is connected", broker=str(self._target))
        await self._tell_state(client)
        self._tried.set()
        while True:
            self._wake.clear()
            batch = [] if self._give_up else self._source.take(WINDOW)
            if batch:
                await self._send(client, batch, newest)
            elif self._finishing:
                await self._tell_state(client)
                return
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), HEARTBEAT_S)
            if self._state_due or monotonic_ns() - self._told_ns >= HEARTBEAT_S * SECOND:
                await self._tell_state(client)

    async def _send(self, client: aiomqtt.Client, batch: list[Message], newest: int) -> None:
        """Send a few messages at once, in order; what is not acknowledged goes back."""
        sending: list[asyncio.Task[None]] = []
        acknowledged = 0
        try:
            for message in batch:
                await asyncio.sleep(self._letter.breather_s())
                old = message.seq <= newest
                payload = back_filled(message.payload) if old else message.payload
                topic = f"{self._letter.topic}/{message.kind}"
                call = client.publish(topic, payload, AT_LEAST_ONCE)
                sending.append(asyncio.create_task(call))
            for message, task in zip(batch, sending, strict=True):
                await task
                acknowledged += 1
                self._advanced_ns = monotonic_ns()
                self.delivery.note(message.seq, backfill=message.seq <= newest)
        finally:
            for task in sending[acknowledged:]:
                task.cancel()
            await asyncio.gather(*sending[acknowledged:], return_exceptions=True)
            self._source.put_back(batch[acknowledged:])

    async def _tell_state(self, client: aiomqtt.Client) -> None:
        """Say how the run stands, for those who come later too."""
        self._state_due, self._told_ns = False, monotonic_ns()
        if told := self._letter.state():
            topic = f"{self._letter.topic}/state"
            await client.publish(topic, told, AT_LEAST_ONCE, retain=True)

    def _told(self, error: aiomqtt.MqttError) -> None:
        """Tell a person once what is wrong with the broker; later times only who asked for it."""
        reason = str(error) or type(error).__name__
        say = self._log.info if self.delivery.problem else self._log.warning
        self.delivery.problem = self.delivery.problem or reason
        say("telemetry waits for its broker", broker=str(self._target), reason=reason)


def _let_go(client: aiomqtt.Client) -> None:
    """Close a connection that may be half open or frozen, and fetch what the client left behind.

    The broker is told goodbye even if it does not listen: a frozen one that comes to itself would
    take the closed connection for a lost run, and say so.
    """
    paho = client._client  # noqa: SLF001 - aiomqtt cannot close a connection that was never made
    if paho.socket() is not None:
        paho.disconnect()
        paho.loop_write()
    left = paho.socket()
    if isinstance(left, socket):  # no room for the goodbye: then the reader sees the end
        with suppress(OSError):  # the other side has closed it
            left.shutdown(SHUT_RDWR)
    for future in (client._connected, client._disconnected):  # noqa: SLF001 - else asyncio complains
        if future.done() and not future.cancelled():
            future.exception()


class _DaemonThreads(ThreadPoolExecutor):
    """Runs each call in a thread of its own that nobody waits for.

    The usual pool is joined at exit: a name server that does not answer would hold up the end of
    a run whose verdict has long been told.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start ``fn`` in a new thread."""
        future: Future[Any] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 - raised where the future is awaited
                future.set_exception(error)

        threading.Thread(target=work, name="telemetry-connect", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as the base has it
        """Wait for nobody."""
