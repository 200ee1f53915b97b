from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.market.gaps import Gap, days_to_repair, find_gaps, first_expected
from bitpredict.market.time import MINUTE
from tests.support.candles import archived_day

MIDNIGHT = datetime(2023, 3, 24, tzinfo=UTC)
HOURS = [MIDNIGHT + i * MINUTE for i in range(180)]


def at(*minutes: int) -> list[datetime]:
    return [MIDNIGHT + timedelta(minutes=m) for m in minutes]


def instants(moments: list[datetime]) -> np.ndarray:
    return np.array([m.replace(tzinfo=None) for m in moments], dtype="datetime64[us]")


@pytest.mark.parametrize(
    ("present", "gaps"),
    [
        pytest.param(at(0, 1, 2, 3), [], id="complete"),
        pytest.param(at(3, 1, 0, 2), [], id="complete, in another order"),
        pytest.param(at(0, 3), [Gap(*at(1, 3))], id="one hole of two minutes"),
        pytest.param(at(0, 2), [Gap(*at(1, 2)), Gap(*at(3, 4))], id="two holes, one at the end"),
        pytest.param(at(1, 2), [Gap(*at(0, 1)), Gap(*at(3, 4))], id="both ends"),
        pytest.param([], [Gap(*at(0, 4))], id="nothing at all"),
        pytest.param(at(0, 1, 1, 2, 3), [], id="a repeat is no gap"),
        pytest.param(at(-1, 0, 1, 2, 3, 4), [], id="more than asked for"),
    ],
)
def test_gaps_of_four_minutes(present, gaps):
    assert find_gaps(instants(present), *at(0, 4)) == gaps


def test_an_empty_range_has_no_gaps():
    assert find_gaps(instants([]), MIDNIGHT, MIDNIGHT) == []


@given(st.sets(st.sampled_from(HOURS)), st.randoms())
def test_gaps_and_present_minutes_tile_the_range_whatever_the_order(present, random):
    shuffled = sorted(present, key=lambda _: random.random())
    gaps = find_gaps(instants(shuffled), HOURS[0], HOURS[-1] + MINUTE)
    inside = [moment for gap in gaps for moment in HOURS if gap.start <= moment < gap.end]
    assert sorted(inside + list(present)) == HOURS
    assert sum(gap.minutes for gap in gaps) == len(HOURS) - len(present)
    assert all(left.end < right.start for left, right in pairwise(gaps))


def test_the_recorded_hole_is_one_gap_of_eighty_minutes(recordings):
    frame = archived_day(recordings / "binance_archive", "BTCUSDT", date(2023, 3, 24))
    present = frame["open_time"].dt.tz_localize(None).to_numpy()
    (gap,) = find_gaps(present, MIDNIGHT, MIDNIGHT + timedelta(days=1))
    assert gap == Gap(MIDNIGHT + timedelta(hours=12, minutes=40), MIDNIGHT + timedelta(hours=14))
    assert gap.minutes == 80


def _at(day: int, hour: int = 0) -> datetime:
    return datetime(2023, 11, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("present", "traded_before", "expected"),
    [
        pytest.param([_at(1)], False, _at(1), id="it begins with the range"),
        pytest.param([_at(1, 5)], False, _at(1, 5), id="listed within the range"),
        pytest.param([_at(1, 5)], True, _at(1), id="traded before: the beginning is a gap"),
        pytest.param([], True, _at(1), id="traded before and nothing here: all of it is a gap"),
        pytest.param([], False, _at(2), id="never traded: nothing is expected"),
    ],
)
def test_minutes_are_expected_since_the_listing(present, traded_before, expected):
    minutes = np.array([moment.replace(tzinfo=None) for moment in present], dtype="datetime64[us]")
    assert first_expected(minutes, _at(1), _at(2), lambda: traded_before) == expected


@pytest.mark.parametrize(
    ("gaps", "ranges"),
    [
        pytest.param([], [], id="none"),
        pytest.param([(_at(3, 4), _at(3, 5))], [(3, 11)], id="a gap and the days whose windows reach it"),
        pytest.param([(_at(3, 23), _at(4))], [(3, 11)], id="an end at midnight is not in the next day"),
        pytest.param([(_at(3), _at(4)), (_at(12), _at(13))], [(3, 20)], id="touching ranges are one"),
        pytest.param([(_at(3), _at(4)), (_at(14), _at(15))], [(3, 11), (14, 22)], id="apart"),
        pytest.param([(_at(24), _at(25))], [(24, 25)], id="not beyond today"),
    ],
)
def test_days_to_repair(gaps, ranges):
    days = [(date(2023, 11, first), date(2023, 11, last)) for first, last in ranges]
    assert days_to_repair(gaps, 8, _at(25, 12)) == days
