"""Writing a table's rows into one file, whole or not at all."""

import os
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from bitpredict.errors import StorageError

SUFFIXES = (".parquet", ".csv")


def write_file(schema: pa.Schema, tables: Iterable[pa.Table], target: Path) -> int:
    """Write the tables one after the other into `target`, Parquet or CSV by its suffix, replacing what is there.

    Holds one of the tables at a time. `target` appears, or changes, only when the last of them is written.

    Returns:
        The rows written; when there were none, `target` is left as it was.

    Raises:
        StorageError: the folder is missing, not writable or full.
    """
    if not target.parent.is_dir():
        raise StorageError(f"cannot write {target}: {target.parent} is no folder; make it or choose another --to")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        rows = _write(schema, tables, partial, target.suffix.lower())
        if rows:
            partial.replace(target)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StorageError(f"cannot write {target}: {reason}; make room there or choose another --to") from error
    finally:
        partial.unlink(missing_ok=True)
    return rows


def _write(schema: pa.Schema, tables: Iterable[pa.Table], path: Path, suffix: str) -> int:
    rows = 0
    with pyarrow.csv.CSVWriter(path, schema) if suffix == ".csv" else pq.ParquetWriter(path, schema) as writer:
        for table in tables:
            writer.write_table(table)
            rows += table.num_rows
    return rows
