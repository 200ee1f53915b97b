"""A broker that stops for half a minute, or whose disk is full, under collector, replay and predictor."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.open_log import open_event_log
from tests.support.disks import small_disk
from tests.support.kafka import Broker, new_broker
from tests.support.live_checks import assert_is_the_recording, assert_is_undisturbed
from tests.support.live_content import caught_up, enough, trades
from tests.support.live_processes import USED, processes, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STOPPED_SECONDS = 30
FEEDER_WAITS, FEEDER_GOES_ON = "the event log cannot be used; trying again", "the event log can be used again"
PREDICTOR_WAITS = "waiting, then going on from the last checkpoint"


def test_thirty_seconds_without_a_broker(on_kafka: Settings, broker: Broker, tmp_path: Path, sample: Path) -> None:
    """A replay and its predictor, and the collector of another exchange, are all under way."""
    collecting = Settings(home=tmp_path / "other", market="simulated", event_log_url=broker.url)
    with (
        open_event_log(on_kafka) as log,
        processes(on_kafka, tmp_path) as lane,
        processes(collecting, tmp_path / "collecting") as others,
    ):
        collector, predictor = others.start("collect"), lane.start("predict")
        replay = lane.start("replay", sample / "coinbase_ticks.csv", "--loop", "--speed", "10x")
        parts = (collector, predictor, replay)
        until(lambda: all(part.ready() for part in parts) and predictor.metric(USED) > 0, *parts)
        broker.stop()
        time.sleep(STOPPED_SECONDS)  # the disturbance itself, not a wait for something
        until(lambda: not any(part.ready() for part in parts), *parts)
        assert all(part.healthy() for part in parts)
        broker.start()
        until(lambda: all(part.ready() for part in parts), *parts)
        for part, says in ((collector, FEEDER_WAITS), (replay, FEEDER_WAITS), (predictor, PREDICTOR_WAITS)):
            assert says in part.said
            assert f"Kafka at {broker.address} does not answer" in part.said
        assert FEEDER_GOES_ON in collector.said
        assert FEEDER_GOES_ON in replay.said
        until(more_came(log, "simulated-trades"), *parts)
        until(more_came(log, "coinbase-trades"), *parts)
        assert " 0 lost" in collector.end()
        until(enough(log, "coinbase"), replay)
        replay.end()
        until(caught_up(log, "coinbase"), predictor)
        predictor.end()
        assert_every_number_once(log, "simulated")
        assert_is_the_recording(log, sample / "coinbase_ticks.csv")
        assert_is_undisturbed(log, on_kafka, tmp_path)


def test_a_full_disk_of_the_broker(tmp_path: Path, sample: Path) -> None:
    """All is as if it had never been full, once there is room and the broker is started again."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    with small_disk(kilobytes=96 * 1024) as disk, new_broker(disk / "data") as broker:
        broker.start()
        settings = Settings(
            home=tmp_path / "home", market="coinbase", symbols=("BTCUSD", "ETHUSD"), event_log_url=broker.url
        )
        with open_event_log(settings) as log, processes(settings, tmp_path) as lane:
            predictor = lane.start("predict")
            replay = lane.start("replay", sample / "coinbase_ticks.csv", "--loop", "--speed", "20x")
            until(lambda: predictor.metric(USED) > 0, predictor, replay)
            ballast = disk / "ballast"
            with ballast.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(2**20))
            until(lambda: not replay.ready() and FEEDER_WAITS in replay.said, predictor, replay)
            until(lambda: not predictor.ready() and PREDICTOR_WAITS in predictor.said, predictor, replay)
            ballast.unlink()
            broker.restart()
            until(lambda: replay.ready() and predictor.ready(), predictor, replay)
            until(more_came(log, "coinbase-trades"), predictor, replay)
            until(enough(log, "coinbase"), replay)
            replay.end()
            until(caught_up(log, "coinbase"), predictor)
            predictor.end()
            assert_is_the_recording(log, sample / "coinbase_ticks.csv")
            assert_is_undisturbed(log, settings, tmp_path)


def more_came(log: EventLog, topic: str) -> Callable[[], bool]:
    """Whether fifty messages more are in every partition than now."""
    before = log.topic(topic).end
    return lambda: all(end >= before[number] + 50 for number, end in log.topic(topic).end.items())


def assert_every_number_once(log: EventLog, exchange: str) -> None:
    """A symbol's trades are numbered one by one, and come in that order."""
    for symbol, found in trades(log, exchange).items():
        numbers = [int(each.trade_id) for each in found]
        assert numbers == [*range(numbers[0], numbers[0] + len(numbers))], symbol
