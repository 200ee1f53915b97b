"""Where a lane's processes meet: an event log and a ledger of each test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from tests.support.kafka import Broker, new_broker

SYMBOLS = ("BTCUSD", "ETHUSD")


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that runs."""
    with new_broker() as broker:
        broker.start()
        yield broker


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", market="coinbase", symbols=SYMBOLS)


@pytest.fixture
def on_kafka(tmp_path: Path, broker: Broker) -> Settings:
    return Settings(home=tmp_path / "home", market="coinbase", symbols=SYMBOLS, event_log_url=broker.url)
