"""Writing and reading one day of candles in a table of 549 days against one of 30: it must cost the same.

Both through a lake that is open, as within a run, and through one just opened, as by a run's first access: Delta then
reads the names of all files, which is the part that grows.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.market.candles import canonical
from bitpredict.market.time import DAY, utc
from bitpredict.settings import SAMPLE_START
from bitpredict.sources.simulated import Simulator
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake

SIZES = (30, 549)
COMMITS = 10
ROUNDS = 41
SYMBOLS = ("BTCUSDT", "ETHUSDT")
START = utc(SAMPLE_START)


def main() -> None:
    """Print milliseconds at both sizes and their ratio: 1 is best."""
    simulator = Simulator(7)
    template = canonical(pa.concat_tables([simulator.day(symbol, SAMPLE_START).candles for symbol in SYMBOLS]))
    with tempfile.TemporaryDirectory(prefix="bitpredict-bench-") as folder:
        roots = {size: f"{folder}/{size}" for size in SIZES}
        for size, root in roots.items():
            _fill(Lake(root), template, size)
        open_lakes = {size: Lake(root) for size, root in roots.items()}
        for name, lake_of in (
            ("an open lake", lambda size: open_lakes[size]),
            ("a lake just opened", lambda size: Lake(roots[size])),
        ):
            for doing, action in (("write", _write), ("read", _read)):
                _report(f"{doing} a day, {name}", _measure(lake_of, action, template))


def _fill(lake: Lake, template: pa.Table, size: int) -> None:
    """In as many commits whatever the size: how long ago Delta's last checkpoint was must not tell them apart."""
    edges = [round(size * i / COMMITS) for i in range(COMMITS + 1)]
    for first, last in pairwise(edges):
        rows = pa.concat_tables([_shifted(template, day) for day in range(first, last)])
        lake.replace(CANDLES, rows, START + first * DAY, START + last * DAY)


def _shifted(template: pa.Table, days: int) -> pa.Table:
    for name in ("open_time", "known_at"):
        place = template.schema.get_field_index(name)
        template = template.set_column(
            place, template.schema.field(place), pc.add(template[name], timedelta(days=days))
        )
    return template


def _write(lake: Lake, rows: pa.Table, day: int) -> None:
    lake.replace(CANDLES, rows, START + day * DAY, START + (day + 1) * DAY)


def _read(lake: Lake, rows: pa.Table, day: int) -> None:
    assert lake.read(CANDLES, START + day * DAY, START + (day + 1) * DAY).num_rows == rows.num_rows


def _measure(
    lake_of: Callable[[int], Lake], action: Callable[[Lake, pa.Table, int], None], template: pa.Table
) -> dict[int, float]:
    """Median seconds by size; the sizes take turns, so that a busy machine slows both."""
    taken: dict[int, list[float]] = {size: [] for size in SIZES}
    for turn in range(ROUNDS):
        day = turn % min(SIZES)
        rows = _shifted(template, day)
        for size in SIZES if turn % 2 else SIZES[::-1]:
            start = time.perf_counter()
            action(lake_of(size), rows, day)
            taken[size].append(time.perf_counter() - start)
    return {size: statistics.median(times) for size, times in taken.items()}


def _report(what: str, seconds: dict[int, float]) -> None:
    small, large = (seconds[size] for size in SIZES)
    print(
        f"{what}: {small * 1e3:.1f} ms at {SIZES[0]} days, {large * 1e3:.1f} ms at {SIZES[1]}: "
        f"{large / small:.2f} x (target 0.8 to 1.2)"
    )


if __name__ == "__main__":
    main()
