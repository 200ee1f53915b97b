import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bitpredict.features.windows import Ladder, rolling_max, rolling_mean, rolling_min, rolling_sum

VALUES = st.floats(-1e6, 1e6) | st.just(np.nan)
SERIES = st.integers(1, 200).flatmap(lambda n: arrays(np.float64, n, elements=VALUES))
WINDOWS = st.integers(1, 130)


def naive(x, window, reduce):
    """The definition, one window at a time; a window without any number is NaN."""
    found = []
    for i in range(x.size):
        inside = [float(v) for v in x[max(0, i - window + 1) : i + 1] if not np.isnan(v)]
        found.append(reduce(inside) if inside else np.nan)
    return np.array(found)


def exactly(values):
    from math import fsum

    return fsum(values)


@pytest.mark.parametrize(
    ("rolling", "reduce"),
    [
        (rolling_sum, exactly),
        (rolling_mean, lambda values: exactly(values) / len(values)),
        (rolling_max, max),
        (rolling_min, min),
    ],
)
@given(x=SERIES, window=WINDOWS)
def test_a_window_is_what_its_definition_says(rolling, reduce, x, window):
    largest = np.nanmax(np.abs(x), initial=1.0)
    np.testing.assert_allclose(rolling(x, window), naive(x, window, reduce), rtol=1e-12, atol=1e-12 * largest)


@pytest.mark.slow
@pytest.mark.parametrize("rolling", [rolling_sum, rolling_mean, rolling_max, rolling_min])
@given(x=SERIES, window=WINDOWS, data=st.data())
def test_the_bits_do_not_depend_on_where_the_array_starts(rolling, x, window, data):
    whole = rolling(x, window)
    last = data.draw(st.integers(min(window, x.size) - 1, x.size - 1))
    start = data.draw(st.integers(0, max(0, last - window + 1)))
    alone = rolling(x[start : last + 1], window)[-1]
    assert np.float64(alone).tobytes() == whole[last].tobytes() or (np.isnan(alone) and np.isnan(whole[last]))


@given(x=arrays(np.float64, 150, elements=st.floats(0, 1e3)), window=WINDOWS, decay=st.floats(0.5, 0.999))
def test_a_fading_window_weighs_by_age_and_has_the_same_bits_anywhere(x, window, decay):
    rows = np.arange(x.size)
    faded = Ladder(x, decay=decay).over(window, rows)
    expected = [sum(x[i - age] * decay**age for age in range(min(window, i + 1))) for i in range(x.size)]
    np.testing.assert_allclose(faded, expected, rtol=1e-12, atol=1e-12)
    alone = Ladder(x[x.size - window :], decay=decay).over(window, np.array([window - 1]))
    assert alone[0] == faded[-1]


def test_running_sums_would_not_pass():
    """Why the doubling is there: pandas' rolling sum gives other bits for another start."""
    import pandas as pd

    x = np.random.default_rng(3).lognormal(size=5000)
    whole, later = pd.Series(x).rolling(60).sum().to_numpy(), pd.Series(x[1000:]).rolling(60).sum().to_numpy()
    assert not np.array_equal(whole[1100:], later[100:])
    assert np.array_equal(rolling_sum(x, 60)[1100:], rolling_sum(x[1000:], 60)[100:])


def test_rows_before_the_array_see_nothing():
    ladder = Ladder(np.array([1.0, 2.0, 4.0]))
    assert ladder.over(2, np.array([-3, -1, 0, 1, 2])).tolist() == [0.0, 0.0, 1.0, 3.0, 6.0]


def test_a_window_of_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Ladder(np.ones(3)).over(0, np.array([1]))


@given(
    x=arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e6, 1e6)), window=WINDOWS, decay=st.floats(0.5, 1)
)
def test_a_row_asked_for_alone_has_the_bits_it_has_among_all(x, window, decay):
    among_all = Ladder(x, decay=decay).over(window, np.arange(x.size))
    alone = [Ladder(x, decay=decay).over(window, np.array([row]))[0] for row in range(x.size)]
    assert np.array_equal(np.array(alone), among_all)
    assert np.array_equal(Ladder(x, decay=decay).everywhere(window), among_all)


@given(x=arrays(np.float64, 200, elements=st.floats(-1e6, 1e6)), row=st.integers(0, 199), decay=st.floats(0.5, 1))
def test_windows_that_end_at_one_row_share_their_pieces_and_keep_their_bits(x, row, decay):
    asked_first, asked_after = Ladder(x, decay=decay), Ladder(x, decay=decay)
    asked_after.everywhere(60)
    for window in (5, 1, 200, 60, 128, 199, 7):
        expected = Ladder(x, decay=decay).everywhere(window)[row]
        assert asked_first.over(window, np.array([row])) == asked_after.over(window, np.array([row])) == expected
