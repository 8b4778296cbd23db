"""One profile on benches with different chambers: only lines of the bench file change.

A short day of ``hot-summer-day``: soak at a ramp, charge, hold; then warm and away. The whole demo
over each pair of emulators and chamber runs by night.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from scenario import Play

DRIVER, WORDS = "bench.devices.chamber.driver", "bench.devices.chamber.description"
CHAMBERS = {
    "watlow-f4t": (f"{DRIVER}=watlow-f4t",),
    "espec-p300": (f"{DRIVER}=espec-p300",),
    "cts": (f"{DRIVER}=described-chamber", f"{WORDS}=cts"),
    "votsch-ascii2": (f"{DRIVER}=described-chamber", f"{WORDS}=votsch-ascii2"),
    "simserv": (f"{DRIVER}=described-chamber", f"{WORDS}=simserv"),
    "thermotron-8800": (f"{DRIVER}=described-chamber", f"{WORDS}=thermotron-8800"),
}
BENCHES = ("virtual-16s", "mixed-16s")

DAY = """\
  - soak: {chamber: 35 degC, ramp: 2 K/min, for: 10 min}
  - expect: {board.temperature: {min: 28 degC}, read: end of the soak}
  - soak: {chamber: 15 degC, for: 20 min}
  - expect: {board.temperature: {max: 26 degC}, read: end of the cold}
"""


@pytest.mark.parametrize("chamber", CHAMBERS)
def test_the_board_is_as_warm_as_the_profile_says(
    chamber: str, play: Play, profile: Callable[..., Path]
) -> None:
    path = profile(DAY, controller="{strategy: fixed-threshold, every: 20 s}")
    played = play(path, *CHAMBERS[chamber])
    assert played.verdict == "PASS"
    assert not played.of("bad-measurement")
    assert not played.of("overrun")


@pytest.mark.nightly
@pytest.mark.parametrize("bench", BENCHES)
@pytest.mark.parametrize("chamber", CHAMBERS)
def test_the_demo_passes_on_each_pair(bench: str, chamber: str, play: Play) -> None:
    assert play("hot-summer-day", *CHAMBERS[chamber], bench=bench).verdict == "PASS"


@pytest.mark.parametrize("chamber", CHAMBERS)
def test_a_chamber_whose_sensor_breaks_ends_the_run_safe(
    chamber: str, play: Play, profile: Callable[..., Path]
) -> None:
    path = profile("""\
  - soak: {chamber: 30 degC, for: 1 min}
  - inject: {target: chamber, fault: sensor-break}
  - rest: 2 min
""")
    played = play(path, *CHAMBERS[chamber])
    assert played.verdict in ("INCONCLUSIVE", "ABORTED")
    [reached] = [one for one in played.of("safe-state-reached") if one["device"] == "chamber"]
    assert reached["ok"]
