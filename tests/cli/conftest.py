"""The command line as a user calls it, and a home whose stores are filled."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner, Result

from bitpredict.cli import main
from bitpredict.market.gaps import Gap
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.evaluations import replace_scorecard
from bitpredict.storage.gap_ledger import reconcile
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import write_forecasts
from tests.support import stores
from tests.support.mariadb import mariadb_server, mariadb_url
from tests.support.once import once
from tests.support.postgres import postgres_server, postgres_url

__all__ = ["mariadb_server", "mariadb_url", "postgres_server", "postgres_url"]

Run = Callable[..., Result]


@cache
def assembled(*_bring: Callable[..., object]) -> typer.Typer:
    """The command line with what these functions bring; a test may replace them."""
    return main.build()


@pytest.fixture
def run() -> Run:
    """Call `bitpredict` with arguments; an exception that is no exit is the test's failure."""

    def call(*arguments: object) -> Result:
        result = CliRunner().invoke(
            assembled(main._more_commands, main.entry_points), [str(argument) for argument in arguments]
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(tmp_path_factory, "filled", filled_in)


def filled_in(folder: Path) -> Path:
    """A home with December's candles, their hole in the gap ledger, forecasts and a scorecard."""
    settings = Settings(home=folder / "home")
    candles = pa.Table.from_pandas(stores.real_candles(), preserve_index=False)
    Lake.from_settings(settings).replace(CANDLES, candles, stores.START, stores.END)
    engine = connect(settings)
    write_forecasts(engine, stores.made_forecasts())
    replace_scorecard(engine, stores.made_scorecard())
    now = stores.WRITTEN
    reconcile(engine, "BTCUSDT", "candles", stores.START, stores.END, [Gap(*stores.HOLE)], now=now)
    late = Gap(stores.START, stores.START + timedelta(minutes=7))
    reconcile(engine, "ETHUSDT", "candles", stores.START, stores.END, [late], now=now)
    reconcile(engine, "ETHUSDT", "candles", stores.START, stores.END, [], repaired_from="kraken", now=now)
    engine.dispose()
    return settings.home


@pytest.fixture
def filled(settings: Settings, filled_home: Path) -> Settings:
    """The test's own home, filled."""
    shutil.copytree(filled_home, settings.home)
    return settings
