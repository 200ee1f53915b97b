import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame, origins_of
from bitpredict.market.horizons import parse_horizon

ORIGINS = pd.date_range("2023-12-01", periods=3, freq="5min", tz="UTC").as_unit("us")
TABLE = pa.table({"origin": pa.array(ORIGINS), "a": [1.0, None, 3.0], "b": pa.array([4, 5, 6], pa.int32())})


@pytest.mark.parametrize("table", [TABLE, TABLE.to_pandas()], ids=["arrow", "pandas"])
def test_columns_come_in_the_order_asked_for_and_null_is_nan(table):
    rows = FeatureRows.of(table, ["b", "a"])
    np.testing.assert_array_equal(rows.values, [[4, 1], [5, np.nan], [6, 3]])
    assert rows.matrix(("a", "b"))[0].tolist() == [1.0, 4.0]
    assert rows.matrix(("b", "a")) is rows.values
    assert (rows.origin == ORIGINS.tz_localize(None).to_numpy()).all()


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(ModelError, match="lacks c"):
        FeatureRows.of(TABLE, ["a", "c"])


def test_origins_of_another_timezone_are_the_same_instants():
    moved = TABLE.to_pandas().assign(origin=ORIGINS.tz_convert("Asia/Tokyo").as_unit("ns"))
    assert (origins_of(moved) == origins_of(TABLE)).all()


def test_a_frame_floors_its_variances_and_knows_when_its_targets_end():
    rows = FeatureRows.of(TABLE, ["b"])
    frame = TrainingFrame("BTCUSDT", parse_horizon("1h"), rows, np.array([0.0, 1e-3, 2e-3]), np.zeros(3))
    assert frame.realized_variance.tolist() == [60 * 1e-10, 1e-3, 2e-3]
    assert frame.target_time[0] == np.datetime64("2023-12-01T01:00")
    assert frame.take(np.array([False, True, True])).realized_variance.tolist() == [1e-3, 2e-3]
