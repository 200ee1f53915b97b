from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.market.gaps import Gap, find_gaps
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
