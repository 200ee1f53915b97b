"""What must hold for candles. One evaluation a run over its whole range; the failing days are in the metadata.

Order and duplicates are the contract's business and are refused before anything is written.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import dagster as dg
import pandas as pd
import pyarrow as pa

from bitpredict.market.second_source import deviation
from bitpredict.market.time import MINUTE, days
from bitpredict.storage.contracts import CANDLES, CRYPTOCOMPARE_CANDLES
from bitpredict_assets.checking import checked_window
from bitpredict_assets.prices.assets import candles, cryptocompare_candles
from bitpredict_assets.prices.missing import missing_minutes, over_by_now
from bitpredict_assets.resources import Platform

LARGEST_MOVE = 0.2
_COLUMNS = ["symbol", "open_time", "open", "high", "low", "close", "volume", "provenance", "halted"]


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec("consistent", asset=candles, description="low <= open, close <= high and volume >= 0"),
        dg.AssetCheckSpec("complete", asset=candles, description="every minute since the symbol's first is there"),
        dg.AssetCheckSpec("no_jump", asset=candles, description="no minute's close moves by more than a fifth"),
        dg.AssetCheckSpec(
            "cross_source_deviation", asset=candles, description="the second source's closes of the same minutes agree"
        ),
    ]
)
def candle_checks(context: dg.AssetCheckExecutionContext, platform: Platform) -> Iterable[dg.AssetCheckResult]:
    """Candles agree with themselves and with a second source, none is missing, none is absurd."""
    start, end = checked_window(context, platform.lake, CANDLES)
    # With the minute before the window: a jump over midnight belongs to the day that it leads into.
    candles_and_one = platform.lake.read(CANDLES, start - MINUTE, end, columns=_COLUMNS)
    inside = candles_and_one.filter(pa.compute.greater_equal(candles_and_one["open_time"], pa.scalar(start)))
    yield _consistent(inside.to_pandas())
    yield _complete(platform, inside, start, over_by_now(end))
    yield _no_jump(candles_and_one.to_pandas())
    second = platform.lake.read(CRYPTOCOMPARE_CANDLES, start, end, columns=["symbol", "open_time", "close"])
    yield _cross_source_deviation(inside, second, platform.settings.cross_source_deviation)


@dg.asset_check(
    asset=cryptocompare_candles, name="second_source_there", description="it has minutes of every symbol on every day"
)
def second_source_check(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """By what is stored: a source that has fallen silent, or no longer has these days, is seen here."""
    from bitpredict.sources.cryptocompare import why_not

    if why := why_not(platform.settings):
        return dg.AssetCheckResult(passed=True, metadata={"skipped": why})
    start, end = checked_window(context, platform.lake, CRYPTOCOMPARE_CANDLES)
    rows = platform.lake.read(CRYPTOCOMPARE_CANDLES, start, end, columns=["symbol", "open_time"]).to_pandas()
    minutes = Counter(rows["symbol"] + " " + rows["open_time"].dt.strftime("%Y-%m-%d"))
    wanted = [f"{symbol} {day}" for symbol in platform.settings.symbols for day in days(start, over_by_now(end))]
    without = [each for each in wanted if not minutes[each]]
    return dg.AssetCheckResult(
        passed=not without,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"days": f"{len(wanted) - len(without)} of {len(wanted)}", "without minutes": without},
    )


def _cross_source_deviation(table: pa.Table, second: pa.Table, threshold: float) -> dg.AssetCheckResult:
    """Which of the two is wrong nobody knows: a warning. Without a second source there is nothing to compare."""
    found = deviation(table, second, threshold)
    compared = {"median": found.median, "99th percentile": found.p99, "worst": found.worst} if found.minutes else {}
    return dg.AssetCheckResult(
        check_name="cross_source_deviation",
        passed=not found.beyond,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "minutes of both": found.minutes,
            "threshold": threshold,
            **compared,
            "minutes beyond it": found.beyond,
            "worst minutes": list(found.worst_minutes),
        },
    )


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
