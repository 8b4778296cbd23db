"""Units of one RS-485 line: each hears what bears its address."""

from scenario import Play, read_back

UNIT = "bench.devices.emulator-1"


def test_a_unit_with_an_address_is_spoken_to_by_it(play: Play) -> None:
    run = play("open-sense-lead", f"{UNIT}.options.address=3", f"{UNIT}.virtual.address=3")
    assert run.verdict == "PASS"
    read_back(run)


def test_another_units_address_reaches_nobody(play: Play) -> None:
    run = play("open-sense-lead", f"{UNIT}.options.address=4", f"{UNIT}.virtual.address=3")
    assert run.verdict not in ("PASS", "FAIL")
    assert "emulator-1" in run.summary["ended"]
