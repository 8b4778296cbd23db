"""The HTML report: what it says, what its plots are made of, and what it never lets in."""

import base64
import hashlib
import json
import re
import struct
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reported import Made, expectation
from written import UTC, closed, sample, unfinished

from hil.cli import ENVIRONMENT, main
from hil.core.errors import EnvironmentProblem
from hil.core.instants import SECOND
from hil.core.records import (
    BadMeasurement,
    BoardFaultChanged,
    Deviation,
    LinkFaulted,
    Record,
    SafeStateReached,
)
from hil.results import archive, disk, junit, report
from hil.results.repair import repair
from hil.results.report.events import MOST, events_of
from hil.results.verify import verify


class Page(HTMLParser):
    """A page as a browser takes it apart: elements, the texts in them, scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.text = ""
        self._script: str | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._script = str(dict(attrs).get("id") or tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.text += data
        else:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def page_of(folder: Path) -> Page:
    return Page(report.write(folder).read_text(encoding="utf-8"))


def points_of(page: Page) -> tuple[dict[str, Any], np.ndarray[Any, Any], dict[str, Any]]:
    """Read the points as the page's script does: description, times in s, lines by name."""
    about = json.loads(page.scripts["plots-about"])
    data = base64.b64decode(page.scripts["plots-data"])
    count, at = about["points"], 8 * (about["points"] + about["buckets"] + 1)
    times = np.array(struct.unpack_from(f"<{count}d", data))
    lines: dict[str, Any] = {}
    for layer in about["layers"]:
        for label in layer["labels"]:
            name = f"{layer['plot']}/{layer['name']}/{label}"
            lines[name] = np.array(struct.unpack_from(f"<{count}f", data, at))
            at += 4 * count
    for kind in ("mean", "peak"):
        for cell in range(about["bleeding"]):
            lines[f"{kind}/{cell + 1}"] = np.frombuffer(data, np.uint8, about["buckets"], at)
            at += about["buckets"]
    assert at == len(data), "every byte is accounted for"
    return about, times, lines


@pytest.mark.parametrize("cells", [16, 32])
def test_the_embedded_points_are_those_of_the_record(cells: int, tmp_path: Path) -> None:
    made = Made(ticks=500, cells=cells)
    about, times, lines = points_of(page_of(made.write(tmp_path / "run")))
    rows = made.rows(0, 500).astype(np.float32)
    assert about["every"] == 1
    assert np.array_equal(times, np.arange(500.0))
    volts = rows[:, made.layout.columns("plant.cell_v")]
    told = rows[:, made.layout.columns("board.cell_v")]
    for cell in range(cells):
        name = f"cell {cell + 1}"
        assert np.array_equal(lines[f"cells/plant (truth)/{name}"], volts[:, cell])
        assert np.array_equal(lines[f"cells/board reading/{name}"], told[:, cell])
    exact = made.rows(0, 500)[:, made.layout.columns("plant.cell_v")]
    gap = (exact.max(axis=1) - exact.min(axis=1)).astype(np.float32)
    assert np.array_equal(lines["gap/plant (truth)/plant (truth)"], gap)


def test_the_spread_is_the_metric_of_that_name(tmp_path: Path) -> None:
    folder = Made(ticks=300).write(tmp_path / "run")
    page = page_of(folder)
    _, _, lines = points_of(page)
    last = lines["spread/plant (truth)/plant (truth)"][-1]
    told = re.search(r"soc_spread *([\d.]+) %", page.words)
    assert told is not None
    assert float(told[1]) == pytest.approx(100 * last, rel=1e-4)
    assert "No estimate of the cells' charge is in this record" in page.words


def test_bleeds_are_bytes_of_which_the_least_is_not_off(tmp_path: Path) -> None:
    noon = 20_000
    made = Made(ticks=noon + 50)
    about, _, lines = points_of(page_of(made.write(tmp_path / "run")))
    assert about["every"] > 1
    duty = made.rows(noon, 50)[:, made.layout.columns("board.duty")].mean(axis=0)
    for cell in range(16):
        assert lines[f"mean/{cell + 1}"][-1] == (250 if duty[cell] else 0)
        assert lines[f"mean/{cell + 1}"][0] == 0


