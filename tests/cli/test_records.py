import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from bitpredict.cli.records import frame_to_json, to_json

INSTANT = datetime(2023, 12, 31, 23, 55, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param(INSTANT, "2023-12-31T23:55:00Z", id="instant"),
        pytest.param(INSTANT.replace(microsecond=250), "2023-12-31T23:55:00.000250Z", id="microseconds"),
        pytest.param(
            INSTANT.astimezone(timezone(timedelta(hours=2))), "2023-12-31T23:55:00Z", id="another timezone becomes UTC"
        ),
        pytest.param(pd.Timestamp(INSTANT), "2023-12-31T23:55:00Z", id="pandas' instant"),
        pytest.param(date(2023, 12, 31), "2023-12-31", id="day"),
        pytest.param(Decimal("42283.58"), 42283.58, id="decimal"),
        pytest.param(np.float64(0.1), 0.1, id="numpy's float"),
        pytest.param(np.int64(7), 7, id="numpy's integer"),
        pytest.param(np.bool_(True), True, id="numpy's truth"),
        pytest.param(math.nan, None, id="not a number"),
        pytest.param(np.float64("inf"), None, id="infinite"),
        pytest.param(pd.NaT, None, id="no instant"),
        pytest.param(pd.NA, None, id="no integer"),
        pytest.param(None, None, id="nothing"),
        pytest.param('say "no"\n', 'say "no"\n', id="text to escape"),
    ],
)
def test_a_value_as_json(value, written):
    assert json.loads(to_json([{"a": value}])) == [{"a": written}]


def test_an_instant_without_timezone_is_refused_rather_than_guessed():
    with pytest.raises(ValueError, match="no timezone"):
        to_json([{"a": INSTANT.replace(tzinfo=None)}])


def test_a_frame_keeps_its_columns_and_whole_numbers_beside_absent_ones():
    frame = pd.DataFrame({"n": pd.Series([3, None], dtype="Int64"), "x": [0.5, np.nan], "s": ["a", None]})
    text = frame_to_json(frame)
    assert json.loads(text) == [{"n": 3, "x": 0.5, "s": "a"}, {"n": None, "x": None, "s": None}]
    assert '"n": 3,' in text


def test_no_rows_are_an_empty_list():
    assert json.loads(frame_to_json(pd.DataFrame({"a": []}))) == []
