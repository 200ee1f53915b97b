"""A year of real minutes, zips to feature table: one backfill run in Dagster against the plain functions."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

from benchmarks.recordings import archive_or_none

FIRST, LAST = date(2022, 7, 1), date(2023, 6, 30)
DAYS, ASSETS = 365, 5
ALLOWED_SECONDS = 0.025
SYMBOL = "BTCUSDT"


def main() -> None:
    """Print seconds, peak memory and the ratio to the target: 2 x the plain time + 25 ms an asset and day."""
    archive = archive_or_none("backfill")
    if archive is None:
        return
    plain, dagster = (_measure(how, archive) for how in ("plain", "dagster"))
    allowed = 2 * plain["seconds"] + ALLOWED_SECONDS * ASSETS * DAYS
    print(f"{DAYS} days of {SYMBOL}, zips to feature_table, {dagster['rows']:,} feature rows")
    print(f"  plain functions: {plain['seconds']:.1f} s, peak {plain['peak_mib']:.0f} MiB")
    print(f"  one Dagster run: {dagster['seconds']:.1f} s, peak {dagster['peak_mib']:.0f} MiB")
    print(f"  {dagster['seconds'] / allowed:.2f} x the allowed {allowed:.1f} s (target at most 1)")
    if plain["rows"] != dagster["rows"]:
        raise SystemExit(f"the two made different tables: {plain['rows']} and {dagster['rows']} rows")


def _measure(how: str, archive: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "BITPREDICT_HOME": home,
            "BITPREDICT_MARKET": "archive",
            "BITPREDICT_ARCHIVE_URL": str(archive),
            "BITPREDICT_SYMBOLS": SYMBOL,
            "BITPREDICT_START": f"{FIRST}",
        }
        environment.pop("DAGSTER_HOME", None)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "benchmarks.backfill", how],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
        )
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _in_dagster() -> float:
    from bitpredict.settings import load_settings
    from bitpredict_assets.instance import prepare_dagster_home

    prepare_dagster_home(load_settings())
    import dagster as dg

    from bitpredict_assets.graph import run_stage, stages

    with dg.DagsterInstance.get() as instance:
        start = time.perf_counter()
        run_stage(stages(FIRST, LAST)[0], instance, {}, lambda _text: None)
        return time.perf_counter() - start


def _plain() -> float:
    from bitpredict.features.catalog import FEATURE_TABLE, PRICE_FEATURES
    from bitpredict.features.table import feature_table, price_features
    from bitpredict.market.candles import canonical
    from bitpredict.market.gaps import find_gaps
    from bitpredict.market.time import DAY, utc
    from bitpredict.settings import load_settings
    from bitpredict.sources.candles import choose_source, collect
    from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES
    from bitpredict.storage.database import connect
    from bitpredict.storage.gap_ledger import reconcile
    from bitpredict.storage.lake import Lake

    settings = load_settings()
    lake, engine, span = Lake.from_settings(settings), connect(settings), (utc(FIRST), utc(LAST) + DAY)
    start = time.perf_counter()
    lake.replace(BINANCE_CANDLES, collect(choose_source(settings), [SYMBOL], *span).candles, *span)
    lake.replace(CANDLES, canonical(lake.read(BINANCE_CANDLES, *span)), *span)
    candles = lake.read(CANDLES, *span)
    gaps = find_gaps(candles["open_time"].to_numpy(), *span)
    reconcile(engine, SYMBOL, "binance", *span, gaps, now=datetime.now(UTC))
    lake.replace(PRICE_FEATURES, price_features(candles, SYMBOL, *span), *span)
    lake.replace(FEATURE_TABLE, feature_table(lake.read(PRICE_FEATURES, *span)), *span)
    return time.perf_counter() - start


def _child(how: str) -> None:
    seconds = _in_dagster() if how == "dagster" else _plain()
    from bitpredict.features.catalog import FEATURE_TABLE
    from bitpredict.settings import load_settings
    from bitpredict.storage.lake import Lake

    rows = Lake.from_settings(load_settings()).read(FEATURE_TABLE, columns=["origin"]).num_rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "rows": rows}))


if __name__ == "__main__":
    _child(sys.argv[1]) if len(sys.argv) > 1 else main()
