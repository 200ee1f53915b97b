"""`bitpredict explain` over a real event log and a real ledger: forecasts that the engine made from known messages."""

import json
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from bitpredict.features.catalog import FEATURE_TABLE
from bitpredict.features.table import feature_table, price_features
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.history import history
from bitpredict.forecasting.mlflow_tracking import Tracking
from bitpredict.forecasting.model import TrainedModel
from bitpredict.forecasting.store import ModelStore
from bitpredict.forecasting.training import train_month
from bitpredict.market.horizons import QUANTILE_LEVELS, parse_horizon
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import write_forecasts
from bitpredict.streaming.engine import EngineSettings, Outputs, PartitionEngine
from bitpredict.streaming.log import EventLog, Message
from bitpredict.streaming.messages import Candle, Prediction, Trade, encode
from bitpredict.streaming.models_in_force import ModelsInForce
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.tick_models import make_model
from bitpredict.streaming.tick_store import TickModelStore
from bitpredict.streaming.topics import PREDICTIONS, candles_topic, rejected_topic, topic_specs, trades_topic
from tests.support import live_messages as made
from tests.support.candles import archived_candles
from tests.support.stores import made_forecasts

FIRST, MONTH, LAST = date(2023, 11, 18), "2023-12-01", date(2023, 12, 4)
SPLIT = datetime(2023, 12, 3, tzinfo=UTC)
"""The lake has the minutes before it, the topic those after it."""

NOW = datetime.now(UTC).replace(microsecond=0)
"""Of today: retention would delete what was received long ago."""


@pytest.fixture(scope="module")
def candles(sample: Path) -> pa.Table:
    return archived_candles(sample, ["BTCUSDT"], FIRST, LAST)


@pytest.fixture(scope="module")
def prepared(candles: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainedModel]:
    """A home whose lake ends at `SPLIT`, with one trained model, and that model."""
    settings = Settings(home=tmp_path_factory.mktemp("explained") / "home")
    start = datetime(2023, 11, 18, tzinfo=UTC)
    Lake.from_settings(settings).replace(
        CANDLES, candles.filter(pa.compute.less(candles["open_time"], SPLIT)), start, SPLIT
    )
    features = price_features(candles, "BTCUSDT", start, SPLIT + timedelta(days=1))
    past = history(features, candles, "BTCUSDT", MONTH)
    trained = train_month(past, parse_horizon("1h"), (SeasonalHar(),), ModelStore(settings.models), NOW)
    (model,) = (one for one in trained.models if one.name == "seasonal_har")
    rows = feature_table(features)
    rows = rows.filter(pa.compute.greater_equal(rows["origin"], SPLIT - timedelta(days=1)))
    rows = rows.filter(pa.compute.less(rows["origin"], SPLIT))
    Lake.from_settings(settings).replace(FEATURE_TABLE, rows, SPLIT - timedelta(days=1), SPLIT)
    return settings.home, model


@pytest.fixture
def home(settings: Settings, prepared: tuple[Path, TrainedModel]) -> Settings:
    shutil.copytree(prepared[0], settings.home)
    return settings


@pytest.fixture
def log(home: Settings) -> Iterator[EventLog]:
    with open_event_log(home) as opened:
        opened.create(topic_specs(home))
        yield opened


def everything(log: EventLog, topic: str, number: int = 0) -> list[object]:
    state = log.topic(topic)
    return log.read(topic, number, state.start[number], state.end[number])


def follow(log: EventLog, topic: str, settings: Settings, models: ModelsInForce) -> list[Prediction]:
    """What the predictor's engine makes of a topic, appended to the topic of predictions."""
    lake = Lake.from_settings(settings)
    predictions = []
    for number in log.topic(topic).end:
        engine = PartitionEngine(
            topic.partition("-")[0],
            number,
            EngineSettings(settings.tick_window),
            lambda symbol, start, end: lake.read(CANDLES, start, end, symbols=[symbol]),
        )
        engine.models = models
        outputs = Outputs()
        engine.process(topic, everything(log, topic, number), outputs)
        predictions += outputs.predictions
    made.append(log, PREDICTIONS, predictions)
    return predictions


def explained(run, forecast_id: str) -> dict[str, object]:
    result = run("explain", forecast_id, "--json")
    assert result.exit_code == 0, result.stderr
    (found,) = json.loads(result.stdout)
    return found


def trades() -> list[Trade]:
    """Forty seconds at five a second; one comes twice, one much too late."""
    walk = made.made_trades("BTCUSD", 40, NOW)
    late = msgspec.structs.replace(walk[20], trade_id="late", price=1.0)
    return [*walk[:150], walk[140], late, *walk[150:]]


