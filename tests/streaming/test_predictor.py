"""The predictor on a real event log and ledger: what it stores, and that trouble on the way changes nothing of it."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.errors import EventLogError, StorageError
from bitpredict.features.table import features_between
from bitpredict.forecasting.inference import make_forecasts
from bitpredict.forecasting.store import ModelStore
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import read_forecasts
from bitpredict.streaming import predictor as predictor_module
from bitpredict.streaming import sql_subscription
from bitpredict.streaming.log import EventLog, Message
from bitpredict.streaming.messages import (
    Candle,
    Prediction,
    Trade,
    decode_candle,
    decode_prediction,
    decode_rejected,
    encode,
)
from bitpredict.streaming.model_watch import ModelWatch
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.predictor import GROUP, Predictor
from bitpredict.streaming.tick_store import TickModelStore
from bitpredict.streaming.topics import topic_specs
from tests.support.live_models import MONTH
from tests.support.stopwatch import Stopwatch
from tests.support.streams import CANDLES_TOPIC, TRADES, as_candles, trade

SYMBOL = "BTCUSDT"
REPLAYED = datetime(2023, 12, 4, 23, tzinfo=UTC)


class Aliases:
    """A registry that says what it is told."""

    def __init__(self, **versions: str) -> None:
        self.versions = {(SYMBOL, horizon): version for horizon, version in versions.items()}
        self.away = False

    def champions(self) -> dict[tuple[str, str], str]:
        if self.away:
            raise StorageError("the registry is away")
        return dict(self.versions)


@pytest.fixture(scope="module")
def candles(three_weeks) -> pa.Table:
    return three_weeks


@pytest.fixture(scope="module")
def trained(three_weeks_models):
    return three_weeks_models[1]


@pytest.fixture
def home(candles) -> Settings:
    """A market of Binance alone, with the lake's candles; the replay's own days are in it too, as in the sample."""
    settings = Settings(market="binance", symbols=(SYMBOL,))
    Lake.from_settings(settings).replace(
        CANDLES, candles, datetime(2023, 11, 17, tzinfo=UTC), datetime(2023, 12, 6, tzinfo=UTC)
    )
    return settings


@pytest.fixture
def log(home):
    with open_event_log(home) as log:
        log.create(topic_specs(home))
        yield log


def watching(aliases: Aliases, models=(), folder=None) -> ModelWatch:
    store = ModelStore(folder) if folder else None
    if store is not None:
        for model in models:
            store.save(model)
    return ModelWatch(aliases, store, None)


@contextmanager
def running(settings: Settings, log: EventLog, watch: ModelWatch):
    worker, stop, failed = Predictor(settings, log, watch), threading.Event(), []

    def work() -> None:
        try:
            worker.run(stop)
        except BaseException as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield worker
    finally:
        stop.set()
        ending = Stopwatch()
        thread.join(timeout=30)
        ending.assert_within(5)
        assert not failed


def until(condition: Callable[[], bool], seconds: float = 150) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def append(log: EventLog, topic: str, values: list[Trade | Candle | bytes]) -> None:
    now = round(time.time() * 1000)
    messages = [Message(SYMBOL, v if isinstance(v, bytes) else encode(v), now) for v in values]
    log.append(topic, messages)


def everything(log: EventLog, topic: str) -> list[bytes]:
    state = log.topic(topic)
    return [r.value for number in state.end for r in log.read(topic, number, 0, limit=10**6)]


def predictions(log: EventLog) -> list[Prediction]:
    return [decode_prediction(value) for value in everything(log, "predictions")]


def caught_up(log: EventLog, *topics: str) -> Callable[[], bool]:
    def done() -> bool:
        for topic in topics:
            state, positions = log.topic(topic), log.groups(topic).get(GROUP, {})
            if any(end > state.start[number] and positions.get(number, 0) < end for number, end in state.end.items()):
                return False
        return True

    return done


def between(candles: pa.Table, start: datetime, minutes: int) -> pa.Table:
    end = start + timedelta(minutes=minutes)
    times = candles["open_time"]
    return candles.filter(pc.and_(pc.greater_equal(times, pa.scalar(start)), pc.less(times, pa.scalar(end))))


def champions_of(trained, recipe: str) -> Aliases:
    return Aliases(**{model.horizon.name: model.version for model in trained if model.name == recipe})


@pytest.mark.slow
def test_replayed_candles_lead_to_the_batch_s_rows_in_the_ledger(home, log, candles, trained, tmp_path):
    append(log, CANDLES_TOPIC, as_candles(between(candles, REPLAYED, 90)))
    with running(home, log, watching(champions_of(trained, "boosting"), trained, tmp_path / "m")) as worker:
        until(caught_up(log, CANDLES_TOPIC))
        assert worker.ready()
    assert "used 0 trades and 90 candles" in worker.summary()
    found = predictions(log)
    assert len(found) == 90 * 3
    assert {(one.kind, one.replayed, one.exchange) for one in found} == {("backtest", True, "binance")}
    own = [model for model in trained if model.name == "boosting"]
    served = pd.DataFrame(
        [(MONTH, m.symbol, m.horizon.name, m.valid_from, m.name, m.version) for m in own],
        columns=["month", "symbol", "horizon", "valid_from", "model", "model_version"],
    )
    start = REPLAYED + timedelta(minutes=1)
    table = features_between(candles, start, REPLAYED + timedelta(minutes=91)).to_pandas()
    batch = make_forecasts(table, own, served, "t", datetime.now(UTC)).table
    engine = connect(home)
    for horizon in ("5m", "1h", "1d"):
        rows = read_forecasts(engine, SYMBOL, horizon, REPLAYED, REPLAYED + timedelta(days=1)).set_index("forecast_id")
        expected = batch[batch["horizon"] == horizon].set_index("forecast_id").loc[rows.index]
        assert len(rows) == len(expected) == (1 if horizon == "1d" else 18)
        stays = [c for c in rows.columns if c not in ("input", "written_at", "reference_price")]
        pd.testing.assert_frame_equal(rows[stays], expected[stays], check_exact=True, check_dtype=False)
        assert [float(price) for price in rows["reference_price"]] == [float(p) for p in expected["reference_price"]]
        assert rows["input"].str.match(r"binance-candles/\d@\d+").all()


def some_trades(count: int, seed: int = 1) -> list[Trade]:
    rng = random.Random(seed)
    found, price, when = [], 100.0, -3.0
    for i in range(count):
        when += rng.choice([0.01, 0.1, 0.5, 0.9])
        price *= 1.0 + rng.gauss(0, 1e-4)
        found.append(trade(when - rng.choice([0, 0, 0, 1.5]), price, str(i)))
    return found


def content(log: EventLog) -> tuple:
    """What a run stored, but for the clock and the offsets' times."""
    made = [
        (p.forecast_id, p.origin, p.horizon, p.quantiles, p.reference_price, p.n, p.input) for p in predictions(log)
    ]
    built = [decode_candle(v) for v in everything(log, CANDLES_TOPIC)]
    return made, built


