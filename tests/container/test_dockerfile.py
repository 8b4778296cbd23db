"""The Dockerfile says what it should, as far as that can be known without performing it."""

import re
from pathlib import Path

import pytest
from dockerfile import Context, Copy, Stage, parse

ROOT = Path(__file__).resolve().parents[2]
STAGES = parse((ROOT / "Dockerfile").read_text(encoding="utf-8"))
FINAL = STAGES[-1]


def copies(stage: Stage) -> list[Copy]:
    return [Copy.of(step) for step in stage.steps if step.word == "COPY"]


def test_it_runs_as_somebody_who_is_not_root() -> None:
    user = FINAL.last("USER").rest
    assert user not in {"root", "0"}
    made = [step.rest for step in FINAL.steps if step.word == "RUN" and "useradd" in step.rest]
    assert any(re.search(rf"useradd .*\b{user}\b", rest) for rest in made)


def test_signals_reach_the_run() -> None:
    """An init as process 1, no shell in between, and the signal that the CLI knows."""
    assert FINAL.last("ENTRYPOINT").words()[0].endswith("/tini")
    assert FINAL.last("ENTRYPOINT").words()[-1] == "hil"
    assert FINAL.last("STOPSIGNAL").rest == "SIGTERM"


def test_every_copied_file_is_there_and_sent() -> None:
    context, names = Context(ROOT), {stage.name for stage in STAGES}
    for copy in (copy for stage in STAGES for copy in copies(stage)):
        for source in copy.sources:
            if copy.stage:
                assert copy.stage in names
            else:
                assert (ROOT / source).exists(), source
                assert context.sees(Path(source)), f"{source} is left out by .dockerignore"


def test_nothing_but_the_product_is_sent() -> None:
    """A change of a test or a document must not build the image again; no run may leak into it."""
    context = Context(ROOT)
    for name in ("tests/conftest.py", "docs/glossary.md", ".git/config", "runs/a", ".venv/bin/hil"):
        assert not context.sees(Path(name)), name
    assert not context.sees(Path("hil/core/__pycache__/units.cpython-311.pyc"))
    assert context.sees(Path("hil/core/units.py"))


def test_run_and_build_agree_on_the_compiled_physics() -> None:
    """Compiled code that is looked for in another place, or for another processor, is no use."""
    for key in ("NUMBA_CPU_NAME", "NUMBA_CACHE_DIR"):
        values = {
            step.pairs().get(key) for stage in STAGES for step in stage.steps if step.word == "ENV"
        }
        assert len(values) == 1, key
        assert None not in values


def test_no_address_is_written_anywhere() -> None:
    for name in ("Dockerfile", "compose.yaml", ".dockerignore"):
        assert "://" not in re.sub(r"mqtt://broker\b", "", (ROOT / name).read_text("utf-8")), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ADD a b", "ADD: not one of"),
        ("RUN true", "before the first FROM"),
        ("FROM somewhere.example/debian:12", "expected a plain name"),
        ("FROM debian", "expected a plain name"),
        ("FROM a:1 b", "expected IMAGE"),
    ],
)
def test_what_is_not_known_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("COPY --link a b", "--link: expected one of"),
        ("COPY a", "expected SOURCE TARGET"),
        ("COPY a b c", "ends in /"),
    ],
)
def test_a_copy_that_is_not_known_is_refused(text: str, message: str) -> None:
    [stage] = parse(f"FROM a:1\n{text}")
    with pytest.raises(ValueError, match=message):
        Copy.of(stage.steps[0])


def test_continued_lines_are_one_instruction() -> None:
    [stage] = parse("# why\nFROM a:1 AS b\nRUN one \\\n # two\n  && three\n\nUSER me\n")
    assert (stage.base, stage.name) == ("a:1", "b")
    assert [(step.line, step.word, step.rest) for step in stage.steps] == [
        (3, "RUN", "one  && three"),
        (7, "USER", "me"),
    ]


def test_env_takes_pairs_only() -> None:
    [stage] = parse('FROM a:1\nENV A=1 B="two words"\nENV PATH=/x:$PATH\nENTRYPOINT hil run')
    assert stage.steps[0].pairs() == {"A": "1", "B": "two words"}
    with pytest.raises(ValueError, match="without variables"):
        stage.steps[1].pairs()
    with pytest.raises(ValueError, match="expected the form"):
        stage.last("ENTRYPOINT").words()
