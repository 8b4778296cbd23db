"""The layout of a row: where each signal stands, and which rows no bench has."""

import pytest

from hil.core.signals import MOST_COLUMNS, Layout, Signal, tick_layout


def test_signals_stand_one_after_the_other_and_are_named_from_one() -> None:
    layout = Layout([Signal("step", "1"), Signal("cell_v", "V", 3), Signal("air_degc", "degC")])
    assert layout.width == 5
    assert layout.columns("cell_v") == slice(1, 4)
    assert layout.index("air_degc") == 4
    assert layout.names() == ["step", "cell_v[1]", "cell_v[2]", "cell_v[3]", "air_degc"]
    assert "cell_v" in layout
    assert "cell_v[1]" not in layout


def test_a_row_has_a_span_for_each_unit() -> None:
    layout = tick_layout(16, 4, units=2)
    assert layout.names().count("emulator.span_s[2]") == 1
    assert "emulator.span_s[3]" not in layout.names()


@pytest.mark.parametrize(
    ("signals", "why"),
    [
        ([Signal("a", "V"), Signal("b", "V"), Signal("a", "A")], "two signals of one name"),
        ([Signal("a", "V", MOST_COLUMNS + 1)], "a row of 65537 columns"),
        ([Signal("a", "V", 2**70)], "is no row"),
    ],
)
def test_a_row_that_no_bench_has_is_refused(signals: list[Signal], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Layout(signals)


def test_only_in_shadow_mode_a_row_has_a_reference() -> None:
    plain, shadow = tick_layout(16, 4), tick_layout(16, 4, shadow=True)
    assert "reference.duty" not in plain
    assert shadow.signals[:-1] == plain.signals  # what stands where in a row stays so
    assert shadow.signals[-1] == Signal("reference.duty", "1", 16)