def test_the_verdict_comes_first_with_its_reasons(tmp_path: Path) -> None:
    situation = "board 3.1 V, emulator 3.3 V, since t = 4 s"
    deviation = Deviation(5 * SECOND, "reading-off", "cell[5]", -0.2, 0.01, "V", situation)
    extra = (deviation, expectation("gap at rest", passed=False, value=2.5))
    page = page_of(Made(verdict="FAIL", reason="x", extra=extra).write(tmp_path / "run"))
    head = page.words.partition("Expectations")[0]
    assert "FAIL The board is shown to be wrong." in head
    assert "gap at rest: 2.50 V ± 0.10 V, expected ≤ 2 V" in head
    assert situation in head
    assert situation in page.words.partition("Deviations")[2]
    assert "hil run made --seed 3" in page.words
    assert "hil runs verify run" in page.words


def test_an_excused_finding_is_shown_as_one(tmp_path: Path) -> None:
    extra = (
        LinkFaulted(4 * SECOND, "board", "to host", "lost", 7),
        Deviation(5 * SECOND, "silent", "board", 9.0, 1.0, "s", "nothing heard"),
    )
    page = page_of(Made(verdict="INCONCLUSIVE", extra=extra).write(tmp_path / "run"))
    assert "explained by the bench's own link fault" in page.words
    row = page.words.partition("Deviations")[2].partition("Plots")[0]
    assert "cannot tell" in row
    assert "FAIL" not in row


