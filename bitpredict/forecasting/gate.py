"""The gate: the baseline serves until a challenger is proven better, and the reason is put into words."""

from datetime import timedelta

import pandas as pd

from bitpredict.errors import ModelError
from bitpredict.forecasting.recipes import BASELINE
from bitpredict.market.time import DAY, utc
from bitpredict.storage.schema import champions as champions_table

SIGNIFICANT = 0.05
COVERAGE_90 = (0.87, 0.93)
"""A champion's 90 % interval must have held between these shares of outcomes."""

LEAST_SCORED = timedelta(days=5)
"""Folds over less than that prove nothing: the losses of a day hang together, and no test sees how differently the
other days of a week may go."""


def choose_champion(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Choose who serves each month, symbol and horizon.

    A challenger passes with a lower mean QLIKE than the baseline, a one-sided Diebold-Mariano p-value below 0.05 and
    a 90 % coverage within 0.87 to 0.93, all over folds of at least five days; the best of those that pass is the
    champion, else the baseline.

    Args:
        evaluations: rows of `model_evaluations`.

    Returns:
        Rows of `champions`, valid from their month's first instant, decided when the last of them was evaluated.

    Raises:
        ModelError: a month, symbol and horizon was evaluated without the baseline.
    """
    rows = [_choose(group) for _, group in evaluations.groupby(["month", "symbol", "horizon"], sort=True)]
    return pd.DataFrame(rows, columns=[column.name for column in champions_table.columns])


def _choose(group: pd.DataFrame) -> dict[str, object]:
    first = group.iloc[0]
    if BASELINE not in set(group["model"]):
        raise ModelError(
            f"{first['symbol']} {first['horizon']} of {first['month']} was evaluated without {BASELINE}; "
            "materialize its models again"
        )
    baseline = group[group["model"] == BASELINE].iloc[0]
    refusals = {str(row["model"]): _refusal(row, baseline) for _, row in group.iterrows() if row["model"] != BASELINE}
    passing = group[[name in refusals and not refusals[name] for name in group["model"]]]
    if passing.empty:
        chosen = baseline
        reason = f"{BASELINE} serves (QLIKE {baseline['qlike']:.4f}): no challenger passed the gate"
    else:
        chosen = passing.sort_values(["qlike", "model"]).iloc[0]
        reason = (
            f"{chosen['model']} passed the gate: QLIKE {chosen['qlike']:.4f} against {baseline['qlike']:.4f} of "
            f"{BASELINE} ({chosen['skill']:+.1%}) on {chosen['sample_size']} origins, p {chosen['p_value']:.2g}, "
            f"90 % coverage {chosen['coverage_90']:.3f}"
        )
    others = "; ".join(f"{name}: {refusal}" for name, refusal in refusals.items() if refusal)
    return {
        "month": first["month"],
        "symbol": first["symbol"],
        "horizon": first["horizon"],
        "valid_from": pd.Timestamp(utc(pd.Timestamp(first["month"]).date())),
        "model": chosen["model"],
        "model_version": chosen["model_version"],
        "reason": f"{reason}. {others}" if others else reason,
        "decided_at": group["evaluated_at"].max(),
    }


def _refusal(row: pd.Series, baseline: pd.Series) -> str:
    """Why a challenger may not serve; empty if it may."""
    if not row["qlike"] < baseline["qlike"]:
        return f"QLIKE {row['qlike']:.4f} is not below {baseline['qlike']:.4f}"
    if (scored := row["scored_to"] - row["scored_from"]) < LEAST_SCORED:
        return f"QLIKE {row['qlike']:.4f} is lower, but {scored / DAY:.1f} days are too few to prove it"
    if pd.isna(row["p_value"]):
        return f"QLIKE {row['qlike']:.4f} is lower, but {row['sample_size']} overlapping origins are too few to test it"
    if not row["p_value"] < SIGNIFICANT:
        return f"QLIKE {row['qlike']:.4f} is lower, but p {row['p_value']:.2g} is not below {SIGNIFICANT}"
    low, high = COVERAGE_90
    if not low <= row["coverage_90"] <= high:
        return f"90 % coverage {row['coverage_90']:.3f} is outside {low} to {high}"
    return ""
