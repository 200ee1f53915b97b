"""The real collector at an exchange on this machine: killed again and again, and served out of order."""

import json
import random
import re
import time
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection

from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.messages import decode_prediction
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.topics import topic_specs
from tests.support.exchange import Exchange, TradesApi, exchange, trade_frame, trades_api
from tests.support.live_content import caught_up, records, trades
from tests.support.live_processes import processes, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SEED = 20261123
KILLS = 4
A_SECOND = 200
SYMBOL = "BTCUSDT"


def listening(folder: Path, server: Exchange, api: TradesApi) -> Settings:
    return Settings(
        home=folder / "home",
        market="binance",
        symbols=(SYMBOL,),
        binance_stream_url=server.url,
        binance_url=api.url,
    )


def test_a_collector_killed_at_any_instant_misses_and_doubles_no_trade(tmp_path: Path) -> None:
    """The market goes on without it; what it missed comes from the exchange's REST interface."""
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    opened = time.monotonic()

    def newest() -> int:
        return int((time.monotonic() - opened) * A_SECOND)

    def script(server: Exchange, connection: ServerConnection, _number: int) -> None:
        number = newest()
        while not server.closing.is_set():
            for each in range(number, newest()):
                connection.send(trade_frame(each))
            number = max(number, newest())
            server.closing.wait(0.01)

    with exchange(script) as server, trades_api() as api:
        settings = listening(tmp_path, server, api)
        with open_event_log(settings) as log, processes(settings, tmp_path) as lane:
            collector = lane.start("collect")
            for _ in range(KILLS):
                until(collector.ready, collector)
                time.sleep(chance.uniform(0, 1))
                collector.kill()
                collector = lane.start("collect")
            until(collector.ready, collector)
            assert " 0 lost" in collector.end()
            assert server.connections == KILLS + 1
            found = trades(log, "binance")[SYMBOL]
    numbers = [int(each.trade_id) for each in found]
    assert numbers == [*range(numbers[0], numbers[0] + len(numbers))]
    assert [each.price for each in found] == [sent(number)["price"] for number in numbers]
    assert len(numbers) > A_SECOND


def test_double_and_reordered_frames_and_a_clock_that_steps_back(tmp_path: Path) -> None:
    """Of every ten trades one comes twice and two change places; half-way the exchange's clock goes back by a minute.
    All are stored once, and no second is forecast twice or after a later one."""
    count, chance = 1000, random.Random(SEED)
    order = [*range(count)]
    for ten in range(10, count, 10):
        order[ten], order[ten - 1] = order[ten - 1], order[ten]
        order[ten + 5 : ten + 5] = [chance.choice(order[:ten])]

    def script(server: Exchange, connection: ServerConnection, _number: int) -> None:
        for number in order:
            connection.send(stepped_back(number) if number >= count // 2 else trade_frame(number))
        server.stall(connection)

    with exchange(script) as server, trades_api() as api:
        settings = listening(tmp_path, server, api)
        with open_event_log(settings) as log, processes(settings, tmp_path) as lane:
            log.create(topic_specs(settings))
            collector, predictor = lane.start("collect"), lane.start("predict")
            until(lambda: stored(log) >= count, collector, predictor)
            until(caught_up(log, "binance"), collector, predictor)
            collector.end()
            late = re.search(r"\((\d+) late", predictor.end())
            numbers = [int(each.trade_id) for each in trades(log, "binance")[SYMBOL]]
            origins = [decode_prediction(record.value).origin for record in records(log, "predictions")]
    assert sorted(numbers) == [*range(count)]
    assert late is not None
    assert int(late[1]) >= count // 2 - 200  # those before the newest second that was over
    assert origins
    assert origins == sorted(set(origins))


def sent(number: int) -> dict[str, float]:
    return {"price": float(json.loads(trade_frame(number))["data"]["p"])}


def stepped_back(number: int) -> str:
    frame = json.loads(trade_frame(number))
    frame["data"]["T"] -= 60_000
    return json.dumps(frame)


def stored(log: EventLog) -> int:
    return sum(log.topic("binance-trades").end.values())
