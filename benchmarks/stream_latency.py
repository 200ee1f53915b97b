"""From a tick in the log to the forecasts that it led to, in the log: 1,000 trades a second for a minute.

A feeding process appends, `bitpredict predict` forecasts, and this process reads `predictions` as a consumer does. A
forecast's time runs from the return of the append that brought the trade that closed its second, to the forecast being
in the consumer's hands. What must come is counted from the trades alone, past the predictor's code.

On Kafka the same is then asked of a bare loop of kafka-python, which answers each second with as many messages
in a transaction and computes nothing: what a predictor can reach with this client on this machine in this hour.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from benchmarks.stream_home import home
from benchmarks.stream_logs import event_logs
from benchmarks.stream_processes import Predictor, child, machine_load, number, said
from bitpredict.features.windows import Floats
from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.messages import decode_prediction, decode_trade
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.simulation import EXCHANGE
from bitpredict.streaming.topics import PREDICTIONS, trades_topic

RATE, SECONDS, WARM_UP = 1000.0, 60.0, 125.0
"""Timed after two minutes of the same load: a broker that has just started compiles itself for as long, and all
horizons are forecast from a minute's close on. Any sixty seconds have one more."""

GOAL_MS = 50.0
_BAR_HORIZONS = ("5m", "1h", "1d")

Place = tuple[str, str, int]
"""Symbol, horizon and origin, in whole seconds since 1970."""


class Came(NamedTuple):
    """A forecast, or an answer, as it came.

    Attributes:
        input: `topic/partition@offset` of the trade that ended its second.
        moment: when it was here, in seconds since 1970.
    """

    place: Place
    input: str
    moment: float


class Sent(NamedTuple):
    """A trade as it was appended; times in microseconds since 1970."""

    symbol: str
    trade_id: str
    event_time: int
    appended: int


def main() -> None:
    """Print p50, p95 and p99 in milliseconds by kind of log, and what was lost or doubled: nothing may be.

    BENCH_RATE, BENCH_SECONDS: trades a second, and for how long, after the warm-up.
    """
    with event_logs() as logs:
        for name, url in logs.items():
            p99 = _predictor(name, url)
            if name == "kafka":
                limit = _bare(url)
                print(f"  the predictor's p99 is {p99 / limit:.2f} x the bare loop's")


def _predictor(name: str, url: str) -> float:
    """Its p99, in milliseconds."""
    rate, seconds = number("RATE", RATE), number("SECONDS", SECONDS)
    with home(datetime.now(UTC), url) as settings, open_event_log(settings) as log, Predictor(settings) as predictor:
        load = machine_load()
        came, sent, fed = _fed(log, settings, _forecast)
        used = int(re.search(r"used (\d+) trades", predictor.stop())[1])  # type: ignore[index]
        milliseconds = _milliseconds(log, came, sent)
    due, seen = expected(sent), {one.place for one in came}
    p99 = float(np.percentile(milliseconds, 99))
    print(f"{name}: {rate:,.0f} trades/s for {seconds:.0f} s, {len(milliseconds):,} forecasts timed, {load}")
    print(f"  {_percentiles(milliseconds)}: p99 is {p99 / GOAL_MS:.2f} x the allowed {GOAL_MS:.0f} ms")
    print(
        f"  {len(sent):,} trades sent, {used:,} used; {len(due):,} forecasts due, {len(due - seen):,} of them "
        f"missing, {len(seen - due):,} not due, {len(came) - len(seen):,} doubled"
    )
    print(f"  the feeder's own appends: p50 {fed['p50']:.1f} ms, p99 {fed['p99']:.1f} ms")
    return p99


