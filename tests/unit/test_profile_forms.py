"""A frozen dataclass is a form: keys without units, values with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from annotated_types import Gt
from pydantic import TypeAdapter

from hil.core.errors import ConfigErrors
from hil.core.instants import MILLISECOND
from hil.profile import read_options
from hil.profile.forms import filled, key_of
from hil.profile.problems import read
from hil.profile.source import Mark
from hil.profile.tree import parse


@dataclass(frozen=True)
class Inner:
    """Something nested."""

    mass_kg: float
    count: int = 1


@dataclass(frozen=True)
class Example:
    """One field of every kind."""

    start_v: Annotated[float, Gt(0)]
    gate_v: float | None = None
    gate_a: float | None = None
    every_ns: int = 5 * MILLISECOND
    points_degc: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    mute: bool = False
    mode: Literal["fast", "slow"] = "fast"
    share: float = 0.5
    inner: Inner = field(default_factory=lambda: Inner(1.0))
    cells: Mapping[int, Inner] = field(default_factory=dict)
    helper: object | None = None

    def __post_init__(self) -> None:
        """Refuse in words that name fields, as physics does."""
        if self.share > 1.0:
            raise ValueError(f"share: {self.share} is no part of a whole")
        if len(self.names) > 2:
            raise ValueError("names and points_degc do not fit")


def example(text: str) -> Example:
    value: Example = read(TypeAdapter(filled(Example)), parse(text, Mark("f")))
    return value


def test_every_kind_of_field_is_read_in_the_unit_of_its_name() -> None:
    text = """
start: 50 mV
gate_v: 3.4 V
gate_a: 200 mA
every: 1 s
points: {unit: degC, values: [-10, 0, 25]}
names: [on, 1:30]
mute: yes
mode: slow
share: 25 %
inner: {mass: 500 g, count: 3}
cells: {5: {mass: 2 kg}}
"""
    assert example(text) == Example(
        start_v=0.05,
        gate_v=3.4,
        gate_a=0.2,
        every_ns=1_000_000_000,
        points_degc=(-10.0, 0.0, 25.0),
        names=("on", "1:30"),
        mute=True,
        mode="slow",
        share=0.25,
        inner=Inner(0.5, 3),
        cells={5: Inner(2.0)},
    )


def test_what_is_not_written_has_the_default_of_the_dataclass() -> None:
    assert example("start: 1 V") == Example(1.0)


def test_a_list_may_also_write_each_unit() -> None:
    assert example("{start: 1 V, points: [1 degC, 2 degC]}").points_degc == (1.0, 2.0)


def test_two_fields_with_one_stem_keep_their_whole_names() -> None:
    names = ("gate_v", "gate_a", "start_v")
    assert [key_of(name, names) for name in names] == ["gate_v", "gate_a", "start"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{}", "f:1:1: missing key 'start'"),
        ("{start: 1 V, helper: x}", "f:1:14: helper: unknown key 'helper'"),
        ("{start: 0 V}", "f:1:9: start: found '0 V', expected more than 0"),
        ("{start: 1 V, mute: 7}", "f:1:20: mute: found '7', expected yes or no"),
        ("{start: 1 V, mode: fats}", "f:1:20: mode: found 'fats'; did you mean 'fast'?"),
        ("{start: 1 V, share: 2}", "f:1:21: share: 2.0 is no part of a whole"),
        ("{start: 1 V, names: [a, b, c]}", "f:1:1: names and points do not fit"),
        ("{start: 1 V, points: {unit: degC}}", "f:1:14: points: expected a list, or {unit: V"),
        ("{start: 1 V, points: {unit: K, values: [1]}}", "f:1:14: points: found '1 K', expected"),
        ("{start: 1 V, cells: {x: {mass: 1 kg}}}", "f:1:22: cells.x: found 'x', expected a whole"),
        ("{start: 1 V, inner: {mass: 1 V}}", "f:1:28: inner.mass: found '1 V', expected a mass"),
    ],
)
def test_mistakes_are_told_with_the_keys_of_the_file(text: str, line: str) -> None:
    with pytest.raises(ConfigErrors) as errors:
        example(text)
    assert str(errors.value).startswith(line)


def test_a_field_that_no_text_stands_for_needs_a_default() -> None:
    @dataclass(frozen=True)
    class Bad:
        helper: object

    with pytest.raises(TypeError, match="no way to read a field"):
        filled(Bad)


def test_options_are_read_by_the_class_that_declares_them() -> None:
    assert read_options(Example, {"start": "50 mV", "every": "2 ms"}) == {
        "start_v": 0.05,
        "every_ns": 2 * MILLISECOND,
    }
    with pytest.raises(ConfigErrors, match=r"Example: every: found '2 mV', expected a duration"):
        read_options(Example, {"start": "50 mV", "every": "2 mV"})
