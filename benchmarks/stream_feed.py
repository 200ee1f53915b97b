"""A feeding process: `python -m benchmarks.stream_feed RATE SECONDS SEED FILE` appends made-up trades as they happen.

Into FILE goes a line for each trade: symbol, trade_id, its event_time and when its append returned, in microseconds
since 1970.
"""

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bitpredict.market.time import EPOCH
from bitpredict.settings import load_settings
from bitpredict.streaming.log import Message
from bitpredict.streaming.messages import Trade, encode
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.simulation import EXCHANGE, simulated_trades
from bitpredict.streaming.topics import trades_topic

TOGETHER = 0.005
"""Seconds of trades that are appended at once, as the simulated market's collector does it."""

MICROSECOND = timedelta(microseconds=1)


def main() -> None:
    rate, seconds, seed, path = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    settings = load_settings()
    took = []
    with open_event_log(settings) as log, path.open("w") as file:
        log.topics()  # connected
        start = datetime.now(UTC)
        began, trades = time.time(), simulated_trades(settings.symbols, rate, seed, start)
        for together in _due(trades, start, began, seconds):
            messages = [Message(trade.symbol, encode(trade), int(time.time() * 1000)) for trade in together]
            before = time.perf_counter()
            log.append(trades_topic(EXCHANGE), messages)
            took.append(time.perf_counter() - before)
            now = int(time.time() * 1e6)
            for trade in together:
                file.write(f"{trade.symbol} {trade.trade_id} {(trade.event_time - EPOCH) // MICROSECOND} {now}\n")
        ended = time.time()
    milliseconds = np.percentile(np.array(took) * 1000, (50, 99))
    print(json.dumps({"late": ended - began - seconds, "p50": milliseconds[0], "p99": milliseconds[1]}))


def _due(trades: Iterator[Trade], start: datetime, began: float, seconds: float) -> Iterator[list[Trade]]:
    """What has happened since the last time, until the market is `seconds` old."""
    together: list[Trade] = []
    for trade in trades:
        at = (trade.event_time - start).total_seconds()
        wait = began + at - time.time()
        if together and (wait > 0 or len(together) == 1000):
            time.sleep(max(wait, TOGETHER if wait > 0 else 0.0))
            yield together
            together = []
        if at >= seconds:
            break
        together.append(trade)
    if together:
        yield together


if __name__ == "__main__":
    main()
