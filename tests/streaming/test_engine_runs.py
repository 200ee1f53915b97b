"""Whole runs: however records are cut into polls and wherever the engine is stopped, the outputs are the same."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpredict.errors import EventLogError
from bitpredict.features.catalog import LOOKBACK
from bitpredict.features.table import features_between, price_features
from bitpredict.forecasting.inference import make_forecasts
from bitpredict.forecasting.model import QUANTILE_COLUMNS, TrainedModel
from bitpredict.market.horizons import HORIZONS
from bitpredict.storage.contracts import CANDLES
from bitpredict.streaming.engine import Outputs, PartitionEngine
from bitpredict.streaming.log import Record
from bitpredict.streaming.messages import Trade, decode_candle
from bitpredict.streaming.models_in_force import ModelsInForce
from tests.support.live_models import MONTH, in_force
from tests.support.streams import (
    CANDLES_TOPIC,
    START,
    TRADES,
    an_engine,
    as_candles,
    merged,
    records,
    run,
    trade,
)

MINUTE = timedelta(minutes=1)
SYMBOL = "BTCUSDT"


@pytest.fixture(scope="module")
def candles(three_weeks) -> pa.Table:
    return three_weeks


@pytest.fixture(scope="module")
def models(three_weeks_models) -> list[TrainedModel]:
    return three_weeks_models[1]


@pytest.fixture(scope="module")
def history(candles):
    """What the lake answers."""

    def asked(symbol: str, start: datetime, end: datetime) -> pa.Table:
        times = candles["open_time"]
        inside = pc.and_(pc.greater_equal(times, pa.scalar(start)), pc.less(times, pa.scalar(end)))
        return candles.filter(pc.and_(inside, pc.equal(candles["symbol"], symbol)))

    return asked


def restored(engine: PartitionEngine, fresh: PartitionEngine, position: int, candle_log: Sequence[Record]):
    """A new engine after a kill: the checkpoint, and what the candles' topic held by then."""
    found = [(record.offset, decode_candle(record.value)) for record in candle_log]
    fresh.models = engine.models
    fresh.restore(engine.snapshot(), [candle for offset, candle in found if candle.built or offset < position])
    return fresh


def a_market(seed: int, seconds: float = 400.0) -> list[Trade]:
    """Trades in bursts and pauses, some late, some twice, some missing, mildly out of order."""
    rng = random.Random(seed)
    when, price, number, found = rng.uniform(0, 59), 100.0, 0, []
    while when < seconds:
        when += rng.choice([0.0, 0.01, 0.3, 1.5, 1.5, 4.0, 70.0 if rng.random() < 0.05 else 0.2])
        price *= 1.0 + rng.gauss(0, 1e-4)
        late = rng.choice([0.0, 0.0, 0.0, 0.4, 1.2, 5.0])
        found.append(trade(when - late, price, str(number), side=rng.choice(["buy", "sell", "unknown"])))
        number += 1 if rng.random() > 0.01 else rng.randint(2, 5)
        if rng.random() < 0.05:
            found.append(found[-rng.randint(1, min(len(found), 5))])
    return found


def outputs_of(outputs: Outputs) -> tuple:
    return outputs.predictions, outputs.candles, outputs.counts, outputs.skipped, outputs.rejected


@pytest.mark.slow
@given(st.integers(0, 10**6), st.lists(st.integers(0, 400), max_size=12), st.sampled_from([0.0, 0.5, 3.0]))
@settings(max_examples=20)
def test_cutting_and_restarting_anywhere_changes_nothing(seed, cuts, lateness):
    """Each cut is a poll's end and a kill: the next part is read by an engine restored from the checkpoint. Built
    candles come back through the candles' topic whenever they like."""
    log = records(a_market(seed))
    whole = run(an_engine(lateness=lateness), log)
    places = sorted({0, len(log), *(cut % (len(log) + 1) for cut in cuts)})
    engine, parts, candle_log, read = an_engine(lateness=lateness), [], [], 0
    for first, after in pairwise(places):
        part = run(engine, {TRADES: log[first:after]})
        if first % 2:
            returned = run(engine, {CANDLES_TOPIC: candle_log[read:]})
            assert outputs_of(returned) == outputs_of(Outputs())
            read = len(candle_log)
        parts.append(part)
        candle_log += records(part.candles, first=len(candle_log))
        engine = restored(engine, an_engine(lateness=lateness), read, candle_log)
    assert outputs_of(merged(parts)) == outputs_of(whole)


