"""What a range of days holds after it was collected again."""

from collections.abc import Collection, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_KEY = ["symbol", "open_time"]


def recollected(
    stored: pa.Table, collected: pa.Table, symbols: Sequence[str], not_there_yet: Collection[tuple[str, date]]
) -> pa.Table:
    """Merge newly collected candles into the stored ones of the same days.

    A collected row replaces the stored one of its minute; one that says the same keeps the instant at which it was
    first known. What was not asked for stays: other symbols, and days that the source does not have at this moment.

    Args:
        stored, collected: the same columns, each minute of a symbol once.
        symbols: those that were asked for.
        not_there_yet: (symbol, day) that were asked for and that the source could not answer yet.
    """
    if stored.num_rows == 0:
        return collected
    days = stored["open_time"].cast(pa.date32()).to_pylist()
    waiting = np.fromiter(
        (pair in not_there_yet for pair in zip(stored["symbol"].to_pylist(), days, strict=True)), bool, stored.num_rows
    )
    asked = pc.is_in(stored["symbol"], pa.array(symbols, pa.string())).to_numpy(zero_copy_only=False)
    return pa.concat_tables([_first_known(stored, collected), stored.filter(pa.array(~asked | waiting))])


def _first_known(stored: pa.Table, collected: pa.Table) -> pa.Table:
    """`collected` with the stored `known_at` of the rows that have not changed."""
    before = stored.to_pandas().set_index(_KEY)
    now = collected.to_pandas().set_index(_KEY)
    before = before.reindex(now.index)
    said = [name for name in now.columns if name != "known_at"]
    same = (before[said] == now[said]).all(axis=1)
    known_at = now["known_at"].where(~same, before["known_at"])
    place = collected.column_names.index("known_at")
    column = pa.array(known_at, type=collected.schema.field("known_at").type, from_pandas=True)
    return collected.set_column(place, collected.schema.field("known_at"), column)
