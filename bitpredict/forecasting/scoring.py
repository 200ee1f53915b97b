"""What became of forecasts, and the scorecard against the baseline on the same origins."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from bitpredict.features.windows import Floats
from bitpredict.forecasting import metrics
from bitpredict.forecasting.evaluation import significance
from bitpredict.forecasting.frame import origins_of
from bitpredict.forecasting.model import QUANTILE_COLUMNS
from bitpredict.forecasting.recipes import BASELINE
from bitpredict.forecasting.targets import floored, targets
from bitpredict.market.horizons import Horizon, parse_horizon
from bitpredict.storage.schema import forecast_outcomes, scorecard

OUTCOMES = [column.name for column in forecast_outcomes.columns]
SUMMARIZED = (
    *("kind", "symbol", "horizon", "model", "origin", "variant", "written_at"),
    *("qlike", "pinball", "inside_50", "inside_90", "scored_at"),
)
"""Columns of scored forecasts that a scorecard is made from."""
SCORECARD = [column.name for column in scorecard.columns]


@dataclass(frozen=True, eq=False)
class Scores:
    """Outcomes of due forecasts.

    Attributes:
        table: rows of `storage.schema.forecast_outcomes`.
        unscored: forecasts whose outcome the candles do not hold, by reason.
    """

    table: pd.DataFrame
    unscored: Mapping[str, int]


def score(due: pd.DataFrame, candles: pa.Table, now: datetime) -> Scores:
    """Score forecasts whose target_time has come.

    Args:
        due: rows of the ledger.
        candles: rows of `storage.contracts.CANDLES` from a minute before the first origin to the last target_time.
        now: scored_at.
    """
    unscored: Counter[str] = Counter()
    parts = [pd.DataFrame(columns=OUTCOMES)]
    for (symbol, name), group in due.groupby(["symbol", "horizon"], sort=True):
        horizon = parse_horizon(str(name))
        origins, place = np.unique(origins_of(group), return_inverse=True)
        realized = targets(candles, str(symbol), origins, horizon).iloc[place].reset_index(drop=True)
        complete = realized["complete"].to_numpy()
        if missing := int((~complete).sum()):
            unscored[f"{symbol} {name}: a missing or halted minute in the target"] += missing
        parts.append(_outcomes(group[complete], realized[complete], horizon, now))
    filled = [part for part in parts if len(part)] or parts
    return Scores(pd.concat(filled, ignore_index=True), dict(unscored))


def _outcomes(forecasts: pd.DataFrame, realized: pd.DataFrame, horizon: Horizon, now: datetime) -> pd.DataFrame:
    log_return = realized["log_return"].to_numpy()
    variance = realized["realized_variance"].to_numpy()
    quantiles = forecasts[list(QUANTILE_COLUMNS)].to_numpy(np.float64)
    forecast_variance = forecasts["realized_variance"].to_numpy(np.float64)
    return pd.DataFrame(
        {
            "forecast_id": forecasts["forecast_id"].to_numpy(),
            "target_time": forecasts["target_time"].array,
            "realized_log_return": log_return,
            "realized_variance": variance,
            "inside_50": metrics.inside(log_return, quantiles, 0.5),
            "inside_90": metrics.inside(log_return, quantiles, 0.9),
            "qlike": metrics.qlike(floored(variance, horizon), forecast_variance),
            "pinball": metrics.pinball(log_return, quantiles),
            "scored_at": pd.Timestamp(now),
        }
    )


def make_scorecard(scored: pd.DataFrame) -> pd.DataFrame:
    """Summarize scored forecasts by kind, symbol, horizon and model.

    Each model is compared with the baseline on the origins that both have. Where an origin was forecast by several
    versions of a model, the one written last counts.

    Args:
        scored: rows of the ledger joined with their outcomes, `SUMMARIZED` among the columns.

    Returns:
        Rows of `scorecard`, updated when the last of their outcomes was scored. A model that shares no origin with the
        baseline has no row: there is nothing to say about its skill.
    """
    keys = ["kind", "symbol", "horizon", "model"]
    latest = scored.sort_values(["origin", "written_at"]).drop_duplicates([*keys, "origin"], keep="last")
    rows = []
    for key, group in latest.groupby(keys[:3], sort=True):
        baseline = group[group["model"] == BASELINE].set_index("origin")
        for model, mine in group.groupby("model", sort=True):
            common = mine[mine["origin"].isin(baseline.index)]
            if len(common):
                named = dict(zip(keys, (*key, model), strict=True))
                rows.append(named | _summary(common, baseline.loc[common["origin"]], parse_horizon(str(key[2]))))
    return pd.DataFrame(rows, columns=SCORECARD)


def _summary(mine: pd.DataFrame, baseline: pd.DataFrame, horizon: Horizon) -> dict[str, object]:
    """Both in order of origin, row by row the same origins."""
    loss, baseline_loss = _array(mine, "qlike"), _array(baseline, "qlike")
    return {
        "sample_size": len(mine),
        "scored_from": mine["origin"].iloc[0],
        "scored_to": mine["origin"].iloc[-1],
        "qlike": float(loss.mean()),
        "qlike_without_worst": metrics.without_worst(loss, baseline_loss),
        "pinball": float(mine["pinball"].mean()),
        "coverage_50": float(mine["inside_50"].astype(float).mean()),
        "coverage_90": float(mine["inside_90"].astype(float).mean()),
        "skill": 1.0 - float(loss.mean() / baseline_loss.mean()),
        "pinball_skill": 1.0 - float(mine["pinball"].mean() / baseline["pinball"].mean()),
        "p_value": significance(loss, baseline_loss, horizon, horizon.every)[1],
        "champion_share": float((mine["variant"] == "champion").mean()),
        "updated_at": mine["scored_at"].max(),
    }


def _array(table: pd.DataFrame, name: str) -> Floats:
    values: Floats = table[name].to_numpy(np.float64)
    return values
