"""The lake: one Delta table a contract, partitioned by UTC day, on a folder or on S3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial, reduce
from operator import and_
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake import ColumnProperties, DeltaTable, WriterProperties, write_deltalake

from bitpredict.errors import ContractError, StorageError
from bitpredict.market.time import DAY, utc
from bitpredict.settings import Settings
from bitpredict.storage.contracts import Contract
from bitpredict.storage.delta import DAY_COLUMN, DeltaTables

_CONFIGURATION: Mapping[str, str | None] = {
    # Days are found by their partition alone: statistics of columns would only make every opening slower.
    "delta.dataSkippingNumIndexedCols": "0",
    "delta.checkpointInterval": "20",
    # Deletions older than that are forgotten; maintenance makes it what the setting says.
    "delta.deletedFileRetentionDuration": "interval 30 days",
}
_LEAST_KEPT = timedelta(days=30)
"""The log says for so long at least what was done."""

_PARQUET = WriterProperties(
    # A dictionary a column and day finds nothing to share among prices; for a year of days it took 3 GiB and the most
    # of the time of a write.
    default_column_properties=ColumnProperties(dictionary_enabled=False)
)


@dataclass(frozen=True)
class Maintenance:
    """What `Lake.maintain` did: data files merged into fewer, and files deleted that no kept version needs."""

    files_merged: int
    files_written: int
    files_deleted: int
    version: int | None


class Lake:
    """Reads and replaces whole days of the contracts' tables below one root. Safe to share between threads.

    Args:
        root: a folder or `s3://bucket/prefix`.
        storage_options: what Delta needs to reach S3 (`Settings.storage_options`).
    """

    def __init__(self, root: str, storage_options: Mapping[str, str] | None = None) -> None:
        self._tables = DeltaTables(root, storage_options or {})

    @property
    def tables(self) -> DeltaTables:
        """The Delta tables themselves, for what is neither reading nor replacing days."""
        return self._tables

    @classmethod
    def from_settings(cls, settings: Settings) -> "Lake":
        return cls(settings.lake, settings.storage_options)

    def read(
        self,
        contract: Contract,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        columns: Sequence[str] | None = None,
        symbols: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pa.Table:
        """Rows whose `contract.time` is in [start, end), ordered by time and key; only their days are read.

        Args:
            start, end: aware instants; None leaves that side open.
            columns: which columns, in this order; all by default.
            symbols: only rows of these symbols.
            version: of the table, as it was then; by default the newest.

        Returns:
            A table of the contract's schema; empty when nothing was ever written.

        Raises:
            StorageError: unknown columns, a table that is not the contract's, a version that is not there any more, or
                a store that cannot be read.
        """
        names = list(contract.schema.names if columns is None else columns)
        wanted = [*names, *([] if symbols is None else ["symbol"])]
        if unknown := [name for name in wanted if name not in contract.schema.names]:
            raise StorageError(
                f"{contract.table} has no column {', '.join(unknown)}; it has {', '.join(contract.schema.names)}"
            )
        schema = pa.schema([contract.schema.field(name) for name in names])
        chosen = _row_filter(contract, start, end, symbols)
        with self._tables.explained(contract, "read"):
            table = self._tables.open(contract) if version is None else self._tables.at(contract, version)
            if table is None:
                return schema.empty_table()
            rows = self._dataset(contract, table, start, end).to_table(
                columns=list(dict.fromkeys([*names, *_order(contract)])),
                filter=chosen,
            )
        rows = rows.sort_by([(name, "ascending") for name in _order(contract)]).select(names)
        return pa.Table.from_arrays(rows.columns, schema=schema)

    def replace(self, contract: Contract, table: pa.Table, start: datetime, end: datetime) -> int:
        """Make `table` the whole content of the days [start, end), in one commit; days without rows become empty.

        Returns:
            The table's version now; -1 when there is no table and nothing to write.

        Raises:
            ContractError: the rows break the contract, or lie outside [start, end). Nothing was written.
            StorageError: the store cannot be written, holds another table there, or other writers kept winning.
        """
        predicate = _whole_days(contract, start, end)
        rows = contract.conform(table)
        _refuse_outside(contract, rows, start, end)
        stored = _as_stored(contract, rows)

        def write(there: DeltaTable | None) -> int:
            if stored.num_rows:
                return self._overwrite(contract, there, stored, predicate)
            if there is None:
                return -1
            if there.file_uris(file_pruning_predicate=predicate):
                there.delete(predicate)
                self._tables.remember(contract, there)
            return there.version()

        with self._tables.explained(contract, "write"):
            return self._tables.commit(contract, write)

    def version(self, contract: Contract) -> int | None:
        """The table's newest version; None when there is no table."""
        with self._tables.explained(contract, "read"):
            table = self._tables.open(contract)
            return None if table is None else table.version()

    def days(self, contract: Contract) -> list[date]:
        """The days that hold rows, in order."""
        with self._tables.explained(contract, "read"):
            table = self._tables.open(contract)
            partitions = [] if table is None else table.partitions()
        return sorted({date.fromisoformat(str(partition[DAY_COLUMN])) for partition in partitions})

    def maintain(self, contract: Contract, vacuum_after: timedelta) -> Maintenance:
        """Merge small files within each day, and delete files that no version younger than `vacuum_after` needs.

        Raises:
            StorageError: the store cannot be written, or other writers kept winning.
        """
        with self._tables.explained(contract, "maintain"):
            if self._tables.open(contract) is None:
                return Maintenance(0, 0, 0, None)
            self._tables.commit(contract, partial(_keep_deletions, vacuum_after))
            merged, table = self._tables.commit(contract, _compact)
            # Files that no version names are left by killed writers, or are being written right now.
            stale = partial(
                table.vacuum,
                retention_hours=int(vacuum_after.total_seconds() // 3600),
                enforce_retention_duration=False,
                full=vacuum_after >= DAY,
            )
            deleted = self._tables.present(contract, stale(dry_run=True))
            if deleted:
                stale(dry_run=False)
            table.create_checkpoint()
            table.cleanup_metadata()
            self._tables.remember(contract, table)
            return Maintenance(merged["numFilesRemoved"], merged["numFilesAdded"], deleted, table.version())

    def _overwrite(self, contract: Contract, there: DeltaTable | None, rows: pa.Table, predicate: str) -> int:
        known = [] if there is None else pa.schema(there.schema()).names
        write_deltalake(
            self._tables.uri(contract) if there is None else there,
            rows,
            partition_by=[DAY_COLUMN],
            mode="overwrite",
            predicate=predicate,
            schema_mode="merge" if there is not None and set(rows.schema.names) - set(known) else None,
            name=contract.table if there is None else None,
            description=contract.description if there is None else None,
            configuration=_CONFIGURATION if there is None else None,
            storage_options=self._tables.storage_options,
            writer_properties=_PARQUET,
        )
        if there is not None:
            self._tables.remember(contract, there)
        table = there or self._tables.open(contract)
        if table is None:
            raise StorageError(f"{self._tables.uri(contract)} disappeared while it was written; write it again")
        return table.version()

    def _dataset(
        self, contract: Contract, table: DeltaTable, start: datetime | None, end: datetime | None
    ) -> ds.Dataset:
        """The files of the days that [start, end) touches; columns that older files lack read as null.

        Days are compared here and not by Delta's own pruning, which takes longer than reading a day.
        """
        files = pa.table(table.get_add_actions(flatten=True))
        inside = np.ones(files.num_rows, dtype=bool)
        if files.num_rows:
            days = files[f"partition.{DAY_COLUMN}"].cast(pa.date32()).to_numpy()
            if start is not None:
                inside &= days >= np.datetime64(utc(start).date())
            if end is not None:
                inside &= days <= np.datetime64((utc(end) - timedelta(microseconds=1)).date())
        filesystem = self._tables.filesystem(contract)
        parquet = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=True))
        fragments = [
            parquet.make_fragment(path, filesystem) for path in sorted(files["path"].filter(inside).to_pylist())
        ]
        return ds.FileSystemDataset(fragments, contract.schema, parquet, filesystem)


