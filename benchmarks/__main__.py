"""Every benchmark, one after the other: `python -m benchmarks [NAME ...]`."""

import importlib
import os
import platform
import sys
import time
from datetime import UTC, datetime

NAMES = (
    "definitions",
    "indicators",
    "lake",
    "backfill",
    "forecasts",
    "serving",
    "markets",
    "articles",
    "sentiment",
    "cache",
    "day",
    "keeping",
    "stream_latency",
    "stream_throughput",
    "stream_replay",
    "stream_memory",
    "stream_sensor",
)


def main() -> None:
    names = sys.argv[1:] or NAMES
    if unknown := set(names) - set(NAMES):
        raise SystemExit(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {gigabytes:.0f} GiB, Python {platform.python_version()}"
    )
    for name in names:
        print(f"\n== {name}", flush=True)
        start = time.perf_counter()
        importlib.import_module(f"benchmarks.{name}").main()
        print(f"   ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