def test_a_run_that_was_killed_says_so_instead_of_a_verdict(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    unfinished(folder, list(Made(ticks=200).records())[:150], batch=20)
    page = page_of(folder)
    head = page.words.partition("Expectations")[0]
    assert "UNFINISHED" in head
    assert "not known to be in its safe state: board" in head
    assert "killed or lost its power" in head
    assert not re.search(r"\bPASS\b", head)
    about, times, _ = points_of(page)
    assert about["points"] == 146
    assert times[-1] == 145.0
    assert "broken off" in page.words
    assert "not read back" in page.words


def test_a_damaged_record_is_no_verdict(tmp_path: Path) -> None:
    folder = Made(ticks=20_000).write(tmp_path / "run")
    data = bytearray((folder / archive.FILE).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    (folder / archive.FILE).write_bytes(data)
    page = page_of(folder)
    head = page.words.partition("Expectations")[0]
    assert "DAMAGED" in head
    assert "the run itself ended with PASS" in head
    _, times, lines = points_of(page)
    line = lines["cells/plant (truth)/cell 1"]
    assert np.isnan(line).any(), "where rows are missing the line is broken"
    assert np.nanmax(times) == pytest.approx(19_999, abs=20)


def test_a_run_without_ticks_has_a_report(tmp_path: Path) -> None:
    page = page_of(Made(ticks=0, verdict="INCONCLUSIVE").write(tmp_path / "run"))
    assert "No tick of this run holds a signal that is plotted." in page.words
    assert json.loads(page.scripts["plots-about"])["points"] == 0


def test_a_record_of_other_signals_has_a_report(tmp_path: Path) -> None:
    closed(tmp_path / "run", sample())
    page = page_of(tmp_path / "run")
    assert "FAIL" in page.words
    assert "The record has nothing to compute them from." in page.words


HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "-->\u2028\x00\x1b[31m\ud800\u202e",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_others_are_text_and_nothing_else(name: str, tmp_path: Path) -> None:
    """Whatever a profile or device says: no element, no attribute and no script comes of it."""

    def structure(text: str, folder: str) -> tuple[list[tuple[str, Any]], list[str]]:
        extra: tuple[Record, ...] = (
            BoardFaultChanged(SECOND, text, 1, True),  # noqa: FBT003 - active
            BadMeasurement(SECOND, text, text, text),
            Deviation(SECOND, text, text, 1.0, 0.5, "V", text),
            SafeStateReached(SECOND, text, text, text, True),  # noqa: FBT003 - ok
            expectation(text, passed=False, value=9.0),
        )
        made = Made(5, profile=text, device=text, verdict="FAIL", reason=text, extra=extra)
        resolved = {"profile": {"about": text, "requirements": [text]}, "bench": {}}
        about = {"operator": text, "repeat": text, "overrides": [text], "resolved": resolved}
        run = made.write(tmp_path / folder, **about)
        page = Page(report.write(run).read_text(encoding="utf-8"))
        kept = [(tag, sorted(attributes)) for tag, attributes in page.elements]
        scripts = [page.scripts["script"], page.scripts["style"]]
        assert json.loads(page.scripts["plots-about"])["points"] == 5
        return kept, scripts

    assert structure(name, "hostile") == structure("name", "harmless")


def test_nothing_is_asked_of_the_network_and_only_our_script_may_run(tmp_path: Path) -> None:
    page = page_of(Made().write(tmp_path / "run"))
    asks = {"src", "href", "action", "srcset", "data", "poster", "formaction", "style"}
    assert not [one for one in page.elements if asks & set(one[1])]
    assert not [one for one in page.elements if any(key.startswith("on") for key in one[1])]
    assert "@import" not in page.scripts["style"]
    assert "url(" not in page.scripts["style"]
    policies = [
        a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    assert policies[0] is not None
    assert policies[0].startswith("default-src 'none';")
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.scripts[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policies[0]


def test_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = Made().write(tmp_path / "run")
    once = report.write(folder).read_bytes()
    assert report.write(folder, tmp_path / "again.html").read_bytes() == once


def test_the_licence_of_the_charts_goes_with_them(tmp_path: Path) -> None:
    text = report.write(Made().write(tmp_path / "run")).read_text(encoding="utf-8")
    assert "The MIT License (MIT)" in text
    assert "Leon Sorokin" in text


def test_views_in_the_folder_are_no_damage(tmp_path: Path) -> None:
    folder = Made().write(tmp_path / "run")
    before = verify(folder)
    report.write(folder)
    junit.write(folder)
    assert verify(folder) == before
    assert before.whole
    assert list(repair(folder, lambda: UTC)) == ["nothing to repair"]


def test_a_repair_sets_the_old_views_aside(tmp_path: Path) -> None:
    """They showed another record; ``hil runs repair`` writes them anew."""
    folder = tmp_path / "run"
    unfinished(folder, list(Made().records())[:40])
    report.write(folder)
    list(repair(folder, lambda: UTC))
    assert not (folder / report.FILE).exists()
    assert (folder / "before-repair" / report.FILE).exists()
    assert "This record was repaired on" in page_of(folder).words


def test_the_command_writes_both_views_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Made(5).write(tmp_path / "run")
    at = ["--runs-dir", str(tmp_path)]
    assert main(["report", "last", *at]) == 0
    written = [folder / report.FILE, folder / junit.FILE]
    assert capsys.readouterr().out.split() == list(map(str, written))
    elsewhere = tmp_path / "elsewhere.html"
    assert main(["report", "run", "-o", str(elsewhere), *at]) == 0
    assert elsewhere.read_bytes() == written[0].read_bytes()
    assert main(["report", "run", "-o", str(elsewhere), *at]) == ENVIRONMENT
    assert "is there already" in capsys.readouterr().err


def test_a_repair_by_command_renews_the_views(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    unfinished(folder, list(Made().records())[:40])
    at = ["run", "--runs-dir", str(tmp_path)]
    assert main(["report", *at]) == 0
    old = [(folder / view.FILE).read_bytes() for view in (report, junit)]
    assert main(["runs", "repair", *at]) == 0
    new = [(folder / view.FILE).read_bytes() for view in (report, junit)]
    assert all(one != other for one, other in zip(old, new, strict=True))
    assert verify(folder).whole


def test_a_run_that_is_being_recorded_has_no_report_yet(tmp_path: Path) -> None:
    folder = Made(5).write(tmp_path / "run")
    with disk.locked(folder), pytest.raises(EnvironmentProblem, match="is being recorded"):
        report.write(folder)
    assert not (folder / report.FILE).exists()


def test_noise_of_one_kind_is_one_row() -> None:
    noise = [LinkFaulted(k * SECOND, "board", "to host", "lost", k) for k in range(1_000)]
    events, more = events_of(noise)
    assert more == 0
    assert [(one.count, one.at, one.until) for one in events] == [(1_000, 0, 999 * SECOND)]
    spread = [BoardFaultChanged(k, "open-wire", k, True) for k in range(MOST + 7)]  # noqa: FBT003 - active
    listed, more = events_of(spread)
    assert (len(listed), more) == (MOST, 7)
