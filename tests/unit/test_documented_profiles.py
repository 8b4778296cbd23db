"""The profiles and steps that README and the how-tos show are real: they pass the check."""

import re
from pathlib import Path

import pytest

from hil.app.preparation import Request, _known, prepare, specs_of
from hil.profile import load_bench, load_profile

ROOT = Path(__file__).parent.parent.parent
FENCE = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = [
    (path.name, block)
    for path in (ROOT / "README.md", ROOT / "docs" / "how-to" / "write-a-profile.md")
    for block in FENCE.findall(path.read_text("utf-8"))
]
HEAD = """\
profile: shown
needs: {cells: 16}
controller: {strategy: none}
pack: {cell: lfp-100ah}
verdict: [max_cell_voltage <= 3.60 V]
"""


@pytest.mark.parametrize(("name", "block"), BLOCKS)
def test_a_documented_profile_fits_its_bench(name: str, block: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.yaml"
    rest = "" if "steps:" in block else "steps: [{rest: 1 s}]\n"
    whole = block if block.startswith("profile:") else HEAD + block + rest
    file.write_text(whole, encoding="utf-8")
    assert prepare(Request(profile=str(file))).profile.steps


def test_the_profile_of_the_readme_is_the_shipped_one(tmp_path: Path) -> None:
    [block] = [block for name, block in BLOCKS if name == "README.md"]
    file = tmp_path / "open-sense-lead.yaml"
    file.write_text(block, encoding="utf-8")
    shown, shipped = load_profile(file), load_profile("open-sense-lead")
    assert shown.resolved_text() == shipped.resolved_text()


def test_documents_show_profiles() -> None:
    assert {name for name, _ in BLOCKS} == {"README.md", "write-a-profile.md"}


def test_every_fault_that_there_is_stands_in_the_how_to() -> None:
    """Nobody can use what is written nowhere: faults to put in, and faults to expect."""
    text = (ROOT / "docs" / "how-to" / "write-a-profile.md").read_text(encoding="utf-8")
    bench = load_bench("virtual-16s")
    names = {fault for faults in _known(bench).faults.values() for fault in faults}
    names |= set(getattr(specs_of(bench)["board"], "faults", ()))
    assert {name for name in names if f"`{name}`" not in text} == set()
