"""Small wrong changes to C code, one at a time: mutants, for the profiles to find.

A mutant is one token of the source replaced, or one statement taken out, as a tired engineer might
have written it. Comments, strings and preprocessor lines are left alone. Nothing is drawn here: the
same source gives the same mutants in the same order.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

_SILENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)

_SWAPS: Mapping[str, tuple[str, ...]] = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "&&": ("||",),
    "||": ("&&",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
    "%": ("*",),
    "&": ("|",),
    "|": ("&",),
    "<<": (">>",),
    ">>": ("<<",),
    "+=": ("-=",),
    "-=": ("+=",),
    "|=": ("&=",),
    "&=": ("|=",),
    "true": ("false",),
    "false": ("true",),
}
# binary operators stand between blanks in this source; a pointer's star and an arrow do not
_OPERATOR = re.compile(
    r"(?<= )(?:<<|>>|<=|>=|==|!=|&&|\|\||\+=|-=|\|=|&=|[<>+\-*/%&|])(?= )|\b(?:true|false)\b"
)
_NUMBER = re.compile(r"(?<![\w.])(?:0[xX][0-9A-Fa-f]+|\d+)(?=[uUlL]*\b)")
_CONDITION = re.compile(r"\b(?:if|while) \(")
_STATEMENT = re.compile(
    r"^ +(?:"
    r"[\w.\->\[\]]+ (?:[|&+\-]|<<)?= [^;{}]*"  # an assignment
    r"|[\w.\->]+\([^;{}]*\)"  # a call
    r"|[\w.\->\[\]]+(?:\+\+|--)"
    r");$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: ``text[start:end]`` of ``file`` becomes ``after``."""

    file: str
    line: int
    start: int
    end: int
    before: str
    after: str

    def applied(self, text: str) -> str:
        """Return the whole source with the change."""
        return text[: self.start] + self.after + text[self.end :]

    def __str__(self) -> str:
        """Say where it is and what it does, on one line."""
        before, after = (" ".join(one.split()) for one in (self.before, self.after))
        return f"{self.file}:{self.line}: {before} -> {after or '(nothing)'}"


def mutants(file: str, text: str) -> list[Mutant]:
    """Return every mutant of one source, in the order of the places."""
    code = _masked(text)
    found = [
        Mutant(file, code.count("\n", 0, start) + 1, start, end, text[start:end], after)
        for start, end, after in sorted(
            (*_operators(code), *_numbers(code), *_conditions(code), *_statements(code))
        )
    ]
    return [one for one in found if not _declares(code, one)]


def chosen(sources: Mapping[str, str], count: int, seed: int) -> list[Mutant]:
    """Return ``count`` mutants, as evenly over the sources as they have them, drawn by ``seed``."""
    draw = random.Random(seed)  # noqa: S311 - a choice to be repeated, not a secret
    piles: Sequence[list[Mutant]] = [mutants(file, text) for file, text in sources.items()]
    for pile in piles:
        draw.shuffle(pile)
    dealt = [one for round_ in zip_longest(*piles) for one in round_ if one is not None]
    return dealt[:count]


def _masked(text: str) -> str:
    """Blank out all that is not code; every place keeps its number."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match[0])

    return _DIRECTIVE.sub(blank, _SILENT.sub(blank, text))


Change = tuple[int, int, str]


def _operators(code: str) -> Iterator[Change]:
    for match in _OPERATOR.finditer(code):
        for after in _SWAPS[match[0]]:
            yield match.start(), match.end(), after


def _numbers(code: str) -> Iterator[Change]:
    """Count one more, and one less: fences and their posts."""
    for match in _NUMBER.finditer(code):
        value = int(match[0], 0)
        yield match.start(), match.end(), str(value + 1)
        if value:
            yield match.start(), match.end(), str(value - 1)


def _conditions(code: str) -> Iterator[Change]:
    """Turn a condition round."""
    for match in _CONDITION.finditer(code):
        depth, at = 1, match.end()
        while at < len(code) and depth:
            depth += {"(": 1, ")": -1}.get(code[at], 0)
            at += 1
        inside = code[match.end() : at - 1]
        yield match.end(), at - 1, f"!({inside})"


def _statements(code: str) -> Iterator[Change]:
    """Forget a statement: an assignment, a call."""
    for match in _STATEMENT.finditer(code):
        if not re.match(r" +(?:return|break|continue|else)\b", match[0]):
            start = match.start() + len(match[0]) - len(match[0].lstrip())
            yield start, match.end(), ";"


def _declares(code: str, mutant: Mutant) -> bool:
    """Say whether a change stands outside all functions: an array's size, a constant table."""
    before = code[: mutant.start]
    return before.count("{") == before.count("}")
