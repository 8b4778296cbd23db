"""What a run was made of, so that it can be repeated and trusted: written before the first tick.

The manifest may name the host and the time; records may not.
"""

import importlib.metadata
import platform
from typing import Any

PACKAGES = (
    "bms-hil-bench",
    "cantools",
    "numba",
    "numpy",
    "pint",
    "pyarrow",
    "pydantic",
    "python-can",
    "PyYAML",
)


def versions() -> dict[str, str]:
    """Return the versions of everything whose change could change a result."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def host() -> dict[str, Any]:
    """Return what is known of the host: its system and processor architecture."""
    return {"system": platform.system(), "machine": platform.machine()}
