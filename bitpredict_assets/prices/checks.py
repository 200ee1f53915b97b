"""What must hold for candles. One evaluation a run over its whole range; the failing days are in the metadata.

Order and duplicates are the contract's business and are refused before anything is written.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import dagster as dg
import numpy as np
import pandas as pd

from bitpredict.market.time import MINUTE, floor_minute
from bitpredict.storage.contracts import CANDLES
from bitpredict_assets.checking import checked_window
from bitpredict_assets.prices.assets import candles
from bitpredict_assets.resources import Platform

LARGEST_MOVE = 0.2
_COLUMNS = ["symbol", "open_time", "open", "high", "low", "close", "volume"]


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("consistent", asset=candles, description="low <= open, close <= high and volume >= 0"),
        dg.AssetCheckSpec("complete", asset=candles, description="every minute since the symbol's first is there"),
        dg.AssetCheckSpec("no_jump", asset=candles, description="no minute's close moves by more than a fifth"),
    ]
)
def candle_checks(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterable[dg.AssetCheckResult]:
    """Candles agree with themselves, none is missing, none is absurd."""
    start, end = checked_window(context, platform.lake, CANDLES)
    frame = platform.lake.read(CANDLES, start, end, columns=_COLUMNS).to_pandas()
    yield _consistent(frame)
    yield _complete(frame, min(end, floor_minute(datetime.now(UTC)) - MINUTE))
    yield _no_jump(frame)


def _consistent(frame: pd.DataFrame) -> dg.AssetCheckResult:
    low, high = frame[["open", "close", "low"]].min(axis=1), frame[["open", "close", "high"]].max(axis=1)
    bad = frame[(frame["low"] > low) | (frame["high"] < high) | (frame["volume"] < 0)]
    return dg.AssetCheckResult(check_name="consistent", passed=bad.empty, metadata=_failing_days(bad))


def _complete(frame: pd.DataFrame, end: datetime) -> dg.AssetCheckResult:
    """A hole is a warning: it is shown here and kept in the gap ledger, never filled."""
    missing: dict[str, int] = {}
    for symbol, rows in frame.groupby("symbol"):
        expected = pd.date_range(rows["open_time"].min(), end, freq="min", inclusive="left")
        absent = expected[~expected.isin(rows["open_time"])]
        days = absent.strftime("%Y-%m-%d").value_counts()
        missing |= {f"{symbol} {day}": int(minutes) for day, minutes in days.sort_index().items()}
    return dg.AssetCheckResult(
        check_name="complete",
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"missing minutes": missing},
    )


def _no_jump(frame: pd.DataFrame) -> dg.AssetCheckResult:
    change = frame.groupby("symbol")["close"].pct_change().abs()
    return dg.AssetCheckResult(
        check_name="no_jump",
        passed=not (change > LARGEST_MOVE).any(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "largest move": float(np.nanmax(change, initial=0.0)),
            **_failing_days(frame[change > LARGEST_MOVE]),
        },
    )


def _failing_days(bad: pd.DataFrame) -> dict[str, object]:
    days = (bad["symbol"] + " " + bad["open_time"].dt.strftime("%Y-%m-%d")).value_counts()
    return {"failing rows": len(bad), "failing days": {str(day): int(n) for day, n in days.items()}}
