"""The predictor's memory at 1,000 trades a second: how much, and whether it grows in ten minutes."""

import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.stream_home import home
from benchmarks.stream_logs import event_logs
from benchmarks.stream_processes import Predictor, child, machine_load, number, said

RATE, SECONDS, EACH = 1000.0, 600.0, 5.0
MOST_MIB, MOST_GROWTH = 250.0, 0.05


def main() -> None:
    """Print the resident memory after the start, its medians of the first and the last minute, and its peak.

    BENCH_RATE, BENCH_SECONDS: trades a second, and for how long.
    """
    rate, seconds = number("RATE", RATE), number("SECONDS", SECONDS)
    with event_logs() as logs:
        for name, url in logs.items():
            with home(datetime.now(UTC), url) as settings, Predictor(settings) as predictor:
                print(f"{name}: {rate:,.0f} trades/s for {seconds:.0f} s, {machine_load()}", flush=True)
                start = _mib(predictor.pid, "VmRSS")
                feeder = child("stream_feed", settings, rate, seconds, 7, settings.home / "sent")
                seen = []
                while feeder.poll() is None:
                    time.sleep(EACH)
                    seen.append(_mib(predictor.pid, "VmRSS"))
                said(feeder)
                peak = _mib(predictor.pid, "VmHWM")
                predictor.stop()
            minute = round(60 / EACH)
            first, last = median(seen[:minute]), median(seen[-minute:])
            print(f"  {start:.0f} MiB after the start; median {first:.0f} MiB in the first minute", end=", ")
            print(f"{last:.0f} MiB in the last ({last / first - 1:+.1%}, allowed 5 %); peak {peak:.0f} MiB", end=": ")
            print(f"{peak / MOST_MIB:.2f} x the allowed {MOST_MIB:.0f} MiB")


def _mib(pid: int, what: str) -> float:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
