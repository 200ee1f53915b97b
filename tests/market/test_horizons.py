from datetime import timedelta

import pytest

from bitpredict.errors import BitPredictError
from bitpredict.market.horizons import HORIZONS, TICK, parse_horizon


def test_horizons_are_found_by_name():
    assert [parse_horizon(name) for name in ("1m", " 5M ", "1h", "1d")] == [TICK, *HORIZONS]


def test_the_tick_horizon_is_not_one_of_the_candles():
    assert [horizon.name for horizon in HORIZONS] == ["5m", "1h", "1d"]
    assert TICK.length == TICK.every == timedelta(minutes=1)


def test_an_unknown_horizon_is_refused_with_those_that_are_known():
    with pytest.raises(BitPredictError, match="choose one of 1m, 5m, 1h, 1d"):
        parse_horizon("2h")
