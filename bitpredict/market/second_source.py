"""A second record of the same market: what it repairs, and by how much it differs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.market.gaps import Gap, spans

REPAIRED = "repaired:"
"""Begins the provenance of a row that was copied from the source named behind it."""

NAMED = 10
"""How many of the worst minutes are named."""


@dataclass(frozen=True)
class Deviation:
    """How the closes of two sources differ, relative to the first's.

    Attributes:
        minutes: that both have.
        median, p99, worst: of the absolute relative deviations; NaN where no minute is in both.
        beyond: minutes above the threshold.
        worst_minutes: the largest of them, at most `NAMED`, in words.
    """

    minutes: int
    median: float
    p99: float
    worst: float
    beyond: int
    worst_minutes: tuple[str, ...]


NOTHING_TO_COMPARE = Deviation(0, np.nan, np.nan, np.nan, 0, ())


def repaired(candles: pa.Table, second: pa.Table, gaps: Mapping[str, Iterable[Gap]], source: str) -> pa.Table:
    """`candles` with the minutes of its gaps that the second source has; no other row is touched or added.

    What the second source does not tell is null. A copied minute had trades, so that it is never halted; it is known
    since it was received.

    Args:
        candles: as `market.candles.canonical` makes them.
        second: a subset of their columns.
        gaps: by symbol.
    """
    missing = [
        pc.and_(pc.equal(second["symbol"], symbol), _inside(second, gap)) for symbol in gaps for gap in gaps[symbol]
    ]
    chosen = np.zeros(second.num_rows, dtype=bool)
    for condition in missing:
        chosen |= condition.to_numpy()
    if not chosen.any():
        return candles
    rows = second.filter(pa.array(chosen))
    told = {
        **{name: rows[name] for name in rows.column_names},
        "provenance": pa.repeat(f"{REPAIRED}{source}", rows.num_rows),
        "halted": pa.repeat(False, rows.num_rows),
    }
    columns = [told.get(field.name, pa.nulls(rows.num_rows, field.type)) for field in candles.schema]
    copied = pa.table(columns, schema=candles.schema)
    return pa.concat_tables([candles, copied]).sort_by([("open_time", "ascending"), ("symbol", "ascending")])


def copied_from(candles: pa.Table, symbol: str) -> dict[str, list[Gap]]:
    """Of one symbol's candles the runs of copied minutes, by the source that they came from.

    Args:
        candles: at least `symbol`, `open_time` and `provenance`.
    """
    rows = candles.filter(
        pc.and_(pc.equal(candles["symbol"], symbol), pc.starts_with(candles["provenance"], REPAIRED))
    ).sort_by("open_time")
    sources = np.array(rows["provenance"].to_pylist(), dtype=object)
    times = rows["open_time"].to_numpy()
    return {name.removeprefix(REPAIRED): spans(times[sources == name]) for name in sorted(set(sources.tolist()))}


def deviation(candles: pa.Table, second: pa.Table, threshold: float) -> Deviation:
    """Compare the closes of the minutes that both have. Copied minutes are no comparison, and neither are halted ones.

    Args:
        candles: at least `symbol`, `open_time`, `close`, `provenance`, `halted`.
        second: at least `symbol`, `open_time`, `close`.
    """
    if second.num_rows == 0:
        return NOTHING_TO_COMPARE
    own = candles.filter(pc.and_not(pc.invert(pc.starts_with(candles["provenance"], REPAIRED)), candles["halted"]))
    key = ["symbol", "open_time"]
    both = own.select([*key, "close"]).to_pandas().merge(second.select([*key, "close"]).to_pandas(), on=key)
    if both.empty:
        return NOTHING_TO_COMPARE
    apart = (both["close_y"] / both["close_x"] - 1).abs()
    beyond = both.assign(apart=apart)[apart > threshold].sort_values(["apart", *key], ascending=[False, True, True])
    worst = (
        f"{row.symbol} {row.open_time:%Y-%m-%d %H:%M}: {row.close_x:.8g} and {row.close_y:.8g}, {row.apart:.2%} apart"
        for row in beyond.head(NAMED).itertuples()
    )
    return Deviation(
        minutes=len(both),
        median=float(apart.median()),
        p99=float(apart.quantile(0.99)),
        worst=float(apart.max()),
        beyond=len(beyond),
        worst_minutes=tuple(worst),
    )


def _inside(rows: pa.Table, gap: Gap) -> pa.ChunkedArray:
    def instant(moment: datetime) -> pa.Scalar:
        return pa.scalar(moment, rows.schema.field("open_time").type)

    return pc.and_(
        pc.greater_equal(rows["open_time"], instant(gap.start)), pc.less(rows["open_time"], instant(gap.end))
    )
