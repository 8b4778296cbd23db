"""The parameter page, read back by the offsets that the firmware holds to."""

import struct
from typing import Any

import pytest
from reference_bench import load_design
from spi_host import gates

from drivers.virtual.firmware_parameters import parameter_page
from hil.core.instants import HOUR, MILLISECOND, MINUTE, SECOND
from hil.physics.board import ntc_divider_v


def page(serial: int = 1, **changes: Any) -> bytes:
    return parameter_page(load_design(**changes), serial)


def at(data: bytes, offset: int, kind: str) -> int:
    (value,) = struct.unpack_from(f"<{kind}", data, offset)
    assert isinstance(value, int)
    return value


@pytest.mark.parametrize(
    ("offset", "kind", "expected"),
    [
        (4, "H", 1),
        (6, "H", 156),
        (8, "I", 0xDEADBEEF),
        (12, "B", 16),
        (13, "B", 16),
        (14, "B", 4),
        (15, "B", 0b11),
        (16, "I", 100_000),
        (20, "I", 1_000),
        (24, "H", 36500),
        (26, "H", 35000),
        (28, "H", 25000),
        (30, "H", 28000),
        (32, "h", 650),
        (34, "h", 600),
        (36, "h", -200),
        (38, "h", -150),
        (40, "h", 850),
        (42, "h", 750),
        (44, "h", 50),
        (46, "h", 0),
        (48, "I", 120_000),
        (52, "I", 100_000),
        (56, "I", 1_000_000),
        (60, "I", 3_000_000),
        (64, "H", 1000),
        (66, "H", 1000),
        (68, "H", 100),
        (70, "H", 50),
        (72, "H", 2000),
        (74, "H", 500),
        (76, "H", 300),
        (78, "H", 0),
        (80, "I", 500_000),
        (84, "I", 120_000_000),
    ],
)
def test_every_number_stands_where_the_firmware_looks(
    offset: int, kind: str, expected: int
) -> None:
    assert at(page(serial=0xDEADBEEF), offset, kind) == expected


def test_the_page_names_itself_and_is_checked() -> None:
    data = page()
    assert (len(data), data[:4]) == (156, b"BMSP")
    assert at(data, 154, "H") == gates(data[:154])


def test_the_curve_is_that_of_the_divider() -> None:
    design, data = load_design(), page()
    curve = struct.unpack_from("<33H", data, 88)
    assert curve == tuple(
        round(ntc_divider_v(design, degc) * 10_000) for degc in range(-40, 121, 5)
    )


def test_a_board_that_does_not_mute_says_so() -> None:
    assert at(page(mute=False), 15, "B") == 0b10


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"over_voltage_v": 7.0}, "over_voltage_v: found 7"),
        ({"over_temperature_degc": 4000.0}, "over_temperature_degc: found 4000"),
        ({"command_timeout_ns": 2 * HOUR}, "command_timeout_ns"),
        ({"open_wire_every": 70_000}, "open_wire_every: found 70000"),
        ({"shunt_ohm": 5.0}, "shunt_ohm: found 5"),
        ({"ntc_supply_v": 9.0}, "ntc_beta_k: found a divider of"),
    ],
)
def test_what_the_page_has_no_room_for_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        page(**changes)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"balance_stop_v": 0.06}, "balance_stop_v: found 0.06 V"),
        ({"balance_stop_v": 0.0}, "balance_stop_v"),
        ({"balance_start_v": 6.0}, "balance_start_v"),
        ({"balance_every_ns": 0}, "balance_every_ns"),
    ],
)
def test_balancing_that_makes_no_sense_is_no_design(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        load_design(**changes)


def test_a_board_file_may_say_how_its_board_balances() -> None:
    design = load_design(balance_start_v=0.02, balance_stop_v=0.01, balance_every_ns=SECOND)
    data = parameter_page(design, 1)
    assert [at(data, 74, "H"), at(data, 76, "H"), at(data, 84, "I")] == [200, 100, 1_000_000]
    assert load_design().balance_every_ns == 2 * MINUTE


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cycle_ns": 3 * MILLISECOND}, "cycle_ns: found 2 ms besides settle, expected more"),
        ({"cycle_ns": MINUTE, "settle_ns": 1_500 * MILLISECOND}, "settle_ns: found 1.5 s"),
    ],
)
def test_a_measurement_that_cannot_be_is_refused_with_its_reason(
    changes: dict[str, int], said: str
) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        page(**changes)
