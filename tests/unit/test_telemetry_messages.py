"""What is told of a run is what was recorded, in the form that the docs promise."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.core.instants import MILLISECOND, SECOND
from hil.core.records import BoardFaultChanged, Deviation, Record, RunEnded, RunStarted, StepStarted
from hil.core.records import Tick as Ticked
from hil.core.signals import Layout, tick_layout
from hil.live.messages import COLUMNS, Encoder, Message, Origin, Story, back_filled, state
from hil.live.target import PASSWORD, Target, parse_target
from hil.live.telemetry import missing

DOCS = Path(__file__).parents[2] / "docs" / "how-to" / "watch-a-run.md"
ORIGIN = Origin("a-run", "p", "b", 7, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
LAYOUT = tick_layout(16, 4, 2, shadow=True)
STARTED = RunStarted(
    0, "p", "b", 7, SECOND, "{}", tuple((s.name, s.unit, s.width) for s in LAYOUT.signals), {}
)


def told(*records: Record) -> list[dict[str, Any]]:
    """Return the messages of some records."""
    story, encoder = Story(), Encoder(ORIGIN)
    messages = [encoder.encode(story.feed(seq, record)) for seq, record in enumerate(records)]
    return [json.loads(message.payload) for message in messages]


def documented(heading: str) -> set[str]:
    """Return the fields in the table under a heading of the docs."""
    _, _, section = DOCS.read_text(encoding="utf-8").partition(f"## `{heading}`\n")
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    cells = [row.split("|")[1] for row in rows]
    return {name.strip(" `") for cell in cells for name in cell.split(",")}


def row(**values: float) -> tuple[float, ...]:
    """Return a tick's row: 1.0 everywhere but where a signal is given another value."""
    numbers = [1.0] * LAYOUT.width
    for name, value in values.items():
        place = LAYOUT.columns(name.replace("__", "."))
        numbers[place] = [value] * (place.stop - place.start)
    return tuple(numbers)


# --- docs -------------------------------------------------------------------------------------


def test_the_documented_fields_are_the_real_ones() -> None:
    [_, tick, event] = told(STARTED, Ticked(0, row(), ""), RunEnded(0, "PASS", ""))
    assert documented("tick") == {*tick, "backfill"}
    assert documented("event") == {*event, "backfill"}
    assert documented("state") == set(json.loads(state(ORIGIN, Story(), "online")))


def test_the_documented_units_are_those_of_the_signals() -> None:
    units = {signal.name: signal.unit for signal in LAYOUT.signals}
    text = DOCS.read_text(encoding="utf-8")
    for column in COLUMNS:
        assert f"| `{column.field}` | {units[column.signal]} |" in text, column


# --- what is in them --------------------------------------------------------------------------


def test_a_tick_says_what_the_row_says() -> None:
    faults = BoardFaultChanged(0, "open-wire", 6, True)  # noqa: FBT003 - active
    step = StepStarted(0, 3, "2.charge", "charge")
    values = row(plant__cell_v=3.30412345, pack__voltage_v=52.8004, board__cell_v=math.nan)
    tick = told(STARTED, step, faults, Ticked(90 * SECOND + 5 * MILLISECOND, values, ""))[-1]
    assert tick["plant_v"] == [3.3041] * 16
    assert tick["pack_v"] == 52.8
    assert tick["board_v"] == [None] * 16, "what is not known is null: JSON has no NaN"
    assert tick["faults"] == [["open-wire", 6]]
    assert (tick["step"], tick["seq"], tick["run"]) == ("2.charge", 3, "a-run")
    assert (tick["t_s"], tick["utc"]) == (90.005, "2026-01-02T03:05:35.005Z")


def test_a_fault_that_is_gone_is_not_told_any_more() -> None:
    def fault(name: str, *, active: bool) -> BoardFaultChanged:
        return BoardFaultChanged(0, name, 1, active)

    last = told(
        STARTED,
        fault("open-wire", active=True),
        fault("over-voltage", active=True),
        fault("open-wire", active=False),
        Ticked(0, row(), ""),
    )[-1]
    assert last["faults"] == [["over-voltage", 1]]


