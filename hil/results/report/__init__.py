"""The report of a run: one HTML file that needs nothing else, not even a network.

A view of the record and of nothing else: the same record gives the same bytes, and the file can be
thrown away and written again (``hil report``). It is not sealed with the run.
"""

from pathlib import Path

from hil.core.errors import EnvironmentProblem
from hil.results.account import account_of
from hil.results.disk import replace_text
from hil.results.report.page import html
from hil.results.report.scene import Scene

FILE = "report.html"

__all__ = ["FILE", "write"]


def write(folder: Path, output: Path | None = None) -> Path:
    """Write the report of a run from its record, whatever state that is in; return where it stands.

    Raises EnvironmentProblem while the run is being recorded, or if it cannot be written.
    """
    path = output or folder / FILE
    scene = Scene()
    account = account_of(folder, scene)
    try:
        replace_text(path, html(account, scene.drawn()))
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be written: {error.strerror or error}") from error
    return path
