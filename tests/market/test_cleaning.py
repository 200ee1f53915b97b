"""Flags against oracles of the standard library, and what must hold of any rows: nothing is changed."""

import math
import statistics
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpredict.errors import ContractError
from bitpredict.market import cleaning
from bitpredict.market.cleaning import flag_deviations, flag_missing, flag_mistyped, flag_outliers, hampel

NAN, INF = math.nan, math.inf
NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)

prices = st.lists(
    st.one_of(
        st.floats(-100, 100, allow_subnormal=False), st.integers(-2, 2).map(float), st.sampled_from([NAN, INF, 1e6])
    ),
    max_size=40,
)
windows = st.sampled_from([3, 4, 5, 9])


def expected(values: list[float], window: int, threshold: float, floor: float, causal: bool) -> list[bool]:
    found = []
    for i, x in enumerate(values):
        first, last = (i - window + 1, i) if causal else (i - window // 2, i + window // 2)
        near = [v for v in values[max(0, first) : last + 1] if math.isfinite(v)]
        if not math.isfinite(x) or len(near) < 3:
            found.append(False)
            continue
        middle = statistics.median(near)
        scale = 1.4826 * statistics.median(abs(v - middle) for v in near)
        found.append(abs(x - middle) > threshold * max(scale, floor))
    return found


@given(prices, windows, st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from([0.0, 0.5]), st.booleans())
@settings(max_examples=75)
def test_hampel_is_what_the_formula_says(values, window, threshold, floor, causal):
    if not causal and window % 2 == 0:
        window += 1
    # Integers and halves: sums of two are exact, so that both ways of halving give the same bits.
    values = [v if not math.isfinite(v) else round(v * 2) / 2 for v in values]
    flags, judged = hampel(np.array(values), window, threshold=threshold, floor=floor, causal=causal)
    assert flags.tolist() == expected(values, window, threshold, floor, causal)
    assert not (flags & ~judged).any()


@given(prices, prices, windows)
@settings(max_examples=50)
def test_later_values_never_change_a_causal_flag(past, future, window):
    before, _ = hampel(np.array(past, dtype=float), window)
    after, _ = hampel(np.array([*past, *future], dtype=float), window)
    assert after[: len(past)].tolist() == before.tolist()


@given(prices, windows)
@settings(max_examples=40)
def test_pieces_give_what_the_whole_gives(values, window):
    whole = hampel(np.array(values, dtype=float), window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cleaning, "_AT_ONCE", 7)
        pieces = hampel(np.array(values, dtype=float), window)
    assert [part.tolist() for part in pieces] == [part.tolist() for part in whole]


@given(prices, prices)
@settings(max_examples=40)
def test_no_value_is_ever_changed(ours, theirs):
    size = min(len(ours), len(theirs))
    frame = pd.DataFrame({"close": ours[:size], "other": theirs[:size]}, index=pd.Index(range(size, 0, -1), name="row"))
    frame["close"] = frame["close"].astype(float)
    before = frame.copy(deep=True)
    found = flag_missing(frame, ["close", "other"]).data
    found = flag_mistyped(found, {"close": "number"}).data
    found = flag_outliers(found, "close", window=5).data
    found = flag_deviations(found, "close", "other", tolerance=0.01).data
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(found[["close", "other"]], before)
    flags = found.drop(columns=["close", "other"])
    assert list(flags) == ["missing_close", "missing_other", "mistyped_close", "outlier_close", "deviating_close"]
    assert set(flags.dtypes) == {np.dtype(bool)}


@pytest.mark.parametrize(
    ("values", "flags"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([1.0, 9.0], [0, 0], id="two say nothing of each other"),
        pytest.param([1.0, 1.1, 0.9, 1.0, 9.0, 1.0], [0, 0, 0, 0, 1, 0], id="a spike"),
        pytest.param([1.0, 1.1, 0.9, NAN, 9.0, 1.0], [0, 0, 0, 0, 1, 0], id="a hole beside it"),
        pytest.param([NAN, INF, -INF, 1.0, 1.0], [0, 0, 0, 0, 0], id="what is not finite is no outlier"),
        pytest.param(
            [1.0, 1.0, 1.0, 1.0, 1.000001], [0, 0, 0, 0, 1], id="without a floor any move after a standstill is"
        ),
    ],
)
def test_outliers(values, flags):
    found = flag_outliers(pd.DataFrame({"close": np.array(values, dtype=float)}), "close", window=5)
    assert found.data["outlier_close"].astype(int).tolist() == flags
    assert found.counts == {"outlier_close": sum(flags)}


def test_a_floor_forgives_the_move_after_a_standstill():
    frame = pd.DataFrame({"close": [1.0, 1.0, 1.0, 1.0, 1.01, 1.5]})
    assert flag_outliers(frame, "close", window=5, floor=0.05).data["outlier_close"].tolist() == [False] * 5 + [True]


def test_a_new_level_is_an_outlier_at_first_and_to_the_centred_window_is_not():
    frame = pd.DataFrame({"close": [1.0, 1.1, 1.0, 1.1, 5.0, 5.1, 5.0, 5.1]})
    assert flag_outliers(frame, "close", window=5).counts == {"outlier_close": 2}
    assert flag_outliers(frame, "close", window=5, causal=False).counts == {"outlier_close": 0}


def test_every_group_is_judged_by_itself_and_the_rows_keep_their_places():
    one, other = [1.0, 1.1, 1.0, 9.0], [100.0, 101.0, 100.0, 101.0]
    frame = pd.DataFrame(
        {"symbol": ["A", "B"] * 4, "close": [v for pair in zip(one, other, strict=True) for v in pair]}
    )
    found = flag_outliers(frame, "close", window=4, by="symbol")
    assert found.data.index[found.data["outlier_close"]].tolist() == [6]
    assert found.not_judged == {"outlier_close": 4}


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("number", [1, 1.5, np.float32(2), np.int64(3)], ["1.5", True, np.True_, INF, [1.0]]),
        ("text", ["", "1"], [1, True, b"1", NOON]),
        ("truth", [True, np.False_], [0, 1.0, "true"]),
        ("instant", [NOON, pd.Timestamp(NOON)], [NOON.replace(tzinfo=None), date(2024, 3, 5), "2024-03-05", 0]),
    ],
)
def test_types(kind, good, bad):
    values = pd.Series([*good, *bad, None, NAN], dtype=object)
    found = flag_mistyped(values.to_frame("value"), {"value": kind})
    assert found.data["mistyped_value"].tolist() == [False] * len(good) + [True] * len(bad) + [False] * 2
    assert (found.counts["mistyped_value"], found.not_judged["mistyped_value"]) == (len(bad), 2)


