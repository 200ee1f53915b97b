"""Training of one symbol, horizon and month: every recipe, compared on the same origins, stored by version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from bitpredict.errors import ModelError
from bitpredict.forecasting.calibration import calibrate
from bitpredict.forecasting.evaluation import evaluate
from bitpredict.forecasting.frame import TrainingFrame
from bitpredict.forecasting.history import History, usable
from bitpredict.forecasting.model import TrainedModel, digest_of, version_of
from bitpredict.forecasting.recipe import Recipe
from bitpredict.forecasting.store import ModelStore
from bitpredict.market.horizons import ORIGIN_STEP, Horizon
from bitpredict.market.time import DAY, from_numpy
from bitpredict.storage.schema import model_evaluations

LEAST_SPAN = 5 * DAY
LEAST_HORIZONS = 5
"""Usable origins of five days and five horizons are the least to train on: with fewer, even the baseline's hours of the
day are guesses, and the purge of a day's horizon leaves next to nothing to hold a block out from."""

METRICS = ("folds", "sample_size", "qlike", "pinball", "coverage_50", "coverage_90", "skill", "p_value")
"""What of its evaluation a version carries along."""


@dataclass(frozen=True, eq=False)
class TrainedMonth:
    """What a month's training gave.

    Attributes:
        models: one a recipe.
        evaluations: one row a recipe, with the columns of `storage.schema.model_evaluations`.
        dropped: how many origins the most demanding recipe could not be trained on, by reason.
        fitted: names of the recipes trained now; the others were in the store.
    """

    models: tuple[TrainedModel, ...]
    evaluations: pd.DataFrame
    dropped: Mapping[str, int]
    fitted: tuple[str, ...]


def train_month(
    past: History, horizon: Horizon, recipes: Sequence[Recipe], store: ModelStore, now: datetime
) -> TrainedMonth:
    """Train, evaluate and store each recipe's version, or load what the store already has.

    Args:
        past: what was known before the month.
        recipes: the baseline among them.
        now: when, for new evaluations.

    Raises:
        ModelError: fewer usable origins than five days and five horizons hold.
        StorageError: the store cannot be written.
    """
    frames: dict[str, TrainingFrame] = {}
    dropped: Mapping[str, int] = {}
    for recipe in recipes:
        frames[recipe.name], without = usable(past, horizon, recipe.inputs(horizon))
        _require_enough(frames[recipe.name], past, without)
        dropped = max(dropped, without, key=lambda reasons: sum(reasons.values()))
    versions = {recipe.name: _version(recipe, past, horizon) for recipe in recipes}
    missing = tuple(recipe for recipe in recipes if not store.exists(versions[recipe.name]))
    rows = _evaluations(past, horizon, recipes, frames, versions, store, now)
    if missing:
        store.save_frame(past)
    for recipe in missing:
        model = _fit(recipe, versions[recipe.name], past, frames[recipe.name])
        (row,) = (row for row in rows if row["model"] == recipe.name)
        store.save(replace(model, metrics={name: row[name] for name in METRICS}))
    models = tuple(store.load(version) for version in versions.values())
    return TrainedMonth(models, _table(rows), dropped, tuple(recipe.name for recipe in missing))


def _require_enough(frame: TrainingFrame, past: History, dropped: Mapping[str, int]) -> None:
    least = (LEAST_SPAN + LEAST_HORIZONS * frame.horizon.length) // ORIGIN_STEP
    if len(frame) < least:
        why = "; ".join(f"{count} dropped: {reason}" for reason, count in dropped.items())
        raise ModelError(
            f"{past.symbol} {frame.horizon.name} has {len(frame)} usable origins before {past.month} and needs "
            f"{least} ({why or 'none dropped'}); collect more days before it"
        )


def _version(recipe: Recipe, past: History, horizon: Horizon) -> str:
    return version_of(
        recipe,
        symbol=past.symbol,
        horizon=horizon,
        month=past.month,
        frame_digest=past.digest,
        feature_set_version=past.feature_set_version,
    )


def _fit(recipe: Recipe, version: str, past: History, frame: TrainingFrame) -> TrainedModel:
    fitted = recipe.fit(frame)
    return TrainedModel(
        name=recipe.name,
        version=version,
        symbol=past.symbol,
        horizon=frame.horizon,
        month=past.month,
        valid_from=past.end,
        trained_from=from_numpy(frame.origin[0]),
        trained_to=from_numpy(frame.origin[-1]),
        seed=recipe.seed,
        parameters=recipe.parameters(frame.horizon),
        feature_set_version=past.feature_set_version,
        frame_digest=past.digest,
        forecaster=fitted.forecaster,
        calibration=calibrate(frame.log_return, fitted.held_out),
        metrics={},
    )


def _evaluations(
    past: History,
    horizon: Horizon,
    recipes: Sequence[Recipe],
    frames: Mapping[str, TrainingFrame],
    versions: Mapping[str, str],
    store: ModelStore,
    now: datetime,
) -> list[dict[str, Any]]:
    """Rows of `model_evaluations`, made once for a set of versions: which origins are scored depends on all of them."""
    key = digest_of({"compared": sorted(versions.values())})[:16]
    if (stored := store.load_evaluations(key)) is not None:
        return stored
    rows = [
        {"month": past.month, "symbol": past.symbol, "model_version": versions[row["model"]], **row}
        for row in evaluate(recipes, frames, horizon, now)
    ]
    store.save_evaluations(key, rows)
    return rows


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows), columns=[column.name for column in model_evaluations.columns])
    for name in ("scored_from", "scored_to", "evaluated_at"):
        table[name] = pd.to_datetime(table[name], utc=True)
    return table.astype({"dm_statistic": float, "p_value": float})
