"""What must hold for candles. One evaluation a run over its whole range; the failing days are in the metadata.

Order and duplicates are the contract's business and are refused before anything is written.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import dagster as dg
import pandas as pd
import pyarrow as pa

from bitpredict.market.time import MINUTE
from bitpredict.storage.contracts import CANDLES
from bitpredict_assets.checking import checked_window
from bitpredict_assets.prices.assets import candles
from bitpredict_assets.prices.missing import missing_minutes, over_by_now
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
    # With the minute before the window: a jump over midnight belongs to the day that it leads into.
    candles_and_one = platform.lake.read(CANDLES, start - MINUTE, end, columns=_COLUMNS)
    inside = candles_and_one.filter(pa.compute.greater_equal(candles_and_one["open_time"], pa.scalar(start)))
    yield _consistent(inside.to_pandas())
    yield _complete(platform, inside, start, over_by_now(end))
    yield _no_jump(candles_and_one.to_pandas())


def _consistent(frame: pd.DataFrame) -> dg.AssetCheckResult:
    low, high = frame[["open", "close", "low"]].min(axis=1), frame[["open", "close", "high"]].max(axis=1)
    bad = frame[(frame["low"] > low) | (frame["high"] < high) | (frame["volume"] < 0)]
    return dg.AssetCheckResult(check_name="consistent", passed=bad.empty, metadata=_failing_days(bad))


def _complete(platform: Platform, table: pa.Table, start: datetime, end: datetime) -> dg.AssetCheckResult:
    """A hole is a warning: it is shown here and kept in the gap ledger, never filled."""
    missing: Counter[str] = Counter()
    for symbol in platform.settings.symbols:
        for gap in missing_minutes(platform.lake, table, symbol, start, end):
            minutes = pd.date_range(gap.start, gap.end, freq="min", inclusive="left")
            missing.update(f"{symbol} {minute:%Y-%m-%d}" for minute in minutes)
    return dg.AssetCheckResult(
        check_name="complete",
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"missing minutes": dict(missing)},
    )


def _no_jump(frame: pd.DataFrame) -> dg.AssetCheckResult:
    change = frame.groupby("symbol")["close"].pct_change().abs()
    largest = change.max()
    return dg.AssetCheckResult(
        check_name="no_jump",
        passed=not (change > LARGEST_MOVE).any(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "largest move": 0.0 if pd.isna(largest) else float(largest),
            **_failing_days(frame[change > LARGEST_MOVE]),
        },
    )


def _failing_days(bad: pd.DataFrame) -> dict[str, object]:
    days = (bad["symbol"] + " " + bad["open_time"].dt.strftime("%Y-%m-%d")).value_counts()
    return {"failing rows": len(bad), "failing days": {str(day): int(n) for day, n in days.items()}}
