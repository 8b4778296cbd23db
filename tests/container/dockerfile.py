"""Reads the part of the Dockerfile language that this project keeps to; anything else is an error.

Reference: Docker's "Dockerfile reference". Left out on purpose: what needs an engine or a network
to be understood (ADD, HEALTHCHECK, ONBUILD, build arguments, variables, here-documents, mounts).
"""

import fnmatch
import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path

KNOWN = frozenset(
    "FROM COPY RUN ENV USER WORKDIR LABEL VOLUME STOPSIGNAL ENTRYPOINT CMD".split()  # noqa: SIM905 - as they are written
)


@dataclass(frozen=True)
class Instruction:
    """One instruction: its line in the file, its word, and the rest with continuations joined."""

    line: int
    word: str
    rest: str

    def wrong(self, message: str) -> ValueError:
        """Return an error at this instruction."""
        return ValueError(f"Dockerfile:{self.line}: {self.word}: {message}")

    def pairs(self) -> dict[str, str]:
        """Return the pairs of ENV and LABEL. Raises ValueError for the form without '='."""
        words = shlex.split(self.rest)
        if any("=" not in word for word in words) or "$" in self.rest:
            raise self.wrong("expected KEY=value, without variables")
        return dict(word.split("=", 1) for word in words)

    def words(self) -> list[str]:
        """Return the words of an ENTRYPOINT or CMD; the shell's form would hide signals from it."""
        try:
            words = json.loads(self.rest)
        except json.JSONDecodeError:
            raise self.wrong('expected the form ["program", "argument"]') from None
        return [str(word) for word in words]


@dataclass(frozen=True)
class Copy:
    """What a COPY says; without ``stage`` its sources lie in the build's context."""

    stage: str
    owner: str
    sources: list[str]
    target: str

    @classmethod
    def of(cls, instruction: Instruction) -> "Copy":
        """Read a COPY. Raises ValueError for another option, or no target."""
        options = {"--from": "", "--chown": ""}
        words = shlex.split(instruction.rest)
        while words and words[0].startswith("--"):
            name, _, value = words.pop(0).partition("=")
            if name not in options:
                raise instruction.wrong(f"{name}: expected one of {', '.join(options)}")
            options[name] = value
        if len(words) < 2 or (len(words) > 2 and not words[-1].endswith("/")):
            raise instruction.wrong(
                "expected SOURCE TARGET, or several and a TARGET that ends in /"
            )
        return cls(options["--from"], options["--chown"], words[:-1], words[-1])


@dataclass
class Stage:
    """From one FROM to the next."""

    base: str
    name: str
    steps: list[Instruction] = field(default_factory=list)

    def last(self, word: str) -> Instruction:
        """Return the instruction that counts: the last of its word. Raises LookupError."""
        found = [step for step in self.steps if step.word == word]
        if not found:
            raise LookupError(f"stage '{self.name or self.base}' has no {word}")
        return found[-1]


def parse(text: str) -> list[Stage]:
    """Return the stages of a Dockerfile. Raises ValueError with the line for what is not known."""
    stages: list[Stage] = []
    for step in _instructions(text):
        if step.word not in KNOWN:
            raise step.wrong(f"not one of {', '.join(sorted(KNOWN))}")
        if step.word == "FROM":
            stages.append(_stage(step))
        elif not stages:
            raise step.wrong("before the first FROM")
        else:
            stages[-1].steps.append(step)
    return stages


def _instructions(text: str) -> list[Instruction]:
    """Join continued lines; comment lines vanish, inside an instruction too."""
    found: list[Instruction] = []
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        first = first if parts else number
        parts.append(line.strip().removesuffix("\\"))
        if not line.rstrip().endswith("\\"):
            word, _, rest = " ".join(parts).partition(" ")
            found.append(Instruction(first, word, rest.strip()))
            parts = []
    return found


def _stage(step: Instruction) -> Stage:
    """Read a FROM: a plain image name (no registry), and the name of the stage."""
    words = step.rest.split()
    if len(words) not in {1, 3} or (len(words) == 3 and words[1].upper() != "AS"):
        raise step.wrong("expected IMAGE, or IMAGE AS NAME")
    if "/" in words[0] or ":" not in words[0]:
        raise step.wrong(
            f"'{words[0]}': expected a plain name with its tag, such as debian:12-slim"
        )
    return Stage(words[0], words[2] if len(words) == 3 else "")


class Context:
    """What of a folder a build may see, by its .dockerignore: later lines win over earlier ones."""

    def __init__(self, root: Path) -> None:
        """Read the patterns. Raises ValueError for one that is not understood here."""
        self.root = root
        lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
        self._patterns = [line.strip() for line in lines if line.strip() and line[0] != "#"]
        for pattern in self._patterns:
            if "/" in pattern.removeprefix("!").removeprefix("**/"):
                raise ValueError(f".dockerignore: '{pattern}': expected NAME, !NAME or **/NAME")

    def sees(self, path: Path) -> bool:
        """Say whether a file or folder (relative to the context) is sent to the build."""
        seen = True
        for pattern in self._patterns:
            name = pattern.removeprefix("!")
            anywhere = name.startswith("**/")
            parts = path.parts if anywhere else path.parts[:1]
            if any(fnmatch.fnmatch(part, name.removeprefix("**/")) for part in parts):
                seen = pattern.startswith("!")
        return seen
