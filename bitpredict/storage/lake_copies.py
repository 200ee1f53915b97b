"""The lake's tables into other files and back: of each table one version, with what its log needs to say so."""

import re
from collections.abc import Callable
from contextlib import suppress

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from bitpredict.errors import StorageError
from bitpredict.settings import Settings
from bitpredict.storage.delta import DAY_COLUMN
from bitpredict.storage.delta_errors import remedy
from bitpredict.storage.files import Files

LOG = "_delta_log"
UNFINISHED = "_unfinished_copy"
"""A folder in a table's folder, until all of its files have come."""
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint\.parquet")


class LakeTables:
    """The Delta tables below a root, whatever their contracts are.

    Attributes:
        files: everything below the root.
    """

    def __init__(self, root: str, settings: Settings, variable: str) -> None:
        self._root = root.rstrip("/")
        self._options = settings.options_for(root)
        self.files = Files(root, self._options, variable)

    def open(self, table: str) -> DeltaTable | None:
        """The newest version; None where there is no table, or an unfinished copy of one.

        Raises:
            StorageError: it cannot be read.
        """
        if self.files.below(f"{table}/{UNFINISHED}"):
            return None
        try:
            return DeltaTable(f"{self._root}/{table}", storage_options=self._options or None)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise StorageError(f"cannot read {self._root}/{table}: {remedy(error)}") from error

    def tables(self) -> list[str]:
        """Their names, in order."""
        return [name for name in self.files.folders("") if self.open(name) is not None]

    def paths(self, table: str) -> tuple[int, list[str]]:
        """The newest version, and the files that it takes, below the root; in this order, the log's beginning
        last, they are no whole table elsewhere until all of them are there.

        Raises:
            StorageError: the table cannot be read.
        """
        opened = self.open(table)
        if opened is None:
            raise StorageError(f"{self._root}/{table} is no table any more; run it again")
        version = opened.version()
        data = [f"{table}/{path}" for path in sorted(data_files(opened))]
        names = [path.rpartition("/")[2] for path in self.files.below(f"{table}/{LOG}")]
        checkpoints = sorted(name for name in names if (m := _CHECKPOINT.fullmatch(name)) and int(m[1]) <= version)
        newest = checkpoints[-1:]
        first = int(newest[0][:20]) if newest else -1
        commits = sorted(name for name in names if (m := _COMMIT.fullmatch(name)) and first < int(m[1]) <= version)
        log = [f"{table}/{LOG}/{name}" for name in [*reversed(commits), *newest]]
        return version, [*data, *log]

    def replace(self, table: str, by: "LakeTables", paths: list[str]) -> Callable[[], None]:
        """Make a table what another lake's is: `paths` are its files, as `paths` orders them.

        A table that is there gets a new version, so that those before can be gone back to; one that is not is copied
        with its version's number.

        Returns:
            What undoes it.

        Raises:
            StorageError: it cannot be written. The table is what it was.
        """
        there, wanted = self.open(table), by.open(table)
        if wanted is None:
            raise StorageError(f"{by.files.root}/{table} is no table; take another backup")
        if there is None:
            return self._copy(table, by, paths)
        before = there.version()
        if data_files(there) == data_files(wanted):
            return _nothing
        with_rows = wanted.to_pyarrow_dataset().scanner().to_reader()
        self._commit(
            table,
            lambda: write_deltalake(
                there, with_rows, mode="overwrite", schema_mode="overwrite", partition_by=[DAY_COLUMN]
            ),
        )
        return lambda: self._go_back(table, before)

    def empty(self, table: str) -> Callable[[], None]:
        """Delete a table's rows by a new version. Returns what undoes it."""
        there = self.open(table)
        if there is None or not data_files(there):
            return _nothing
        before = there.version()
        self._commit(table, there.delete)
        return lambda: self._go_back(table, before)

    def _copy(self, table: str, by: "LakeTables", paths: list[str]) -> Callable[[], None]:
        mark = f"{table}/{UNFINISHED}"

        def remove() -> None:
            if not self.files.below(mark):
                with suppress(StorageError):  # a full disk: deleting is what helps
                    self.files.write(f"{mark}/mark", b"")
            for folder in self.files.folders(table):
                if folder != UNFINISHED:  # last: half deleted, it is no table either
                    self.files.delete_folder(f"{table}/{folder}")
            self.files.delete_folder(table)

        if self.files.below(mark):
            remove()  # a killed process left it
        elif self.files.below(table):
            raise StorageError(f"{self._root}/{table} holds files and is no table; move them away")
        try:
            self.files.write(f"{mark}/mark", b"")
            for path in paths:
                self.files.copy_in(path, by.files.pieces(path))
            self.files.delete_folder(mark)
        except BaseException:
            with suppress(StorageError):
                remove()
            raise
        return remove

    def _go_back(self, table: str, version: int) -> None:
        there = self.open(table)
        if there is not None:
            self._commit(table, lambda: there.restore(version))

    def _commit(self, table: str, action: Callable[[], object]) -> None:
        try:
            action()
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise StorageError(f"cannot write {self._root}/{table}: {remedy(error)}") from error


def data_files(table: DeltaTable) -> set[str]:
    """The paths of the version's data files, below the table."""
    return set(pa.table(table.get_add_actions(flatten=True))["path"].to_pylist())


def _nothing() -> None:
    pass
