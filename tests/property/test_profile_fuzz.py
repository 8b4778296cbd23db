"""No input, however broken, raises anything but configuration errors of one line each."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.errors import ConfigError, ConfigErrors
from hil.profile import load_bench, load_profile
from hil.profile.conditions import parse_compare
from hil.profile.files import CHECKOUT
from hil.profile.series import parse_series
from hil.profile.source import Mark
from hil.profile.tree import parse, walk

PROFILE = (CHECKOUT / "runs" / "hot-summer-week.yaml").read_text()
BENCH = (CHECKOUT / "benches" / "virtual-16s.yaml").read_text()
SCRAPS = [
    *("{", "}", "[", "]", ":", "- ", "&a ", "*a", "!t ", "|", ">", "'", '"', "#", "\n", "\t", "%"),
    *("${climate}", "${x}", "${", "null", "~", "<<: *a", "---", "1e999 V", "-1", "nan", "1:30"),
    *("any ", "all ", ">=", "cell.voltage", "include", "repeat", "0", "99999999999999999999"),
]


def judge(load: Callable[..., object], *args: Any) -> None:
    """Call ``load``: what it refuses must be one or more errors of one line."""
    found: list[ConfigError] = []
    try:
        load(*args)
    except ConfigErrors as errors:
        found = errors.errors or [ConfigError("", 0, 0, "", "")]
    assert all("\n" not in str(error) and error.message for error in found)


def places(text: str) -> st.SearchStrategy[tuple[int, int]]:
    ends = st.integers(min_value=0, max_value=len(text))
    return st.tuples(ends, ends).map(lambda pair: (min(pair), min(max(pair), min(pair) + 40)))


def mutated(text: str) -> st.SearchStrategy[str]:
    """Cut a piece out of ``text`` and put scraps of YAML in its place."""
    scrap = st.one_of(st.sampled_from(SCRAPS), st.text(max_size=8))
    return st.builds(
        lambda place, scraps: text[: place[0]] + "".join(scraps) + text[place[1] :],
        places(text),
        st.lists(scrap, max_size=3),
    )


def load_text(folder: Path, text: str, load: Callable[[Path], object]) -> None:
    path = folder / "fuzz.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    judge(load, path)


@given(text=st.text(max_size=200))
def test_any_text_is_a_tree_or_refused(text: str) -> None:
    judge(lambda: list(walk(parse(text, Mark("f")))))


@given(text=mutated(PROFILE))
def test_any_damage_to_a_profile_is_told(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    load_text(tmp_path_factory.getbasetemp(), text, load_profile)


@given(text=mutated(BENCH))
def test_any_damage_to_a_bench_is_told(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    load_text(tmp_path_factory.getbasetemp(), text, load_bench)


KEYS = st.lists(
    st.one_of(
        st.sampled_from(
            ["steps", "pack", "cells", "limits", "cell", "voltage", "board", "devices"]
        ),
        st.integers(min_value=-1, max_value=20).map(str),
        st.text(max_size=4),
    ),
    max_size=30,
).map(".".join)


@given(key=KEYS, value=st.one_of(st.sampled_from(SCRAPS), st.text(max_size=20)))
def test_any_override_works_or_is_refused(key: str, value: str) -> None:
    override = f"{key}={value}"
    judge(load_profile, "hot-summer-week", [override])
    judge(load_bench, "virtual-16s", [f"bench.{override}"])


VALUES = st.dictionaries(
    st.text(max_size=3),
    st.recursive(
        st.one_of(st.text(max_size=5), st.sampled_from(["1 V", "1 s", "yes", "5"])),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=3), inner)),
        max_leaves=8,
    ),
)


@given(
    key=st.sampled_from(
        [
            "pack",
            "needs",
            "controller",
            "limits",
            "parameters",
            "steps.1",
            "steps",
            "verdict",
        ]
    ),
    value=VALUES,
)
def test_any_value_in_the_place_of_a_section_is_told(key: str, value: object) -> None:
    judge(load_profile, "room-baseline", [f"{key}={json.dumps(value)}"])


@given(text=st.text(max_size=60))
def test_any_condition_is_read_or_refused(text: str) -> None:
    try:
        assert math.isfinite(parse_compare(text).limit)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - that it has something to say


@given(
    rows=st.lists(
        st.one_of(
            st.text(max_size=12),
            st.tuples(st.integers(0, 300), st.floats()).map(lambda pair: f"{pair[0]},{pair[1]}"),
        ),
        max_size=6,
    )
)
def test_any_rows_of_a_series_are_read_or_refused(rows: list[str]) -> None:
    text = "\n".join(["time_s,net_w", *rows])
    judge(parse_series, text.encode("utf-8", "replace"), "f.csv", "net_w")


@given(data=st.binary(max_size=200))
def test_any_bytes_as_a_series_are_read_or_refused(data: bytes) -> None:
    judge(parse_series, data, "f.csv", "net_w")
