"""From a trade in the log to its partition of `streamed_trades`, over what an empty asset takes by the same sensor.

One code server, one daemon, one sensor: in turn it asks for the product's run and for one of an asset that does
nothing. Each trade is appended half a second after a tick that found nothing, so that both wait alike for the next.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
import numpy as np

from benchmarks.stream_processes import environment, free_port, machine_load, number, temporary
from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog, Message
from bitpredict.streaming.messages import Trade, encode
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.simulation import EXCHANGE
from bitpredict.streaming.topics import topic_specs, trades_topic
from bitpredict_assets.instance import prepare_dagster_home

ROUNDS, GOAL_SECONDS, PATIENCE = 10, 1.0, 120.0
_TRADES_EACH = 100


def main() -> None:
    """Print seconds of both and their difference; BENCH_ROUNDS: how many of each, after one that is not timed."""
    rounds = int(number("ROUNDS", ROUNDS))
    before = os.environ.pop("DAGSTER_HOME", None)
    with temporary() as folder:
        settings = Settings(home=folder, market="simulated")
        home = prepare_dagster_home(settings)
        print(f"{rounds} runs of each, {_TRADES_EACH} trades a run, {machine_load()}", flush=True)
        with open_event_log(settings) as log, dg.DagsterInstance.from_config(str(home)) as instance:
            log.create(topic_specs(settings))
            (folder / "mode").write_text("empty")
            with _dagster(settings, home):
                took = _rounds(settings, log, instance, rounds + 1)
    if before is not None:
        os.environ["DAGSTER_HOME"] = before
    p50, p95 = ({name: float(np.percentile(times, level)) for name, times in took.items()} for level in (50, 95))
    for name in took:
        print(f"  {name}: p50 {p50[name]:.2f} s, p95 {p95[name]:.2f} s")
    over = p95["streamed_trades"] - p95["empty"]
    print(f"  over the empty asset: p50 {p50['streamed_trades'] - p50['empty']:.2f} s, p95 {over:.2f} s", end=": ")
    print(f"{over / GOAL_SECONDS:.2f} x the allowed {GOAL_SECONDS:.0f} s")


def _rounds(settings: Settings, log: EventLog, instance: dg.DagsterInstance, rounds: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {"empty": [], "streamed_trades": []}
    for turn in range(rounds):
        for name, times in took.items():
            (settings.home / "mode").write_text(name)
            _after_a_tick(settings)
            seen = _newest(instance, name)
            now = datetime.now(UTC)
            log.append(trades_topic(EXCHANGE), [_message(turn, name, place, now) for place in range(_TRADES_EACH)])
            appended, deadline = time.time(), time.monotonic() + PATIENCE
            while (done := _newest(instance, name)) == seen:
                if time.monotonic() > deadline:
                    raise SystemExit(f"{name} was not materialized within {PATIENCE:.0f} s")
                time.sleep(0.1)
            if turn:
                times.append(done - appended)
            _settled(instance)
    return took


def _message(turn: int, name: str, place: int, now: datetime) -> Message:
    trade = Trade(EXCHANGE, "BTCUSDT", f"{name}-{turn}-{place}", 20_000.0, 0.1, "buy", now, now, provenance="simulated")
    return Message(trade.symbol, encode(trade), int(now.timestamp() * 1000))


def _after_a_tick(settings: Settings) -> None:
    """Wait for the end of the next tick, and half a second more for the daemon to have stored it."""
    ticked, deadline = settings.home / "ticked", time.monotonic() + PATIENCE
    before = ticked.read_text() if ticked.exists() else ""
    while not ticked.exists() or ticked.read_text() in ("", before):
        if time.monotonic() > deadline:
            raise SystemExit("the sensor does not tick")
        time.sleep(0.05)
    time.sleep(0.5)


def _newest(instance: dg.DagsterInstance, name: str) -> float:
    """When the asset was materialized last; 0 if never."""
    event = instance.get_latest_materialization_event(dg.AssetKey(name))
    return event.timestamp if event is not None else 0.0


def _settled(instance: dg.DagsterInstance) -> None:
    """Wait until no run is left, so that the next one does not queue behind it."""
    going = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    while instance.get_runs_count(dg.RunsFilter(statuses=going)):
        time.sleep(0.2)


@contextmanager
def _dagster(settings: Settings, home: os.PathLike[str]) -> Iterator[None]:
    """The code server and the daemon, as `bitpredict up` starts them, with the benchmark's definitions."""
    port = free_port()
    workspace = settings.home / "workspace.yaml"
    workspace.write_text(f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {port}\n")
    surroundings = environment(settings) | {
        "DAGSTER_HOME": str(home),
        "BITPREDICT_STREAM_MIN_MESSAGES": "1",
    }
    code = [*["dagster", "api", "grpc", "-m", "benchmarks.stream_graph"], *["-h", "127.0.0.1", "-p", f"{port}"]]
    with (settings.home / "dagster.log").open("wb") as log:
        commands = (code, ["dagster._daemon", "run", "-w", str(workspace)])
        processes = [
            subprocess.Popen([sys.executable, "-m", *command], env=surroundings, stdout=log, stderr=log)
            for command in commands
        ]
        try:
            yield
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(30)


if __name__ == "__main__":
    main()
