"""A live lane of each test's own: its event log, ticks of the sensors, and the runs they ask for."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.schedules import SqliteScheduleStorage

from bitpredict.settings import Settings
from bitpredict.storage.contracts import STREAMED_TRADES
from bitpredict.storage.database import connect
from bitpredict.storage.lake import Lake
from bitpredict.streaming.log import EventLog, Message, TopicSpec
from bitpredict.streaming.messages import Trade, encode
from tests.support.graph import QUIET, defs, shared_instance

TOPIC = "coinbase-trades"
HOUR = timedelta(hours=1)


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def trade(number: int, moment: datetime, symbol: str = "BTCUSD", price: float = 40_000.0) -> Trade:
    return Trade("coinbase", symbol, f"{number}", price + number, 0.25, "buy", moment, datetime.now(UTC), number)


@dataclass
class Lane:
    """A sensor between a log and the graph: `tick` evaluates it, `run` executes what it asked for.

    Attributes:
        cursor: what the daemon keeps between ticks.
        sent: the trades appended by `send`.
    """

    settings: Settings
    log: EventLog
    sensor: str = "streamed_trades_sensor"
    cursor: str | None = None
    sent: list[Trade] = field(default_factory=list)

    def send(self, *trades: Trade, age: timedelta = HOUR, topic: str = TOPIC) -> None:
        """Append trades as if received `age` ago."""
        received = milliseconds(datetime.now(UTC) - age)
        self.sent.extend(trades)
        self.log.append(topic, [Message(each.symbol, encode(each), received) for each in trades])

    def tick(self, *, keep: bool = True) -> dg.SensorResult:
        """Evaluate the sensor as the daemon does; without `keep` as one that dies before it stores the cursor."""
        from bitpredict_assets.resources import Platform

        definition = defs.get_repository_def().get_sensor_def(self.sensor)
        context = dg.build_sensor_context(
            instance=shared_instance(),
            cursor=self.cursor,
            repository_def=defs.get_repository_def(),
            sensor_name=self.sensor,
            resources={"platform": Platform()},
        )
        with context:
            result = definition.evaluate_tick(context)
        if keep:
            self.cursor = result.cursor
        return result

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def("stream").execute_in_process(
            partition_key=request.partition_key,
            run_config={**QUIET, **request.run_config},
            tags={"dagster/run_key": request.run_key},
            instance=shared_instance(),
            raise_on_error=False,
        )

    def catch_up(self) -> list[dg.ExecuteInProcessResult]:
        """Tick and run until there is nothing more to do."""
        done: list[dg.ExecuteInProcessResult] = []
        while requests := self.tick().run_requests:
            done += [self.run(request) for request in requests]
            assert all(each.success for each in done)
            assert len(done) < 50
        return done

    def rows(self) -> list[dict[str, object]]:
        return Lake.from_settings(self.settings).read(STREAMED_TRADES).to_pylist()

    def stored(self) -> set[tuple[str, str, float, datetime]]:
        found = [(str(r["symbol"]), str(r["trade_id"]), r["price"], r["event_time"]) for r in self.rows()]
        assert len(set(found)) == len(found)
        return set(found)  # type: ignore[arg-type]

    def expected(self) -> set[tuple[str, str, float, datetime]]:
        return {(each.symbol, each.trade_id, each.price, each.event_time) for each in self.sent}


@pytest.fixture(autouse=True, scope="session")
def _ticks_are_kept(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A Dagster instance in memory keeps no ticks; every one that a sensor meets does."""
    storage = SqliteScheduleStorage.from_local(str(tmp_path_factory.mktemp("schedules")))
    shared_instance()._schedule_storage = storage


@pytest.fixture
def log(settings: Settings) -> Iterator[EventLog]:
    from bitpredict.streaming.open_log import open_event_log

    with open_event_log(settings) as log:
        yield log


@pytest.fixture
def lane(settings: Settings, log: EventLog) -> Lane:
    log.create([TopicSpec(TOPIC, 2, None)])
    return Lane(settings, log)


@pytest.fixture
def engine(settings: Settings):
    engine = connect(settings)
    yield engine
    engine.dispose()
