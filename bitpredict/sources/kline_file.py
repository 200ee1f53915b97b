"""Reads one file of Binance's kline archive: a zip with one CSV of twelve columns, and its checksum beside it."""

import hashlib
import io
import re
import zipfile
import zlib

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from bitpredict.errors import BadSourceDataError
from bitpredict.market.candles import TIMESTAMP
from bitpredict.market.time import MINUTE

MAX_ZIP_BYTES = 8_000_000
"""A month of minutes is about 2 MB."""

MAX_CSV_BYTES = 16_000_000
"""A month of minutes is about 6 MB; what unpacks to more is not one."""

_COLUMNS = (
    "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
    "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
_HEADER = ",".join(_COLUMNS).encode()
_TYPES = {
    "open_time": pa.int64(),
    "open": pa.float64(),
    "high": pa.float64(),
    "low": pa.float64(),
    "close": pa.float64(),
    "volume": pa.float64(),
    "quote_volume": pa.float64(),
    "count": pa.int64(),
    "taker_buy_volume": pa.float64(),
}
_MICROSECONDS_FROM = 10**14  # as milliseconds the year 5138, as microseconds 1973: no candle is near it
_REMEDY = "fetch it again; if it stays so, the archive's own copy is broken"


def read_klines(body: bytes, name: str, where: str) -> pa.Table:
    """Unpack and parse one archive file.

    Args:
        body: the zip.
        name: `SYMBOL-1m-DATE`, what the member must be called but for `.csv`.
        where: path or address, for messages.

    Returns:
        Columns of `CANDLE_SCHEMA` but for `symbol`; a value that is no number is null; known_at is the close.

    Raises:
        BadSourceDataError: not a zip, cut off, corrupt, too large unpacked, another file's content, or not such a CSV.
    """
    return _parse(_unpack(body, f"{name}.csv", where), where)


def check_sum(body: bytes, checksum: bytes, file_name: str, where: str) -> None:
    """Compare `body` with its `.CHECKSUM` file, a line of sha256 and file name.

    Raises:
        BadSourceDataError: they differ, or the checksum is another file's or none at all.
    """
    line = re.fullmatch(rb"([0-9a-fA-F]{64}) +\*?(\S+)\s*", checksum)
    if not line or line[2].decode(errors="replace") != file_name:
        raise BadSourceDataError(f"{where}.CHECKSUM is not a sha256 of {file_name}: {checksum[:80]!r}; {_REMEDY}")
    actual, promised = hashlib.sha256(body).hexdigest(), line[1].decode().lower()
    if actual != promised:
        raise BadSourceDataError(
            f"{where} does not match its .CHECKSUM (sha256 {actual[:12]}…, promised {promised[:12]}…); {_REMEDY}"
        )


def _unpack(body: bytes, member_name: str, where: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            member = _only_member(archive, member_name, where)
            with archive.open(member) as file:
                content = file.read(MAX_CSV_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        if isinstance(error, BadSourceDataError):
            raise
        raise BadSourceDataError(
            f"{where} is not a whole zip file ({error}; it starts with {body[:16]!r}); {_REMEDY}"
        ) from error
    if len(content) > MAX_CSV_BYTES:
        raise BadSourceDataError(f"{where} unpacks to more than {MAX_CSV_BYTES} bytes; {_REMEDY}")
    return content


def _only_member(archive: zipfile.ZipFile, member_name: str, where: str) -> zipfile.ZipInfo:
    members = archive.infolist()
    if [member.filename for member in members] != [member_name]:
        found = ", ".join(member.filename for member in members[:5]) or "nothing"
        raise BadSourceDataError(f"{where} holds {found} where only {member_name} belongs; {_REMEDY}")
    member = members[0]
    if member.file_size > MAX_CSV_BYTES:
        raise BadSourceDataError(
            f"{where} says that it unpacks to {member.file_size} bytes, more than {MAX_CSV_BYTES}; {_REMEDY}"
        )
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadSourceDataError(f"{where} is encrypted or packed in a way that the archive does not use; {_REMEDY}")
    return member


def _parse(content: bytes, where: str) -> pa.Table:
    first_line = content[: content.find(b"\n") + 1].strip()
    try:
        raw = pyarrow.csv.read_csv(
            io.BytesIO(content),
            read_options=pyarrow.csv.ReadOptions(
                column_names=list(_COLUMNS), skip_rows=int(first_line == _HEADER), use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(column_types=_TYPES, include_columns=list(_TYPES)),
        ).combine_chunks()
    except pa.ArrowInvalid as error:
        raise BadSourceDataError(f"{where} is not a CSV of klines ({error}); {_REMEDY}") from error
    time = _microseconds(raw["open_time"])
    return pa.table(
        {
            "open_time": time,
            **{name: raw[name] for name in ("open", "high", "low", "close", "volume", "quote_volume")},
            "trade_count": raw["count"],
            "taker_buy_volume": raw["taker_buy_volume"],
            "provenance": pa.repeat("observed", raw.num_rows),
            # The archive does not say when a candle was first seen: it is taken as known when it was complete.
            "known_at": pc.add(time, pa.scalar(MINUTE)),
        }
    )


def _microseconds(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times of either unit, told apart by their size, as timestamps."""
    milliseconds = pc.less(times, _MICROSECONDS_FROM)
    scaled = pc.if_else(milliseconds, pc.multiply(times, 1000), times)
    return scaled.cast(TIMESTAMP)
