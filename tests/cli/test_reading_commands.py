"""forecast, gaps, scorecard: what they show of filled stores, and what they say of empty ones."""

import json

import numpy as np
import pytest

from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import write_forecasts
from bitpredict.storage.schema import data_gaps, forecasts, scorecard
from tests.support import stores


def newest(symbol, horizon):
    made = stores.made_forecasts()
    mine = made[(made["symbol"] == symbol) & (made["horizon"] == horizon) & (made["variant"] == "champion")]
    return mine.sort_values("origin").iloc[-1]


def price(forecast, quantile):
    return forecast["reference_price"] * np.exp(forecast[quantile])


@pytest.mark.usefixtures("filled")
def test_forecast_shows_the_newest_champion_of_each_horizon(run):
    result = run("forecast", "btc-usdt")
    assert result.exit_code == 0
    for horizon in ("5m", "1h", "1d"):
        assert horizon in result.stdout
        assert f"{price(newest('BTCUSDT', horizon), 'q95'):,.1f}" in result.stdout
    assert "2023-12-31 23:55" in result.stdout
    assert "ETHUSDT" not in result.stdout


@pytest.mark.usefixtures("filled")
def test_forecast_as_json_has_the_ledgers_columns_and_prices(run):
    (row,) = json.loads(run("forecast", "BTCUSDT", "--horizon", "1h", "--json").stdout)
    expected = newest("BTCUSDT", "1h")
    assert list(row)[: len(forecasts.columns)] == [column.name for column in forecasts.columns]
    assert row["forecast_id"] == expected["forecast_id"]
    assert row["origin"] == "2023-12-31T23:55:00Z"
    assert row["target_time"] == "2024-01-01T00:55:00Z"
    assert row["skill_sample_size"] == 4032
    np.testing.assert_allclose(row["price_q95"], price(expected, "q95"), rtol=1e-12)


@pytest.mark.usefixtures("filled")
def test_forecast_of_a_symbol_without_any_says_what_to_run(run, monkeypatch):
    monkeypatch.setenv("BITPREDICT_SYMBOLS", "BTCUSDT,SOLUSDT")
    result = run("forecast", "SOLUSDT")
    assert result.exit_code == 1
    assert "no forecast of SOLUSDT" in result.stderr
    assert "bitpredict demo" in result.stderr


@pytest.mark.usefixtures("filled")
def test_forecast_knows_the_symbols_that_a_replay_brought_and_the_minute_ahead(run):
    minute = newest("BTCUSDT", "5m").to_frame().T
    minute = minute.assign(symbol="BTCUSD", horizon="1m", forecast_id="of a replay").infer_objects()
    write_forecasts(connect(Settings()), minute)
    for asked in (["BTCUSD"], ["BTCUSD", "--horizon", "1m"]):
        (row,) = json.loads(run("forecast", *asked, "--json").stdout)
        assert (row["forecast_id"], row["horizon"]) == ("of a replay", "1m")
    refused = run("forecast", "DOGEUSD")
    assert refused.exit_code == 1
    assert "DOGEUSD is not collected here; known are BTCUSDT, ETHUSDT, BTCUSD" in refused.stderr


@pytest.mark.usefixtures("filled")
def test_gaps_as_json_is_the_ledger(run):
    rows = json.loads(run("gaps", "--json").stdout)
    assert [list(row) for row in rows] == 2 * [[column.name for column in data_gaps.columns]]
    assert rows[0] == {
        "symbol": "BTCUSDT",
        "source": "candles",
        "start": "2023-12-20T07:30:00Z",
        "end": "2023-12-20T08:50:00Z",
        "minutes": 80,
        "status": "open",
        "repaired_from": None,
        "first_seen": "2024-01-02T03:04:05Z",
    }
    assert (rows[1]["status"], rows[1]["repaired_from"], rows[1]["minutes"]) == ("repaired", "kraken", 7)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "symbols"),
    [
        pytest.param([], ["BTCUSDT", "ETHUSDT"], id="all"),
        pytest.param(["ETHUSDT"], ["ETHUSDT"], id="a symbol's"),
        pytest.param(["--status", "open"], ["BTCUSDT"], id="a status'"),
        pytest.param(["ETHUSDT", "--status", "open"], [], id="none of both"),
    ],
)
def test_gaps_can_be_narrowed(run, arguments, symbols):
    assert [row["symbol"] for row in json.loads(run("gaps", *arguments, "--json").stdout)] == symbols


@pytest.mark.usefixtures("filled")
def test_no_gaps_among_candles_is_good_news(run):
    result = run("gaps", "ETHUSDT", "--status", "unrepairable")
    assert (result.exit_code, result.stdout) == (0, "no unrepairable gaps of ETHUSDT\n")


def test_gaps_of_a_database_without_candles_beside_it_are_no_good_news(run, settings):
    connect(settings).dispose()
    result = run("gaps")
    assert result.exit_code == 1
    assert "no candles" in result.stderr


@pytest.mark.usefixtures("filled")
def test_the_scorecard_as_json_is_the_table(run):
    rows = json.loads(run("scorecard", "--json").stdout)
    assert [list(row) for row in rows] == len(stores.made_scorecard()) * [[column.name for column in scorecard.columns]]
    assert {row["p_value"] for row in rows} == {0.004, 0.4, None}


@pytest.mark.usefixtures("filled")
def test_a_scorecard_of_the_other_kind_only_is_an_error_that_says_so(run):
    assert len(json.loads(run("scorecard", "--kind", "backtest", "--json").stdout)) == len(stores.made_scorecard())
    result = run("scorecard", "--kind", "live")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no live forecasts" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["forecast", "BTCUSDT"], id="forecast"),
        pytest.param(["gaps", "--json"], id="gaps"),
        pytest.param(["scorecard"], id="scorecard"),
        pytest.param(["lookahead"], id="lookahead"),
        pytest.param(["export", "candles", "--to", "candles.parquet"], id="export from the lake"),
        pytest.param(["export", "forecasts", "--to", "forecasts.csv"], id="export from the database"),
    ],
)
def test_an_empty_home_says_what_to_run_and_stays_empty(run, settings, command):
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "`bitpredict demo`" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not settings.home.exists()


def test_stores_without_rows_are_empty_too(run, settings: Settings):
    connect(settings).dispose()
    lake = Lake.from_settings(settings)
    assert lake.version(CANDLES) is None
    for command in (["forecast", "BTCUSDT"], ["scorecard"], ["export", "champions", "--to", "champions.csv"]):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "`bitpredict demo`" in result.stderr
