"""The library engine against firmware whose answers are plain: frames, transfers, time, faults."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from can import Message
from engine_stub import Chip, built, frame, heard
from hypothesis import given
from hypothesis import strategies as st

from drivers.engines import library
from drivers.engines.library import LIB, LibraryEngine
from hil.core.errors import EnvironmentProblem, FirmwareFault
from hil.core.instants import MICROSECOND, MILLISECOND
from hil.ports import Firmware

PAGE = b"BMS page that ends with *"
PERIOD = 10 * MILLISECOND
FLOOD, HANG, WIDE, LONG, GREEDY = range(0x7F0, 0x7F5)

Build = Callable[..., Firmware]


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a function that builds the plain firmware with flags."""
    folder = tmp_path_factory.mktemp("engine")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    built(folder / "fw")
    patch.undo()

    def with_flags(*define: str) -> Firmware:
        with pytest.MonkeyPatch.context() as here:
            here.setenv("XDG_CACHE_HOME", str(folder / "cache"))
            return built(folder / "fw", *define)

    return with_flags


def powered(firmware: Firmware, chip: Chip | None = None, now: int = 0) -> LibraryEngine:
    engine = LibraryEngine(firmware)
    engine.power_on(now, PAGE, chip or Chip())
    return engine


def told(engine: LibraryEngine, now: int) -> list[tuple[int, bytes]]:
    return heard(list(engine.advance(now)))


def test_it_runs_when_it_asked_to(firmware: Build) -> None:
    chip = Chip()
    engine = powered(firmware(), chip, now=5 * MILLISECOND)
    assert engine.wake == 5 * MILLISECOND
    assert told(engine, engine.wake) == []
    assert engine.wake == 15 * MILLISECOND
    assert told(engine, 15 * MILLISECOND - 1) == []
    answer = bytes(byte ^ 0xFF for byte in b"ask\0")
    # run 1, the page's last byte, the chip's answer, the fourth call, 15 ms since the clock began
    assert told(engine, engine.wake) == [(0x100, b"\x01*" + answer + b"\x04\x0f")]
    assert chip.asked == [(1, b"ask\0")]
    assert engine.wake == 25 * MILLISECOND


def test_a_nanosecond_is_not_rounded_up(firmware: Build) -> None:
    """Firmware that was asked a microsecond early would ask for the same instant for ever."""
    engine = powered(firmware())
    assert told(engine, PERIOD - 1) == []
    assert engine.wake == PERIOD
    assert len(told(engine, PERIOD)) == 1


@given(
    sent=st.lists(st.tuples(st.integers(0, 0x6FF), st.binary(max_size=8)), min_size=1, max_size=100)
)
def test_frames_come_through_as_they_are(
    firmware: Build, sent: Sequence[tuple[int, bytes]]
) -> None:
    """More than one call takes too: in their order, none lost, none twice."""
    engine = powered(firmware("STEP=3"))
    for identifier, data in sent:
        engine.hear(frame(identifier, data))
    expected = [(one + 1, bytes((byte + 3) % 256 for byte in data)) for one, data in sent]
    assert told(engine, MICROSECOND) == expected
    assert told(engine, 2 * MICROSECOND) == []


def test_frames_wait_for_a_transfer_beside_them(firmware: Build) -> None:
    engine = powered(firmware())
    for count in range(40):
        engine.hear(frame(count))
    frames = told(engine, PERIOD)
    assert sorted(one for one, _ in frames) == [*range(1, 41), 0x100]


@pytest.mark.parametrize(
    "other",
    [
        Message(arbitration_id=5, is_extended_id=True),
        Message(arbitration_id=5, is_extended_id=False, is_remote_frame=True, dlc=8),
        Message(arbitration_id=5, is_extended_id=False, is_fd=True, data=bytes(12)),
        Message(is_error_frame=True, is_extended_id=False),
    ],
)
def test_the_controller_filters_what_the_firmware_cannot_take(
    firmware: Build, other: Message
) -> None:
    engine = powered(firmware())
    engine.hear(other)
    engine.hear(frame(6))
    assert [one for one, _ in told(engine, MICROSECOND)] == [7]


def test_a_queue_that_nobody_empties_ends(firmware: Build) -> None:
    engine = powered(firmware())
    for _ in range(2_000):
        engine.hear(frame(1))
    assert len(told(engine, MICROSECOND)) == 1_024


