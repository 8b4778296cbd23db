"""What a channel costs: counted from the design, more for more, and what hangs on a price."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.physics.board import BoardDesign
from hil.physics.board.groups import ActiveBalancer, Mosfet, SeriesNtc
from hil.profile.designs import load_board
from hil.profile.files import CHECKOUT
from hil.study.cost import Channel, Turned, boards_lines, channel_of, load_prices, turned_by

PRICES = load_prices(CHECKOUT)
PRICED = PRICES.of_parts()
DESIGNS = {
    path.stem: load_board(path.stem, CHECKOUT)
    for path in sorted((CHECKOUT / "boards").glob("*.yaml"))
}
STANDARD = DESIGNS["standard-50mA"]


def cents(design: BoardDesign) -> float:
    return channel_of(design, PRICES).cents


def test_a_channel_is_counted_and_added_up_by_hand() -> None:
    """68 ohm at 3.65 V: 0.196 W, of which at 85 degC a resistor still carries 82 %: a 1206."""
    channel = channel_of(STANDARD, PRICES)
    lead = 17 / 16
    assert channel.parts == pytest.approx(
        {
            "resistor 1206": 1.0,
            "external fet": 1.0,
            "precise front end": 1 / 16,
            "filter resistor": lead,
            "filter capacitor": lead,
            "ntc": 4 / 16,
        }
    )
    assert channel.cents == pytest.approx(0.6 + 3 + 850 / 16 + lead * (0.2 + 0.6) + 5 / 4)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("standard-50mA", "standard-100mA"),
        ("standard-100mA", "standard-200mA"),
        ("sampling-10mV", "sampling-5mV"),
        ("sampling-5mV", "sampling-2mV"),
        ("standard-200mA", "isolated-zone"),
        ("standard-32s-200mA", "isolated-zone-32s"),
        ("standard-50mA", "active-2A"),
        ("mosfet-switch", "mosfet"),
        ("standard-50mA", "separate-trigger"),
        ("internal-fet", "standard-50mA"),
    ],
)
def test_what_is_more_costs_more(less: str, more: str) -> None:
    assert cents(DESIGNS[less]) < cents(DESIGNS[more])


@given(st.floats(10.0, 1000.0), st.floats(1.0, 3.0))
def test_a_resistor_that_passes_more_is_never_the_cheaper_one(ohm: float, factor: float) -> None:
    plain = replace(STANDARD, bleed_current_a=None)
    assert cents(replace(plain, bleed_ohm=ohm)) >= cents(replace(plain, bleed_ohm=factor * ohm))


def test_a_load_beyond_the_largest_is_shared() -> None:
    strong = replace(STANDARD, bleed_current_a=None, bleed_ohm=4.0)  # 3.33 W, 4.04 W when derated
    assert channel_of(strong, PRICES).parts["resistor 2512"] == 5.0


def test_every_price_is_some_boards_and_every_part_has_a_price() -> None:
    plain = replace(STANDARD, bleed_current_a=None)
    designs = [
        *DESIGNS.values(),
        replace(STANDARD, sense="kelvin"),
        replace(plain, bleed_ohm=270.0),
        replace(plain, bleed_ohm=200.0),
        replace(plain, series_ntc=SeriesNtc(10.0, 3435.0)),
        replace(plain, mosfet=Mosfet(constant_a=0.05)),
        replace(plain, balancer=ActiveBalancer()),
    ]
    used = {part for design in designs for part in channel_of(design, PRICES).parts}
    assert used == set(PRICED)


def test_a_board_that_reads_better_than_any_part_is_told_in_its_place() -> None:
    better = replace(STANDARD, offset_v=0.0005)
    with pytest.raises(ValueError, match=r"reads to \+-0.5 mV, the best front end .* to 2 mV"):
        channel_of(better, PRICES)
    assert any(
        "| n/a | 'standard-50mA' reads to" in line for line in boards_lines([better], PRICES)
    )


def test_a_price_turns_an_order_where_it_outweighs_the_difference() -> None:
    """A is dearer by 1; at twice the screw's price B, which has two more of them, is."""
    priced = {"screw": 1.5, "nut": 4.0}
    channels = {
        "A": Channel({"screw": 1.0, "nut": 1.0}, 5.5),
        "B": Channel({"screw": 3.0}, 4.5),
    }
    assert turned_by(channels, priced) == [
        Turned("screw", 2.0, "A", "B"),
        Turned("nut", 0.5, "A", "B"),
    ]


def test_the_page_names_what_the_order_of_boards_hangs_on() -> None:
    told = list(boards_lines([DESIGNS["ntc-in-loop"], DESIGNS["mosfet"]], PRICES))
    assert "| mosfet | 70.8 |" in "\n".join(told)
    assert "- twice the price of regulator: ntc-in-loop is cheaper than mosfet" in told
    plain = list(boards_lines([STANDARD, DESIGNS["sampling-10mV"]], PRICES))
    assert "Half or twice the price of any one part changes no order among them.\n" in plain