def test_an_event_has_the_fields_of_its_record() -> None:
    deviation = Deviation(SECOND, "off", "cell[3]", math.inf, 0.1, "V", "rest")
    [started, event] = told(STARTED, deviation)
    assert event["event"] == "deviation"
    assert event["fields"] == {
        "name": "off", "subject": "cell[3]", "value": None, "limit": 0.1, "unit": "V",
        "situation": "rest",
    }  # fmt: skip
    assert "signals" not in started["fields"]


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=16, max_size=16))
def test_any_row_is_json_to_a_tenth_of_a_millivolt(volts: list[float]) -> None:
    numbers = list(row())
    numbers[LAYOUT.columns("plant.cell_v")] = volts
    tick = told(STARTED, Ticked(0, tuple(numbers), ""))[-1]
    for told_v, volt in zip(tick["plant_v"], volts, strict=True):
        assert (told_v is None) == (not math.isfinite(volt))
        if told_v is not None and abs(volt) < 1e6:
            assert told_v == pytest.approx(volt, abs=0.5001e-4)


def test_the_mark_of_a_late_message_changes_nothing_else() -> None:
    [body] = told(STARTED)
    message = Message(0, "event", json.dumps(body).encode())
    assert json.loads(back_filled(message.payload)) == {**body, "backfill": True}


def test_a_row_of_an_older_record_is_told_as_far_as_it_goes() -> None:
    short = Layout(LAYOUT.signals[:3])
    signals = tuple((s.name, s.unit, s.width) for s in short.signals)
    started = RunStarted(0, "p", "b", 7, SECOND, "{}", signals, {})
    tick = told(started, Ticked(0, (1.0, 2.0, 3.0), ""))[-1]
    assert (tick["pack_a"], tick["pack_v"]) == (2.0, 3.0)
    assert "plant_v" not in tick


# --- what is owed -----------------------------------------------------------------------------

RANGES = st.lists(st.integers(0, 60), unique=True).map(sorted)


def ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Return numbers as ranges."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


@given(RANGES, RANGES)
def test_what_is_missing_is_what_was_wanted_and_not_had(wanted: list[int], had: list[int]) -> None:
    left = [n for n in wanted if n not in had]
    found = missing(ranges(wanted), ranges(had))
    assert [n for first, last in found for n in range(first, last + 1)] == left


# --- where it goes ----------------------------------------------------------------------------

WORD = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12)


@given(WORD, WORD)
def test_a_login_survives_its_way_through_a_url(user: str, password: str) -> None:
    url = f"mqtt://{quote(user, safe='')}:{quote(password, safe='')}@broker.lab"
    assert parse_target(url, {}) == Target("broker.lab", 1883, False, user, password)  # noqa: FBT003


def test_a_password_may_come_from_the_environment() -> None:
    outside = {PASSWORD: "theirs"}
    urls = {"mqtt://me@b": "theirs", "mqtt://me:own@b": "own", "mqtt://b": None}
    assert {url: parse_target(url, outside).password for url in urls} == urls
    assert parse_target("mqtts://b/lab/3/", {}).topic == "lab/3"


@pytest.mark.parametrize(
    "url",
    [
        "mqtt://me:gehe/im@broker",  # the slash ends the host: a port that is none
        "http://me:geheim@broker",
        "me:geheim@broker",
        "mqtt://me:geheim@",
        "mqtt://:geheim@broker",
        "mqtt://me:geheim@broker:port",
        "mqtt://me:geheim@broker:99999",
        "mqtt://me:geheim@broker/a/+/b",
        "mqtt://me:geheim@broker/%23",
        "mqtt://me:geheim@broker?x=geheim",
        "mqtt://me:geheim@[broker",
        "mqtt://me:geheim@broker/" + "geheim" * 1_000,
        "",
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected|has a") as refused:
        parse_target(url, {})
    assert "gehe" not in str(refused.value)
    assert "\n" not in str(refused.value)
