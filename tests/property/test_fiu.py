"""Lines of a fault-insertion unit survive the wire, and its bus never has two users."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.virtual.fiu_relays import Relays
from drivers.wire import bloomy_fiu as wire
from drivers.wire.bloomy_fiu import Route, Sum8

LINES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


def test_a_line_is_as_the_makers_client_sends_it() -> None:
    assert Sum8(is_padded=False).wrap("D001") == b"D001" + b"D5\r"
    assert Sum8(is_padded=False).wrap("~ffg") == b"~ffg" + b"B1\r"


@given(LINES, st.booleans())
def test_lines_survive_with_one_digit_or_two(line: str, padded: bool) -> None:  # noqa: FBT001 - drawn
    assert Sum8(is_padded=not padded).unwrap(Sum8(is_padded=padded).wrap(line)[:-1]) == line


@given(LINES, st.integers(0, 5), st.integers(1, 255))
def test_a_byte_that_changed_is_noticed(line: str, at: int, by: int) -> None:
    """All but a change that leaves the sum right for another split, which upper case excludes."""
    data = bytearray(Sum8(is_padded=True).wrap(line)[:-1])
    data[at % len(line)] ^= by
    try:
        found = Sum8(is_padded=True).unwrap(bytes(data))
    except ValueError:
        return
    raise AssertionError(f"took {data!r} for {found!r}")


@given(st.lists(st.one_of(LINES, st.from_regex(r"[CDFVI]0(0[1-9]|1\d|2[0-4]|99)", fullmatch=True))))
def test_the_bus_has_one_user_at_most_and_states_are_told(lines: list[str]) -> None:
    relays = Relays(0)
    for line in lines:
        relays.heard(line)
        assert sum(route in wire.EXCLUSIVE for route in relays.routes) <= 1
    told = relays.heard(wire.states_line(0))
    assert told is not None
    assert wire.parse_routes(wire.parse_answer(told)) == relays.routes


def test_refusals() -> None:
    relays = Relays(3)
    assert relays.heard("D399") == "0"
    assert relays.heard("F301") == "0"
    assert relays.heard("V302") == "3BUS IN USE"
    assert relays.heard("F399") == "3BUS IN USE"
    assert relays.heard("C301") == "0"
    relays.interlock_closed = False
    assert relays.heard("F301") == "3INTERLOCK"
    assert relays.heard("L3") == "10"
    assert relays.heard("O31") == "0"
    assert relays.heard("F301") == "0"
    assert relays.routes[0] is Route.TO_BUS
    assert relays.heard("D325") == "2", "no such channel"
    assert relays.heard("X3") == "2", "no such order"
    assert relays.heard("D401") is None, "another module's"
    assert relays.heard(None) is None, "anybody's"