def test_trades_become_forecasts_bars_and_ledger_rows(home, log):
    trades = some_trades(1500)
    append(log, TRADES, [*trades[:700], b"nonsense", trade(0, -1.0), *trades[700:]])
    with running(home, log, watching(Aliases())) as worker:
        until(caught_up(log, TRADES))
    made, built = content(log)
    assert len({one[0] for one in made}) == len(made) > 300
    assert {candle.built for candle in built} == {True}
    assert len(built) >= 7
    rejected = [decode_rejected(value) for value in everything(log, "binance-trades-rejected")]
    assert sorted(r.reason.split()[0] for r in rejected) == ["not", "the"]
    assert "2 rejected" in worker.summary()
    rows = read_forecasts(connect(home), SYMBOL, "1m", datetime(2023, 1, 1, tzinfo=UTC), datetime.now(UTC))
    assert set(rows["forecast_id"]) == {one[0] for one in made if one[1].second == 0}
    assert len(rows) >= 7


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "backlog"), [(1, 500), (2, 500), (3, 50), (4, 50)])
def test_a_log_and_a_ledger_that_fail_now_and_then_change_nothing(home, log, tmp_path, monkeypatch, seed, backlog):
    """Checkpoints fail half-way, polls fail, the ledger fails: the tables are those of an undisturbed run."""
    trades = some_trades(1200, seed)
    calm = Settings(home=tmp_path / "calm", market=home.market, symbols=home.symbols, lake_url=home.lake)
    with open_event_log(calm) as other:
        other.create(topic_specs(calm))
        append(other, TRADES, trades)
        with running(calm, other, watching(Aliases())):
            until(caught_up(other, TRADES))
        expected = content(other)

    rng, broken = random.Random(seed), Counter()

    def sometimes(name: str, share: float, error: type[Exception], real):
        def call(*arguments, **others):
            if broken[name] == 0 or rng.random() < share:
                broken[name] += 1
                raise error("broken on purpose")
            return real(*arguments, **others)

        return call

    subscription = sql_subscription.SqlSubscription
    for owner, name, share, error in (
        (sql_subscription, "append_outputs", 0.2, EventLogError),
        (subscription, "_fetch", 0.05, EventLogError),
        (predictor_module, "write_few_forecasts", 0.3, StorageError),
    ):
        monkeypatch.setattr(owner, name, sometimes(name, share, error, getattr(owner, name)))
    monkeypatch.setattr(sql_subscription, "POLL_RECORDS", 100)
    monkeypatch.setattr(predictor_module, "BACKLOG", backlog)
    monkeypatch.setattr(predictor_module, "LONGEST_PAUSE", 0.1)
    for first in range(0, len(trades), 300):
        append(log, TRADES, trades[first : first + 300])
    with running(home, log, watching(Aliases())):
        until(caught_up(log, TRADES))
    assert set(broken) == {"append_outputs", "_fetch", "write_few_forecasts"}
    assert len(expected[0]) > 300
    assert content(log) == expected


