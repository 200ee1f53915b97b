import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from bitpredict.market.time import DAY
from bitpredict.report.series import quantile_prices
from bitpredict.settings import Settings
from bitpredict.storage.database import connect
from bitpredict.storage.ledger import write_forecasts
from dashboard import queries
from dashboard.frame import literal
from tests.support import stores
from tests.support.pages import FOLDER, run, said

PAGES = ("forecasts", "scorecard", "data")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("filled")
    stores.fill(Settings(home=home))
    return home


@pytest.fixture
def full(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITPREDICT_HOME", str(filled))


@pytest.mark.parametrize("page", [PAGES[0], *(pytest.param(page, marks=pytest.mark.slow) for page in PAGES[1:])])
def test_an_empty_home_says_what_to_run(page):
    test = run(page)
    assert "bitpredict demo" in test.info[0].value
    assert "bitpredict backfill" in test.info[0].value
    assert not test.error
    assert not test.get("plotly_chart")


@pytest.mark.slow
def test_the_first_page_is_the_forecasts():
    test = AppTest.from_file(str(FOLDER / "app.py"), default_timeout=60).run()
    assert not test.exception
    assert test.header[0].value == "Forecasts"


@pytest.mark.usefixtures("full")
def test_cards_show_the_newest_served_forecast_of_every_horizon():
    test = run("forecasts")
    served = stores.made_forecasts().query("symbol == 'BTCUSDT' and variant == 'champion'")
    newest = served[served["origin"] == served["origin"].max()]
    prices = quantile_prices(newest)
    assert [metric.value for metric in test.metric] == [f"{price:,.1f}" for price in prices["q50"]]
    for low, high in zip(prices["q05"], prices["q95"], strict=True):
        assert f"90 %: {low:,.1f} to {high:,.1f}" in said(test)
    assert said(test).replace("\\", "").count("skill: +8.1 % (n = 4,032)") == 2
    assert said(test).count("no proven skill") == 1
    assert "sample" in said(test)


@pytest.mark.slow
@pytest.mark.usefixtures("full")
def test_choosing_symbol_and_horizon_changes_cards_and_fan():
    test = run("forecasts")
    before = test.get("plotly_chart")[0].proto.spec
    test.segmented_control(key="symbol").set_value("ETHUSDT").run()
    test.segmented_control(key="horizon").set_value("1d").run()
    assert not test.exception
    assert test.metric[0].value.startswith("2,2")
    after = test.get("plotly_chart")[0].proto.spec
    assert "BTC price" in before
    assert "ETH price" in after
    assert test.get("plotly_chart")[0].proto.alt == "Recent price and forecast of ETHUSDT, 1d ahead"


@pytest.mark.slow
def test_the_live_lane_s_minute_ahead_of_a_symbol_without_stored_candles(filled, tmp_path, monkeypatch):
    shutil.copytree(filled, tmp_path / "live")
    monkeypatch.setenv("BITPREDICT_HOME", str(tmp_path / "live"))
    made = stores.made_forecasts().query("symbol == 'BTCUSDT' and horizon == '5m' and variant == 'champion'")
    ticks = made.assign(
        symbol="BTCUSD",
        horizon="1m",
        target_time=made["origin"] + timedelta(minutes=1),
        model="tick_baseline",
        forecast_id=[f"{number:032d}" for number in range(len(made))],
    )
    engine = connect(Settings())
    write_forecasts(engine, ticks)
    engine.dispose()
    test = run("forecasts")
    assert test.segmented_control(key="symbol").options == ["BTCUSDT", "ETHUSDT", "BTCUSD"]
    test.segmented_control(key="symbol").set_value("BTCUSD").run()
    assert not test.exception
    assert next(metric.label for metric in test.metric).startswith("Median in 1m, at ")
    assert test.get("plotly_chart")[0].proto.alt == "Recent price and forecast of BTCUSD, 1m ahead"


@pytest.mark.slow
@pytest.mark.usefixtures("full")
def test_on_an_open_market_the_age_of_the_newest_forecast_is_told(monkeypatch):
    assert "ago" not in said(run("forecasts"))
    monkeypatch.setenv("BITPREDICT_MARKET", "archive")
    days = (datetime.now(UTC) - stores.END).days
    assert f"The newest forecast was made {days} d " in said(run("forecasts"))


@pytest.mark.slow
@pytest.mark.usefixtures("full")
def test_the_scorecard_keeps_the_kinds_in_tabs_of_their_own():
    test = run("scorecard")
    backtest, live = test.tabs
    assert (backtest.label, live.label) == ("Backtest", "Live")
    assert [chart.proto.alt for chart in backtest.get("plotly_chart")] == [
        "Skill by model, backtest",
        "Interval coverage by model, backtest",
        "Calibration, backtest",
    ]
    table = backtest.dataframe[0].value
    assert len(table) == 30
    assert np.allclose(table["qlike"].sort_values(), stores.made_scorecard()["qlike"].sort_values())
    assert not live.get("plotly_chart")
    assert live.info[0].value == "No live forecast has met its target time yet."
    assert set(test.dataframe[-1].value["model"]) == set(stores.MODELS)
    assert "boosting serves BTCUSDT 1h because the tests say so (QLIKE 0.5 < 0.6)" in said(test).replace("\\", "")


@pytest.mark.slow
@pytest.mark.usefixtures("full")
def test_the_data_page_shows_gap_ledger_and_table_versions():
    test = run("data")
    gaps, tables = (element.value for element in test.dataframe)
    assert gaps[["symbol", "minutes", "status"]].to_numpy().tolist() == [["BTCUSDT", 80, "open"]]
    candles = tables.set_index("table").loc["candles"]
    assert (candles["version"], candles["days"]) == (0, 31)
    assert [str(candles["first day"]), str(candles["last day"])] == ["2023-12-01", "2023-12-31"]
    assert "Open gaps: 1, with 80 minutes." in said(test)
    assert len(test.get("plotly_chart")) == 2


@pytest.mark.slow
@pytest.mark.parametrize("page", ["forecasts", "scorecard"])
def test_a_broken_database_is_one_message_that_says_what_to_do(page, settings):
    settings.home.mkdir()
    (settings.home / "bitpredict.db").write_bytes(b"this is no database, whatever its name says" * 100)
    (error,) = run(page).error
    assert "move it away" in error.value


@pytest.mark.slow
def test_a_broken_database_is_told_beside_stored_candles(filled, tmp_path, monkeypatch):
    shutil.copytree(filled, tmp_path / "broken")
    for file in (tmp_path / "broken").glob("bitpredict.db*"):
        file.write_bytes(b"this is no database, whatever its name says" * 100)
    monkeypatch.setenv("BITPREDICT_HOME", str(tmp_path / "broken"))
    test = run("data")
    assert len(test.error) == 1
    assert len(test.get("plotly_chart")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_malformed_setting_is_one_message_that_names_it(page, monkeypatch):
    monkeypatch.setenv("BITPREDICT_MARKET", "casino")
    test = run(page)
    (error,) = test.error
    assert "BITPREDICT_MARKET" in error.value.replace("\\", "")
    assert not test.get("plotly_chart")


@pytest.mark.slow
def test_a_newer_database_schema_is_refused_with_the_remedy(settings, monkeypatch):
    monkeypatch.setenv("BITPREDICT_DATABASE_URL", f"sqlite:///{settings.home}/other.db")
    test = run("forecasts")
    assert "bitpredict db upgrade" in test.error[0].value


@pytest.mark.slow
def test_text_from_data_is_no_markup(settings):
    made = stores.made_forecasts().query("symbol == 'BTCUSDT' and variant == 'champion'").tail(3)
    evil = "![i](https://e.org/i.png) :red[r]"
    later = {"origin": stores.END, "target_time": stores.END + DAY, "provenance": evil, "model": "*m* <b>"}
    engine = connect(settings)
    write_forecasts(engine, made.assign(**later, forecast_id=["a", "b", "c"]))
    engine.dispose()
    shown = said(run("forecasts"))
    assert r"\*m\* \<b\>" in shown
    assert r"\!\[i\]\(https\:" in shown
    assert "](" not in shown


def test_escaping_changes_nothing_but_backslashes():
    text = "a_b *c* [d](e) `f` $g$ :h: <i> & | ~ ! # + - . {j}"
    assert re.sub(r"\\(.)", r"\1", literal(text)) == text


@pytest.mark.slow
def test_candles_are_read_again_only_when_their_table_changes(settings, monkeypatch):
    stores.fill(settings)
    reads = []
    read = queries.Lake.read
    monkeypatch.setattr(queries.Lake, "read", lambda *args, **more: reads.append(args) or read(*args, **more))
    for _ in range(3):
        assert len(queries.presence_by_day(settings)) == 62
    assert len(reads) == 1
    lake = queries.Lake.from_settings(settings)
    lake.replace(stores.CANDLES, stores.CANDLES.empty(), stores.START, stores.START + DAY)
    assert len(queries.presence_by_day(settings)) == 60
    assert len(reads) == 2
