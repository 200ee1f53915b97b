"""A day's rows of `streamed_trades`, as the lake has them, to tick models by symbol."""

from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
import pytest

from bitpredict.streaming import tick_days
from bitpredict.streaming.log import Record
from bitpredict.streaming.messages import Trade, encode
from bitpredict.streaming.recordings import Recording
from bitpredict.streaming.tick_days import COLUMNS, trades_of, train_day
from bitpredict.streaming.tick_models import TICK_BASELINE
from bitpredict.streaming.tick_training import score_tick_model, train_tick_model
from bitpredict.streaming.trade_table import trades_table

TOPIC = "coinbase-trades"
DAY = datetime(2026, 4, 3, tzinfo=UTC)


def rows_of(trades: list[Trade]) -> pa.Table:
    records = [Record(offset, one.symbol, encode(one), 1_700_000_000_000) for offset, one in enumerate(trades)]
    table = trades_table([(TOPIC, 0, records)], DAY, DAY + timedelta(days=1)).table
    return table.select(COLUMNS).take(list(reversed(range(table.num_rows))))


@pytest.fixture(scope="module")
def recorded(sample) -> list[Trade]:
    return [one for one in Recording(sample / "coinbase_ticks.csv") if isinstance(one, Trade)]


@pytest.fixture(scope="module")
def rows(recorded) -> pa.Table:
    return rows_of(recorded)


def own(recorded: list[Trade], symbol: str) -> list[Trade]:
    return sorted((one for one in recorded if one.symbol == symbol), key=lambda one: one.event_time)


@pytest.mark.slow
def test_the_lake_s_rows_train_what_the_recording_trains(recorded, rows):
    found = train_day(rows, ["coinbase"], 50)
    assert found.untrained == {}
    assert found.unused == 0
    assert {*found.trained} == {"BTCUSD", "ETHUSD"}
    for symbol, training in found.trained.items():
        expected = train_tick_model(symbol, own(recorded, symbol), 50)
        assert vars(training) == vars(expected)
        assert found.trades[symbol] == len(own(recorded, symbol))
        assert training.trained_from < training.trained_to
        assert training.model.provenance == "observed"


def test_trades_of_one_instant_stay_in_the_order_of_their_arrival(recorded):
    when = recorded[0].event_time
    same = [msgspec.structs.replace(recorded[0], trade_id=f"seq:{i}", event_time=when) for i in range(8, 12)]
    assert [one.trade_id for one in trades_of(rows_of(same), "BTCUSD")] == ["seq:8", "seq:9", "seq:10", "seq:11"]


def test_a_symbol_with_too_few_ticks_is_named_and_the_others_are_trained(recorded):
    few = own(recorded, "ETHUSD")[:100]
    found = train_day(rows_of(own(recorded, "BTCUSD") + few), ["coinbase"], 50)
    assert {*found.trained} == {"BTCUSD"}
    assert "collect more ticks" in found.untrained["ETHUSD"]
    assert found.trades["ETHUSD"] == 100


def test_another_market_s_trades_are_left_out_and_counted(rows):
    found = train_day(rows, ["binance", "simulated"], 50)
    assert (found.trained, found.trades, found.unused) == ({}, {}, rows.num_rows)
    assert found.untrained == {"binance, simulated": "streamed_trades has none of its trades that day"}


def test_of_a_busy_day_the_newest_trades_are_used(recorded, rows, monkeypatch):
    monkeypatch.setattr(tick_days, "MOST_TRADES", 1500)
    assert trades_of(rows, "BTCUSD")[0].event_time == own(recorded, "BTCUSD")[-1500].event_time
    found = train_day(rows, ["coinbase"], 50)
    assert found.unused == rows.num_rows - 3000


def test_one_simulated_trade_makes_a_simulated_model(recorded):
    trades = own(recorded, "BTCUSD")
    trades[7] = msgspec.structs.replace(trades[7], provenance="simulated")
    assert train_day(rows_of(trades), ["coinbase"], 50).trained["BTCUSD"].model.provenance == "simulated"


def test_a_score_is_the_training_s_on_the_same_ticks(recorded):
    trades = own(recorded, "ETHUSD")
    training = train_tick_model("ETHUSD", trades, 50)
    score = score_tick_model(training.model, trades, 50)
    assert (score.scored_on, score.qlike, score.baseline_qlike, score.coverage_90) == (
        training.scored_on,
        training.qlike,
        training.baseline_qlike,
        training.coverage_90,
    )
    assert training.skill == training.model.skill
    baseline = score_tick_model(TICK_BASELINE, trades, 50)
    assert baseline.qlike == baseline.baseline_qlike == training.baseline_qlike
    assert baseline.coverage_90 == training.baseline_coverage_90
    assert score_tick_model(TICK_BASELINE, trades[:100], 50) is None
