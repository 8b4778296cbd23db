"""The reference board's codec against cantools, which reads the DBC and knows nothing of it."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cantools.database
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wire import e2e
from drivers.wire import reference_board as wire

DBC = cantools.database.load_file(Path(wire.__file__).with_suffix(".dbc"))


def crc_by_bits(data: Iterable[int]) -> int:
    """CRC-8, polynomial 1Dh, as the textbook divides: one bit at a time, no table."""
    register = 0
    for byte in data:
        for bit in range(7, -1, -1):
            carry = (register >> 7) ^ (byte >> bit & 1)
            register = (register << 1 & 0xFF) ^ (0x1D if carry else 0)
    return register


def signals_of(message: Any, page: int | None) -> list[Any]:
    """The DBC's signals of one page in wire order, without CRC."""
    names = [
        signal
        for signal in message.signals
        if signal.name != "Crc" and (not signal.multiplexer_ids or page in signal.multiplexer_ids)
    ]
    return sorted(names, key=lambda signal: signal.start)


def raw_limits(signal: Any) -> tuple[int, int]:
    if signal.name == "Alive":
        return 0, e2e.ALIVE_COUNTS - 1
    if signal.is_signed:
        return -(1 << signal.length - 1), (1 << signal.length - 1) - 1
    return 0, (1 << signal.length) - 1


@st.composite
def frames(draw: st.DrawFn) -> tuple[Any, dict[str, int], bytes]:
    """A random message of the DBC, its raw values and its bytes, built by cantools alone."""
    message = draw(st.sampled_from(DBC.messages))
    page = None
    if message.is_multiplexed():
        page = draw(st.sampled_from(sorted(message.signal_tree[-1]["Page"])))
    signals = signals_of(message, page)
    values = {signal.name: draw(st.integers(*raw_limits(signal))) for signal in signals}
    if page is not None:
        values["Page"] = page
    plain = message.encode({**values, "Crc": 0}, scaling=False, strict=False)
    data_id = message.dbc.attributes["E2EDataId"].value
    crc = crc_by_bits([data_id & 0xFF, data_id >> 8, *plain[1:]])
    return message, values, message.encode({**values, "Crc": crc}, scaling=False, strict=False)


def flat(values: Iterable[Any]) -> list[int]:
    out: list[int] = []
    for value in values:
        out += flat(value) if isinstance(value, tuple) else [int(value)]
    return out


def decoded(identifier: int, frame: bytes) -> Any:
    if identifier in range(wire.CELL_VOLTAGES, wire.CELL_VOLTAGES + 4):
        return wire.decode_cell_voltages(frame)
    decoders: dict[int, Callable[[bytes], Any]] = {
        wire.BLEED_COMMAND: wire.decode_duties,
        wire.REQUEST: wire.decode_request,
        wire.FAULTS: wire.decode_faults,
        wire.PACK_STATUS: wire.decode_pack_status,
        wire.TEMPERATURES: wire.decode_temperatures,
        wire.LIMITS: wire.decode_limits,
        wire.BLEED_STATE: wire.decode_duties,
        wire.IDENTITY: wire.decode_identity,
    }
    return decoders[identifier](frame)


def encoded(identifier: int, message: Any) -> bytearray:
    if isinstance(message, wire.CellVoltages):
        return wire.encode_cell_voltages(identifier - wire.CELL_VOLTAGES, *message)
    if isinstance(message, wire.Temperatures):
        return wire.encode_temperatures(*message)
    if isinstance(message, wire.Duties):
        command = identifier == wire.BLEED_COMMAND
        return (wire.encode_bleed_command if command else wire.encode_bleed_state)(*message)
    encoders: dict[type, Callable[[Any], bytearray]] = {
        wire.PackStatus: wire.encode_pack_status,
        wire.Limits: wire.encode_limits,
        wire.FaultFlags: wire.encode_fault_flags,
        wire.CellFaults: wire.encode_cell_faults,
        wire.Make: wire.encode_make,
        wire.Firmware: wire.encode_firmware,
        wire.Request: wire.encode_request,
    }
    return encoders[type(message)](message)


def expected_values(message: Any, values: dict[str, int]) -> list[int]:
    """The raw values in the order of our tuples: wire order; flag bits are one number."""
    page = values.get("Page")
    ordered = [values[signal.name] for signal in signals_of(message, page)]
    if message.name == "Faults" and page == 0:
        alive, _, *bits, rejected = ordered
        return [alive, sum(bit << k for k, bit in enumerate(bits)), rejected]
    if message.name == "Identity":
        return [ordered[0], *ordered[2:]]
    if message.name in {"BleedCommand", "BleedState"}:
        return ordered + [0] * (8 - len(ordered))
    return ordered


@given(frames())
def test_every_message_decodes_as_cantools_encoded_it(
    frame: tuple[Any, dict[str, int], bytes],
) -> None:
    message, values, data = frame
    assert flat(decoded(message.frame_id, data)) == expected_values(message, values)


@given(frames())
def test_every_message_encodes_to_the_bytes_of_cantools(
    frame: tuple[Any, dict[str, int], bytes],
) -> None:
    message, _, data = frame
    assert encoded(message.frame_id, decoded(message.frame_id, data)) == data


def test_identifiers_and_data_ids_are_those_of_the_dbc() -> None:
    of_dbc = {m.frame_id: m.dbc.attributes["E2EDataId"].value for m in DBC.messages}
    assert of_dbc == wire.TO_BOARD | wire.TO_HOST
    senders = {m.frame_id: m.senders for m in DBC.messages}
    assert all(senders[identifier] == ["Host"] for identifier in wire.TO_BOARD)
    assert all(senders[identifier] == ["Board"] for identifier in wire.TO_HOST)


@pytest.mark.parametrize(
    ("signal", "scale"),
    [
        ("CellVoltages1.Cell01", wire.VOLT_PER_COUNT),
        ("PackStatus.PackCurrent", wire.AMPERE_PER_COUNT),
        ("Limits.ChargeLimit", wire.LIMIT_AMPERE_PER_COUNT),
        ("Temperatures.NtcTemperature01", wire.KELVIN_PER_COUNT),
        ("BleedState.ActualDuty01", 1 / wire.DUTY_COUNTS),
        ("BleedCommand.CommandDuty01", 1 / wire.DUTY_COUNTS),
    ],
)
def test_scales_are_those_of_the_dbc(signal: str, scale: float) -> None:
    message, name = signal.split(".")
    assert DBC.get_message_by_name(message).get_signal_by_name(name).scale == scale


def test_choices_and_flags_are_those_of_the_dbc() -> None:
    def named(message: str, signal: str) -> dict[int, str]:
        choices = DBC.get_message_by_name(message).get_signal_by_name(signal).choices
        return {number: str(text).lower() for number, text in choices.items()}

    def own(kind: Any) -> dict[int, str]:
        return {item.value: item.name.replace("_", "").lower() for item in kind}

    assert named("Request", "RequestCode") == own(wire.RequestCode)
    assert named("PackStatus", "State") == own(wire.State)
    flags = [s for s in signals_of(DBC.get_message_by_name("Faults"), 0) if s.length == 1]
    assert {s.start - 16: s.name.lower() for s in flags} == own(wire.BoardFlag)