def test_missing_values():
    frame = pd.DataFrame({"a": [1.0, NAN, None], "b": ["", None, "x"], "c": [NOON, pd.NaT, NOON]})
    found = flag_missing(frame, ["a", "b", "c"])
    assert found.counts == {"missing_a": 2, "missing_b": 1, "missing_c": 1}
    assert found.data["missing_b"].tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("ours", "theirs", "flag", "judged"),
    [
        (100.0, 100.9, False, True),
        (100.0, 101.1, True, True),
        (101.1, 100.0, True, True),
        (100.0, NAN, False, False),
        (NAN, 100.0, False, False),
        (100.0, 0.0, False, False),
        (-1.0, 100.0, False, False),
    ],
)
def test_deviations(ours, theirs, flag, judged):
    found = flag_deviations(pd.DataFrame({"x": [ours], "y": [theirs]}), "x", "y", tolerance=0.01)
    assert found.data["deviating_x"].tolist() == [flag]
    assert found.not_judged == {"deviating_x": 0 if judged else 1}


@pytest.mark.parametrize(
    "options",
    [{"window": 2}, {"window": 4, "causal": False}, {"window": 3, "threshold": -1.0}, {"window": 3, "floor": NAN}],
)
def test_senseless_parameters_are_refused(options):
    with pytest.raises(ValueError, match=r"window|threshold"):
        hampel(np.ones(5), **options)


def test_a_tolerance_of_nothing_and_a_column_that_is_not_there_are_refused():
    frame = pd.DataFrame({"x": [1.0], "y": [1.0]})
    with pytest.raises(ValueError, match="must be above zero"):
        flag_deviations(frame, "x", "y", tolerance=0.0)
    with pytest.raises(ContractError, match="no column z to look at; there are x, y"):
        flag_missing(frame, ["z"])
