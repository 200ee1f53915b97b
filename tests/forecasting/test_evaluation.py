from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.baselines import ConstantVariance
from bitpredict.forecasting.evaluation import Walked, compare, evaluate, significance, walk
from bitpredict.forecasting.folds import walk_forward
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.recipe import Fitted
from bitpredict.forecasting.ridge import Ridge
from bitpredict.market.horizons import QUANTILE_LEVELS, parse_horizon
from tests.forecasting.conftest import NOW

HOUR = parse_horizon("1h")
RANDOM = np.random.default_rng(8)


@dataclass
class Watching:
    """A recipe that notes what it was shown."""

    frames: list
    name: str = "watching"
    seed: int = 0

    def fit(self, train):
        self.frames.append(train)
        forecaster = ConstantVariance(float(train.realized_variance.mean()))
        return Fitted(forecaster, forecaster.variance(train.rows))


def test_each_fold_is_forecast_by_a_fit_on_what_was_known_before_it(hourly):
    folds = walk_forward(hourly.origin)
    recipe = Watching([])
    found = walk(recipe, hourly, folds, hourly.origin)
    assert len(recipe.frames) == len(folds)
    expected = []
    for fold, train in zip(folds, recipe.frames, strict=True):
        known = hourly.origin + np.timedelta64(60, "m") < fold.start
        assert len(train) == known.sum()
        tested = (hourly.origin >= fold.start) & (hourly.origin < fold.end)
        expected.append(np.full(tested.sum(), hourly.realized_variance[known].mean()))
    assert found.variance.tolist() == np.concatenate(expected).tolist()
    assert found.realized_variance.size == found.variance.size == (hourly.origin >= folds[0].start).sum()


def test_the_future_does_not_change_earlier_folds(hourly):
    folds = walk_forward(hourly.origin)
    later = hourly.origin >= folds[2].start
    other = type(hourly)(
        hourly.symbol,
        HOUR,
        hourly.rows,
        np.where(later, 9 * hourly.realized_variance, hourly.realized_variance),
        np.where(later, -hourly.log_return, hourly.log_return),
    )
    first, second = (walk(SeasonalHar(), frame, folds, hourly.origin) for frame in (hourly, other))
    same = (hourly.origin < folds[2].start)[hourly.origin >= folds[0].start]
    assert np.array_equal(first.variance[same], second.variance[same])
    assert np.array_equal(first.quantiles[same], second.quantiles[same])
    assert not np.array_equal(first.variance[~same], second.variance[~same])


def test_all_are_scored_on_the_origins_that_all_have(hourly):
    shorter = hourly.take(RANDOM.random(len(hourly)) > 0.2)
    frames = {"seasonal_har": hourly, "ridge": shorter}
    rows = evaluate([SeasonalHar(), Ridge()], frames, HOUR, NOW)
    common = walk_forward(shorter.origin)[0].start
    assert {row["sample_size"] for row in rows} == {int((shorter.origin >= common).sum())}
    assert [row["model"] for row in rows] == ["seasonal_har", "ridge"]
    baseline, ridge = rows
    assert (baseline["skill"], baseline["p_value"], baseline["dm_statistic"]) == (0.0, None, None)
    assert ridge["skill"] == pytest.approx(1 - ridge["qlike"] / baseline["qlike"])


def test_recipes_without_a_common_origin_cannot_be_compared(hourly):
    frames = {"seasonal_har": hourly.take(slice(0, 100)), "ridge": hourly.take(slice(100, 200))}
    with pytest.raises(ModelError, match="longer history"):
        evaluate([SeasonalHar(), Ridge()], frames, HOUR, NOW)


def made(variance: np.ndarray) -> Walked:
    realized = np.random.default_rng(1).lognormal(-10, 1, variance.size)
    returns = np.sqrt(realized) * np.random.default_rng(2).normal(size=variance.size)
    quantiles = np.sqrt(variance)[:, None] * np.array([-1.6, -1.3, -0.7, 0, 0.7, 1.3, 1.6])
    return Walked(variance, quantiles, realized, returns)


def test_figures_are_those_of_pandas():
    found, baseline = made(RANDOM.lognormal(-10, 0.5, 3000)), made(np.full(3000, np.exp(-9.5)))
    figures = compare(found, baseline, HOUR)
    table = pd.DataFrame({"f": found.variance, "y": found.realized_variance, "r": found.log_return})
    table["loss"] = table.y / table.f - np.log(table.y / table.f) - 1
    other = table.y / baseline.variance - np.log(table.y / baseline.variance) - 1
    table["inside"] = (table.r >= -1.6 * np.sqrt(table.f)) & (table.r <= 1.6 * np.sqrt(table.f))
    by_third = table.groupby(pd.qcut(table.f, 3, labels=["low", "middle", "high"]), observed=True)["inside"].mean()
    assert figures["qlike"] == pytest.approx(table.loss.mean())
    assert figures["qlike_without_worst"] == pytest.approx(table.loss[other < other.nlargest(30).min()].mean())
    assert figures["skill"] == pytest.approx(1 - table.loss.mean() / other.mean())
    assert figures["coverage_90"] == pytest.approx(table.inside.mean())
    for third in ("low", "middle", "high"):
        assert figures[f"coverage_90_{third}"] == pytest.approx(by_third[third])
    errors = [
        np.maximum(level * (table.r - q), (level - 1) * (table.r - q))
        for level, q in zip(QUANTILE_LEVELS, found.quantiles.T, strict=True)
    ]
    assert figures["pinball"] == pytest.approx(np.mean(errors))


def test_too_few_days_have_no_p_value():
    loss, other = RANDOM.gamma(1, 1, 1600), RANDOM.gamma(1, 1, 1600)
    day = parse_horizon("1d")
    assert significance(loss, other, day, timedelta(minutes=5)) == (None, None)
    assert significance(loss, other, day, timedelta(hours=1))[1] is not None  # the same number reaches further
    assert significance(loss, other, HOUR, timedelta(minutes=5))[1] is not None
    assert significance(loss, loss, HOUR, timedelta(minutes=5)) == (None, None)
