"""Rows replaced by their key, so that writing anything twice leaves the same table."""

import pandas as pd
from sqlalchemy import Connection, Table, or_

from bitpredict.storage.frames import insert_into, to_rows


def upsert(connection: Connection, table: Table, frame: pd.DataFrame, *, stamp: str) -> None:
    """Insert the frame's rows, and replace those of the same key that differ in anything but `stamp`.

    Args:
        stamp: the column that says when a row was made: it changes only together with something else.

    Raises:
        ContractError: the rows do not fit the table.
    """
    rows = to_rows(table, frame, connection.dialect)
    if not rows:
        return
    key = [column.name for column in table.primary_key]
    insert = insert_into(table, connection.dialect)
    others = [column.name for column in table.columns if column.name not in key]
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=key,
            set_={name: insert.excluded[name] for name in others},
            where=or_(
                *(table.c[name].is_distinct_from(insert.excluded[name]) for name in others if name != stamp),
            ),
        ),
        rows,
    )
