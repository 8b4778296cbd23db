"""Secrets do not go into logs: a processor of structlog, for every output.

Nobody means to log a password; it comes with a URL in an error's text, or as one of many settings.
"""

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

HIDDEN = "***"

_NAMES = r"passw(?:or)?d|passphrase|secret|token|api[-_]?key|credential|authorization"
_KEY = re.compile(_NAMES, re.IGNORECASE)
_SAID = re.compile(rf"(?i)\b([\w-]*(?:{_NAMES})[\w-]*\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;}}]+)")
# Up to the last @ of the word: a password may itself have one, or a slash, where it should not.
# One slash will do: that is what is left of a URL that was taken for a file's path.
_USERINFO = re.compile(r"(:/{1,2}[^\s/:@]*):[^\s]*@")


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide the values of keys that name a secret, and the passwords of URLs in all texts."""
    for key, value in event.items():
        event[key] = HIDDEN if _KEY.search(key) else without_secrets(value)
    return event


def without_passwords(text: str) -> str:
    """Return a text without the passwords of the URLs in it."""
    return _USERINFO.sub(rf"\1:{HIDDEN}@", text)


def without_secrets(value: Any) -> Any:
    """Return a value without what must not be read; containers keep their shape."""
    if isinstance(value, str):
        return _SAID.sub(rf"\1{HIDDEN}", without_passwords(value))
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if isinstance(key, str) and _KEY.search(key) else without_secrets(one)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(one) for one in value]
    return value
