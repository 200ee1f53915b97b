"""The checks of `feature_table` fail visibly, and name what is wrong."""

from datetime import UTC, datetime

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.features.catalog import PRICE_FEATURES
from bitpredict.features.outside import Outside
from bitpredict.features.table import features_between
from bitpredict.market.time import DAY
from bitpredict.storage.lake import Lake
from tests.support.graph import Ran, check_alone, run_job

START, END = datetime(2023, 11, 12, tzinfo=UTC), datetime(2023, 11, 13, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("with_features")


def peeking(candles: pa.Table, start: datetime, end: datetime, outside: Outside) -> pa.Table:
    """The feature table with one value taken from five minutes after each origin."""
    table = features_between(candles, start, end, outside)
    own = candles.filter(pc.equal(candles["symbol"], "BTCUSDT")).to_pandas().set_index("open_time")["close"]
    after = own.reindex(table["origin"].to_pandas() + pd.Timedelta(minutes=5)).to_numpy()
    return table.set_column(
        table.column_names.index("return_5"), "return_5", pa.array(after, pa.float64(), from_pandas=True)
    )


@pytest.mark.slow
def test_a_feature_that_sees_the_future_is_named(monkeypatch):
    monkeypatch.setattr("bitpredict_assets.features.checks.features_between", peeking)
    ran = run_job("prices_and_features", "2023-11-12", assets=["feature_table"])
    check = ran.check("no_lookahead")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    leaking = ran.check_metadata("no_lookahead")["leaking features"]
    assert list(leaking) == ["return_5"]
    assert "BTCUSDT" in leaking["return_5"]
    assert "2023, 11, 12" in leaking["return_5"]


def planted(lake: Lake, **columns: object) -> Ran:
    """Make the feature table of the 12th from price features with these columns in every fifth row."""
    rows = lake.read(PRICE_FEATURES, START, END).to_pandas()
    fifth = np.arange(len(rows)) % 5 == 0
    rows = rows.assign(**{name: rows[name].mask(fifth, value) for name, value in columns.items()})
    lake.replace(PRICE_FEATURES, pa.Table.from_pandas(rows, preserve_index=False), START, END)
    return run_job("prices_and_features", "2023-11-12", assets=["feature_table"])


@pytest.mark.slow
def test_a_feature_that_is_often_null_is_a_warning_with_its_share(lake):
    ran = planted(lake, log_rv_60=np.nan)
    check = ran.check("few_nulls")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    said = ran.check_metadata("few_nulls")
    assert said["rows"] == 576
    assert said["null share"]["log_rv_60"] == pytest.approx(0.2, abs=0.01)
    assert ran.check("in_range").passed


@pytest.mark.slow
def test_a_share_above_one_is_an_error(lake):
    ran = planted(lake, coverage=1.5)
    check = ran.check("in_range")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert ran.check_metadata("in_range")["rows outside"] == {"coverage": 116}


@pytest.mark.slow
def test_alone_the_checks_look_at_the_newest_days(lake):
    ran = check_alone("feature_table")
    assert {check.passed for check in ran.checks.values()} == {True}
    assert ran.check_metadata("few_nulls")["rows"] == 2 * 576
    assert ran.check_metadata("no_lookahead")["day"] == "2023-11-12"
    assert lake.days(PRICE_FEATURES)[-1] == (END - DAY).date()
