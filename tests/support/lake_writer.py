"""Another process that writes the lake that the environment names: `python -m tests.support.lake_writer …`.

Prints `ready`, waits for a line on standard input, and then writes; each writing is known by its price.
"""

import sys

from bitpredict.settings import load_settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from tests.support.made_rows import made_candles, midnight


def main(first: int, days: int, step: int, times: int, close: float) -> None:
    """Write `days` days from `first` on, `step` days a commit, all of it `times` times."""
    tables = {day: made_candles(day, step, close=close) for day in range(first, first + days, step)}
    lake = Lake.from_settings(load_settings())
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(times):
        for day, rows in tables.items():
            lake.replace(CANDLES, rows, midnight(day), midnight(day + step))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:5]), float(sys.argv[5]))
