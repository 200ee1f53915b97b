import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from bitpredict.features import clock

NEW_YORK = ZoneInfo("America/New_York")
WINDOWS = {
    "new_york_0830_0845": ("08:30", "08:45", range(5)),
    "new_york_0930_1000": ("09:30", "10:00", range(5)),
    "new_york_1000_1015": ("10:00", "10:15", range(5)),
    "new_york_0930_1600": ("09:30", "16:00", range(5)),
    "new_york_wednesday_1400_1500": ("14:00", "15:00", [2]),
}


def at(*origins: datetime) -> dict[str, list[float]]:
    moments = np.array([o.astimezone(UTC).replace(tzinfo=None) for o in origins], "datetime64[us]")
    return {name: values.tolist() for name, values in clock.compute(moments).items()}


def shares_by_counting(name: str, first: datetime, days: int) -> list[float]:
    """Look at the wall clock in every minute, then count over the sixty from each origin on."""
    start, end, weekdays = WINDOWS[name]
    walls = pd.date_range(first, periods=days * 1440 + 60, freq="min").tz_convert(NEW_YORK)
    clock_says = walls.strftime("%H:%M")
    inside = walls.weekday.isin(list(weekdays)) & (clock_says >= start) & (clock_says < end)
    return [inside[m : m + 60].mean() for m in range(0, days * 1440, 5)]


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(datetime(2023, 3, 10, tzinfo=UTC), id="summer time begins on March 12th"),
        pytest.param(datetime(2023, 11, 3, tzinfo=UTC), id="and ends on November 5th"),
    ],
)
def test_new_york_sessions_follow_its_wall_clock_over_a_change(first):
    origins = [first + pd.Timedelta(minutes=5 * i) for i in range(6 * 288)]
    found = at(*origins)
    for name in WINDOWS:
        np.testing.assert_allclose(found[name], shares_by_counting(name, first, days=6))
        assert max(found[name]) > 0


def test_the_opening_bell_moves_by_an_hour_in_utc():
    winter, summer = datetime(2023, 3, 10, 14, 30, tzinfo=UTC), datetime(2023, 3, 13, 13, 30, tzinfo=UTC)
    assert at(winter, summer)["new_york_0930_1000"] == [0.5, 0.5]
    assert at(summer.replace(hour=14))["new_york_0930_1000"] == [0.0]


def test_weekends_have_no_session():
    saturday = datetime(2023, 11, 11, 15, tzinfo=UTC)
    assert all(at(saturday)[name] == [0.0] for name in WINDOWS)


def test_the_utc_clock():
    found = at(datetime(2023, 11, 12, 18, 30, tzinfo=UTC), datetime(2023, 11, 13, tzinfo=UTC))
    assert found["hour"] == [18.0, 0.0]
    assert found["weekday"] == [6.0, 0.0]
    assert found["day_sin"] == [pytest.approx(math.sin(2 * math.pi * 18.5 / 24)), 0.0]
    assert found["day_cos"] == [pytest.approx(math.cos(2 * math.pi * 18.5 / 24)), 1.0]
    assert found["week_sin"] == [pytest.approx(math.sin(2 * math.pi * (6 + 18.5 / 24) / 7)), 0.0]
    assert found["week_cos"] == [pytest.approx(math.cos(2 * math.pi * (6 + 18.5 / 24) / 7)), 1.0]
    assert set(found) == {feature.name for feature in clock.FEATURES}
