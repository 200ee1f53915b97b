"""Seconds, minutes, late and repeated trades: the engine's rules one by one. Whole runs are in test_engine_runs.py."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bitpredict.streaming.forecasts import NO_TICKS
from bitpredict.streaming.messages import Candle
from bitpredict.streaming.models_in_force import ModelsInForce
from bitpredict.streaming.tick_models import make_model
from tests.support.streams import CANDLES_TOPIC, START, TRADES, an_engine, no_history, records, run, trade


def steady(start: float, end: float, step: float = 0.25) -> list:
    """Trades whose price goes up and down with the time."""
    count = round((end - start) / step)
    times = [start + i * step for i in range(count)]
    return [trade(time, 100.0 + (round(time * 4) * 7 % 5) * 0.01) for time in times]


def origins(outputs) -> list[float]:
    return [(one.origin - START).total_seconds() for one in outputs.predictions]


def test_each_second_is_forecast_once_its_last_trade_is_known():
    outputs = run(an_engine(), records(steady(0, 5)))
    assert origins(outputs) == [1, 2, 3, 4]
    first = outputs.predictions[0]
    assert first.n == 4
    assert first.reference_price == 100.01  # the trade at 0.75 s, not the one at 1.0 s that told the second was over
    assert (first.input, first.horizon, first.model) == ("binance-trades/0@4", "1m", "tick_baseline")
    assert first.target_time == START + timedelta(seconds=61)
    assert first.triggered_at == datetime.fromtimestamp(1_700_000_000.004, UTC)


def test_seconds_without_trades_are_not_forecast():
    outputs = run(an_engine(), records([*steady(0, 2), *steady(7.5, 9.5)]))
    assert origins(outputs) == [1, 7, 8, 9]


def test_a_window_without_a_trade_in_the_last_minute_says_nothing():
    outputs = run(an_engine(), records([*steady(0, 2), trade(90.5)]))
    assert origins(outputs) == [1]
    assert outputs.skipped[NO_TICKS] == 1


def test_a_minute_that_was_seen_whole_becomes_a_bar():
    outputs = run(an_engine(), records([trade(30), trade(60, 5.0), trade(100, 7.0), trade(119.9, 6.0), trade(120)]))
    (bar,) = outputs.candles
    assert (bar.open_time, bar.built) == (START + timedelta(minutes=1), True)
    assert (bar.open, bar.high, bar.low, bar.close, bar.trade_count, bar.volume) == (5.0, 7.0, 5.0, 6.0, 3, 3.0)


def test_a_full_minute_after_a_bar_is_forecast_though_the_market_went_quiet():
    trades = [trade(-5), *steady(50, 70, 2.25), *steady(110, 119, 1.25), trade(130.5), trade(131.5)]
    outputs = run(an_engine(), records(trades))
    assert origins(outputs)[-3:] == [120, 130, 131]
    at_close = next(one for one in outputs.predictions if one.origin == START + timedelta(minutes=2))
    assert at_close.input == f"binance-trades/0@{len(trades) - 2}"
    assert at_close.reference_price == trades[-3].price


def test_late_trades_are_counted_and_left_out():
    clean = run(an_engine(), records(steady(0, 5)))
    late = run(an_engine(), records([*steady(0, 3), trade(1.9, 1e6, "late"), *steady(3, 5)]))
    assert [p.quantiles for p in late.predictions] == [p.quantiles for p in clean.predictions]
    assert late.counts["late"] == 1
    assert clean.counts["late"] == 0


def test_lateness_gives_trades_time_to_come():
    ordered = steady(0, 8)
    shuffled = [ordered[i] for i in sorted(range(len(ordered)), key=lambda i: (i // 4, -i))]
    patient = run(an_engine(lateness=2), records(shuffled))
    assert patient.counts["late"] == 0
    expected = {p.origin: p.quantiles for p in run(an_engine(lateness=2), records(ordered)).predictions}
    found = {p.origin: p.quantiles for p in patient.predictions}
    assert found.items() <= expected.items()
    assert len(found) >= 4


def test_a_repeated_trade_counts_once():
    trades = steady(0, 5)
    twice = [one for trade in trades for one in (trade, trade)]
    once, doubled = run(an_engine(), records(trades)), run(an_engine(), records(twice))
    assert doubled.counts["duplicates"] == len(trades)
    assert [p.quantiles for p in doubled.predictions] == [p.quantiles for p in once.predictions]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xff\xfe", "not a trade"),
        (b'{"exchange": "binance"}', "missing required field"),
        (trade(1, -5.0), "price"),
        (trade(1, 1e300), "price"),
        (trade(1, size=-1.0), "size"),
        (trade(1, exchange="coinbase"), "in the topic of binance"),
        (trade(1, event_time=datetime(2023, 12, 5, 10)), "without a timezone"),  # noqa: DTZ001
        (trade(1, event_time=datetime(2223, 12, 5, 10, tzinfo=UTC)), "after its receipt"),
    ],
)
def test_what_cannot_be_used_is_rejected_with_its_reason_and_stops_nothing(value, reason):
    clean = run(an_engine(), records(steady(0, 5)))
    outputs = run(an_engine(), records([*steady(0, 2), value, *steady(2, 5)]))
    ((topic, rejected),) = outputs.rejected
    assert (topic, rejected.source) == (TRADES, "binance-trades/0@8")
    assert reason in rejected.reason
    assert [p.quantiles for p in outputs.predictions] == [p.quantiles for p in clean.predictions]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"low": 200.0}, "prices"), ({"open_time": START + timedelta(seconds=1)}, "minute"), ({"volume": -1.0}, "amount")],
)
def test_a_candle_that_cannot_be_is_rejected(changed, reason):
    sound = Candle("binance", "BTCUSDT", "1m", START, 1.0, 2.0, 1.0, 2.0, 1.0, 1.0, 1, 1.0, START)
    made = msgspec.structs.replace(sound, **changed)
    assert not run(an_engine(), {CANDLES_TOPIC: records([sound])}).rejected
    ((_, rejected),) = run(an_engine(), {CANDLES_TOPIC: records([made])}).rejected
    assert reason in rejected.reason


def test_lost_trades_leave_no_half_bar():
    engine = an_engine()
    run(engine, records(steady(-30, 70, 1)))
    engine.lost(TRADES)
    after = run(engine, records(steady(100, 190, 1)))
    assert [bar.open_time for bar in after.candles] == [START + timedelta(minutes=2)]


def test_another_tick_model_forecasts_from_the_next_second():
    engine = an_engine()
    trades = steady(0, 6)
    before = run(engine, records(trades[:12]))
    flat = make_model("tick_ml", "BTCUSDT", -20.0, (0.0, 0.0, 0.0), (-3.0, -2, -1, 0, 1, 2, 3), 0.5)
    engine.models = ModelsInForce(ticks={"BTCUSDT": flat})
    after = run(engine, records(trades[12:], first=12))
    assert {p.model for p in before.predictions} == {"tick_baseline"}
    assert {p.model_version for p in after.predictions} == {flat.version}
    assert origins(before) + origins(after) == [1, 2, 3, 4, 5]


def test_history_is_asked_for_once_and_only_for_what_was_before():
    asked = []

    def history(symbol, start, end):
        asked.append((symbol, end))
        return no_history(symbol, start, end)

    run(an_engine(history=history), records(steady(75, 200, 1)))
    assert asked == [("BTCUSDT", START + timedelta(minutes=2))]  # the first trade's own minute was not seen whole
