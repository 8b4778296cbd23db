"""Who may call what is compiled without counting who holds an array (``compiled_in_place``).

Such a function may return a view to another one like it. Anybody else would let go of an array that
was never counted as held, and the process would die somewhere later.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import hil.physics

SOURCES = sorted(Path(hil.physics.__file__).parent.rglob("*.py"))
MARK, PLAIN = "compiled_in_place", {"None", "float", "bool", "int"}


class Function(NamedTuple):
    """A function of the sources: whether it is compiled in place, what it returns and calls."""

    name: str
    in_place: bool
    returns: set[str]
    calls: set[str]


def functions(source: str) -> Iterator[Function]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            marks = {one.id for one in node.decorator_list if isinstance(one, ast.Name)}
            told = node.returns or ast.Constant("nothing said")
            words = ast.unparse(told).replace("[", " ").replace("]", " ").replace(",", " ")
            calls = {
                call.func.id
                for call in ast.walk(node)
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
            }
            yield Function(node.name, MARK in marks, set(words.split()) - {"tuple"}, calls)


def misused(sources: list[str]) -> set[tuple[str, str]]:
    """Return who calls a view out of a function that is compiled in place, and of which."""
    known = [one for source in sources for one in functions(source)]
    views = {one.name for one in known if one.in_place and not one.returns <= PLAIN}
    return {(one.name, view) for one in known if not one.in_place for view in one.calls & views}


def test_views_stay_among_functions_that_are_compiled_in_place() -> None:
    sources = [path.read_text(encoding="utf-8") for path in SOURCES]
    assert sum(one.in_place for source in sources for one in functions(source)) > 40
    assert misused(sources) == set()


def test_a_view_that_gets_out_is_seen() -> None:
    view = "@compiled_in_place\ndef row_of(x: Floats) -> Floats:\n    return x[0]\n"
    inside = "@compiled_in_place\ndef first(x: Floats) -> float:\n    return row_of(x)[0]\n"
    outside = "@compiled\ndef second(x: Floats) -> float:\n    return row_of(x)[0] + first(x)\n"
    assert misused([view, inside, outside]) == {("second", "row_of")}
