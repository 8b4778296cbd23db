"""What results are known by: everything that changes one changes its key, and nothing else does."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.balancing import LAYERS, STRATEGIES
from hil.core.recorded import UNLESS_DEFAULT
from hil.profile.load_experiment import load_experiment
from hil.study import identity
from hil.study.draws import draws_of
from hil.study.identity import COMPUTES, Identity, code_version
from hil.study.tasks import packs_of


@dataclass(frozen=True)
class Old:
    """A record as it was."""

    gap_v: float = 0.05


@dataclass(frozen=True)
class New:
    """The same with a field that came later."""

    gap_v: float = 0.05
    later: tuple[int, ...] = field(default=(), metadata=UNLESS_DEFAULT)


New.__name__ = "Old"

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    PLAIN, lambda inner: st.tuples(inner, inner) | st.dictionaries(st.text(), inner)
)


@given(VALUES, VALUES)
def test_two_values_share_a_digest_only_if_they_are_the_same(one: object, other: object) -> None:
    same = repr(one) == repr(other) or (isinstance(one, dict) and one == other)
    if same:
        assert Identity().of(one) == Identity().of(other)
    elif one != other:
        assert Identity().of(one) != Identity().of(other)


def test_parts_cannot_be_moved_from_one_value_to_the_next() -> None:
    assert Identity().of("ab", "c") != Identity().of("a", "bc")
    assert Identity().of((1.0, 2.0), (3.0,)) != Identity().of((1.0,), (2.0, 3.0))
    assert Identity().of(np.zeros((2, 3))) != Identity().of(np.zeros((3, 2)))


def test_a_field_that_came_later_leaves_old_results_known() -> None:
    assert Identity().of(Old()) == Identity().of(New())
    assert Identity().of(Old()) != Identity().of(New(later=(1,)))
    assert Identity().of(Old()) != Identity().of(Old(0.03))


def test_where_a_file_lies_is_no_part_of_a_result(tmp_path: Path) -> None:
    assert Identity().of(tmp_path / "a.csv") == Identity().of(Path("a.csv"))


def test_what_has_no_known_content_has_no_digest() -> None:
    with pytest.raises(TypeError, match="object: its content is not known"):
        Identity().of(object())


def test_every_input_of_a_pack_is_in_its_key() -> None:
    experiment = load_experiment("E05-more-current", ("draws=2", "duration=1 d"))
    draws = draws_of(experiment.assumed, 2, (1,))
    arm = next(one for one in experiment.arms if one.name == "top-balance-50mA")
    others = [
        replace(arm, conditions=replace(arm.conditions, gradient_k=1.0)),
        replace(arm, design=replace(arm.design, offset_v=0.003)),
        replace(arm, cell=replace(arm.cell, leakage_a=0.001)),
        replace(arm, strategy=replace(arm.strategy, start_v=0.011)),
        replace(arm, strategy=replace(arm.strategy, every_ns=60 * 10**9)),
    ]
    day_ns = experiment.head.duration_ns
    packs = packs_of([arm, *others], experiment.assumed, draws, day_ns)
    packs += packs_of([arm], experiment.assumed, draws, 2 * day_ns)
    packs += packs_of([arm], experiment.assumed, [draws[0]._replace(pack_seed=9)], day_ns)
    assert len({pack.key for pack in packs}) == len(packs)


def test_a_name_is_no_part_of_a_key() -> None:
    experiment = load_experiment("E05-more-current", ("draws=2", "duration=1 d"))
    draws = draws_of(experiment.assumed, 2, (1,))
    arm = experiment.arms[0]
    renamed = replace(arm, name="other", variant="elsewhere")
    keys = [
        [pack.key for pack in packs_of([one], experiment.assumed, draws, 10**9)]
        for one in (arm, renamed)
    ]
    assert keys[0] == keys[1]


def test_all_that_computes_is_part_of_the_code() -> None:
    reached = identity._reached(COMPUTES)
    expected = ("physics.legs", "physics.motion", "physics.boards", "study.tally", "study.draws")
    assert {f"hil.{name}" for name in (*expected, "verdict.definitions")} <= set(reached)
    assert not [name for name in reached if name.startswith("hil.profile")]


@pytest.mark.parametrize("kind", [*STRATEGIES.values(), *LAYERS.values()])
def test_the_sources_of_a_rule_are_part_of_what_it_decided(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = kind()
    before = Identity().of(rule)
    bare = identity._bare
    changed = Path(str(identity._reached(kind.__module__)[kind.__module__]))
    monkeypatch.setattr(identity, "_bare", lambda path: bare(path) + "x" * (path == changed))
    code_version.cache_clear()
    try:
        assert Identity().of(rule) != before
    finally:
        code_version.cache_clear()


def test_words_about_the_code_are_no_part_of_it(tmp_path: Path) -> None:
    texts = (
        'def f(x):\n    """Add."""\n    return x + 1\n',
        "# why\ndef f(x):\n    return x + 1  # because\n",
        "def f(x):\n    return x + 2\n",
    )
    paths = [tmp_path / f"{at}.py" for at in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    first, second, third = map(identity._bare, paths)
    assert first == second
    assert first != third