def test_a_tick_forecast_goes_back_to_its_trades(run, log, home):
    made.append(log, trades_topic("coinbase"), trades())
    prediction = follow(log, trades_topic("coinbase"), home, ModelsInForce())[-1]
    found = explained(run, prediction.forecast_id)
    assert found["found_in"][0].startswith("predictions/")

    before = [one for one in trades() if one.event_time < prediction.origin]
    unique = {one.trade_id: one for one in before if one.trade_id != "late"}
    window = sorted(unique.values(), key=lambda one: one.event_time)[-50:]
    assert [one["trade_id"] for one in found["trades"]] == [one.trade_id for one in window]
    topic, _, place = prediction.input.partition("/")
    number = int(place.partition("@")[0])
    stored = {record.offset: record.value for record in everything(log, topic, number)}
    for one in found["trades"]:
        assert json.loads(stored[one["offset"]])["trade_id"] == one["trade_id"]
    returns = np.diff(np.log([one.price for one in window]))
    assert found["window"]["n"] == 50
    assert found["window"]["ret_mean"] == pytest.approx(returns.mean(), rel=1e-9)
    assert found["window"]["ret_std"] == pytest.approx(returns.std(ddof=1), rel=1e-9)
    assert found["features"]["trade_variance"] == pytest.approx(returns.var(ddof=1), rel=1e-9)
    assert found["agreement"] == {"window": True, "quantiles": True}
    assert found["trigger"]["place"] == prediction.input
    assert found["trigger"]["trade_id"] == json.loads(stored[int(prediction.input.rpartition("@")[2])])["trade_id"]


def test_a_trained_tick_models_forecast_is_computed_again(run, log, home):
    quantiles = tuple(level - 0.5 for level in QUANTILE_LEVELS)
    model = make_model("tick_ml", "BTCUSD", -0.3, (0.8, 0.9, 0.2), quantiles, 0.52, skill=0.03, sample_size=40)
    store = TickModelStore.from_settings(home)
    file = store.save(model)
    made.append(log, trades_topic("coinbase"), trades())
    prediction = follow(log, trades_topic("coinbase"), home, ModelsInForce(ticks={"BTCUSD": model}))[-1]
    found = explained(run, prediction.forecast_id)
    assert found["model"]["version"] == model.version
    assert (found["model"]["skill"], found["model"]["sample_size"]) == (0.03, 40)
    assert found["agreement"] == {"window": True, "quantiles": True}

    other = msgspec.structs.replace(model, intercept=-0.2)  # somebody changed the file of that version
    file.write_bytes(msgspec.json.encode(other))
    assert explained(run, prediction.forecast_id)["agreement"] == {"window": True, "quantiles": False}

    file.unlink()
    found = explained(run, prediction.forecast_id)
    assert found["agreement"] == {"window": True}
    assert any(str(file) in why for why in found["missing"])


def test_trades_that_retention_deleted_are_said_to_be_gone_and_the_rest_is_shown(run, log, home):
    made.append(log, trades_topic("coinbase"), trades())
    prediction = follow(log, trades_topic("coinbase"), home, ModelsInForce())[-1]
    log.delete(trades_topic("coinbase"))
    log.create(topic_specs(home))
    found = explained(run, prediction.forecast_id)
    assert found["trades"] == []
    assert found["forecast"]["origin"] == f"{prediction.origin:%Y-%m-%dT%H:%M:%SZ}"
    assert any(prediction.input in why for why in found["missing"])
    shown = run("explain", prediction.forecast_id)
    assert shown.exit_code == 0
    assert "not shown" in shown.stdout


def replayed(candles: pa.Table, count: int) -> Sequence[Candle]:
    rows = candles.filter(pa.compute.greater_equal(candles["open_time"], SPLIT)).slice(0, count).to_pylist()
    names = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume", "open_time")
    return [
        Candle(
            exchange="binance",
            symbol="BTCUSDT",
            interval="1m",
            received_at=NOW + timedelta(seconds=i),
            replayed=True,
            **{name: row[name] for name in names},
        )
        for i, row in enumerate(rows)
    ]


def test_a_bar_forecast_goes_back_through_features_to_topic_and_lake(run, log, home, prepared, candles):
    model = prepared[1]
    made.append(log, candles_topic("binance"), replayed(candles, 30))
    models = ModelsInForce(bars={("BTCUSDT", "1h"): model})
    prediction = follow(log, candles_topic("binance"), home, models)[-1]
    assert prediction.features_at == SPLIT + timedelta(minutes=30)
    found = explained(run, prediction.forecast_id)
    assert found["agreement"] == {"quantiles": True}, found["missing"]
    assert set(found["features"]) == set(model.forecaster.inputs)
    version = Lake.from_settings(home).version(CANDLES)
    place = prediction.input.partition("@")[0]
    assert found["bars"] == {f"candles@{version}": 8 * 1440 - 30, f"{place}@0 to @29": 30}
    newest = found["newest_bars"][-1]
    assert newest["from"] == prediction.input
    assert newest["open_time"] == "2023-12-03T00:29:00Z"
    assert found["model"]["version"] == model.version
    assert found["model"]["trained_to"] == f"{model.trained_to:%Y-%m-%dT%H:%M:%SZ}"
    assert any("registered version" in why for why in found["missing"])


