import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.forecasting.folds import FOLDS, held_out, walk_forward
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame
from bitpredict.market.horizons import HORIZONS

START = np.datetime64("2023-01-01", "us")
STEP = np.timedelta64(5, "m")


def frame_of(places: list[int], horizon=HORIZONS[1]) -> TrainingFrame:
    """Rows at the given multiples of five minutes, with their place as the only feature."""
    rows = FeatureRows(START + np.array(places) * STEP, ("place",), np.array(places, float)[:, None])
    ones = np.ones(len(places))
    return TrainingFrame("BTCUSDT", horizon, rows, ones, ones)


@pytest.mark.parametrize("horizon", HORIZONS, ids=lambda h: h.name)
def test_a_fold_is_trained_on_what_was_known_before_it(horizon):
    frame = frame_of(list(range(288 * 20)), horizon)
    for fold in walk_forward(frame.origin):
        train, test = fold.train(frame), frame.take(fold.test(frame.origin))
        assert train.target_time.max() < test.origin.min()
        assert test.origin.min() - train.target_time.max() <= STEP


def test_folds_are_contiguous_equal_and_cover_the_last_quarter():
    frame = frame_of(list(range(4000)))
    folds = walk_forward(frame.origin)
    tested = [frame.origin[fold.test(frame.origin)] for fold in folds]
    assert len(folds) == FOLDS
    assert (np.concatenate(tested) == frame.origin[-1000:]).all()
    assert {len(origins) for origins in tested} == {250}


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 3000), min_size=60, max_size=200, unique=True),
    st.integers(2, 5),
    st.sampled_from(HORIZONS[:2]),
)
def test_a_block_is_held_out_with_a_horizon_on_both_sides(places, blocks, horizon):
    frame = frame_of(sorted(places), horizon)
    fitted_on = []

    def fit(train):
        fitted_on.append(train)
        return lambda rows: rows.values[:, 0]

    assert (held_out(frame, blocks, fit) == frame.rows.values[:, 0]).all()
    edges = np.linspace(0, len(frame), blocks + 1).astype(int)
    for train, first, past in zip(fitted_on, edges[:-1], edges[1:], strict=True):
        block = frame.take(slice(first, past))
        reach = np.timedelta64(horizon.length)
        for origin in block.origin:
            assert (np.abs(train.origin - origin) > reach).all()
        left_out = len(frame) - len(train) - len(block)
        assert left_out <= 2 * (reach // STEP)
