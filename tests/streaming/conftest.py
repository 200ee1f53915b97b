"""The event log under test on every adapter: the same tests run against all of them."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest

from bitpredict.forecasting.model import TrainedModel
from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog, TopicSpec
from tests.support.candles import archived_candles
from tests.support.live_models import train
from tests.support.log_member import Member, messages
from tests.support.once import once
from tests.support.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

TrainedModels = tuple[Path, list[TrainedModel]]


@pytest.fixture(scope="session")
def three_weeks(sample: Path) -> pa.Table:
    """BTCUSDT, 2023-11-17 to 2023-12-05."""
    return archived_candles(sample, ["BTCUSDT"], date(2023, 11, 17), date(2023, 12, 6))


@pytest.fixture(scope="session")
def three_weeks_models(three_weeks: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> TrainedModels:
    """Models of those candles before December, with the folder of the store that holds them."""
    return once(tmp_path_factory, "live_models", lambda folder: (folder, train(three_weeks, "BTCUSDT", folder)))


@pytest.fixture(scope="session")
def kafka_url() -> Iterator[str]:
    """`kafka://host:port` of a real broker, started once a test process. Its deletion of old messages is quick."""
    from tests.support.kafka import serving

    with serving() as url:
        yield url


@pytest.fixture(
    params=["sqlite", *(pytest.param(name, marks=pytest.mark.slow) for name in ("postgresql", "kafka"))],
)
def log_settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of an event log; the environment has them too, for other processes. Kafka's is shared by all tests:
    they use names of their own for topics and groups."""
    servers = {"postgresql": "postgres_url", "kafka": "kafka_url"}
    if request.param in servers:
        monkeypatch.setenv("BITPREDICT_EVENT_LOG_URL", request.getfixturevalue(servers[request.param]))
    return Settings()


@pytest.fixture
def event_log(log_settings: Settings) -> Iterator[EventLog]:
    from bitpredict.streaming.open_log import open_event_log

    with open_event_log(log_settings) as log:
        yield log


@pytest.fixture
def name() -> str:
    """A word that no other test uses, for topics and groups."""
    return f"t{uuid4().hex[:10]}"


@pytest.fixture
def topic(event_log: EventLog, name: str) -> str:
    """Two partitions with a hundred messages."""
    event_log.create([TopicSpec(name, 2, None)])
    event_log.append(name, messages(100))
    return name


@pytest.fixture
def group(name: str) -> str:
    return f"{name}-group"


@pytest.fixture
def members(event_log: EventLog, group: str) -> Iterator[Callable[..., Member]]:
    """Makes members of the group, and lets them leave at the end."""
    made: list[Member] = []

    def make(*topics: str) -> Member:
        made.append(Member(event_log, group, *topics))
        return made[-1]

    yield make
    for member in made:
        member.subscription.close()