def test_a_lake_that_was_changed_since_is_told(run, log, home, prepared, candles):
    made.append(log, candles_topic("binance"), replayed(candles, 30))
    models = ModelsInForce(bars={("BTCUSDT", "1h"): prepared[1]})
    prediction = follow(log, candles_topic("binance"), home, models)[-1]
    day = SPLIT - timedelta(days=1)
    kept = candles.filter(pa.compute.less(candles["open_time"], day))
    Lake.from_settings(home).replace(CANDLES, CANDLES.empty(), day, SPLIT)
    assert kept.num_rows
    shown = run("explain", prediction.forecast_id).stdout
    assert "NOT the same" in shown
    assert explained(run, prediction.forecast_id)["agreement"] == {"quantiles": False}


def test_a_batch_forecast_goes_back_to_its_row_of_the_feature_table(run, home, prepared):
    model = prepared[1]
    lake = Lake.from_settings(home)
    origin = SPLIT - timedelta(minutes=5)
    row = lake.read(FEATURE_TABLE, origin, SPLIT).to_pandas()
    made_now = model.forecast(row)
    forecast = (
        made_forecasts()
        .iloc[[0]]
        .assign(
            **{
                name: made_now[name].to_numpy()
                for name in ["realized_variance", *(f"q{round(100 * q):02d}" for q in QUANTILE_LEVELS)]
            },
            symbol="BTCUSDT",
            horizon="1h",
            origin=origin,
            model=model.name,
            model_version=model.version,
            forecast_id="batch",
            input=f"feature_table@{lake.version(FEATURE_TABLE)}",
        )
    )
    engine = connect(home)
    write_forecasts(engine, forecast)
    engine.dispose()
    found = explained(run, "batch")
    assert found["found_in"] == ["ledger"]
    assert found["agreement"] == {"quantiles": True}
    expected = {name: float(row[name].iloc[0]) for name in model.forecaster.inputs}
    assert found["features"] == expected
    assert found["bars"] == {f"candles@{lake.version(CANDLES)}": 8 * 1440}
    assert found["newest_bars"][-1]["open_time"] == "2023-12-02T23:54:00Z"
    assert "computed again from these: the same to the last bit" in run("explain", "batch").stdout


@pytest.mark.slow
def test_the_registered_version_and_its_run_are_named(run, log, home, prepared, candles):
    model = prepared[1]
    number = Tracking.from_settings(home).log(model)
    made.append(log, candles_topic("binance"), replayed(candles, 5))
    models = ModelsInForce(bars={("BTCUSDT", "1h"): model})
    prediction = follow(log, candles_topic("binance"), home, models)[-1]
    found = explained(run, prediction.forecast_id)
    assert found["model"]["registered"] == f"bitpredict-BTCUSDT-1h/{number}"
    client = Tracking.from_settings(home).client
    assert client.get_run(found["model"]["run"]).data.tags["version"] == model.version
    assert found["missing"] == []


def test_a_forecast_of_the_ledger_and_the_topic_is_told_to_be_in_both(run, log, home, prepared, candles):
    made.append(log, candles_topic("binance"), replayed(candles, 5))
    models = ModelsInForce(bars={("BTCUSDT", "1h"): prepared[1]})
    prediction = follow(log, candles_topic("binance"), home, models)[-1]
    row = (
        made_forecasts()
        .iloc[[0]]
        .assign(forecast_id=prediction.forecast_id, input=prediction.input, written_at=prediction.written_at)
    )
    engine = connect(home)
    write_forecasts(engine, row)
    engine.dispose()
    found = explained(run, prediction.forecast_id)
    assert found["found_in"][0] == "ledger"
    assert found["found_in"][1].startswith("predictions/")


@pytest.mark.usefixtures("log")
def test_an_unknown_id_says_where_ids_are(run):
    result = run("explain", "0" * 32)
    assert result.exit_code == 1
    assert f"no forecast {'0' * 32}" in result.stderr
    assert "bitpredict topics" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_empty_id_is_said_to_be_empty(run):
    result = run("explain", " ")
    assert result.exit_code == 2
    assert "the id is empty; `bitpredict forecast SYMBOL --json` shows ids" in result.stderr


def test_an_empty_home_stays_empty(run, settings):
    assert run("explain", "abc").exit_code == 1
    assert not settings.home.exists()


def test_ids_that_a_message_only_mentions_are_not_taken_for_it(run, log):
    now = made.milliseconds(NOW)
    log.append(PREDICTIONS, [Message("BTCUSD", b'{"note": "abc"}', now)])
    log.append(rejected_topic(PREDICTIONS), [Message("BTCUSD", encode({"reason": "abc"}), now)])
    result = run("explain", "abc")
    assert result.exit_code == 1
    assert "no forecast abc" in result.stderr
