"""Files and functions stay small, and a fifth to a third of the lines say why.

The budgets are those measured on the code bases that architecture.md names as models. A function
counts from ``def`` to its last line, docstring included.
"""

import ast
import io
import statistics
import sys
import tokenize
from pathlib import Path

import pytest
from house import PACKAGES, relative, sources, tree_of

FILE_MAX, FILE_P90 = 600, 350
FUNCTION_MAX, FUNCTION_P90, FUNCTION_MEDIAN = 60, 27, 10
COMMENT_SHARE = (0.20, 0.35)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def file_lengths(*folders: str) -> dict[str, int]:
    """Return the number of lines of each file by its name."""
    return {
        relative(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in sources(*folders)
    }


def functions(tree: ast.Module) -> list[Function]:
    """Return all functions and methods, nested ones too; a Protocol's have no body to measure."""
    ports = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(b) for b in node.bases)
        for child in node.body
    }
    return [node for node in ast.walk(tree) if isinstance(node, Function) and node not in ports]


def function_lengths(*folders: str) -> dict[str, int]:
    """Return the number of lines of each function by ``file:line name``."""
    return {
        f"{relative(path)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in sources(*folders)
        for node in functions(tree_of(path))
    }


def explaining_lines(path: Path) -> tuple[int, int]:
    """Return how many lines hold a comment or docstring, and how many are not blank."""
    text = path.read_text(encoding="utf-8")
    told = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    for node in ast.walk(tree_of(path)):
        if isinstance(node, Documented) and ast.get_docstring(node) is not None:
            words = node.body[0]
            told |= set(range(words.lineno, (words.end_lineno or 0) + 1))
    filled = {number for number, line in enumerate(text.splitlines(), 1) if line.strip()}
    return len(told & filled), len(filled)


def p90(lengths: dict[str, int]) -> float:
    """Return the 90th percentile of the lengths."""
    return statistics.quantiles(lengths.values(), n=10, method="inclusive")[-1]


def over(lengths: dict[str, int], limit: int) -> dict[str, int]:
    """Return what is longer than ``limit``, by name."""
    return {name: length for name, length in lengths.items() if length > limit}


def test_files_are_short() -> None:
    lengths = file_lengths(*PACKAGES)
    assert not over({**lengths, **file_lengths("tests", "profiles")}, FILE_MAX)
    assert p90(lengths) <= FILE_P90, over(lengths, FILE_P90)


def test_functions_are_short() -> None:
    lengths = function_lengths(*PACKAGES)
    assert not over(lengths, FUNCTION_MAX)
    assert p90(lengths) <= FUNCTION_P90, over(lengths, FUNCTION_P90)
    assert statistics.median(lengths.values()) <= FUNCTION_MEDIAN


def explaining_share() -> float:
    """Return the share of filled lines that hold a comment or docstring, both packages together."""
    counts = [explaining_lines(path) for path in sources(*PACKAGES)]
    return sum(told for told, _ in counts) / sum(filled for _, filled in counts)


def test_a_fifth_to_a_third_says_why() -> None:
    assert COMMENT_SHARE[0] <= explaining_share() <= COMMENT_SHARE[1]


def row(kind: str, lengths: dict[str, int]) -> str:
    """Return one line of the table: how many, how long, and which is the longest."""
    longest = max(lengths, key=lambda name: lengths[name])
    middle, high = statistics.median(lengths.values()), p90(lengths)
    return f"{kind:18} {len(lengths):5} {middle:6.0f} {high:5.0f} {lengths[longest]:5}  {longest}"


def test_the_table_of_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    """Shown by ``make check``: what the budgets look at."""
    table = [f"{'':18} {'count':>5} {'median':>6} {'p90':>5} {'max':>5}  longest"]
    for name, folders in (("hil, drivers", PACKAGES), ("tests", ("tests",))):
        table.append(row(f"{name} files", file_lengths(*folders)))
        table.append(row(f"{name} funcs", function_lengths(*folders)))
    table.append(f"comments and docstrings in hil and drivers: {explaining_share():.0%}")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(table) + "\n")
    assert len(table) == 6


def test_the_measure_itself(tmp_path: Path) -> None:
    """A known text: three telling lines of five filled ones, and a function of four lines."""
    source = tmp_path / "known.py"
    source.write_text(
        '"""One."""\n\n\ndef f() -> str:\n    """Two."""\n    # three\n    return "#"\n'
    )
    assert explaining_lines(source) == (3, 5)
    (only,) = functions(tree_of(source))
    assert (only.end_lineno or 0) - only.lineno + 1 == 4
