"""Dagster's code server and daemon beside a live lane, as `bitpredict up` starts and minds them."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
import psutil
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, TickStatus

from bitpredict.settings import Settings
from bitpredict.streaming.ranges import Range
from bitpredict_assets.dead_runs import end_dead_runs
from bitpredict_assets.instance import prepare_dagster_home
from bitpredict_assets.service import Service
from bitpredict_assets.services import services
from bitpredict_sensors import offsets
from bitpredict_sensors.requested import TradesCursor
from tests.support.commands import command_line, environment_of

LOOK_SECONDS, MIND_SECONDS = 0.2, 3.0
_SENSOR = "streamed_trades_sensor"


@dataclass
class Graph:
    """The services that run, and what Dagster has recorded."""

    server: Service
    daemon: Service
    instance: dg.DagsterInstance
    environment: dict[str, str]

    def start_daemon(self) -> None:
        self.daemon.start(self.environment)

    def kill_daemon(self) -> None:
        assert self.daemon.process is not None
        self.daemon.process.kill()
        assert self.daemon.process.wait(30) == -9

    def workers(self) -> list[psutil.Process]:
        """The processes of runs that are under way."""
        assert self.server.process is not None
        children = psutil.Process(self.server.process.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in command_line(child)]

    def works(self) -> bool:
        """Whether a run has got to its work."""
        return bool(self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))

    def cursor(self) -> TradesCursor:
        """What the sensor of streamed_trades remembers."""
        state = self._sensor()
        return offsets.decoded(state and state.instigator_data.cursor, TradesCursor, TradesCursor())

    def has_launched(self) -> bool:
        """Whether a tick of that sensor has launched runs, and its cursor is not stored yet."""
        state = self._sensor()
        if state is None:
            return False
        ticks = self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        stored = state.instigator_data.last_tick_timestamp or 0.0
        return any(tick.status is TickStatus.SUCCESS and tick.timestamp > stored for tick in ticks)

    def _sensor(self) -> InstigatorState | None:
        states = self.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        return next((s for s in states if s.instigator_name == _SENSOR and s.instigator_data), None)

    def ranges(self) -> set[Range]:
        """What the runs that succeeded were given."""
        done = self.instance.get_runs(dg.RunsFilter(job_name="stream", statuses=[dg.DagsterRunStatus.SUCCESS]))
        given = [each for run in done for each in run.run_config["ops"]["streamed_trades"]["config"]["ranges"]]
        return {Range(each["topic"], each["partition"], each["start"], each["end"]) for each in given}

    def until(self, happened: Callable[[], object], seconds: float = 240, pause: float = LOOK_SECONDS) -> None:
        """Look until it has happened, and meanwhile mark runs whose process is gone, as the supervisor does."""
        began = time.monotonic()
        mind_at, deadline = began, began + seconds
        while not happened():
            assert time.monotonic() < deadline, "\n".join(self.server.last_lines(20) + self.daemon.last_lines(20))
            for service in (self.server, self.daemon):
                assert service.ended is None, service.last_lines(20)
            if time.monotonic() >= mind_at:
                end_dead_runs(self.instance)
                mind_at = time.monotonic() + MIND_SECONDS
            time.sleep(pause)


@contextmanager
def graph(settings: Settings) -> Iterator[Graph]:
    home = prepare_dagster_home(settings)
    configuration = home / "dagster.yaml"
    configuration.write_text(_quick(configuration.read_text()))
    by_name = {service.name: service for service in services(settings, home)}
    environment = environment_of(settings) | {"DAGSTER_HOME": str(home)}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        running = Graph(by_name["code server"], by_name["daemon"], instance, environment)
        try:
            running.server.start(environment)
            running.start_daemon()
            yield running
        finally:
            for service in (running.daemon, running.server):
                service.end(deadline=0.0)


def _quick(configuration: str) -> str:
    """A run whose start was cut off by a kill is given up sooner than after two minutes."""
    for slow, quick in (
        ("start_timeout_seconds: 120", "start_timeout_seconds: 45"),
        ("interval_seconds: 30", "interval_seconds: 2"),
    ):
        assert slow in configuration
        configuration = configuration.replace(slow, quick)
    return configuration


def waiting(graph: Graph, ends: dict[tuple[str, int], int]) -> str:
    """What the sensor has not taken yet; empty when all of it is in runs that succeeded."""
    cursor = graph.cursor()
    behind = {
        f"{topic}/{number}": end
        for (topic, number), end in ends.items()
        if topic not in cursor.topics or cursor.topics[topic].partitions.get(number, 0) < end
    }
    return json.dumps([behind, [run.run_key for run in cursor.runs]]) if behind or cursor.runs else ""
