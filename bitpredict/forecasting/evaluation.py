"""How the models of a month compare: walked through the last quarter of their training span, on the same origins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import numpy as np

from bitpredict.errors import ModelError
from bitpredict.features.minutes import Times
from bitpredict.features.windows import Floats
from bitpredict.forecasting import metrics
from bitpredict.forecasting.calibration import calibrate
from bitpredict.forecasting.folds import FOLDS, Fold, walk_forward
from bitpredict.forecasting.frame import TrainingFrame
from bitpredict.forecasting.recipe import Recipe
from bitpredict.forecasting.recipes import BASELINE
from bitpredict.market.horizons import ORIGIN_STEP, Horizon
from bitpredict.market.time import from_numpy


@dataclass(frozen=True, eq=False)
class Walked:
    """What a recipe, refitted before each fold, forecast out of sample.

    Attributes:
        variance: (n,) forecasts.
        quantiles: (n, 7) of the log return.
        realized_variance, log_return: (n,) what came.
    """

    variance: Floats
    quantiles: Floats
    realized_variance: Floats
    log_return: Floats


def evaluate(
    recipes: Sequence[Recipe], frames: Mapping[str, TrainingFrame], horizon: Horizon, now: datetime
) -> list[dict[str, Any]]:
    """Score recipes on purged folds at the end of their training span.

    Args:
        recipes: the baseline among them.
        frames: usable rows by the recipe's name; origins that not all of them have are not scored.

    Returns:
        One row a recipe: the columns of `storage.schema.model_evaluations` but month, symbol and model_version.

    Raises:
        ModelError: no origin can be scored by all.
    """
    common = reduce(np.intersect1d, [frame.origin for frame in frames.values()])
    if common.size == 0:
        raise ModelError(f"no origin can be scored by all of {', '.join(frames)}; train on a longer history")
    folds = walk_forward(common)
    walked = {recipe.name: walk(recipe, frames[recipe.name], folds, common) for recipe in recipes}
    scored = common[common >= folds[0].start]
    return [
        {
            "horizon": horizon.name,
            "model": name,
            "folds": FOLDS,
            "sample_size": int(scored.size),
            "scored_from": from_numpy(scored[0]),
            "scored_to": from_numpy(scored[-1]),
            **compare(found, walked[BASELINE], horizon),
            "baseline": BASELINE,
            "evaluated_at": now,
        }
        for name, found in walked.items()
    ]


def walk(recipe: Recipe, frame: TrainingFrame, folds: Sequence[Fold], scored: Times) -> Walked:
    """Refit before each fold on what was known by then, and forecast those of its origins that are in `scored`."""
    parts = []
    for fold in folds:
        train = fold.train(frame)
        fitted = recipe.fit(train)
        test = frame.take(fold.test(frame.origin) & np.isin(frame.origin, scored))
        variance = fitted.forecaster.variance(test.rows)
        quantiles = calibrate(train.log_return, fitted.held_out).returns(variance)
        parts.append((variance, quantiles, test.realized_variance, test.log_return))
    return Walked(*(np.concatenate(pieces) for pieces in zip(*parts, strict=True)))


def compare(found: Walked, baseline: Walked, horizon: Horizon) -> dict[str, float | None]:
    """Losses, coverage, skill and the Diebold-Mariano test of forecasts against the baseline's of the same origins."""
    loss = metrics.qlike(found.realized_variance, found.variance)
    baseline_loss = metrics.qlike(baseline.realized_variance, baseline.variance)
    inside_90 = metrics.inside(found.log_return, found.quantiles, 0.9)
    low, middle, high = (float(inside_90[third].mean()) for third in _terciles(found.variance))
    statistic, p_value = significance(loss, baseline_loss, horizon, ORIGIN_STEP)
    return {
        "qlike": float(loss.mean()),
        "qlike_without_worst": metrics.without_worst(loss, baseline_loss),
        "pinball": float(metrics.pinball(found.log_return, found.quantiles).mean()),
        "coverage_50": float(metrics.inside(found.log_return, found.quantiles, 0.5).mean()),
        "coverage_90": float(inside_90.mean()),
        "coverage_90_low": low,
        "coverage_90_middle": middle,
        "coverage_90_high": high,
        "skill": 1.0 - float(loss.mean() / baseline_loss.mean()),
        "dm_statistic": statistic,
        "p_value": p_value,
    }


def significance(
    loss: Floats, baseline_loss: Floats, horizon: Horizon, every: timedelta
) -> tuple[float | None, float | None]:
    """Diebold-Mariano statistic and p-value, or None twice where the sample is too short for targets that overlap."""
    lags = metrics.hac_lags(loss.size, horizon.length // every - 1)
    if lags is None or loss is baseline_loss or np.array_equal(loss, baseline_loss):
        return None, None
    return metrics.diebold_mariano(loss, baseline_loss, lags)


def _terciles(variance: Floats) -> list[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Positions of the lowest, middle and highest third of the forecasts; equal ones stay in order of time."""
    return np.array_split(np.argsort(variance, kind="stable"), 3)