@pytest.mark.slow
@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=20)
def test_symbols_of_a_partition_do_not_touch_each_other(first, second):
    one = a_market(first, 200)
    other = [msgspec.structs.replace(t, symbol="ETHUSDT") for t in a_market(second, 200)]
    mixed = [one, other]
    order = random.Random(first).sample([0] * len(one) + [1] * len(other), len(one) + len(other))
    places = [iter(one), iter(other)]
    together = run(an_engine(), records([next(places[which]) for which in order]))
    for symbol, alone in zip((SYMBOL, "ETHUSDT"), mixed, strict=True):
        expected = run(an_engine(), records(alone))
        found = [p for p in together.predictions if p.symbol == symbol]
        assert [(p.forecast_id, p.quantiles) for p in found] == [
            (p.forecast_id, p.quantiles) for p in expected.predictions
        ]
        assert [c for c in together.candles if c.symbol == symbol] == expected.candles


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["ridge", "seasonal_har", "boosting"])
def test_replayed_candles_are_forecast_as_the_batch_does_to_the_last_bit(recipe, candles, models, history):
    start = datetime(2023, 12, 4, 22, tzinfo=UTC)
    end = start + timedelta(hours=4)
    streamed = candles.filter(
        pc.and_(pc.greater_equal(candles["open_time"], pa.scalar(start)), pc.less(candles["open_time"], pa.scalar(end)))
    )
    engine = an_engine(in_force(models, recipe), history)
    live = run(engine, {CANDLES_TOPIC: records(as_candles(streamed))})
    own = [model for model in models if model.name == recipe]
    served = pd.DataFrame(
        [(MONTH, m.symbol, m.horizon.name, m.valid_from, m.name, m.version) for m in own],
        columns=["month", "symbol", "horizon", "valid_from", "model", "model_version"],
    )
    table = features_between(candles, start + MINUTE, end + MINUTE).to_pandas()
    batch = make_forecasts(table, own, served, "table 1", datetime(2024, 1, 5, tzinfo=UTC)).table.set_index(
        "forecast_id"
    )
    on_beat = {p.forecast_id: p for p in live.predictions if p.forecast_id in batch.index}
    assert len(on_beat) == len(batch) == 48 * 2 + 4
    for name, row in batch.iterrows():
        found = on_beat[name]
        assert found.quantiles == tuple(row[list(QUANTILE_COLUMNS)])
        assert (found.realized_variance, found.p_up) == (row["realized_variance"], row["p_up"])
        same = ("symbol", "horizon", "model", "model_version", "variant", "feature_set_version", "provenance")
        assert {n: getattr(found, n) for n in same} == {n: row[n] for n in same}
        assert found.reference_price == float(row["reference_price"])
        assert (found.origin, found.target_time) == (row["origin"], row["target_time"])
        assert (found.skill, found.skill_sample_size) == (row["skill"], row["skill_sample_size"])
    assert len(live.predictions) == 240 * len(HORIZONS)


