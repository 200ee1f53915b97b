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


def numbered(start: float, end: float) -> list:
    """Two trades a second whose ids count them, number 100 at START."""
    found = enumerate(steady(start, end, 0.5), 100 + round(2 * start))
    return [msgspec.structs.replace(one, trade_id=str(number)) for number, one in found]


def minutes(outputs) -> list[float]:
    return [(bar.open_time - START).total_seconds() / 60 for bar in outputs.candles]


def test_a_minute_whose_ids_leave_trades_out_is_no_bar():
    whole = numbered(-30, 310)
    inside = [one for one in whole if not 75 <= (one.event_time - START).total_seconds() < 76]
    across = [one for one in whole if not 119 <= (one.event_time - START).total_seconds() < 245]
    found = [run(an_engine(), records(trades)) for trades in (whole, inside, across)]
    assert [minutes(each) for each in found] == [[0, 1, 2, 3, 4], [0, 2, 3, 4], [0]]
    assert [each.counts["interruptions"] for each in found] == [0, 1, 1]


def test_a_minute_ends_without_a_bar_where_its_last_trades_are_missing():
    """The first trade behind the hole is in the next minute, and does not close the second that it is in itself."""
    trades = [one for one in numbered(-30, 121) if not 119.5 <= (one.event_time - START).total_seconds() < 120.5]
    assert minutes(run(an_engine(), records(trades))) == [0]
    assert minutes(run(an_engine(lateness=0.4), records(trades))) == [0]


def test_from_one_side_of_missing_trades_to_the_other_is_no_return():
    before, after = numbered(0, 20), [trade(20.25 + i, 250.0 + i % 2, str(90_000 + i)) for i in range(9)]
    found = {(p.origin - START).total_seconds(): p for p in run(an_engine(), records([*before, *after])).predictions}
    alone = run(an_engine(), records(after)).predictions
    assert found[20].n == 40
    assert found[20].reference_price < 101
    behind = [p for origin, p in found.items() if origin > 20]
    assert [(p.origin, p.n, p.ret_std, p.quantiles) for p in behind] == [
        (p.origin, p.n, p.ret_std, p.quantiles) for p in alone
    ]


def test_trades_that_are_missing_within_a_second_part_it():
    second = [trade(5 + i / 8, 101.0 + i % 3, str(110 + i + 70 * (i > 3))) for i in range(8)]
    outputs = run(an_engine(), records([*numbered(0, 5), *second, trade(6.5)]))
    assert [p.n for p in outputs.predictions][-2:] == [10, 4]


def test_ids_that_come_out_of_order_in_time_leave_nothing_out():
    ordered = numbered(-30, 190)
    shuffled = [ordered[i] for i in sorted(range(len(ordered)), key=lambda i: ((i + 4) // 5, -i))]
    patient = run(an_engine(lateness=3), records(shuffled))
    assert minutes(patient) == [0, 1, 2]
    assert patient.counts["interruptions"] == 0
    repeated = [one for i, each in enumerate(ordered) for one in (each, *ordered[max(0, i - 3) : i])]
    assert minutes(run(an_engine(), records(repeated))) == [0, 1, 2]


def test_what_was_missing_and_comes_too_late_was_missing():
    ordered = numbered(-30, 190)
    late = [*ordered[:200], *ordered[201:230], ordered[200], *ordered[230:]]
    assert minutes(run(an_engine(), records(late))) == [0, 2]


@pytest.mark.parametrize(
    ("name", "others"),
    [("seq:{}", {}), ("agg:{}", {}), ("{}#0", {"replayed": True}), ("{}", {"exchange": "coinbase", "replayed": True})],
)
def test_ids_that_do_not_count_trades_leave_nothing_out(name, others):
    trades = [
        msgspec.structs.replace(one, trade_id=name.format(7 * i), **others) for i, one in enumerate(steady(0, 190))
    ]
    exchange = others.get("exchange", "binance")
    outputs = run(an_engine(exchange=exchange), {f"{exchange}-trades": records(trades)})
    assert (minutes(outputs), outputs.counts["interruptions"]) == ([1, 2], 0)


@pytest.mark.parametrize("number", ["0", "9" * 18, "9" * 19, "9" * 5000, "٣٣", "00000101"])
def test_no_id_is_too_odd(number):
    """A numbering that begins anew, or is spoilt, costs the minute that it is seen in."""
    trades = numbered(-30, 250)
    trades[220:220] = [msgspec.structs.replace(trades[219], trade_id=number)]
    engine = an_engine()
    first = run(engine, records(trades[:225]))
    again = an_engine()
    again.restore(engine.snapshot(), first.candles)
    assert 3 in minutes(run(again, records(trades[225:], first=225)))


def test_a_checkpoint_from_before_ids_were_looked_at_is_read():
    trades = numbered(-30, 250)
    engine, fresh = an_engine(), an_engine()
    before = run(engine, records(trades[:200]))
    state = msgspec.msgpack.decode(engine.snapshot())
    for lane in state["lanes"].values():
        del lane["expected"], lane["missing"]
    fresh.restore(msgspec.msgpack.encode(state), before.candles)
    after = run(fresh, records(trades[200:], first=200))
    assert minutes(before) + minutes(after) == [0, 1, 2, 3]


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
