"""Where telemetry goes: ``mqtt[s]://[user[:password]@]host[:port][/topic]``, its secret kept.

No message of this file repeats what was written, since a password may stand anywhere in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""The ports registered for MQTT, plain and over TLS."""

PASSWORD = "HIL_MQTT_PASSWORD"  # noqa: S105 - the variable's name
"""The variable that holds the password: unlike a command line, others cannot read it."""

FORM = "mqtt[s]://[user[:password]@]host[:port][/topic]"
TOPIC_BYTES = 1_000


@dataclass(frozen=True)
class Target:
    """A broker and the topic under which a run is published; empty: ``hil/`` and the bench."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    topic: str = ""

    def __str__(self) -> str:
        """Return the URL as anybody may see it."""
        user = "" if self.user is None else f"{self.user}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        topic = f"/{self.topic}" if self.topic else ""
        return f"mqtt{'s' if self.tls else ''}://{user}{host}:{self.port}{topic}"


def parse_target(text: str, environment: Mapping[str, str]) -> Target:
    """Read a URL; a user without a password gets that of ``HIL_MQTT_PASSWORD``.

    Raises ValueError in one line that holds nothing of the URL.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(
            f"cannot be read, expected {FORM}; write / : @ of a password as %2F %3A %40"
        ) from None
    if parts.scheme not in PORTS:
        raise ValueError(f"expected {FORM}: it begins with neither mqtt:// nor mqtts://")
    if not parts.hostname:
        raise ValueError(f"names no host, expected {FORM}")
    if parts.query or parts.fragment:
        raise ValueError(f"has a ? or # in it, expected {FORM}; write them as %3F %23")
    user, password = _login(parts, environment)
    return Target(
        host=parts.hostname,
        port=PORTS[parts.scheme] if port is None else port,
        tls=parts.scheme == "mqtts",
        user=user,
        password=password,
        topic=_topic(unquote(parts.path)),
    )


def _login(parts: SplitResult, environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return user and password. Raises ValueError for a password of nobody: MQTT has no such."""
    user = unquote(parts.username) if parts.username else None
    password = None if parts.password is None else unquote(parts.password)
    if user is None and password is not None:
        raise ValueError(f"has a password and no user, expected {FORM}")
    if user is not None and password is None:
        password = environment.get(PASSWORD)
    return user, password


def _topic(path: str) -> str:
    """Return the topic that a path names. Raises ValueError for one that nobody may publish to."""
    topic = path.strip("/")
    if (
        any(one in "+#" or not one.isprintable() for one in topic)
        or len(topic.encode()) > TOPIC_BYTES
    ):
        raise ValueError("has a topic with + or # (those are for subscribers), or is far too long")
    return topic
