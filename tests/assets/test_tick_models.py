"""`tick_models` of a recorded day, as Dagster makes it, as the registry has it, and as the predictor serves it."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import msgspec
import pytest

from bitpredict.forecasting.mlflow_tracking import CHAMPION, Tracking
from bitpredict.forecasting.registry import open_registry
from bitpredict.market.horizons import TICK
from bitpredict.settings import Settings
from bitpredict.streaming.log import Message
from bitpredict.streaming.messages import Prediction, Trade, decode_prediction, encode
from bitpredict.streaming.model_watch import ModelWatch
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.predictor import Predictor
from bitpredict.streaming.recordings import Recording
from bitpredict.streaming.tick_models import TICK_BASELINE, make_model
from bitpredict.streaming.tick_store import TickModelStore
from bitpredict.streaming.tick_tracking import TickTracking
from bitpredict.streaming.tick_training import train_tick_model
from bitpredict.streaming.topics import PREDICTIONS, topic_specs
from tests.support.graph import Ran, at_home, check_alone, run_job

pytestmark = pytest.mark.slow

DAY = "2026-04-03"
SYMBOLS = ("BTCUSD", "ETHUSD")
TOPIC = "coinbase-trades"


@pytest.fixture(scope="module")
def recorded(sample) -> list[Trade]:
    return [one for one in Recording(sample / "coinbase_ticks.csv") if isinstance(one, Trade)]


def append(settings: Settings, trades: list[Trade]) -> None:
    now = int(time.time() * 1000)
    with open_event_log(settings) as log:
        log.create(topic_specs(settings))
        log.append(TOPIC, [Message(one.symbol, encode(one), now) for one in trades])


@pytest.fixture(scope="module")
def made(recorded, tmp_path_factory) -> Iterator[tuple[Settings, Ran]]:
    """The sample's ticks in the event log, streamed into the lake and learnt from. Tests come in their order."""
    with at_home(tmp_path_factory.mktemp("ticks"), BITPREDICT_MODEL_VARIANT="ml") as settings:
        append(settings, recorded)
        assert run_job("stream", DAY).success
        yield settings, run_job("tick_models", DAY)


def serving(settings: Settings) -> dict[str, str]:
    """As the predictor is told."""
    return {symbol: version for (symbol, _), version in open_registry(settings.mlflow).champions().items()}


def test_a_materialization_says_how_each_symbol_did_and_who_serves(made, recorded):
    settings, ran = made
    assert ran.success
    said = ran.metadata("tick_models", DAY)
    for symbol in SYMBOLS:
        own = sorted((one for one in recorded if one.symbol == symbol), key=lambda one: one.event_time)
        expected = train_tick_model(symbol, own, settings.tick_window)
        row = said["models"][symbol]
        assert row["version"] == row["serves"] == expected.model.version == serving(settings)[symbol]
        assert (row["qlike"], row["baseline_qlike"]) == (expected.qlike, expected.baseline_qlike)
        assert row["skill"] == expected.model.skill > 0
        assert (row["trained_on"], row["scored_on"]) == (expected.trained_on, expected.scored_on)
        assert TickModelStore.from_settings(settings).load(row["version"]) == expected.model
        assert said["trades"][symbol] == len(own)
    assert (said["dagster/row_count"], said["not trained"], said["trades left out"]) == (2, {}, 0)
    assert said["streamed_trades version"] == 0
    assert said["preview"].count("better than the baseline on later ticks") == 2
    assert ran.check("serving_not_below_baseline").passed
    assert ran.check_metadata("serving_covers")["seconds"] == {s: said["models"][s]["scored_on"] for s in SYMBOLS}


