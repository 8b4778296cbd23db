"""The report in a real browser: its script runs, every plot is drawn, nothing is complained of."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from made_study import outcome_of
from reported import Made, expectation

from hil.core.instants import SECOND
from hil.core.records import Injected
from hil.results import report
from hil.results.report.plots import PLOTS
from hil.study.result_page import write_html

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(BROWSER is None, reason="no browser; try: apt-get install chromium"),
]

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-logging=stderr",
    "--v=0",
)


def opened(page: Path, profile: Path) -> tuple[str, list[str]]:
    """Return the page as the browser has it once its script has run, and what was complained of."""
    command = [str(BROWSER), *QUIET, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)  # noqa: S603 - a browser
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("cells", [16, 32])
def test_every_plot_is_drawn(cells: int, tmp_path: Path) -> None:
    injected = Injected(5 * SECOND, "wiring", "open-lead", 3, True)  # noqa: FBT003 - active
    extra = (injected, expectation("gap", passed=True))
    folder = Made(ticks=30_000, cells=cells, extra=extra).write(tmp_path / "run")
    page, complaints = opened(report.write(folder), tmp_path / "profile")
    assert complaints == []
    assert page.count('class="u-over"') == len(PLOTS) + 1
    buttons = re.findall(r'<button[^>]*class="cell"[^>]*aria-label="cell \d+"', page)
    assert len(buttons) == cells


def test_a_script_that_fails_is_noticed(tmp_path: Path) -> None:
    """Otherwise the test above could not fail."""
    page = report.write(Made().write(tmp_path / "run"))
    page.write_text(page.read_text(encoding="utf-8").replace('"points": 60', '"points": 61'))
    shown, complaints = opened(page, tmp_path / "profile")
    assert complaints
    assert 'class="u-over"' not in shown


def test_what_is_not_ours_does_not_run(tmp_path: Path) -> None:
    """Were a name ever to become an element, the page's policy still forbids its script."""
    page = report.write(Made().write(tmp_path / "run"))
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("<main>", "<main><script>document.title = 'run'</script>"))
    shown, complaints = opened(page, tmp_path / "profile")
    assert any("Content Security Policy" in line for line in complaints)
    assert "<title>run</title>" not in shown


def test_tables_of_a_study_can_be_sorted(tmp_path: Path) -> None:
    """The script of that page runs too: every heading of its tables has become a button."""
    outcome = outcome_of(tmp_path)
    written = write_html(outcome, outcome.plain(1.0), tmp_path / "result.html")
    page, complaints = opened(written, tmp_path / "profile")
    assert complaints == []
    headings = re.findall(r'<th scope="col"[^>]*aria-sort="none"[^>]*><button type="button">', page)
    assert len(headings) == page.count('aria-sort="none"') > 10
