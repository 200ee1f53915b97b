"""The parity check as Dagster runs it."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bitpredict.storage.contracts import STREAMED_TRADES
from bitpredict.streaming.log import Message, TopicSpec
from bitpredict.streaming.messages import Trade, encode
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.topics import PREDICTIONS
from bitpredict.streaming.trade_table import trades_table
from tests.support.graph import check_alone, run_job
from tests.support.streams import an_engine, no_history, run

TOPIC = "coinbase-trades"
START = datetime(2026, 4, 4, 9, tzinfo=UTC)
MIDNIGHT = datetime(2026, 4, 4, tzinfo=UTC)


def ticks(seconds: int) -> list[Trade]:
    times = [START + timedelta(seconds=i / 2) for i in range(2 * seconds)]
    prices = [66_900.0 + (i * 37 % 101) / 7 for i in range(2 * seconds)]
    return [
        Trade("coinbase", "BTCUSD", f"seq:{i}", price, 0.0, "unknown", when, when, i, replayed=True)
        for i, (when, price) in enumerate(zip(times, prices, strict=True))
    ]


@pytest.fixture
def lane(settings, lake):
    """Two minutes and a half of ticks, streamed and forecast."""
    now = int(datetime.now(UTC).timestamp() * 1000)
    with open_event_log(settings) as log:
        log.create([TopicSpec(topic, 1, None) for topic in (TOPIC, PREDICTIONS, "coinbase-candles")])
        log.append(TOPIC, [Message(each.symbol, encode(each), now) for each in ticks(150)])
        records = log.read(TOPIC, 0, 0)
        engine = an_engine(history=no_history, exchange="coinbase")
        made = run(engine, {TOPIC: records})
        log.append("coinbase-candles", [Message(each.symbol, encode(each), now) for each in made.candles])
        log.append(PREDICTIONS, [Message(each.symbol, encode(each), now) for each in made.predictions])
        day = MIDNIGHT + timedelta(days=1)
        lake.replace(STREAMED_TRADES, trades_table([(TOPIC, 0, records)], MIDNIGHT, day).table, MIDNIGHT, day)
        yield log, made


def test_the_newest_day_of_each_exchange_is_compared(lane):
    _, made = lane
    ran = check_alone("streamed_trades")
    said = ran.check_metadata("parity")
    assert ran.check("parity").passed, said
    assert said["days"] == {"coinbase": "2026-04-04"}
    assert said["compared"] == {"coinbase": {"bars": len(made.candles), "1m": len(made.predictions)}}
    assert (len(made.candles), len(made.predictions)) == (1, 148)
    assert said["differences"] == {"coinbase": 0}
    assert said["first difference"] == {}


def test_a_difference_is_named(lane):
    log, made = lane
    wrong = msgspec.structs.replace(made.predictions[-1], p_up=0.25)
    log.append(PREDICTIONS, [Message(wrong.symbol, encode(wrong), int(datetime.now(UTC).timestamp() * 1000))])
    ran = run_job("parity")
    assert not ran.check("parity").passed
    said = ran.check_metadata("parity")
    assert said["differences"] == {"coinbase": 1}
    assert "p_up is 0.25, batch makes 0.5" in said["first difference"]["coinbase"]


def test_a_lane_without_forecasts_is_a_warning():
    ran = run_job("parity")
    assert ran.success
    assert not ran.check("parity").passed
    assert ran.check("parity").severity.value == "WARN"
