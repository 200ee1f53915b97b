"""The versions of a lake table: what made each, what differs between two, and going back to one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable

from bitpredict.errors import StorageError
from bitpredict.market.time import DAY, EPOCH, utc
from bitpredict.storage.contracts import Contract
from bitpredict.storage.delta import DAY_COLUMN
from bitpredict.storage.lake import Lake


@dataclass(frozen=True)
class Version:
    """A version of a table.

    Attributes:
        made_at: when it was committed.
        operation: what made it, as Delta calls it: WRITE, DELETE, OPTIMIZE, RESTORE, …
        rows_added: by its commit, None where it does not say.
        readable: whether all files that it needs are there still.
    """

    version: int
    made_at: datetime
    operation: str
    rows_added: int | None
    readable: bool


@dataclass(frozen=True)
class DayDifference:
    """What differs between two versions on a day: rows that only the later has, only the earlier has, and rows of the
    same key that say something else."""

    day: date
    added: int
    removed: int
    changed: int


def versions(lake: Lake, contract: Contract, limit: int) -> list[Version]:
    """The newest `limit` versions, the newest first; none where there is no table.

    Raises:
        StorageError: the store cannot be read.
    """
    with lake.tables.explained(contract, "read"):
        table = lake.tables.open(contract)
        if table is None:
            return []
        return [
            Version(
                version=entry["version"],
                made_at=EPOCH + timedelta(milliseconds=entry["timestamp"]),
                operation=entry["operation"],
                rows_added=entry.get("operationMetrics", {}).get("num_added_rows"),
                readable=_is_readable(lake, contract, entry["version"]),
            )
            for entry in table.history(limit)
        ]


def differences(lake: Lake, contract: Contract, earlier: int, later: int) -> Iterator[DayDifference]:
    """Each day on which two versions have not the same rows, in order. Days of the same files are not read.

    Raises:
        StorageError: a version is not there or can no longer be read, or the store cannot be read.
    """
    with lake.tables.explained(contract, "read"):
        before, after = (_files_by_day(lake.tables.at(contract, version)) for version in (earlier, later))
    for day in sorted(before.keys() | after.keys()):
        if before.get(day) != after.get(day):
            read = partial(lake.read, contract, utc(day), utc(day) + DAY)
            found = _difference(contract, day, read(version=earlier), read(version=later))
            if found.added or found.removed or found.changed:
                yield found


def restore(lake: Lake, contract: Contract, version: int) -> int:
    """Make the table what it was at `version`, by a new version, which is returned; no version is lost by it.

    Raises:
        StorageError: the version is not there or can no longer be read, or the store cannot be written.
    """

    def go_back(table: DeltaTable | None) -> int:
        if table is None:
            raise FileNotFoundError("the table was deleted meanwhile")
        table.restore(version)
        lake.tables.remember(contract, table)
        return table.version()

    with lake.tables.explained(contract, "restore"):
        lake.tables.at(contract, version)
        return lake.tables.commit(contract, go_back)


def _is_readable(lake: Lake, contract: Contract, version: int) -> bool:
    try:
        lake.tables.at(contract, version)
    except StorageError:
        return False
    return True


def _files_by_day(table: DeltaTable) -> dict[date, frozenset[str]]:
    files = pa.table(table.get_add_actions(flatten=True))
    if not files.num_rows:
        return {}
    found: dict[date, set[str]] = {}
    days = files[f"partition.{DAY_COLUMN}"].cast(pa.date32()).to_pylist()
    for day, path in zip(days, files["path"].to_pylist(), strict=True):
        found.setdefault(day, set()).add(path)
    return {day: frozenset(paths) for day, paths in found.items()}


def _difference(contract: Contract, day: date, earlier: pa.Table, later: pa.Table) -> DayDifference:
    if earlier.equals(later):
        return DayDifference(day, 0, 0, 0)
    before, after = (rows.to_pandas().set_index(list(contract.key)) for rows in (earlier, later))
    both = before.index.intersection(after.index)
    one, other = before.loc[both], after.loc[both]
    differs = pd.Series(data=False, index=both)
    for name in one.columns:
        differs |= (one[name] != other[name]) & ~(one[name].isna() & other[name].isna())
    return DayDifference(day, len(after) - len(both), len(before) - len(both), int(differs.sum()))
