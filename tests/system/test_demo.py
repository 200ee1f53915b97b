"""`bitpredict demo` as a stranger runs it: an empty folder, no network, then once more."""

import re
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from bitpredict.settings import SAMPLE_END, SAMPLE_START
from bitpredict.storage.contracts import HOURLY_SENTIMENT
from bitpredict.storage.lake import Lake
from tests.support.homes import DATABASE_TABLES, LAKE_TABLES, assert_same
from tests.system.conftest import Made, run_demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DAYS = [f"{SAMPLE_START + timedelta(days=n)}" for n in range((SAMPLE_END - SAMPLE_START).days)]
WITHOUT_DAYS = ("markets", "news", "serving")
STAGES = ("markets", "news", "sentiment", "prices_and_features", "models", "forecasts_and_scores", "serving")
CPU_SECONDS = 480
"""Two minutes and a half of a core that has nothing else to do are enough; of one that twenty processes share, each
second of work costs two to three, as a slower one's would."""


def test_it_ends_well_and_says_nothing_else(demo):
    assert demo.finished.code == 0, demo.finished.err
    assert demo.finished.err == ""
    assert demo.finished.cpu_seconds < CPU_SECONDS


def test_a_pipe_gets_a_line_a_stage_with_its_seconds_and_no_escapes(demo):
    lines = demo.finished.out.splitlines()
    assert lines[0] == f"BTCUSDT, ETHUSDT, {DAYS[0]} to {DAYS[-1]}, market sample, into {demo.home.path}"
    for number, stage in enumerate(STAGES, start=1):
        days = "" if stage in WITHOUT_DAYS else r" 2023-1\d-(01|30) to 2023-12-(01|31)"
        assert re.fullmatch(rf"✓ {number}/{len(STAGES)} {stage}{days} \d+ s", lines[number])
    assert "\x1b" not in demo.finished.out


def test_it_shows_forecasts_the_scorecard_and_the_report(demo):
    out = demo.finished.out
    for symbol in ("BTCUSDT", "ETHUSDT"):
        for horizon in ("5m", "1h", "1d"):
            assert re.search(rf"{symbol}\s+.*\n\s*{horizon}\s", out), f"no forecast of {symbol} {horizon}"
            assert f"backtest {symbol} {horizon}" in re.sub(r"\s+", " ", out), f"no score of {symbol} {horizon}"
    report = Path(out.splitlines()[-1].partition(": ")[2])
    assert report == demo.home.path / "report.html"
    assert report.read_text().startswith("<!doctype html>")


def test_every_table_is_filled(demo):
    for table in LAKE_TABLES:
        assert demo.home.days(table) == DAYS, table
    rows = {table: len(demo.home.database(table)) for table in DATABASE_TABLES}
    assert rows.pop("data_gaps") == 0, "the sample's files hold every minute"
    assert all(rows.values()), rows
    assert demo.home.registered() == dict.fromkeys({name.partition("/")[0] for name in demo.home.versions()}, 1)


def test_quotes_and_news_are_there_and_labelled_as_invented(demo):
    for table, least in (("price_data_real", 10_000), ("crypto_news", 30)):
        rows = demo.home.database(table)
        assert len(rows) > least
        assert all("simulated" in row for row in rows)
    assert len(demo.home.database("crypto_assets")) == 92


def test_every_invented_article_is_judged_as_of_when_it_was_seen(demo):
    news, judged = (demo.home.database(table) for table in ("crypto_news", "article_sentiment"))
    assert len(judged) == len(news)
    hourly = Lake(str(demo.home.path / "lake")).read(HOURLY_SENTIMENT)
    assert {f"{hour:%Y-%m-%d}" for hour in hourly["hour"].to_pylist()} <= {*DAYS}
    assert hourly.num_rows > 100
    assert set(hourly["provenance"].to_pylist()) == {"simulated"}


def test_the_newest_feature_row_of_each_symbol_is_served(demo):
    rows = demo.home.database("ml_features_materialized")
    assert len(rows) == 2
    assert all(any(str(value).startswith(f"{DAYS[-1]} 23:55") for value in row) for row in rows)


def test_every_asset_has_its_partitions_in_dagster(demo):
    months = [month for month in ("2023-11-01", "2023-12-01") if month > DAYS[0]]
    december = [day for day in DAYS if day >= months[0]]
    expected = {
        **dict.fromkeys(["binance_candles", "candles", "data_gaps", "price_features", "feature_table"], DAYS),
        **dict.fromkeys(["article_sentiment", "hourly_sentiment"], DAYS[-2:]),
        **dict.fromkeys(["models", "model_evaluations", "champions"], months),
        **dict.fromkeys(["batch_forecasts", "forecast_outcomes"], december),
    }
    with dg.DagsterInstance.from_config(str(demo.home.path / "dagster")) as instance:
        for asset, partitions in expected.items():
            assert sorted(instance.get_materialized_partitions(dg.AssetKey(asset))) == partitions, asset
        runs = instance.get_runs()
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * len(STAGES)


def test_a_second_run_is_quicker_and_changes_nothing(demo, tmp_path, offline):
    """The second run: quicker, and afterwards every table, model version and forecast is what it was, to the byte."""
    before = demo.home.everything()
    again: Made = run_demo(demo.home.path, tmp_path, offline)
    assert (again.finished.code, again.finished.err) == (0, "")
    assert_same(demo.home.everything(), before)
    assert again.finished.cpu_seconds < demo.finished.cpu_seconds
    assert not list(tmp_path.iterdir())
