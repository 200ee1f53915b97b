"""What the live lane's benchmarks run on: a home with a market's past and its models."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.features.table import price_features
from bitpredict.forecasting.boosting import Boosting
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.history import history
from bitpredict.forecasting.store import ModelStore
from bitpredict.forecasting.training import train_month
from bitpredict.market.candles import canonical
from bitpredict.market.horizons import HORIZONS
from bitpredict.market.time import DAY
from bitpredict.settings import Settings
from bitpredict.sources.candles import choose_source, collect
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.topics import topic_specs

SYMBOLS = ("BTCUSDT", "ETHUSDT")
_ROOT = Path(__file__).resolve().parent.parent
_TRAINED_FROM, _MONTH = datetime(2023, 11, 1, tzinfo=UTC), "2023-12-01"
_SAMPLE_DAY = datetime(2023, 12, 30, tzinfo=UTC)  # what the market's first day is made of
_HISTORY, _HOUR = timedelta(days=12), timedelta(hours=1)


@contextmanager
def home(begins: datetime, event_log_url: str) -> Iterator[Settings]:
    """The simulated market's home, as it is on a machine that has run for a while: candles of the days before
    `begins` and of the hour after, a champion (boosting) of every symbol and horizon, topics without messages."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        settings = Settings(
            home=Path(folder),
            market="simulated",
            symbols=SYMBOLS,
            event_log_url=event_log_url,
            trades_retention_hours=6,
        )
        _write_history(settings, _sample(), begins)
        models, versions = _trained()
        shutil.copytree(models.name, settings.models)
        _register(settings, versions)
        with open_event_log(settings) as log:
            for spec in topic_specs(settings):
                log.delete(spec.name)
            log.create(topic_specs(settings))
        yield settings


def _write_history(settings: Settings, candles: pa.Table, begins: datetime) -> None:
    """The sample's last days, moved to where the market begins, at the simulation's prices.

    The predictor takes them up to the minute of a symbol's first trade."""
    midnight = begins.replace(hour=0, minute=0, second=0, microsecond=0)
    until = begins.replace(second=0, microsecond=0) + _HOUR
    moved = midnight - _SAMPLE_DAY
    parts = []
    for symbol, price in zip(SYMBOLS, (20_000.0, 1_500.0), strict=True):
        inside = pc.and_(
            pc.greater_equal(candles["open_time"], pa.scalar(midnight - _HISTORY - moved)),
            pc.less(candles["open_time"], pa.scalar(until - moved)),
        )
        rows = candles.filter(pc.and_(inside, pc.equal(candles["symbol"], symbol))).sort_by("open_time")
        factor = price / rows["close"][-1].as_py()
        for name in ("open", "high", "low", "close"):
            rows = _with(rows, name, pc.multiply(rows[name], factor))
        for name in ("open_time", "known_at"):
            instants = rows[name].to_numpy() + np.timedelta64(moved)
            rows = _with(rows, name, pa.array(instants, pa.timestamp("us")).cast(rows.schema.field(name).type))
        parts.append(rows)
    Lake.from_settings(settings).replace(CANDLES, pa.concat_tables(parts), midnight - _HISTORY, midnight + 2 * DAY)


def _with(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)


@cache
def _trained() -> "tuple[tempfile.TemporaryDirectory[str], dict[str, str]]":
    """A model store that lasts as long as this process, and `<symbol>-<horizon>` -> the version of its champion,
    trained on November."""
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    store, now, versions = ModelStore(Path(folder.name)), datetime.now(UTC), {}
    recipes = (SeasonalHar(), Boosting())  # the first is the one that all are compared with
    for symbol in SYMBOLS:
        end = datetime.fromisoformat(_MONTH).replace(tzinfo=UTC)
        past = history(price_features(_sample(), symbol, _TRAINED_FROM, end), _sample(), symbol, _MONTH)
        for horizon in HORIZONS:
            _, champion = train_month(past, horizon, recipes, store, now).models
            versions[f"{symbol}-{horizon.name}"] = champion.version
    return folder, versions


@cache
def _sample() -> pa.Table:
    source = choose_source(Settings(market="sample", symbols=SYMBOLS))
    return canonical(collect(source, SYMBOLS, _TRAINED_FROM, _SAMPLE_DAY + 2 * DAY).candles)


def _register(settings: Settings, versions: dict[str, str]) -> None:
    """As the registry's own tables say it: the predictor reads no others, and loading MLflow takes its time."""
    with closing(sqlite3.connect(settings.home / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE registered_model_aliases (name, alias, version)")
        connection.execute("CREATE TABLE model_version_tags (name, version, key, value)")
        for place, version in versions.items():
            name = f"bitpredict-{place}"
            connection.execute("INSERT INTO registered_model_aliases VALUES (?, 'champion', 1)", [name])
            connection.execute("INSERT INTO model_version_tags VALUES (?, 1, 'version', ?)", [name, version])
