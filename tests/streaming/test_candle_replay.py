import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bitpredict.errors import SettingsError
from bitpredict.market.candles import canonical
from bitpredict.market.gaps import Gap
from bitpredict.market.second_source import repaired
from bitpredict.settings import Settings
from bitpredict.sources.candles import choose_source, collect
from bitpredict.sources.kline_file import read_klines
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from bitpredict.streaming.candle_replay import CandleReplay, stored_candles
from bitpredict.streaming.messages import Candle, decode_candle
from tests.support.memory_log import MemoryLog
from tests.support.stepped import Stepped

TOPIC = "binance-candles"


def test_the_samples_last_days_all_symbols_together(settings: Settings, sample: Path) -> None:
    candles = stored_candles(settings, 2)
    assert len(candles) == 2 * 2 * 1440
    assert [c.symbol for c in candles[:4]] == ["BTCUSDT", "ETHUSDT", "BTCUSDT", "ETHUSDT"]
    assert candles[0].open_time == datetime(2023, 12, 30, tzinfo=UTC)
    assert candles[-1].open_time == datetime(2023, 12, 31, 23, 59, tzinfo=UTC)
    name = "BTCUSDT-1m-2023-12-31"
    file = sample / "data" / "spot" / "daily" / "klines" / "BTCUSDT" / "1m" / f"{name}.zip"
    rows = read_klines(file.read_bytes(), name, str(file)).to_pylist()
    of_the_day = [c for c in candles if c.symbol == "BTCUSDT"][1440:]
    for column in ("open_time", "open", "high", "low", "close", "volume", "quote_volume", "trade_count"):
        assert [getattr(candle, column) for candle in of_the_day] == [row[column] for row in rows]


@pytest.mark.slow
def test_a_minute_a_second_and_after_a_restart_it_goes_on_where_the_topic_ends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog(1, TOPIC)

    def replayed(worker: CandleReplay, seconds: float) -> list[Candle]:
        clock = Stepped(seconds)
        clock.paces("bitpredict.streaming.replay", monkeypatch)
        worker.run(clock)
        return [decode_candle(record.value) for record in log.read(TOPIC, 0, 0, limit=100_000)]

    first = replayed(CandleReplay(settings, log, days=1), 2.5)
    assert [c.open_time.minute for c in first] == [0, 0, 1, 1, 2, 2]
    assert all(c.replayed and not c.built for c in first)
    log.cut(TOPIC, 0, 3)  # as if one symbol's last candle had not come through
    both = replayed(CandleReplay(settings, log, days=1, speed=6000), 0.5)
    assert [(c.open_time.minute, c.symbol) for c in both[:6]] == [
        (minute, symbol) for minute in range(3) for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    assert len({(c.symbol, c.open_time) for c in both}) == len(both) == 3 + 99


def test_at_its_end_it_idles_and_says_so(settings: Settings) -> None:
    log = MemoryLog(1, TOPIC)
    worker = CandleReplay(settings, log, days=1, speed=1e9)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    until = time.monotonic() + 60
    while "idled" not in worker.summary() and time.monotonic() < until:
        time.sleep(0.01)
    assert thread.is_alive()
    assert worker.ready()
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    candles = [decode_candle(record.value) for record in log.read(TOPIC, 0, 0, limit=100_000)]
    assert len(candles) == 2 * 1440
    assert candles[-1].open_time + timedelta(minutes=1) == datetime(2024, 1, 1, tzinfo=UTC)


def test_the_lake_comes_first_and_other_symbols_in_it_are_an_error(settings: Settings) -> None:
    start, end = datetime(2023, 11, 5, tzinfo=UTC), datetime(2023, 11, 6, tzinfo=UTC)
    collected = collect(choose_source(settings), settings.symbols, start, end)
    Lake.from_settings(settings).replace(CANDLES, canonical(collected.candles), start, end)
    candles = stored_candles(settings, 7)
    assert (candles[0].open_time, candles[-1].open_time) == (start, end - timedelta(minutes=1))
    assert len(candles) == 2 * 1440
    with pytest.raises(SettingsError, match="collect some"):
        CandleReplay(Settings(symbols=("SOLUSDT",)), MemoryLog(1, TOPIC)).run(threading.Event())


def test_minutes_that_were_copied_from_a_second_source_were_in_no_feed(settings: Settings) -> None:
    start, end = datetime(2023, 11, 5, tzinfo=UTC), datetime(2023, 11, 6, tzinfo=UTC)
    observed = canonical(collect(choose_source(settings), settings.symbols, start, end).candles)
    hole = Gap(start + timedelta(hours=3), start + timedelta(hours=4))
    outside = [not (hole.start <= moment < hole.end) for moment in observed["open_time"].to_pylist()]
    gaps = {"BTCUSDT": [hole]}
    Lake.from_settings(settings).replace(
        CANDLES,
        repaired(observed.filter(pa.array(outside)), observed.drop_columns(["trade_count"]), gaps, "cryptocompare"),
        start,
        end,
    )
    assert {
        candle.symbol for candle in stored_candles(settings, 1) if hole.start <= candle.open_time < hole.end
    } == set()
    assert len(stored_candles(settings, 1)) == 2 * 1380
