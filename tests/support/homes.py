"""What a home holds, read past the product's own readers where that is possible, to be compared with another home."""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

LAKE_TABLES = ("binance_candles", "candles", "price_features", "feature_table")
DATABASE_TABLES = (*("data_gaps", "model_evaluations", "champions", "forecasts", "forecast_outcomes", "scorecard"),)
INVENTED_TABLES = ("crypto_assets", "price_data_real", "crypto_news", "news_feeds", "article_sentiment")
"""What `bitpredict demo` fills beside them, and a backfill leaves empty."""
INVENTED_LAKE_TABLES = ("market_breadth", "hourly_sentiment")
_ORDER = ("symbol", "open_time", "origin", "hour", "source", "coin")

STAMPS = frozenset(
    {"first_seen", "evaluated_at", "decided_at", "written_at", "scored_at", "updated_at", "input"},
)
"""Columns that say when a row was made, or from which version of the lake: alike in one home, not in two."""

Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Home:
    """A folder that BITPREDICT_HOME named."""

    path: Path

    def lake(self, table: str) -> pa.Table:
        """Every row of a lake table, in order; no rows where there is no table."""
        folder = self.path / "lake" / table
        if not (folder / "_delta_log" / f"{0:020}.json").exists():
            return pa.table({})
        rows = DeltaTable(str(folder)).to_pyarrow_table()
        return rows.sort_by([(name, "ascending") for name in _ORDER if name in rows.column_names]).combine_chunks()

    def days(self, table: str) -> list[str]:
        """The days that hold rows."""
        rows = self.lake(table)
        return sorted(f"{day}" for day in pc.unique(rows["day"]).to_pylist()) if rows.num_columns else []

    def database(self, table: str, *, stamps: bool = True) -> Rows:
        """Every row of a database table, ordered by all columns."""
        with closing(sqlite3.connect(f"file:{self.path / 'bitpredict.db'}?mode=ro", uri=True)) as connection:
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            chosen = ", ".join(f'"{name}"' for name in names if stamps or name not in STAMPS)
            return sorted(connection.execute(f"SELECT {chosen} FROM {table}"), key=repr)  # noqa: S608

    def versions(self) -> dict[str, str]:
        """The files of the model store's versions, whole or not -> digest."""
        files = sorted((self.path / "models").glob(f"{'[0-9a-f]' * 16}/*"))
        return {f"{file.parent.name}/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def registered(self) -> Counter[str]:
        """Versions in MLflow's registry -> how often they are there."""
        if not (self.path / "mlflow.db").exists():
            return Counter()
        with closing(sqlite3.connect(f"file:{self.path / 'mlflow.db'}?mode=ro", uri=True)) as connection:
            return Counter(
                version
                for (version,) in connection.execute("SELECT value FROM model_version_tags WHERE key = 'version'")
            )

    def everything(self, *, stamps: bool = True) -> Mapping[str, object]:
        """All of it by name; two homes with equal values hold the same."""
        return dict(self._everything(stamps))

    def _everything(self, stamps: bool) -> Iterator[tuple[str, object]]:
        yield from ((table, self.lake(table)) for table in (*LAKE_TABLES, *INVENTED_LAKE_TABLES))
        yield from ((table, self.database(table, stamps=stamps)) for table in (*DATABASE_TABLES, *INVENTED_TABLES))
        yield "model store", self.versions()
        yield "MLflow", self.registered()


def assert_same(found: Mapping[str, object], expected: Mapping[str, object]) -> None:
    """Compare what two homes hold, or one at two times; names what differs."""
    different = [name for name in expected if found[name] != expected[name]]
    assert not different, {name: _difference(found[name], expected[name]) for name in different}
    assert set(found) == set(expected)


def assert_part_of(home: Home, whole: Home) -> None:
    """What the lake of `home` holds is, day by day, what `whole` holds: no row is doubled, altered or half there."""
    for table in LAKE_TABLES:
        rows, expected = home.lake(table), whole.lake(table)
        if rows.num_rows:
            same_days = pc.is_in(expected["day"], pc.unique(rows["day"]))
            assert rows.equals(expected.filter(same_days).combine_chunks()), f"{table}: {home.days(table)}"


def _difference(found: object, expected: object) -> str:
    if isinstance(found, list) and isinstance(expected, list):
        lost, more = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        return f"{len(expected)} rows before, {len(found)} now; lost {list(lost)[:2]}; new {list(more)[:2]}"
    if isinstance(found, dict) and isinstance(expected, dict):
        return f"{sorted(set(found.items()) ^ set(expected.items()))[:6]}"
    if isinstance(found, pa.Table) and isinstance(expected, pa.Table):
        return f"{expected.num_rows} rows before, {found.num_rows} now"
    return f"{expected} before, {found} now"
