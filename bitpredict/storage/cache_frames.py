"""DataFrames as the cache keeps them."""

import pandas as pd
import pyarrow as pa

from bitpredict.storage.cache import Codec


def _encode(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    # To fetch fewer bytes from Redis saves more than to decompress them costs, which is done once (`Cache`).
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _decode(stored: bytes) -> pd.DataFrame:
    try:
        # Other threads would take longer to ask than to wait for.
        table = pa.ipc.open_stream(stored, options=pa.ipc.IpcReadOptions(use_threads=False)).read_all()
    except OSError as error:
        raise ValueError(f"cut off: {error}") from error
    frame: pd.DataFrame = table.to_pandas(use_threads=False)
    return frame


FRAMES = Codec(_encode, _decode, pd.DataFrame.copy)
"""Frames without an index of their own, as Arrow's stream: types stay, and nothing in it can run."""