def _keep_deletions(vacuum_after: timedelta, table: DeltaTable | None) -> None:
    """Have the log remember for as long as files are kept when each of them was deleted: what it has forgotten, a
    vacuum takes for a killed writer's leftovers, however young the versions are that need it."""
    if table is None:
        raise FileNotFoundError("the table was deleted meanwhile")
    kept = f"interval {max(vacuum_after, _LEAST_KEPT).days} days"
    wanted = {"delta.deletedFileRetentionDuration": kept, "delta.logRetentionDuration": kept}
    if wanted.items() - table.metadata().configuration.items():
        table.alter.set_table_properties(wanted)


def _compact(table: DeltaTable | None) -> tuple[dict[str, Any], DeltaTable]:
    if table is None:
        raise FileNotFoundError("the table was deleted meanwhile")
    return table.optimize.compact(writer_properties=_PARQUET), table


def _order(contract: Contract) -> list[str]:
    return [contract.time, *(name for name in contract.key if name != contract.time)]


def _row_filter(
    contract: Contract, start: datetime | None, end: datetime | None, symbols: Sequence[str] | None
) -> pc.Expression | None:
    moment = ds.field(contract.time)
    conditions = []
    if start is not None:
        conditions.append(moment >= pa.scalar(utc(start), pa.timestamp("us", "UTC")))
    if end is not None:
        conditions.append(moment < pa.scalar(utc(end), pa.timestamp("us", "UTC")))
    if symbols is not None:
        conditions.append(ds.field("symbol").isin(pa.array(symbols, pa.string())))
    return reduce(and_, conditions) if conditions else None


def _whole_days(contract: Contract, start: datetime, end: datetime) -> str:
    """The days of [start, end) as a predicate over partitions."""
    for bound in (utc(start), utc(end)):
        if bound.time() != time.min:
            raise ContractError(f"{contract.table} is replaced by whole UTC days; {bound.isoformat()} is no midnight")
    if utc(start) >= utc(end):
        raise ContractError(f"{contract.table}: the range {start.isoformat()} to {end.isoformat()} holds no day")
    return f"{DAY_COLUMN} >= '{utc(start).date()}' AND {DAY_COLUMN} < '{utc(end).date()}'"


def _refuse_outside(contract: Contract, rows: pa.Table, start: datetime, end: datetime) -> None:
    bounds = pc.min_max(rows[contract.time]).as_py()
    if rows.num_rows and (bounds["min"] < utc(start) or bounds["max"] >= utc(end)):
        raise ContractError(
            f"{contract.table}: rows from {bounds['min'].isoformat()} to {bounds['max'].isoformat()} do not lie inside "
            f"{start.isoformat()} to {end.isoformat()}"
        )


def _as_stored(contract: Contract, rows: pa.Table) -> pa.Table:
    """`rows` with their day. Every column may be null in the store: the contract checks it, and may relax it later."""
    schema = pa.schema([pa.field(column.name, column.type) for column in contract.schema])
    return pa.Table.from_arrays(rows.columns, schema=schema).append_column(
        DAY_COLUMN, rows[contract.time].cast(pa.date32())
    )
