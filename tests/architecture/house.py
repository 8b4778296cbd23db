"""Where the project's files are and how the tests of the house read them."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
PACKAGES = ("hil", "drivers")


def sources(*folders: str) -> list[Path]:
    """Return the Python files below ``folders`` of the checkout, in a fixed order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    """Return how a person names the file: relative to the checkout."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a source file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def project_files() -> tuple[Path, ...]:
    """Return every file that is committed or would be: git's view, ignored files left out."""
    # safe.directory: a clone that belongs to another user is looked at, not run.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - a fixed command
    return tuple(ROOT / name for name in sorted(listed.split("\0")) if (ROOT / name).is_file())
