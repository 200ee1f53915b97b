import json
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bitpredict.errors import StorageError
from bitpredict.report.collect import write_report_of
from bitpredict.report.html import write_report
from bitpredict.report.provenance import badge
from tests.support import stores

LOADING = {"src", "srcset", "href", "data", "poster", "action", "formaction", "background", "manifest"}


class Page(HTMLParser):
    """What a page would load, what it shows as text, its tables and its embedded charts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.charts: list[dict[str, Any]] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in LOADING and not (value or "").startswith("#")]
        self._inside = "chart" if ("type", "application/json") in attrs else tag
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, _tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "chart":
            self.charts.append(json.loads(data))
        elif self._inside in ("th", "td"):
            self.tables[-1][-1][-1] += data
        if self._inside not in ("script", "style", "chart"):
            self.text.append(data)


def newest() -> pd.DataFrame:
    served = stores.made_forecasts().query("variant == 'champion'")
    return served[served["origin"] == served["origin"].max()]


def report(path: Path, **changes: Any) -> Page:
    content = {
        "settings": {"Market": "sample"},
        "forecasts": newest(),
        "scorecard": stores.made_scorecard(),
        "evaluations": stores.made_evaluations(),
        "candles": stores.real_candles(),
        "gaps": stores.made_gaps(),
        "provenance": badge("sample"),
    }
    write_report(path, **(content | changes))
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return report(tmp_path_factory.mktemp("report") / "report.html")


def test_the_file_loads_nothing(page):
    assert page.loads == []
    assert not {"link", "iframe", "object", "embed", "img"} & set(page.tags)


@pytest.mark.slow
def test_plotly_is_inside_once(tmp_path):
    report(tmp_path / "report.html", forecasts=newest().head(1))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count("plotly.js v") == 1
    assert 4_000_000 < len(text) < 9_000_000


def test_every_forecast_stands_in_the_table_in_prices(page):
    header, *rows = page.tables[0]
    assert header[0] == "forecast"
    assert [row[0] for row in rows] == [f"{s} {h}" for s in ("BTCUSDT", "ETHUSDT") for h in ("5m", "1h", "1d")]
    one = newest().query("symbol == 'BTCUSDT' and horizon == '1h'").iloc[0]
    low, high = (one["reference_price"] * np.exp(one[q]) for q in ("q05", "q95"))
    assert rows[1][4] == f"{low:,.1f}\n{high:,.1f}"
    assert rows[1][7] == "+8.1 %\n(n = 4,032)"
    assert rows[2][6:8] == ["seasonal_har", "no proven skill: the baseline serves"]
    assert "4 of 6 come from a model that has beaten the baseline before" in " ".join(page.text)


def test_models_that_lost_are_shown_too(page):
    evaluations = next(table for table in page.tables if "against\nthe baseline" in table[0])
    assert {row[1] for row in evaluations[1:]} == set(stores.MODELS)
    verdicts = {(row[0], row[1]): row[2] for row in evaluations[1:]}
    assert verdicts[("ETHUSDT 1h", "random_walk")] == "not better"
    assert verdicts[("ETHUSDT 1h", "ridge")] == "better, not proven"
    assert verdicts[("ETHUSDT 1h", "boosting")] == "better"
    assert verdicts[("ETHUSDT 1h", "seasonal_har")] == "is the baseline"


def test_the_gap_stands_in_the_ledger(page):
    symbol, source, start, end, minutes, status, _ = page.tables[-1][1]
    assert (symbol, source, status) == ("BTCUSDT", "candles", "open")
    assert (start, end, minutes) == ("2023-12-20 07:30", "2023-12-20 08:50", "80 (1 h 20 min)")


def test_there_is_a_chart_for_every_forecast_every_kind_and_the_data(page):
    assert len(page.charts) == 6 + 2 + 3
    assert all(chart["data"] for chart in page.charts)


@pytest.mark.slow
def test_kinds_have_sections_of_their_own(tmp_path):
    card = stores.made_scorecard()
    page = report(tmp_path / "r.html", scorecard=pd.concat([card, card.assign(kind="live")]))
    scorecards = [table for table in page.tables if "served" in table[0]]
    assert [len(table) for table in scorecards] == [31, 31]
    assert len(page.charts) == 6 + 4 + 3


def test_hostile_names_stay_text(page, tmp_path):
    evil = "</script><script>alert(1)</script><img src=https://example.org/x.png>"
    hostile = report(
        tmp_path / "r.html",
        forecasts=newest().assign(model=evil, provenance=evil),
        scorecard=stores.made_scorecard().replace({"ridge": evil}),
        evaluations=stores.made_evaluations().replace({"ridge": evil}),
        gaps=stores.made_gaps().assign(source=evil),
        settings={evil: evil},
    )
    assert hostile.loads == []
    assert hostile.tags.count("script") == page.tags.count("script")
    assert "img" not in hostile.tags
    assert evil in "".join(hostile.text)


def test_an_empty_home_gives_a_report_that_says_so(settings, tmp_path):
    page = Page(write_report_of(settings, tmp_path / "r.html").read_text(encoding="utf-8"))
    text = " ".join(page.text)
    assert "No forecast has been made yet." in text
    assert "No forecast has met its target time yet." in text
    assert "No candles are stored yet." in text
    assert page.charts == []


@pytest.mark.slow
def test_the_stores_content_is_what_the_report_shows_and_twice_is_the_same(settings, tmp_path):
    stores.fill(settings)
    first = write_report_of(settings, tmp_path / "a.html").read_bytes()
    assert write_report_of(settings, tmp_path / "b.html").read_bytes() == first
    page = Page(first.decode())
    assert len(page.tables[0]) == 7
    assert len(page.charts) == 6 + 2 + 3
    assert str(settings.home) not in first.decode()


@pytest.mark.slow
def test_simulated_rows_show_as_simulated_whatever_the_setting(settings, tmp_path):
    stores.fill(settings, provenance="simulated")
    text = write_report_of(settings, tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<span class="badge simulated">simulated</span>' in text


@pytest.mark.slow
def test_a_report_replaces_the_one_before_whole(tmp_path):
    path = tmp_path / "r.html"
    path.write_text("old")
    report(path, forecasts=newest().head(1))
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/r\.html.*choose another place"):
        report(tmp_path / "file" / "r.html", forecasts=newest().head(1))