def _bare(url: str) -> float:
    """The p99 of kafka-python's bare loop, in milliseconds."""
    with home(datetime.now(UTC), url) as settings, open_event_log(settings) as log:
        address = settings.event_log_url.removeprefix("kafka://")
        load = machine_load()
        process = child("stream_bare", settings, "answer", address, trades_topic(EXCHANGE), PREDICTIONS)
        try:
            process.stdout.readline()  # type: ignore[union-attr]  # it is ready
            came, sent, _ = _fed(log, settings, _answer)
        finally:
            process.kill()
            process.wait()
        milliseconds = _milliseconds(log, came, sent)
    print(f"  kafka-python's bare loop: {len(milliseconds):,} answers, {_percentiles(milliseconds)}, {load}")
    return float(np.percentile(milliseconds, 99))


def _percentiles(milliseconds: Floats) -> str:
    p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99))
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, longest {milliseconds.max():.1f} ms"


def _fed(
    log: EventLog, settings: Settings, decode: Callable[[bytes], tuple[Place, str]]
) -> tuple[list[Came], list[Sent], dict[str, float]]:
    """What comes while trades are fed, the trades, and what the feeder said."""
    rate, seconds, file = number("RATE", RATE), number("SECONDS", SECONDS), settings.home / "sent"
    feeder = child("stream_feed", settings, rate, WARM_UP + seconds, 7, file)
    came = [Came(*decode(value), moment) for value, moment in _consumed(log, settings, feeder.poll)]
    fed = said(feeder)
    return came, [Sent(s, i, int(e), int(a)) for s, i, e, a in map(str.split, file.read_text().splitlines())], fed


def _forecast(value: bytes) -> tuple[Place, str]:
    made = decode_prediction(value)
    return (made.symbol, made.horizon, int(made.origin.timestamp())), made.input


def _answer(value: bytes) -> tuple[Place, str]:
    symbol, horizon, second, place = value.decode().split()
    return (symbol, horizon, int(second)), place


def _consumed(log: EventLog, settings: Settings, ended: object) -> Iterator[tuple[bytes, float]]:
    """Messages as they come, each with the moment (seconds since 1970) at which it was here, until three seconds
    after the feeder's end."""
    subscription = log.subscribe(f"benchmark-{settings.home.name}", [PREDICTIONS])
    quiet_at: float | None = None
    while quiet_at is None or time.monotonic() < quiet_at:
        polled = subscription.poll(0.5)
        now = time.time()
        for records in polled.records.values():
            for record in records:
                yield record.value, now
        if quiet_at is None and ended() is not None:  # type: ignore[operator]
            quiet_at = time.monotonic() + 3.0
    subscription.close()


def expected(sent: Iterable[Sent]) -> set[Place]:
    """What has to be forecast: each symbol's newest second that is over, whenever a trade ends one; beyond a minute
    from the first full minute on."""
    newest: dict[str, int] = {}
    minutes: dict[str, int] = {}
    due: set[Place] = set()
    for trade in sent:
        second = trade.event_time // 1_000_000
        if trade.symbol not in newest:
            minutes[trade.symbol] = second - second % 60 + 60
        elif second > newest[trade.symbol]:
            due.add((trade.symbol, "1m", second))
            if second >= minutes[trade.symbol]:
                due |= {(trade.symbol, horizon, second) for horizon in _BAR_HORIZONS}
        else:
            continue
        newest[trade.symbol] = second
    return due


def _milliseconds(log: EventLog, came: Iterable[Came], sent: list[Sent]) -> Floats:
    """Of what came to seconds after the warm-up."""
    appended = {(trade.symbol, trade.trade_id): trade.appended for trade in sent}
    topic = trades_topic(EXCHANGE)
    at: dict[str, int] = {}
    for partition, end in log.topic(topic).end.items():
        for record in log.read(topic, partition, 0, limit=end):
            trade = decode_trade(record.value)
            at[f"{topic}/{partition}@{record.offset}"] = appended[trade.symbol, trade.trade_id]
    first = sent[0].appended / 1e6 + WARM_UP
    return np.array([one.moment * 1000 - at[one.input] / 1000 for one in came if one.place[2] > first])


if __name__ == "__main__":
    main()
