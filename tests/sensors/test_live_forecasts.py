"""The predictor's forecasts, reported as materializations."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from bitpredict.storage.gap_ledger import read_gaps
from bitpredict.streaming.log import Message, TopicSpec
from bitpredict.streaming.messages import Prediction, encode
from bitpredict.streaming.topics import PREDICTIONS
from bitpredict_sensors.offsets import CursorError
from tests.sensors.conftest import Lane, milliseconds

MIDNIGHT = datetime(2024, 3, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def lane(settings, log) -> Lane:
    log.create([TopicSpec(PREDICTIONS, 2, None)])
    return Lane(settings, log, sensor="live_forecasts_sensor")


def forecast(origin: datetime, symbol: str = "BTCUSDT", horizon: str = "1m", price: float = 40_000.0) -> Prediction:
    return Prediction(
        forecast_id=f"{symbol}{origin:%H%M%S}",
        kind="backtest",
        exchange="binance",
        symbol=symbol,
        horizon=horizon,
        origin=origin,
        target_time=origin + timedelta(minutes=1),
        features_at=origin,
        reference_price=price,
        quantiles=(-0.02, -0.01, -0.005, 0.0, 0.005, 0.01, 0.02),
        p_up=0.5,
        realized_variance=1e-6,
        model="tick_baseline",
        model_version="v1",
        variant="champion",
        feature_set_version="f1",
        input="binance-trades/0@17",
        provenance="observed",
        skill=None,
        skill_sample_size=None,
        ret_mean=0.0,
        ret_std=1e-4,
        n=50,
        triggered_at=origin,
        written_at=origin,
        replayed=True,
    )


def send(lane: Lane, *values: Prediction | bytes, age: timedelta = timedelta(hours=1), key: str = "BTCUSDT") -> None:
    received = milliseconds(datetime.now(UTC) - age)
    messages = [
        Message(key, value, received) if isinstance(value, bytes) else Message(value.symbol, encode(value), received)
        for value in values
    ]
    lane.log.append(PREDICTIONS, messages)


def said(event: dg.AssetMaterialization) -> dict[str, object]:
    assert event.asset_key == dg.AssetKey("live_forecasts")
    return {name: entry.value for name, entry in event.metadata.items()}


def test_a_batch_is_one_event_with_offsets_counts_and_latest_values(lane):
    send(lane, *(forecast(MIDNIGHT + i * SECOND, price=40_000.0 + i) for i in range(5)))
    answer = lane.tick()
    (event,) = answer.asset_events
    assert answer.run_requests == []
    assert event.partition == "2024-03-05"
    found = said(event)
    assert found["offsets"] in (f"{PREDICTIONS}/0[0,5)", f"{PREDICTIONS}/1[0,5)")
    assert (found["forecasts"], found["undecodable messages"]) == (5, 0)
    assert found["forecasts by symbol, horizon and model"] == {"BTCUSDT 1m tick_baseline": 5}
    assert found["backtest or live"] == {"backtest": 5}
    assert found["latest"]["BTCUSDT 1m"] == {
        "origin": "2024-03-05T00:00:04+00:00",
        "reference_price": 40_004.0,
        "q05": -0.02,
        "q95": 0.02,
        "p_up": 0.5,
        "realized_variance": 1e-6,
        "model": "tick_baseline",
        "model_version": "v1",
    }


def test_what_was_reported_is_not_reported_again(lane):
    send(lane, forecast(MIDNIGHT))
    lane.tick()
    answer = lane.tick()
    assert (answer.asset_events, answer.skip_message) == ([], "nothing new")
    send(lane, forecast(MIDNIGHT + SECOND))
    (event,) = lane.tick().asset_events
    assert said(event)["offsets"].endswith("[1,2)")


def test_days_and_partitions_have_events_of_their_own(lane):
    send(lane, forecast(MIDNIGHT - SECOND), forecast(MIDNIGHT), forecast(MIDNIGHT, symbol="ETHUSDT"))
    found = [(event.partition, said(event)["forecasts"]) for event in lane.tick().asset_events]
    assert sorted(found) in (
        [("2024-03-04", 1), ("2024-03-05", 1), ("2024-03-05", 1)],
        [("2024-03-04", 1), ("2024-03-05", 2)],
    )
    assert sum(count for _, count in found) == 3


def test_few_and_young_forecasts_wait(lane):
    send(lane, forecast(MIDNIGHT), age=timedelta(0))
    answer = lane.tick()
    assert answer.asset_events == []
    assert "1 new messages" in answer.skip_message


def test_a_pause_is_caught_up_in_bounded_bites(lane, monkeypatch):
    monkeypatch.setenv("BITPREDICT_STREAM_BITE_MESSAGES", "4")
    send(lane, *(forecast(MIDNIGHT + i * SECOND) for i in range(10)))
    counts = [said(event)["forecasts"] for _ in range(4) for event in lane.tick().asset_events]
    assert counts == [4, 4, 2]


def test_what_is_no_forecast_is_counted(lane):
    naive = encode(forecast(MIDNIGHT)).replace(b"00:00:00Z", b"00:00:00")
    send(lane, b"<html>", forecast(MIDNIGHT), naive)
    (event,) = lane.tick().asset_events
    assert (said(event)["forecasts"], said(event)["undecodable messages"]) == (1, 2)
    send(lane, b"<html>")
    answer = lane.tick()
    assert (answer.asset_events, answer.skip_message) == ([], "0 batches reported")
    assert lane.tick().skip_message == "nothing new"


def test_a_topic_that_was_remade_is_read_from_its_start(lane):
    send(lane, *(forecast(MIDNIGHT + i * SECOND) for i in range(3)))
    lane.tick()
    lane.log.delete(PREDICTIONS)
    lane.log.create([TopicSpec(PREDICTIONS, 2, None)])
    send(lane, forecast(MIDNIGHT + 9 * SECOND))
    (event,) = lane.tick().asset_events
    assert said(event)["offsets"].endswith("[0,1)")


def test_a_log_that_is_away_is_said(lane, monkeypatch, tmp_path):
    away = tmp_path / "away"
    away.write_text("a file where a folder ought to be")
    monkeypatch.setenv("BITPREDICT_EVENT_LOG_URL", f"sqlite:///{away}/events.db")
    answer = lane.tick(keep=False)
    assert answer.skip_message.startswith("the event log is away: ")
    assert answer.asset_events == []


def test_nothing_lost_is_nothing_in_the_ledger(lane, engine):
    send(lane, forecast(MIDNIGHT))
    lane.tick()
    assert read_gaps(engine).empty


def test_a_malformed_cursor_is_refused_with_the_remedy(lane):
    lane.cursor = '{"predictions": 17}'
    with pytest.raises(CursorError, match="reset the sensor's cursor"):
        lane.tick()
