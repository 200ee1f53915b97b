"""Delta tables below one root: opened once, kept current, checked against their contract, committed with retries."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler

from bitpredict.errors import StorageError
from bitpredict.storage.contracts import Contract
from bitpredict.storage.delta_errors import remedy

DAY_COLUMN = "day"
"""The partition column, which the contracts do not have: the UTC day of `Contract.time`."""

ATTEMPTS = 12
"""How often a commit that lost the race against another writer is tried, with growing pauses: half a minute in all."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Opened:
    """A table in memory, the contract that it was checked against, and what its newest commit's file looked like."""

    table: DeltaTable
    contract: Contract
    commit: tuple[int, int | None]


class DeltaTables:
    """Tables by contract. Opening one again reads only the commits since the last time, so that it costs the same
    whatever the table's size. Safe to share between threads.

    Args:
        root: a folder or `s3://bucket/prefix`.
        storage_options: what Delta needs to reach S3.
    """

    def __init__(self, root: str, storage_options: Mapping[str, str]) -> None:
        self.root = root.rstrip("/")
        # Ten tries as by default, but never 15 seconds apart: a server that is away is an error within 20 seconds.
        self.storage_options = {"backoff_config.max_backoff": "2s", **storage_options} if storage_options else None
        self._opened: dict[str, _Opened] = {}

    def uri(self, contract: Contract) -> str:
        return f"{self.root}/{contract.table}"

    def filesystem(self, contract: Contract) -> pafs.FileSystem:
        """The table's folder. Arrow's own reader of local files is twice as fast as Delta's."""
        uri = self.uri(contract)
        if "://" not in self.root:
            return pafs.SubTreeFileSystem(uri, pafs.LocalFileSystem())
        return pafs.PyFileSystem(DeltaStorageHandler(uri, self.storage_options))

    def open(self, contract: Contract) -> DeltaTable | None:
        """The newest version of the contract's table; None when there is none.

        Raises:
            StorageError: what is there is not the contract's table.
        """
        opened = self._opened.get(contract.table)
        if opened is not None and self._commit_file(contract, opened.table) == opened.commit:
            table = opened.table
            before = table.version()
            table.update_incremental()
            if table.version() == before and opened.contract is contract:
                return table
        else:  # never opened, or deleted and perhaps made anew since
            try:
                table = DeltaTable(self.uri(contract), storage_options=self.storage_options)
            except TableNotFoundError:
                self._opened.pop(contract.table, None)
                self._require_absence(contract)
                return None
        _require_shape(contract, table, self.uri(contract))
        self.remember(contract, table)
        return table

    def at(self, contract: Contract, version: int) -> DeltaTable:
        """The table as it was at `version`, whose files are all there.

        Raises:
            StorageError: there is no such version, or what it needs has been deleted.
        """
        newest = self.open(contract)
        uri = self.uri(contract)
        if newest is None or not 0 <= version <= newest.version():
            there = "there is no table yet" if newest is None else f"the newest is {newest.version()}"
            raise StorageError(f"{uri} has no version {version}: {there}; see bitpredict data versions")
        kept = f"files are kept for BITPREDICT_VACUUM_AFTER_DAYS; see bitpredict data versions {contract.table}"
        try:
            table = DeltaTable(uri, version=version, storage_options=self.storage_options)
        except (DeltaError, TableNotFoundError) as error:
            raise StorageError(f"{uri}: the log of version {version} has been removed; {kept}") from error
        files = pa.table(table.get_add_actions(flatten=True))["path"].to_pylist()
        gone = len(files) - self.present(contract, files)
        if gone:
            raise StorageError(
                f"{uri}: version {version} can no longer be read, vacuum (lake_maintenance) removed {gone} of its "
                f"{len(files)} files; {kept}"
            )
        _require_shape(contract, table, uri)
        return table

    def remember(self, contract: Contract, table: DeltaTable) -> None:
        """Keep `table` for the next `open`."""
        self._opened[contract.table] = _Opened(table, contract, self._commit_file(contract, table))

    def commit(self, contract: Contract, action: Callable[[DeltaTable | None], Result]) -> Result:
        """Run `action`, which commits, on the newest version; again when another writer's commit was in its way.

        Raises:
            CommitFailedError: others were first every time.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return action(self.open(contract))
            except CommitFailedError:
                self._opened.pop(contract.table, None)
            time.sleep(random.uniform(0.5, 1.5) * min(0.02 * 2**attempt, 5.0))  # noqa: S311
        return action(self.open(contract))

    def present(self, contract: Contract, files: list[str]) -> int:
        """How many of the table's `files` are there."""
        found = self.filesystem(contract).get_file_info(files)
        return sum(info.type != pafs.FileType.NotFound for info in found)

    @contextmanager
    def explained(self, contract: Contract, doing: str) -> Iterator[None]:
        """Turn what the libraries raise into one line that names the table and what to do."""
        try:
            yield
        except CommitFailedError as error:
            raise StorageError(
                f"cannot {doing} {self.uri(contract)}: other writers were first {ATTEMPTS} times; run it again when "
                f"they are done ({remedy(error)})"
            ) from error
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise StorageError(f"cannot {doing} {self.uri(contract)}: {remedy(error)}") from error

    def _require_absence(self, contract: Contract) -> None:
        """What Delta does not find may only be out of its reach: a folder without rights must not read as empty.

        Raises:
            OSError: it is there, or this user cannot know.
        """
        if "://" not in self.root:
            with suppress(FileNotFoundError):
                list(Path(self.uri(contract), "_delta_log").iterdir())

    def _commit_file(self, contract: Contract, table: DeltaTable) -> tuple[int, int | None]:
        info = self.filesystem(contract).get_file_info(f"_delta_log/{table.version():020}.json")
        return info.mtime_ns or 0, info.size


def _require_shape(contract: Contract, table: DeltaTable, uri: str) -> None:
    """Refuse a table that is not partitioned by day, or whose columns the contract does not know or types otherwise."""
    where = f"{uri} is not this version's table {contract.table}"
    mend = "move that folder away and materialize its days again, or point BITPREDICT_LAKE_URL elsewhere"
    if (partitions := table.metadata().partition_columns) != [DAY_COLUMN]:
        raise StorageError(f"{where}: it is partitioned by {partitions} and not by {DAY_COLUMN}; {mend}")
    if features := table.protocol().reader_features:
        raise StorageError(f"{where}: another program changed it to need {', '.join(features)}; {mend}")
    there = {column.name: column.type for column in pa.schema(table.schema()) if column.name != DAY_COLUMN}
    wanted = {column.name: column for column in contract.schema}
    if unknown := [name for name in there if name not in wanted]:
        raise StorageError(f"{where}: its columns {unknown} are not known to this version; {mend}")
    for name, column in wanted.items():
        if name not in there and not column.nullable:
            raise StorageError(f"{where}: it has no column {name}, which may not be null; {mend}")
        if name in there and there[name] != column.type:
            raise StorageError(f"{where}: its column {name} is {there[name]} and not {column.type}; {mend}")
