"""No link is forgotten: each entry point of ``hil.links`` goes through every case of its suite."""

import inspect
from importlib.metadata import entry_points
from types import ModuleType

import byte_rigs
import frame_rigs
import pytest
import test_byte_links
import test_frame_links

SUITES = ((test_byte_links, byte_rigs.RIGS, "bytes"), (test_frame_links, frame_rigs.RIGS, "frames"))


def cases(suite: ModuleType) -> dict[str, bool]:
    """Return the tests of a suite, and whether each runs on whatever rig it is given."""
    tests = inspect.getmembers(suite, inspect.isfunction)
    return {
        name: "on_rig" in inspect.signature(test).parameters
        for name, test in tests
        if name.startswith("test_")
    }


def test_every_installed_link_has_a_rig_in_the_suite_of_what_it_carries() -> None:
    kinds = {point.name: point.load() for point in entry_points(group="hil.links")}
    taking_part = {kind: carries for _, rigs, carries in SUITES for kind, _ in rigs.values()}
    assert taking_part == {name: kind.carries for name, kind in kinds.items()}


def test_the_matrix_of_links_and_cases(capsys: pytest.CaptureFixture[str]) -> None:
    """Shown by ``make test``: how many cases each rig goes through. None is left out on any."""
    table = [f"\n{'carries':8}{'rig':22}{'entry point':13}{'cases':>5}"]
    for suite, rigs, carries in SUITES:
        on_rigs = cases(suite)
        assert on_rigs
        assert all(on_rigs.values()), on_rigs
        table += [
            f"{carries:8}{name:22}{kind:13}{len(on_rigs):5}" for name, (kind, _) in rigs.items()
        ]
    with capsys.disabled():
        print("\n".join(table))  # noqa: T201 - the matrix
