"""The HTML page of a study: its figures are those of the JSON, and nothing gets in or out."""

import base64
import hashlib
import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_study import outcome_of

from hil.core.errors import EnvironmentProblem
from hil.study.experiment import Outcome
from hil.study.intervals import interval_of_median, interval_of_share
from hil.study.page import in_words
from hil.study.result_page import html, metrics_of, write_html
from hil.study.result_page.strips import HEIGHT, MOST_STRIPS, WIDTH, dots_of, plots_of, round_values

VOID = {"meta", "path", "line", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """A page taken apart; every element that is opened has to be closed again, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += " "
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.raw[self._open[-1]] = self.raw.get(self._open[-1], "") + data
        else:
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.elements if name == tag)


def page_of(outcome: Outcome) -> Page:
    return Page(html(outcome, outcome.plain(12.5)))


def test_every_figure_of_the_json_is_on_the_page(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path)
    page, plain = page_of(outcome), outcome.plain(12.5)
    for values in plain["arms"].values():
        for metric in metrics_of(outcome):
            assert in_words(values[metric]) in page.words
    for check in plain["checks"]:
        for key in ("name", "expected", "found"):
            assert " ".join(check[key].split()) in page.words
    for word in (
        "something is so",
        "T3 a page",
        "216, 24 of them known from before",
        "12.5 s (40 s",
    ):
        assert word in page.words
    assert "lead 0 mohm to 500 mohm" in page.words
    assert "hil study T03-page --seeds 1,2,3 --html result.html" in page.words


def test_the_verdict_has_its_share_and_the_interval_of_that(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path)
    shown = int((outcome.results["fixed"]["duty"] > outcome.results["none"]["duty"]).sum())
    low, high = interval_of_share(shown, 24)
    told = f"{shown} of 24 draws, {shown / 24:.0%} {100 * low:.1f} to {100 * high:.1f} %"
    assert told in page_of(outcome).words
    assert "PARTLY" in page_of(outcome).words


def test_a_study_that_cannot_be_believed_says_so_in_place_of_a_verdict(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path)
    plain = outcome.plain(1.0) | {"valid": False}
    page = Page(html(outcome, plain))
    assert "NOT TO BE BELIEVED" in page.words
    assert "PARTLY" not in page.words


def test_medians_and_differences_have_their_intervals(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path)
    page, mine = page_of(outcome), outcome.results["v1/fixed"]["soc_spread"]
    low, high = interval_of_median(100.0 * mine)
    assert f"median within {low:.4g} to {high:.4g}" in page.words
    for side in ("none", "oracle"):
        less = 100.0 * (mine - outcome.results[f"v1/{side}"]["soc_spread"])
        low, high = interval_of_median(less)
        assert f"{np.median(less):+.3g} points ({low:+.3g} to {high:+.3g})" in page.words


def test_every_draw_is_a_dot_where_its_value_lies(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path)
    [plot] = [one for one in plots_of(outcome, ["soc_spread"]) if one.metric == "soc_spread"]
    strips = dict(plot.groups)["v1"]
    dots = re.findall(r"M(-?\d+) (-?\d+)h0", strips[2].dots)
    values = outcome.results["v1/fixed"]["soc_spread"]
    assert len(dots) == len(values) == 24
    x = np.array([int(one) for one, _ in dots])
    slope, start = np.polyfit(100.0 * values, x, 1)
    assert np.abs(start + slope * 100.0 * values - x).max() < 1.0  # one scale, to the unit
    # and what is written at the scale lies on it
    for at, text in plot.ticks:
        assert float(at.rstrip("%")) * WIDTH / 100 == pytest.approx(
            start + slope * float(text), abs=2
        )
    assert all(0 <= int(y) <= HEIGHT for _, y in dots)


@given(st.lists(st.floats(0.0, 1000.0), min_size=2, max_size=300), st.integers(2, 50))
def test_thinned_dots_keep_both_ends_and_are_no_others(values: list[float], most: int) -> None:
    places = np.array(values)
    shown = [int(x) for x in re.findall(r"M(\d+) ", dots_of(places, most))]
    every = [int(x) for x in re.findall(r"M(\d+) ", dots_of(places, len(values)))]
    assert len(shown) == min(most, len(values))
    assert set(shown) <= set(every)
    assert (min(shown), max(shown)) == (min(every), max(every))


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_a_scale_has_a_few_round_values(low: float, span: float) -> None:
    high = low + span
    ticks = list(round_values(low, high))
    assert 1 <= len(ticks) <= 9
    assert all(low - 1e-9 * span <= tick <= high + 1e-9 * span for tick in ticks)
    if len(ticks) > 1:
        step = ticks[1] - ticks[0]
        assert round(step / 10 ** math.floor(math.log10(step * 1.001)), 3) in (1, 2, 5, 10)


def test_a_study_of_many_arms_draws_some_metrics_and_lists_all(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path, variants=75)
    text = html(outcome, outcome.plain(1.0))
    assert text.count('class="dots" d="M') - 1 <= MOST_STRIPS  # and one in the legend
    assert len(text) <= 1_500_000
    assert "With so many arms the others are in the tables alone" in text


def test_nothing_is_asked_of_the_network_and_only_our_script_may_run(tmp_path: Path) -> None:
    outcome = outcome_of(tmp_path)
    text = html(outcome, outcome.plain(1.0))
    page = Page(text)
    assert "http:" not in text
    assert "https:" not in text
    asks = {"src", "href", "action", "srcset", "data", "poster", "formaction", "style"}
    assert not [one for one in page.elements if asks & set(one[1])]
    assert not [one for one in page.elements if any(key.startswith("on") for key in one[1])]
    for word in ("@import", "url("):
        assert word not in page.raw["style"]
    [policy] = [one["content"] for one in page.all("meta") if one.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize(
    "title",
    [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"' onclick='1",
        "{{ 7 }}",
    ],
)
def test_a_title_is_text_and_nothing_else(title: str, tmp_path: Path) -> None:
    hostile = page_of(outcome_of(tmp_path / "one", title=title))
    harmless = page_of(outcome_of(tmp_path / "two"))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in harmless.elements]
    assert hostile.raw == harmless.raw


def test_who_reads_by_ear_or_keyboard_gets_all_of_it(tmp_path: Path) -> None:
    page = page_of(outcome_of(tmp_path))
    assert next(page.all("html")).get("lang") == "en"
    assert sum(1 for _ in page.all("h1")) == 1
    assert all("scope" in one for one in page.all("th"))
    for region in page.all("div"):
        if region.get("class") == "wide":  # what scrolls can be reached, and has a name
            assert region.get("tabindex") == "0"
            assert region.get("aria-label")
    # a picture says nothing that does not stand beside it in words
    assert all(one.get("aria-hidden") == "true" for one in page.all("svg") if "viewbox" in one)
    assert "aria-sort" in page.raw["script"]


def test_equal_outcomes_have_equal_pages(tmp_path: Path) -> None:
    once, again = (outcome_of(tmp_path / name) for name in ("once", "again"))
    assert html(once, once.plain(1.0)) == html(again, again.plain(1.0))


def test_where_it_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    outcome = outcome_of(tmp_path)
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        write_html(outcome, outcome.plain(1.0), tmp_path / "file" / "result.html")
    written = write_html(outcome, outcome.plain(1.0), tmp_path / "new" / "result.html")
    assert written.read_text(encoding="utf-8").startswith("<!doctype html>")