def test_the_predictor_serves_it_and_the_alias_moved_back_takes_it_back(made, recorded):
    settings, _ = made
    trained = serving(settings)
    watch, stop = ModelWatch.from_settings(settings), threading.Event()
    tracking = Tracking.from_settings(settings)
    with open_event_log(settings) as log:
        worker = threading.Thread(target=Predictor(settings, log, watch).run, args=[stop])
        worker.start()
        try:
            first = until_forecast(log, max(one.event_time for one in recorded))
            for symbol in SYMBOLS:
                tracking.set_alias(CHAMPION, symbol, TICK, TICK_BASELINE.version)
            watch.look()
            later = [again(one, timedelta(minutes=20)) for one in recorded]
            append(settings, later)
            second = until_forecast(log, max(one.event_time for one in later))[len(first) :]
        finally:
            stop.set()
            worker.join(timeout=30)
            for symbol, version in trained.items():
                tracking.set_alias(CHAMPION, symbol, TICK, version)
    assert len(first) > 500
    assert {(one.symbol, one.model, one.model_version) for one in first} == {
        (symbol, "tick_ml", trained[symbol]) for symbol in SYMBOLS
    }
    assert all(one.skill and one.skill > 0 and one.skill_sample_size for one in first)
    assert len(second) > 500
    assert {(one.symbol, one.model, one.model_version) for one in second} == {
        (symbol, "tick_baseline", TICK_BASELINE.version) for symbol in SYMBOLS
    }


def again(one: Trade, later: timedelta) -> Trade:
    moment = one.event_time + later
    return msgspec.structs.replace(one, trade_id=f"again:{one.trade_id}", event_time=moment, received_at=moment)


def until_forecast(log, newest: datetime) -> list[Prediction]:
    """The forecasts of a minute, by order of offset and partition, once those of both symbols reach `newest`."""
    deadline = time.monotonic() + 120
    while True:
        state = log.topic(PREDICTIONS)
        values = [record.value for number in state.end for record in log.read(PREDICTIONS, number, 0, limit=10**6)]
        found = sorted(
            (one for one in map(decode_prediction, values) if one.horizon == "1m"), key=lambda one: one.origin
        )
        last = {one.symbol: one.origin for one in found}
        if len(last) == 2 and min(last.values()) > newest - timedelta(seconds=10):
            return found
        assert time.monotonic() < deadline, last
        time.sleep(0.2)


def test_a_version_that_does_worse_than_the_baseline_is_found(made, recorded, monkeypatch):
    settings, _ = made
    monkeypatch.setenv("BITPREDICT_HOME", str(settings.home))
    trained = serving(settings)
    own = sorted((one for one in recorded if one.symbol == "ETHUSD"), key=lambda one: one.event_time)
    good = train_tick_model("ETHUSD", own, settings.tick_window)
    wrong = make_model("tick_ml", "ETHUSD", -40.0, (0.0, 0.0, 0.0), good.model.quantiles, 0.5)
    tracking = Tracking.from_settings(settings)
    TickTracking(tracking, TickModelStore.from_settings(settings)).log(
        dataclasses.replace(good, model=wrong), date(2026, 4, 2), {}
    )
    tracking.set_alias(CHAMPION, "ETHUSD", TICK, wrong.version)
    try:
        ran = check_alone("tick_models")
    finally:
        tracking.set_alias(CHAMPION, "ETHUSD", TICK, trained["ETHUSD"])
    below, covers = ran.check("serving_not_below_baseline"), ran.check("serving_covers")
    assert (below.passed, covers.passed) == (False, False)
    assert (below.severity.value, covers.severity.value) == ("ERROR", "WARN")
    said = ran.check_metadata("serving_not_below_baseline")
    assert said["skill"]["BTCUSD"] > 0 > said["skill"]["ETHUSD"]
    assert said["serving"]["ETHUSD"] == f"tick_ml {wrong.version}"


def test_a_symbol_with_too_few_ticks_is_named_and_the_other_trained(recorded, settings):
    few = [one for one in recorded if one.symbol == "ETHUSD"][:50]
    append(settings, [one for one in recorded if one.symbol == "BTCUSD"] + few)
    assert run_job("stream", DAY).success
    ran = run_job("tick_models", DAY)
    assert ran.success
    said = ran.metadata("tick_models", DAY)
    assert {*said["models"]} == {"BTCUSD"} == {*serving(settings)}
    assert "collect more ticks" in said["not trained"]["ETHUSD"]
    assert (said["trained"], said["symbols not trained"]) == (1, 1)


def test_a_day_without_ticks_says_so(settings):
    ran = run_job("tick_models", DAY)
    assert not ran.success
    assert ran.materialized == {}
    (why,) = ran.failures.values()
    assert "nothing could be trained: 2026-04-03 binance, coinbase: streamed_trades has none of its trades" in why
    assert not TickModelStore.from_settings(settings).root.exists()