@pytest.mark.slow
def test_built_minutes_lead_to_the_batch_table_s_features_and_forecasts(candles, models, history):
    """Trades of an hour after the lake's history: each minute's forecasts are those of a batch over the built bars,
    and each second's the same distribution around the last trade's price."""
    rng = np.random.default_rng(3)
    (price,) = candles.filter(pc.equal(candles["open_time"], pa.scalar(START - MINUTE)))["close"].to_pylist()
    prices = price * np.exp(np.cumsum(rng.normal(0, 2e-5, 2 * 3600)))
    trades = [trade(i / 2, float(p)) for i, p in enumerate(prices)]
    trades.insert(0, trade(-0.5, price))
    engine = an_engine(in_force(models, "ridge"), history)
    half = len(trades) // 2
    parts = [run(engine, records(trades[:half]))]
    candle_log = records(parts[0].candles)
    engine = restored(engine, an_engine(history=history), 0, candle_log)
    parts.append(run(engine, records(trades[half:], first=half)))
    live = merged(parts)
    rows = [
        {name: getattr(c, name) for name in CANDLES.schema.names if hasattr(c, name)}
        | {"halted": False, "known_at": c.open_time + MINUTE}
        for c in live.candles
    ]
    lake = history(SYMBOL, START - LOOKBACK - MINUTE, START)
    both = pa.concat_tables([lake, CANDLES.conform(pa.Table.from_pylist(rows, schema=CANDLES.schema))])
    features = price_features(both, SYMBOL, START + MINUTE, START + timedelta(minutes=60)).to_pandas()
    assert len(features) == 11
    for model in (m for m in models if m.name == "ridge"):
        expected = model.forecast(features)
        mine = [p for p in live.predictions if p.horizon == model.horizon.name]
        for origin, (_, wanted) in zip(features["origin"], expected.iterrows(), strict=True):
            during = [p for p in mine if p.features_at == origin]
            assert len(during) == 60
            assert {p.quantiles for p in during} == {tuple(wanted[list(QUANTILE_COLUMNS)])}
            for p in during:
                place = int((p.origin - START).total_seconds() * 2)
                assert p.reference_price == trades[place].price
    tick = [p for p in live.predictions if p.horizon == "1m"]
    assert len(tick) == 3599  # at the first one there is but one trade


def test_a_minute_in_which_nothing_was_traded_ends_what_stood(candles, models, history):
    (price,) = candles.filter(pc.equal(candles["open_time"], pa.scalar(START - MINUTE)))["close"].to_pylist()
    trades = [trade(i, price * (1 + (i % 7) * 1e-5)) for i in (*range(-1, 90), *range(200, 300))]
    live = run(an_engine(in_force(models, "ridge"), history), records(trades))
    origins = {(p.origin - START).total_seconds() for p in live.predictions if p.horizon == "1h"}
    assert origins == {float(s) for s in range(90)} | {120.0}  # the first minute of all is the lake's
    assert live.skipped["no bar for the minute"] >= 1
    assert live.skipped["a missing or halted minute in the last hour"] >= 1


def test_a_champion_that_cannot_serve_is_a_counted_reason(candles, models, history):
    ridge = in_force(models, "ridge")
    some = ModelsInForce(
        {key: model for key, model in ridge.bars.items() if key[1] == "1h"}, {(SYMBOL, "5m"): "of another feature set"}
    )
    before = datetime(2023, 12, 1, tzinfo=UTC)
    streamed = candles.filter(pc.greater_equal(candles["open_time"], pa.scalar(before - 2 * MINUTE))).slice(0, 4)
    live = run(an_engine(some, history), {CANDLES_TOPIC: records(as_candles(streamed))})
    assert {p.horizon for p in live.predictions} == {"1h"}
    assert live.skipped["of another feature set"] == 4
    assert live.skipped["no champion is registered"] == 4
    assert live.skipped["the model is valid from a later origin"] == 1


def test_candles_only_fill_where_trades_lead():
    """An exchange's own candle of a minute that is still being traded is kept for it, and forecasts nothing."""
    trades = records([trade(s, 100.0 + s % 3) for s in range(-5, 300)])
    own = run(an_engine(), trades)
    engine = an_engine()
    parts = [run(engine, {TRADES: trades[:100]})]
    told = run(engine, {CANDLES_TOPIC: records([msgspec.structs.replace(own.candles[-1], built=False)])})
    assert (told.predictions, told.candles, told.counts["candles"]) == ([], [], 1)
    parts.append(run(engine, {TRADES: trades[100:]}))
    both = merged(parts)
    assert [p.forecast_id for p in both.predictions] == [p.forecast_id for p in own.predictions]
    assert both.candles == own.candles[:-1]


def test_a_state_of_another_version_is_refused():
    with pytest.raises(EventLogError, match="checkpoint cannot be read"):
        an_engine().restore(b"\xc0", [])
