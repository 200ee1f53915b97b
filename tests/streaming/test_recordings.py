import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bitpredict.errors import BadSourceDataError, MessageError, SourceError
from bitpredict.streaming.messages import Rejected, Trade
from bitpredict.streaming.recordings import Recording, read_recording


def test_the_samples_ticks(sample: Path) -> None:
    ticks = [*read_recording(sample / "coinbase_ticks.csv")]
    rows = (sample / "coinbase_ticks.csv").read_text().splitlines()[1:]
    assert len(ticks) == len(rows) == 5028
    assert {tick.symbol for tick in ticks} == {"BTCUSD", "ETHUSD"}
    assert ticks[0] == Trade(
        exchange="coinbase",
        symbol="BTCUSD",
        trade_id="seq:1",
        price=66863.0,
        size=0.0,
        side="unknown",
        event_time=datetime(2026, 4, 3, 22, 13, 41, 421126, UTC),
        received_at=datetime(2026, 4, 3, 22, 13, 41, 421126, UTC),
        sequence=1,
    )
    assert len({(tick.symbol, tick.trade_id) for tick in ticks}) == len(ticks)
    assert [tick.price for tick in ticks if isinstance(tick, Trade)] == [float(row.split(",")[2]) for row in rows]


def test_the_sample_is_what_was_recorded(sample: Path, recordings: Path) -> None:
    flat = recordings / "coinbase_ticker" / "BTC-ETH_20260403_ticks.ndjson"
    assert [*read_recording(sample / "coinbase_ticks.csv")] == [*read_recording(flat)]


def test_raw_frames_of_the_advanced_feed(recordings: Path) -> None:
    path = recordings / "coinbase_ticker" / "BTC-USD_20260404_raw_frames.ndjson"
    frames = [json.loads(line) for line in path.read_text().splitlines()]
    ticks = [tick for tick in read_recording(path) if isinstance(tick, Trade)]
    assert [tick.price for tick in ticks] == [
        float(t["price"]) for f in frames for e in f["events"] for t in e["tickers"]
    ]
    assert [tick.sequence for tick in ticks] == [f["sequence_num"] for f in frames]
    for tick, frame in zip(ticks, frames, strict=True):
        exact = datetime.fromisoformat(frame["timestamp"])
        assert abs((tick.event_time - exact).total_seconds()) < 2e-6  # nanoseconds are rounded to microseconds
    assert len({tick.trade_id for tick in ticks}) == len(ticks)


def test_a_session_of_2021(recordings: Path) -> None:
    folder = recordings / "ws_recordings"
    trades = [trade for trade in read_recording(folder / "COINBASE.ws.28.0") if isinstance(trade, Trade)]
    with (folder / "_extracted_coinbase_match_ticker.csv").open() as file:
        rows = [*csv.DictReader(file)]
    opposite = {"buy": "sell", "sell": "buy"}
    assert [(t.symbol, t.trade_id, t.price, t.size, t.side) for t in trades] == [
        (
            row["product_id"].replace("-", ""),
            row["trade_id"],
            float(row["price"]),
            float(row["size"] or row["last_size"]),
            row["side"] if row["type"] == "ticker" else opposite[row["side"]],
        )
        for row in rows
    ]
    assert [t.received_at.timestamp() for t in trades] == pytest.approx([float(row["recv"]) for row in rows], abs=1e-6)
    # The ticker and the match of one trade agree about it, the taker's side included.
    assert len({(t.symbol, t.trade_id) for t in trades}) == len(
        {(t.symbol, t.trade_id, t.price, t.side) for t in trades}
    )


def test_a_session_of_binance_holds_its_trades_only(recordings: Path) -> None:
    recording = Recording(recordings / "ws_recordings" / "BINANCE.ws.1.0")
    assert recording.exchange == "binance"
    assert [(t.symbol, t.trade_id) for t in recording if isinstance(t, Trade)] == [
        ("NKNUSDT", "agg:15683430"),
        ("LRCBTC", "agg:9213679"),
    ]


def test_a_broken_line_is_rejected_with_its_place_and_the_others_go_on(tmp_path: Path, sample: Path) -> None:
    lines = (sample / "coinbase_ticks.csv").read_text().splitlines()[:5]
    lines[2] = lines[2].replace("2055.05", "-2055.05")
    lines[3] = "\x00garbage"
    path = tmp_path / "ticks.csv"
    path.write_text("\n".join(lines))
    items = [*Recording(path)]
    rejected = [item for item in items if isinstance(item, Rejected)]
    assert [(item.source, item.reason.partition(":")[0]) for item in rejected] == [
        ("ticks.csv:3", "price"),
        ("ticks.csv:4", "unknown shape"),
    ]
    assert len(items) == 4
    with pytest.raises(MessageError, match=r"ticks\.csv:3: price"):
        [*read_recording(path)]


def test_what_is_no_recording_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary\n")
    with pytest.raises(BadSourceDataError, match=r"notes\.txt.*no known recording"):
        Recording(tmp_path / "notes.txt")
    with pytest.raises(SourceError, match=r"nowhere\.csv"):
        Recording(tmp_path / "nowhere.csv")
