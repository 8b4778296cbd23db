"""A real MQTT broker and a real subscriber, both the distribution's: mosquitto, mosquitto_sub."""

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tools import program

DEADLINE_S = 120.0
"""Nothing here takes a tenth of this; a busy machine must not turn a test red."""


class Lines:
    """What a process prints, read by a thread, to be waited for."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        stream.close()

    def so_far(self) -> list[str]:
        """Return what has been printed."""
        with self._changed:
            return list(self._lines)

    def wait_for(self, there: Callable[[list[str]], bool]) -> None:
        """Return when ``there`` says so of all lines. Raises AssertionError after the deadline."""
        with self._changed:
            done = self._changed.wait_for(lambda: there(self._lines), DEADLINE_S)
            assert done, f"not printed: {self._lines[-5:]}"

    def join(self) -> None:
        """Return when all has been read."""
        self._thread.join(DEADLINE_S)


class Broker:
    """One mosquitto on a free port of this host."""

    def __init__(self, folder: Path, *more: str) -> None:
        """``more`` are lines for its configuration."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._program, self._folder = program("mosquitto"), folder
        user = ["user root"] if os.geteuid() == 0 else []  # else it may not read what is ours
        access = [] if any("allow_anonymous" in line for line in more) else ["allow_anonymous true"]
        listener = [f"listener {self.port} 127.0.0.1", *access, *more]
        lines = [*user, "log_dest stderr", "log_type all", "max_queued_messages 0", *listener]
        (folder / "mosquitto.conf").write_text("\n".join([*lines, ""]), encoding="utf-8")
        self.start()

    @property
    def url(self) -> str:
        """Return where telemetry goes."""
        return f"mqtt://127.0.0.1:{self.port}/test"

    def start(self) -> None:
        """Start, or start again on the same port; return when it listens."""
        self._process = subprocess.Popen(  # noqa: S603 - the distribution's broker
            [self._program, "-c", str(self._folder / "mosquitto.conf")],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        self.log = Lines(self._process.stderr)
        self.log.wait_for(lambda lines: any(line.endswith(" running") for line in lines))

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait(DEADLINE_S)
        self.log.join()

    def freeze(self) -> None:
        """Stop its process: it keeps its connections and does nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)


class Subscriber:
    """mosquitto_sub on every topic, its session durable: what it misses is kept for it."""

    def __init__(self, broker: Broker, name: str = "outside", *more: str) -> None:
        """Return when it has subscribed."""
        words = ["-p", str(broker.port), "-t", "test/#", "-q", "1", "-i", name, "-c", *more]
        self._process = subprocess.Popen(  # noqa: S603 - the distribution's client
            [program("mosquitto_sub"), *words, "-F", "%r %t %p"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._lines = Lines(self._process.stdout)
        told = f"Sending SUBACK to {name}"
        broker.log.wait_for(lambda lines: any(line.endswith(told) for line in lines))

    def messages(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the messages of some kinds so far, with ``topic`` and ``retained`` added."""
        return _parsed(self._lines.so_far(), kinds)

    def wait_for(self, there: Callable[[list[dict[str, Any]]], bool], *kinds: str) -> None:
        """Return when ``there`` says so of all messages of these kinds."""
        self._lines.wait_for(lambda lines: there(_parsed(lines, kinds)))

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(DEADLINE_S)
        self._lines.join()


def _parsed(lines: list[str], kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    found = []
    for line in lines:
        retained, topic, payload = line.split(" ", 2)
        if topic.rpartition("/")[2] in kinds:
            found.append({**json.loads(payload), "topic": topic, "retained": retained == "1"})
    return found


@contextmanager
def running_broker(folder: Path, *more: str) -> Iterator[Broker]:
    """Give a broker that is gone afterwards, frozen or not."""
    broker = Broker(folder, *more)
    try:
        yield broker
    finally:
        broker.kill()


@contextmanager
def subscribed(broker: Broker, *more: str, name: str = "outside") -> Iterator[Subscriber]:
    """Give a subscriber that is gone afterwards."""
    subscriber = Subscriber(broker, name, *more)
    try:
        yield subscriber
    finally:
        subscriber.close()
