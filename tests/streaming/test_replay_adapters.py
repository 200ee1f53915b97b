"""The real recordings through every adapter of the event log: what is read back is what was recorded."""

import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog, Message, partition_of
from bitpredict.streaming.messages import Trade, decode_trade
from bitpredict.streaming.recordings import read_recording
from bitpredict.streaming.replay import Replay
from bitpredict.streaming.topics import exchange_specs, trades_topic

RECORDINGS = (
    "coinbase_ticker/BTC-ETH_20260403_ticks.ndjson",
    "coinbase_ticker/BTC-USD_20260404_raw_frames.ndjson",
    "ws_recordings/COINBASE.ws.28.0",
    "ws_recordings/BINANCE.ws.1.0",
)


@pytest.mark.parametrize("path", RECORDINGS)
def test_a_recording_is_read_back_as_it_was_recorded(
    event_log: EventLog, settings: Settings, name: str, recordings: Path, path: str
) -> None:
    event_log.create(exchange_specs(settings, name))
    recorded = [trade for trade in read_recording(recordings / path) if isinstance(trade, Trade)]
    Replay(event_log, name, recorded, None, False).run(threading.Event())
    topic = trades_topic(name)
    for partition in event_log.topic(topic).start:
        records = event_log.read(topic, partition, 0)
        trades = [decode_trade(record.value) for record in records]
        assert [msgspec.structs.replace(t, received_at=t.event_time, replayed=False) for t in trades] == [
            msgspec.structs.replace(t, received_at=t.event_time)
            for t in recorded
            if partition_of(t.symbol, settings.event_log_partitions) == partition
        ]
        assert all(trade.replayed and record.key == trade.symbol for trade, record in zip(trades, records, strict=True))


@pytest.mark.slow
def test_a_restarted_loop_goes_on_behind_what_is_there(
    event_log: EventLog, settings: Settings, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_log.create(exchange_specs(settings, name))
    sample = [*read_recording(Path(__file__).parents[2] / "sample" / "coinbase_ticks.csv")][:200]
    append, stop = event_log.append, threading.Event()

    def appended(topic: str, messages: Sequence[Message]) -> None:
        append(topic, messages)
        counted[0] += len(messages)
        if counted[0] >= 150:
            stop.set()

    monkeypatch.setattr(event_log, "append", appended)
    for _ in range(3):
        counted = [0]
        stop.clear()
        Replay(event_log, name, sample, 300.0, True).run(stop)
    topic = trades_topic(name)
    ids: set[tuple[str, str]] = set()
    for partition in event_log.topic(topic).start:
        trades = [decode_trade(record.value) for record in event_log.read(topic, partition, 0)]
        mine = [t for t in sample if isinstance(t, Trade) and partition_of(t.symbol, 2) == partition]
        assert [trade.trade_id for trade in trades] == [
            f"{mine[n % len(mine)].trade_id}#{n // len(mine)}" for n in range(len(trades))
        ]
        ids |= {(trade.symbol, trade.trade_id) for trade in trades}
    assert len(ids) >= 450