@pytest.mark.slow
def test_a_clock_of_ours_that_steps_back_and_forth_changes_nothing_but_stamps(home, log, tmp_path, monkeypatch):
    trades = some_trades(1200)
    calm = Settings(home=tmp_path / "calm", market=home.market, symbols=home.symbols, lake_url=home.lake)
    with open_event_log(calm) as other:
        other.create(topic_specs(calm))
        append(other, TRADES, trades)
        with running(calm, other, watching(Aliases())):
            until(caught_up(other, TRADES))
        expected = content(other)

    rng = random.Random(1)
    shown = []

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            shown.append(datetime.now(tz) + rng.choice([-1, 1]) * timedelta(minutes=rng.randrange(60)))
            return shown[-1]

    monkeypatch.setattr(predictor_module, "datetime", Clock)
    monkeypatch.setattr(predictor_module, "BACKLOG", 50)
    for first in range(0, len(trades), 100):
        append(log, TRADES, trades[first : first + 100])
    with running(home, log, watching(Aliases())):
        until(caught_up(log, TRADES))
    assert any(later < earlier for earlier, later in pairwise(shown))
    assert content(log) == expected
    rows = read_forecasts(connect(home), SYMBOL, "1m", datetime(2023, 1, 1, tzinfo=UTC), datetime.now(UTC))
    assert set(rows["forecast_id"]) == {one[0] for one in expected[0] if one[1].second == 0}


