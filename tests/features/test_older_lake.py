"""A lake that was written before the columns from outside the candles were there."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from bitpredict.errors import StorageError
from bitpredict.features.catalog import FEATURE_TABLE
from bitpredict.features.outside import FEATURES
from bitpredict.features.table import features_between
from bitpredict.settings import Settings
from bitpredict.storage.lake import Lake

DAY = timedelta(days=1)
START = datetime(2023, 11, 11, tzinfo=UTC)
GAINED = {*(feature.name for feature in FEATURES), "sentiment_coverage", "breadth_coverage", "outside_provenance"}
BEFORE = replace(FEATURE_TABLE, schema=pa.schema([c for c in FEATURE_TABLE.schema if c.name not in GAINED]))
SAYS = (
    r"is not this version's table feature_table: it has no column sentiment_coverage, which may not be null; move that "
    "folder away and materialize its days again, or point BITPREDICT_LAKE_URL elsewhere"
)


@pytest.fixture
def rows(fortnight) -> pa.Table:
    return features_between(fortnight, START, START + timedelta(hours=2))


@pytest.fixture
def lake(rows) -> Lake:
    Lake.from_settings(Settings()).replace(BEFORE, rows, START, START + DAY)
    return Lake.from_settings(Settings())


def test_it_is_refused_with_the_remedy_and_stays_as_it_is(lake, rows):
    assert len(FEATURE_TABLE.schema) == len(BEFORE.schema) + 16
    for use in (
        lambda: lake.read(FEATURE_TABLE),
        lambda: lake.read(FEATURE_TABLE, columns=["symbol"]),
        lambda: lake.replace(FEATURE_TABLE, rows, START, START + DAY),
        lambda: lake.days(FEATURE_TABLE),
    ):
        with pytest.raises(StorageError, match=SAYS):
            use()
    assert lake.read(BEFORE).equals(BEFORE.conform(rows))
    assert lake.version(BEFORE) == 0


def test_the_remedy_makes_it_this_version_s_table(lake, rows):
    with pytest.raises(StorageError, match=SAYS):
        lake.read(FEATURE_TABLE)
    folder = Path(Settings().lake, "feature_table")
    folder.rename(folder.with_name("feature_table_before"))
    assert lake.read(FEATURE_TABLE).equals(FEATURE_TABLE.empty())
    lake.replace(FEATURE_TABLE, rows, START, START + DAY)
    assert lake.read(FEATURE_TABLE).equals(FEATURE_TABLE.conform(rows))
