"""Lines with fields: what is written is what is read, and nothing takes longer than its length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.templates import Template


@pytest.mark.parametrize(
    ("template", "values", "line"),
    [
        ("a0 {set:05.1f}", {"set": 25.0}, "a0 025.0"),
        ("a0 {set:05.1f}", {"set": -15.5}, "a0 -15.5"),
        ("$01E {set:06.1f} 0000.0", {"set": -40.0}, "$01E -040.0 0000.0"),
        ("SETP1,{set:.1f}", {"set": 25.0}, "SETP1,25.0"),
        ("MODE {running:d}!", {"running": 16}, "MODE 16!"),
        ("S{running:1c}{alarm:1c}{:3c}.", {"running": "1", "alarm": "0"}, "S10000."),
        ("{{{name:word}, {rest:text}}}", {"name": "x", "rest": "a, b"}, "{x, a, b}"),
        ("{air:05.1f} {:values}{running:1c}", {"air": 21.5, "running": "1"}, "021.5 1"),
    ],
)
def test_a_template_says_a_line_and_understands_it(
    template: str, values: dict[str, float | str], line: str
) -> None:
    assert Template(template).write(values) == line
    assert Template(template).read(line) == values


@pytest.mark.parametrize(
    ("template", "line", "values"),
    [
        ("A0 {air:05.1f} {set:05.1f}", "A0 021.5 -23.0", {"air": 21.5, "set": -23.0}),
        ("A0 {air:05.1f}", "A0   21 ", {"air": 21.0}),
        ("A0 {air:05.1f}", "A0 nan", None),
        ("A0 {air:05.1f}", "A0 1e5", None),
        ("A0 {air:05.1f}", "A0 123456789.0", None),
        ("A0 {air:05.1f}", "A0 21.5 x", None),
        ("A0 {air:05.1f}", "A1 21.5", None),
        ("S{:2c}", "S1", None),
        ("{air:.1f} {:values}{bits:4c}", "1.0 2.0 3.0 -4.5 0110", {"air": 1.0, "bits": "0110"}),
        ("{air:.1f} {:values}{bits:4c}", "1.0 0110", {"air": 1.0, "bits": "0110"}),
        ("{a:text};{b:text}", "x,y;z", {"a": "x,y", "b": "z"}),
        ("{a:text};{b:text}", "xyz", None),
    ],
)
def test_lines_of_the_wire(template: str, line: str, values: dict[str, float | str] | None) -> None:
    assert Template(template).read(line) == values


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "printable ASCII"),
        ("a\nb", "printable ASCII"),
        ("é", "printable ASCII"),
        ("x" * 201, "1 to 200"),
        ("{set}", "a field such as"),
        ("{set:5x}", "no kind of field"),
        ("{set:f", "a field such as"),
        ("}{", "a field such as"),
        ("{set:999c}", "no kind of field"),
        ("{set:.1f!r}", "a field such as"),
        ("{set:05.1f}{ramp:05.1f}", "nothing tells where"),
        ("{a:text}{b:1c}", "nothing tells where"),
        ("{set:.1f} {set:.1f}", "a field twice"),
        ("{:1c}" * 21, "at most 20"),
    ],
)
def test_what_could_not_be_read_without_going_back_is_refused(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Template(template)


def test_a_name_is_a_name_and_nothing_else() -> None:
    assert Template("{__class__:d}").read("5") == {"__class__": 5.0}
    assert Template("{__class__:d}").write({}) == ""


@given(st.floats(-999.9, 999.9), st.floats(0.1, 99.0), st.text("01", min_size=4, max_size=4))
def test_what_is_written_is_read(degc: float, ramp: float, bits: str) -> None:
    template = Template("x {set:06.1f} {:values}{bits:4c},{ramp:05.2f};")
    found = template.read(template.write({"set": degc, "ramp": ramp, "bits": bits}))
    assert found is not None
    assert found["set"] == pytest.approx(degc, abs=0.0501)
    assert found["ramp"] == pytest.approx(ramp, abs=0.00501)
    assert found["bits"] == bits


@given(st.text("0.1 {}:;,x-", max_size=60), st.text("0.1 ;,x-", max_size=200))
def test_any_template_reads_any_line(template: str, line: str) -> None:
    try:
        made = Template(template)
    except ValueError:
        return
    found = made.read(line)
    assert found is None or set(found) <= set(made.names)


def test_the_worst_template_takes_time_in_proportion() -> None:
    """What would have a backtracking matcher try each split of a line."""
    worst = Template(";".join(["{:text}"] * 20) + "!")
    assert worst.read(";" * 60_000) is None
