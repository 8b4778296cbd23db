"""The bench file that the how-to shows fits a profile; every link and key stands beside it."""

import re
from pathlib import Path

import pytest

from hil.app.names import installed, resolve
from hil.app.preparation import Request, prepare
from hil.core.errors import ConfigErrors
from hil.profile.forms import field_names, key_of

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "how-to" / "wire-a-real-bench.md").read_text(encoding="utf-8")
[SHOWN] = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_shown_bench_fits_the_profiles(tmp_path: Path) -> None:
    file = tmp_path / "our-lab.yaml"
    file.write_text(SHOWN, encoding="utf-8")
    prepared = prepare(Request(profile="room-baseline", bench=str(file)))
    assert prepared.bench.clock == "wall"


def test_a_key_that_no_link_has_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "our-lab.yaml"
    file.write_text(SHOWN.replace("host: 192.0.2.20", "hots: 192.0.2.20"), encoding="utf-8")
    with pytest.raises(ConfigErrors, match="hots"):
        prepare(Request(profile="room-baseline", bench=str(file)))


def test_every_real_link_and_each_of_its_keys_stands_in_the_how_to() -> None:
    for name in installed("links"):
        kind = resolve("links", name)
        if kind.needs_twin:
            continue
        [row] = [line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |")]
        names = field_names(kind.OPTIONS)
        assert [key for key in (key_of(one, names) for one in names) if key not in row] == []
