"""Pages that need nothing else: texts and templates of a package, and the policy that closes them.

A page's own policy allows its one script and its one style, by their digests, and nothing from
anywhere: what a profile, a device or an experiment is called cannot become markup that runs.
"""

import base64
import hashlib
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

from hil.core.errors import printable


def text_of(package: str, name: str) -> str:
    """Return a file of a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def policy_hash(text: str) -> str:
    """Return how a page's policy names the one script, or style, that it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def environment(package: str) -> Environment:
    """Return what fills the templates of a package, everything in them escaped."""
    load: Callable[[str], str] = partial(text_of, package)
    return Environment(
        loader=FunctionLoader(load),
        autoescape=select_autoescape(default=True, default_for_string=True),
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: Any) -> Any:
    """Show what would steer a reader's eye or a parser as its escape; markup is our own."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value
