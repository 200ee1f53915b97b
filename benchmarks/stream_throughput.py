"""How fast one predictor works off a backlog, against a bare loop of kafka-python and a pipeline in quixstreams.

The same topic for all, one process each, one after the other. The predictor does all that it does live: windows,
bars, features and models at each minute, forecasts each second, checkpoints and outputs in transactions. The bare loop
decodes each message with the same decoder and does nothing with it. The pipeline in quixstreams makes ret_mean, ret_std
and n of the last 50 trades each second, nothing more: once with the library's own windows, once with a list in its
state store.

quixstreams is no part of this project's environment. With one of its own it is measured too:
`python -m venv /tmp/quix && /tmp/quix/bin/pip install quixstreams`, then BENCH_QUIXSTREAMS=/tmp/quix/bin/python.
"""

import json
import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from benchmarks.stream_home import home
from benchmarks.stream_logs import event_logs
from benchmarks.stream_processes import Predictor, child, machine_load, number, said
from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog, Message
from bitpredict.streaming.messages import encode
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.predictor import GROUP
from bitpredict.streaming.simulation import EXCHANGE, simulated_trades
from bitpredict.streaming.topics import trades_topic

MESSAGES, RATE = 200_000, 1000.0
TOPIC = trades_topic(EXCHANGE)


def main() -> None:
    """Print messages a second and ratios; BENCH_MESSAGES: how many."""
    count = int(number("MESSAGES", MESSAGES))
    with event_logs() as logs:
        for name, url in logs.items():
            begins = datetime.now(UTC) - timedelta(seconds=count / RATE)
            with home(begins, url) as settings, open_event_log(settings) as log:
                _fill(log, settings, begins, count)
                print(f"{name}: {count:,} trades of {count / RATE:.0f} s of a market, {machine_load()}")
                if name == "kafka":
                    _against_kafka(log, settings, count)
                else:
                    print(f"  predictor {_predictor(log, settings):,.0f}/s")


def _against_kafka(log: EventLog, settings: Settings, count: int) -> None:
    address = settings.event_log_url.removeprefix("kafka://")
    bare = [_bare(settings, address, count)]
    ours = _predictor(log, settings)
    bare.append(_bare(settings, address, count))
    limit = sum(bare) / len(bare)
    print(f"  predictor {ours:,.0f}/s; bare loop {bare[0]:,.0f} and {bare[1]:,.0f}/s", end=": ")
    print(f"{ours / limit:.2f} x the bare loop (target 0.5)")
    python = os.environ.get("BENCH_QUIXSTREAMS")
    if not python:
        print("  quixstreams is not installed: skipped (BENCH_QUIXSTREAMS names a Python that has it)")
        return
    for how in ("windows", "state"):
        for guarantee in ("exactly-once", "at-least-once"):
            theirs = _quixstreams(python, address, count, guarantee, how)
            ratio = f"{ours / theirs:.1f} x as fast{' (target 3)' if how == 'windows' else ''}"
            print(f"  quixstreams, {how}, {guarantee}: {theirs:,.0f}/s: the predictor is {ratio}")


def _fill(log: EventLog, settings: Settings, begins: datetime, count: int) -> None:
    trades = simulated_trades(settings.symbols, RATE, 7, begins)
    while messages := [Message(t.symbol, encode(t), int(time.time() * 1000)) for t in islice(trades, min(count, 5000))]:
        log.append(TOPIC, messages)
        count -= len(messages)


def _predictor(log: EventLog, settings: Settings) -> float:
    """From its first checkpoint to the one at the topic's end."""
    ends = log.topic(TOPIC).end
    with Predictor(settings) as predictor:
        first: tuple[int, float] | None = None
        while True:
            positions = log.groups(TOPIC).get(GROUP, {})
            done, now = sum(positions.values()), time.perf_counter()
            if done and first is None:
                first = done, now
            if first and all(positions.get(number, 0) >= end for number, end in ends.items() if end):
                break
            time.sleep(0.25)
        print(f"  {predictor.stop()}")
    return (done - first[0]) / (now - first[1])


def _bare(settings: Settings, address: str, count: int) -> float:
    return said(child("stream_bare", settings, "read", address, TOPIC, count))["rate"]


def _quixstreams(python: str, address: str, count: int, guarantee: str, how: str) -> float:
    script = Path(__file__).with_name("stream_quix.py")
    command = [python, script, address, TOPIC, f"{count}", guarantee, how]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return float(json.loads(out.splitlines()[-1])["rate"])


if __name__ == "__main__":
    main()