@pytest.mark.slow
def test_restarting_goes_on_where_it_stopped(home, log):
    trades = some_trades(1500)
    with running(home, log, watching(Aliases())):
        append(log, TRADES, trades[:800])
        until(caught_up(log, TRADES))
    append(log, TRADES, trades[800:])
    with running(home, log, watching(Aliases())):
        until(caught_up(log, TRADES))
    found = content(log)
    log.delete(TRADES), log.delete(CANDLES_TOPIC), log.delete("predictions")
    log.create(topic_specs(home))
    append(log, TRADES, trades)
    with running(home, log, watching(Aliases())):
        until(caught_up(log, TRADES))
    assert content(log) == found


def test_an_alias_moved_swaps_the_model_and_moved_back_rolls_it_back(home, log, candles, trained, tmp_path):
    ridge = champions_of(trained, "ridge").versions[SYMBOL, "1h"]
    har = champions_of(trained, "seasonal_har").versions[SYMBOL, "1h"]
    aliases = Aliases(**{"1h": har})
    watch = watching(aliases, trained, tmp_path / "m")
    sent = 0
    with running(home, log, watch):
        for version in (har, ridge, har):
            aliases.versions[SYMBOL, "1h"] = version
            watch.look()
            append(log, CANDLES_TOPIC, as_candles(between(candles, REPLAYED + timedelta(minutes=sent), 3)))
            sent += 3
            until(caught_up(log, CANDLES_TOPIC))
    assert [one.model_version for one in predictions(log)] == [har] * 3 + [ridge] * 3 + [har] * 3


def test_models_that_cannot_serve_are_refused_with_their_reason(trained, tmp_path):
    import dataclasses

    (har,) = (m for m in trained if m.name == "seasonal_har" and m.horizon.name == "1h")
    old = dataclasses.replace(har, version="0" * 16, feature_set_version="older")
    other_inputs = dataclasses.replace(har.forecaster, inputs=("other_return_5", *har.forecaster.inputs[1:]))
    other = dataclasses.replace(har, version="1" * 16, forecaster=other_inputs)
    aliases = Aliases(**{"5m": old.version, "1h": other.version, "1d": "f" * 16})
    watch = watching(aliases, [old, other], tmp_path / "m")
    watch.look()
    refused = {horizon: watch.current.bar_model(SYMBOL, horizon) for horizon in ("5m", "1h", "1d")}
    assert "feature set older" in refused["5m"]
    assert "reads other_return_5" in refused["1h"]
    assert "is not in" in refused["1d"]


def test_a_registry_that_is_away_changes_nothing(trained, tmp_path):
    aliases = champions_of(trained, "ridge")
    watch = watching(aliases, trained, tmp_path / "m")
    watch.look()
    before = watch.current
    aliases.away = True
    watch.look()
    assert watch.current is before
    assert len(before.bars) == 3


def test_trained_tick_models_serve_by_symbol(tmp_path):
    from bitpredict.streaming.tick_models import TICK_BASELINE, make_model

    store = TickModelStore(tmp_path)
    model = make_model("tick_ml", SYMBOL, 0.1, (1.0, 0.9, 0.0), TICK_BASELINE.quantiles, 0.5, skill=0.1, sample_size=9)
    store.save(model)
    aliases = Aliases(**{"1m": model.version})
    watch = ModelWatch(aliases, None, store)
    watch.look()
    assert watch.current.tick_model(SYMBOL) == model
    assert watch.current.tick_model("ETHUSDT") is TICK_BASELINE
    aliases.versions[SYMBOL, "1m"] = TICK_BASELINE.version
    watch.look()
    assert watch.current.tick_model(SYMBOL) is TICK_BASELINE
    assert not watch.current.refused
    aliases.versions[SYMBOL, "1m"] = "nothing"
    watch.look()
    assert watch.current.tick_model(SYMBOL) is TICK_BASELINE
    assert "the tick baseline serves instead" in watch.current.refused[SYMBOL, "1m"]


def test_trained_tick_models_serve_only_where_they_are_asked_for():
    watch = ModelWatch(Aliases(**{"1m": "any"}), None, None)
    watch.look()
    assert (watch.current.ticks, watch.current.refused) == ({}, {})
