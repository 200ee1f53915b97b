"""CryptoCompare's minutes made again from its kept answers: it tells them for some days only."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa

from bitpredict.errors import SourceError
from bitpredict.market.recollected import recollected
from bitpredict.market.time import DAY, EPOCH, MINUTE, utc
from bitpredict.sources.cryptocompare import SETTLED, SOURCE, CryptoCompare
from bitpredict.sources.rebuilding import Rebuilt, Recorded, Tally, rounds_of
from bitpredict.storage.contracts import CRYPTOCOMPARE_CANDLES
from bitpredict.storage.lake import Lake
from bitpredict.storage.raw import RawAnswer, RawStore

ASKED_WITHIN = timedelta(days=30)
"""A day's minutes are looked for among what was received so long after it: gaps are tried again for as long."""


def rebuild_minutes(lake: Lake, raw: RawStore, days: Sequence[date], now: datetime | None = None) -> Rebuilt:
    """`cryptocompare_candles` of these days of minutes. A minute that is there stays as it is.

    Raises:
        StorageError: the raw store or the lake cannot be used.
    """
    told = Tally()
    made = {day: CRYPTOCOMPARE_CANDLES.empty() for day in days}
    today = (now or datetime.now(UTC)).date()
    received = [day for day in raw.days(SOURCE) if days[0] <= day <= min(days[-1] + ASKED_WITHIN, today)]
    for answers in rounds_of(raw, SOURCE, received, told):
        for (symbol, day), pages in groupby(answers, key=_of):
            if day in made:
                try:
                    minutes = _minutes(symbol, day, list(pages))
                except SourceError:
                    told.left_out["answer without minutes"] += 1
                else:
                    made[day] = recollected(made[day], minutes, [symbol], ())
    for day, rows in made.items():
        told.rows += rows.num_rows
        told.inserted += _add(lake, day, rows)
    return told.result()


def _minutes(symbol: str, day: date, pages: list[RawAnswer]) -> pa.Table:
    """What the asset made of these answers. The first question says until when minutes were settled."""
    settled = _last(pages[0]) + MINUTE + SETTLED
    batch = CryptoCompare("", Recorded(pages), now=lambda: settled).day(symbol, day)
    return CRYPTOCOMPARE_CANDLES.conform(batch.candles.select(CRYPTOCOMPARE_CANDLES.schema.names))


def _of(answer: RawAnswer) -> tuple[str, date]:
    """Whose minutes of which day were asked for."""
    asked = parse_qs(urlsplit(answer.asked).query)
    return asked["fsym"][0] + asked["tsym"][0], _last(answer).date()


def _last(answer: RawAnswer) -> datetime:
    """The last minute that was asked for."""
    return EPOCH + timedelta(seconds=int(parse_qs(urlsplit(answer.asked).query)["toTs"][0]))


def _add(lake: Lake, day: date, rows: pa.Table) -> int:
    """Write those rows whose minute the table lacks; returns how many."""
    stored = lake.read(CRYPTOCOMPARE_CANDLES, utc(day), utc(day) + DAY)
    there = set(zip(stored["symbol"].to_pylist(), stored["open_time"].to_pylist(), strict=True))
    keys = zip(rows["symbol"].to_pylist(), rows["open_time"].to_pylist(), strict=True)
    new = rows.filter(pa.array([key not in there for key in keys], pa.bool_()))
    if new.num_rows:
        lake.replace(CRYPTOCOMPARE_CANDLES, pa.concat_tables([stored, new]), utc(day), utc(day) + DAY)
    return int(new.num_rows)
