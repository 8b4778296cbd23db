"""Puts a run together: files to models, names to drivers, twins and links, parts to a run.

The only place that knows both sides: ``hil`` and, by the names of their entry points, ``drivers``.
"""

from hil.app.names import installed, resolve
from hil.app.preparation import Prepared, Request, prepare
from hil.app.rig import backdoors, build
from hil.app.run import Outcome, run_profile

__all__ = [
    "Outcome",
    "Prepared",
    "Request",
    "backdoors",
    "build",
    "installed",
    "prepare",
    "resolve",
    "run_profile",
]
