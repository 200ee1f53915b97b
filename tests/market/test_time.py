from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.market.time import days, floor_minute, from_numpy, month_of, to_numpy, utc

BERLIN_IN_WINTER = timezone(timedelta(hours=1))


def test_a_date_is_its_midnight():
    assert utc(date(2023, 3, 24)) == datetime(2023, 3, 24, tzinfo=UTC)


def test_another_timezone_is_converted():
    assert utc(datetime(2023, 3, 24, 0, 30, tzinfo=BERLIN_IN_WINTER)).isoformat() == "2023-03-23T23:30:00+00:00"


def test_a_moment_without_timezone_could_mean_anything():
    with pytest.raises(ValueError, match="has no timezone; write it in UTC"):
        utc(datetime(2023, 3, 24))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param("2023-02-27T00:00", "2023-03-02T00:00", [(2, 27), (2, 28), (3, 1)], id="whole days"),
        pytest.param("2023-03-01T12:00", "2023-03-02T00:01", [(3, 1), (3, 2)], id="parts of days"),
        pytest.param("2023-03-01T00:00", "2023-03-01T00:01", [(3, 1)], id="a minute"),
        pytest.param("2023-03-01T00:00", "2023-03-01T00:00", [], id="nothing"),
        pytest.param("2023-03-02T00:00", "2023-03-01T00:00", [], id="backwards"),
    ],
)
def test_the_days_of_a_range(start, end, expected):
    found = days(datetime.fromisoformat(f"{start}Z"), datetime.fromisoformat(f"{end}Z"))
    assert list(found) == [date(2023, month, day) for month, day in expected]


@pytest.mark.parametrize(
    ("moment", "month"),
    [
        (date(2023, 12, 31), "2023-12-01"),
        (datetime(2023, 12, 1, tzinfo=UTC), "2023-12-01"),
        (datetime(2024, 1, 1, 0, 30, tzinfo=BERLIN_IN_WINTER), "2023-12-01"),
    ],
)
def test_the_month_of_a_moment(moment, month):
    assert month_of(moment) == month


MOMENTS = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=st.sampled_from([UTC, BERLIN_IN_WINTER]))  # noqa: DTZ001


@given(MOMENTS)
def test_numpy_and_back(moment):
    assert from_numpy(to_numpy(moment)) == moment
    assert to_numpy(moment).dtype == np.dtype("datetime64[us]")


@given(MOMENTS)
def test_the_start_of_a_minute(moment):
    start = floor_minute(moment)
    assert timedelta(0) <= moment - start < timedelta(minutes=1)
    assert (start.second, start.microsecond, start.tzinfo) == (0, 0, UTC)
