"""Archive files made for tests, good and broken, in the layout of Binance's archive."""

import hashlib
import io
import zipfile
from collections.abc import Iterable
from datetime import date, timedelta

HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


def line(day: date, minute: int, *, close: float = 100.0, trades: int = 7, unit: int = 1_000) -> str:
    """One candle of a CSV. `unit`: ticks of its clock a second."""
    open_time = ((day - date(1970, 1, 1)) // timedelta(days=1) * 86_400 + minute * 60) * unit
    prices = f"100,{max(100.0, close)},{min(100.0, close)},{close}"
    return f"{open_time},{prices},5,{open_time + 60 * unit - 1},500,{trades},2,200,0"


def csv(day: date, minutes: Iterable[int] = range(1440), *, unit: int = 1_000) -> str:
    return "".join(f"{line(day, minute, unit=unit)}\n" for minute in minutes)


def zipped(member: str, content: str | bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, content)
    return packed.getvalue()


def day_name(symbol: str, day: date) -> str:
    return f"{symbol}-1m-{day:%Y-%m-%d}"


def day_path(symbol: str, day: date) -> str:
    return f"data/spot/daily/klines/{symbol}/1m/{day_name(symbol, day)}.zip"


def day_file(symbol: str, day: date, content: str | None = None) -> bytes:
    """A day's zip; by default a whole quiet day."""
    return zipped(f"{day_name(symbol, day)}.csv", csv(day) if content is None else content)


def month_path(symbol: str, month: date) -> str:
    return f"data/spot/monthly/klines/{symbol}/1m/{symbol}-1m-{month:%Y-%m}.zip"


def month_file(symbol: str, days: Iterable[date]) -> bytes:
    """A month's zip with whole quiet days."""
    listed = list(days)
    return zipped(f"{symbol}-1m-{listed[0]:%Y-%m}.csv", "".join(csv(day) for day in listed))


def checksum(body: bytes, file_name: str) -> bytes:
    return f"{hashlib.sha256(body).hexdigest()}  {file_name}\n".encode()