def test_an_image_that_is_built_anew_in_its_place_is_the_new_one(
    firmware: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loader knows a library by its path: what is recorded and what runs must be one thing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = tmp_path / "own.so"
    for step in (3, 5):
        made = firmware(f"STEP={step}")
        own.unlink(missing_ok=True)
        own.write_bytes(made.image.read_bytes())
        found = LIB.firmware({"image": str(own)})
        assert found.sha256 == made.sha256
        engine = powered(found)
        engine.hear(frame(0x100, b"\x10"))
        assert told(engine, 0) == [(0x101, bytes([0x10 + step]))]


def test_boards_of_one_image_know_nothing_of_each_other(firmware: Build) -> None:
    image, chips = firmware(), [Chip() for _ in range(3)]
    engines = [powered(image, chip) for chip in chips]
    for now in range(PERIOD, 4 * PERIOD, PERIOD):
        engines[0].advance(now)
    engines[1].advance(PERIOD)
    assert [len(chip.asked) for chip in chips] == [3, 1, 0]


def test_two_images_with_the_same_names_stay_apart(firmware: Build) -> None:
    """Their functions are called alike: each must find its own."""
    first, second = powered(firmware("STEP=5")), powered(firmware("STEP=7"))
    for engine in (first, second):
        engine.hear(frame(0x10, b"\0"))
    assert told(first, MICROSECOND) == [(0x11, b"\x05")]
    assert told(second, MICROSECOND) == [(0x11, b"\x07")]


def test_power_that_comes_back_finds_nothing_of_before(firmware: Build) -> None:
    engine = powered(firmware())
    engine.hear(frame(HANG))
    for _ in range(2):
        engine.power_on(0, PAGE, Chip())
        [(_, said)] = told(engine, PERIOD)
        assert said[0] == 1  # its first run, and it does not hang


def test_a_page_that_is_refused_leaves_no_board(firmware: Build) -> None:
    engine = powered(firmware())
    with pytest.raises(ValueError, match="refuses the parameter page"):
        engine.power_on(0, b"page of another", Chip())
    engine.hear(frame(1))
    assert told(engine, PERIOD) == []
    assert engine.wake > 100 * 365 * 86_400 * 10**9


def test_closed_it_does_nothing(firmware: Build) -> None:
    engine = powered(firmware())
    engine.close()
    engine.close()
    assert told(engine, PERIOD) == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (HANG, "stands still: 10000 steps"),
        (FLOOD, "sends 65 frames in one step"),
        (WIDE, "sends 0 bytes as 800h"),
        (LONG, "sends 9 bytes as 7F4h"),
        (GREEDY, "transfers 65 bytes at once"),
    ],
)
def test_what_no_controller_does_ends_the_firmware(
    firmware: Build, command: int, reason: str
) -> None:
    """Once it is told; from then on the board is as silent as one with a processor that hangs."""
    engine = powered(firmware())
    engine.hear(frame(command))
    with pytest.raises(FirmwareFault, match=reason):
        engine.advance(MICROSECOND)
    assert told(engine, PERIOD) == []


# --- images that are none ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "reason"), [("OTHER_ABI=2", "has ABI 2, expected 1"), ("NO_SIZE", "wants 0 bytes")]
)
def test_an_image_of_another_kind_is_refused(firmware: Build, flag: str, reason: str) -> None:
    with pytest.raises(EnvironmentProblem, match=reason):
        LibraryEngine(firmware(flag))


def test_a_library_without_the_functions_is_refused(
    firmware: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    firmware()
    (tmp_path / "fw/app").mkdir(parents=True)
    (tmp_path / "fw/port_lib").mkdir()
    (tmp_path / "fw/app/other.c").write_text("int bms_lib_other(void) { return 1; }\n")
    image = built(tmp_path / "fw")
    with pytest.raises(EnvironmentProblem, match="no function bms_lib_abi in it"):
        LibraryEngine(image)


def test_what_is_no_library_is_refused_before_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "text.so").write_text("no library\n")
    with pytest.raises(EnvironmentProblem, match=r"cannot load the firmware image: .*text-\w+\.so"):
        LIB.firmware({"image": str(tmp_path / "text.so")})


def test_more_memory_than_a_board_has_is_no_board(
    firmware: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "_LARGEST", 8)
    with pytest.raises(EnvironmentProblem, match=r"wants \d+ bytes for a board, expected 1 to 8"):
        LibraryEngine(firmware())
