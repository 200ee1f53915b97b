"""`cryptocompare_candles` made again from what was answered: the same minutes, known since the same moments."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bitpredict.market.recollected import recollected
from bitpredict.market.time import DAY, utc
from bitpredict.settings import Settings
from bitpredict.sources import cryptocompare
from bitpredict.sources.cryptocompare import SOURCE, CryptoCompare, ask_for_days
from bitpredict.sources.rebuilding_minutes import rebuild_minutes
from bitpredict.storage.contracts import CRYPTOCOMPARE_CANDLES
from bitpredict.storage.lake import Lake
from bitpredict.storage.raw import RawStore
from tests.support.cryptocompare import OVER_THE_SECOND, ROUTE, body, market

YESTERDAY = datetime.now(UTC).date() - DAY
DAYS = [YESTERDAY - DAY, YESTERDAY]
SYMBOLS = ("BTCUSDT", "ETHUSDT")
START, END = utc(DAYS[0]), utc(YESTERDAY) + DAY


@pytest.fixture
def raw(settings: Settings) -> RawStore:
    return RawStore.from_settings(settings)


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake.from_settings(settings)


def collect(lake: Lake, raw: RawStore, server, client, start: datetime, end: datetime, now: datetime) -> None:
    """What the asset does."""
    stored = lake.read(CRYPTOCOMPARE_CANDLES, start, end)
    source = CryptoCompare(server.url, client(keep=raw.keeper(SOURCE)), now=lambda: now)
    asked = ask_for_days(source, SYMBOLS, start, end)
    told = CRYPTOCOMPARE_CANDLES.conform(asked.candles.select(CRYPTOCOMPARE_CANDLES.schema.names))
    table = recollected(stored, told, SYMBOLS, asked.unanswered.keys())
    lake.replace(CRYPTOCOMPARE_CANDLES, table, start, end)


def empty(lake: Lake, *days: date) -> None:
    for day in days:
        lake.replace(CRYPTOCOMPARE_CANDLES, CRYPTOCOMPARE_CANDLES.empty(), utc(day), utc(day) + DAY)


@pytest.fixture
def collected(lake, raw, server, client, monkeypatch):
    """Yesterday asked for at noon, then both days by page with minutes that changed, a limit, and a bad answer."""
    monkeypatch.setattr(cryptocompare, "PAGE", 500)
    server.routes[ROUTE] = market()
    collect(lake, raw, server, client, utc(YESTERDAY), END, utc(YESTERDAY) + DAY / 2)
    at_noon = lake.read(CRYPTOCOMPARE_CANDLES)
    assert at_noon.num_rows == 2 * (720 - 2)
    changed = int(utc(YESTERDAY).timestamp()) + 600
    server.routes[ROUTE] = market(close=lambda _, time: 55.0 if time == changed else 100.5)
    server.scripts[ROUTE] = [body(OVER_THE_SECOND)]
    monkeypatch.setattr(cryptocompare, "_PAUSES", {"second": 0.0})
    collect(lake, raw, server, client, START, END, datetime.now(UTC))
    server.scripts[ROUTE] = [body({"Response": "Success", "Data": "none"})]
    collect(lake, raw, server, client, utc(YESTERDAY), END, datetime.now(UTC))
    return lake.read(CRYPTOCOMPARE_CANDLES)


def test_minutes_come_back_as_they_were_known(collected, lake, raw, server):
    assert len(set(collected["known_at"].to_pylist())) > 2
    assert collected.num_rows == 2 * 2 * 1440
    empty(lake, *DAYS)
    asked = len(server.asked)
    made = rebuild_minutes(lake, raw, DAYS)
    assert lake.read(CRYPTOCOMPARE_CANDLES).equals(collected)
    assert (made.rows, made.inserted) == (collected.num_rows, collected.num_rows)
    assert made.left_out == {"answer without minutes": 1}
    assert len(server.asked) == asked == made.answers
    assert rebuild_minutes(lake, raw, DAYS).inserted == 0


@pytest.mark.slow
def test_one_day_is_made_again_and_the_other_left(collected, lake, raw):
    empty(lake, YESTERDAY)
    made = rebuild_minutes(lake, raw, [YESTERDAY])
    assert lake.read(CRYPTOCOMPARE_CANDLES).equals(collected)
    assert made.inserted == 2 * 1440
    empty(lake, *DAYS)
    rebuild_minutes(lake, raw, DAYS[:1])
    assert lake.days(CRYPTOCOMPARE_CANDLES) == DAYS[:1]


def test_a_minute_that_is_there_stays(collected, lake, raw):
    kept = collected.slice(0, 10)
    other = kept.set_column(
        kept.schema.get_field_index("known_at"), kept.schema.field("known_at"), [[utc(YESTERDAY) + 2 * DAY] * 10]
    )
    lake.replace(CRYPTOCOMPARE_CANDLES, other, *(START, START + DAY))
    assert rebuild_minutes(lake, raw, DAYS[:1]).inserted == 2 * 1440 - 10
    assert lake.read(CRYPTOCOMPARE_CANDLES).slice(0, 10).equals(other)


@pytest.mark.slow
def test_a_page_that_is_lost_is_told(collected, lake, raw, settings):
    """Where a page is missing nothing tells what it said: the answer before it counts."""
    (received,) = raw.days(SOURCE)
    folder = Path(settings.lake, "raw", SOURCE, f"{received}")
    files = sorted(folder.iterdir())
    files[-1].unlink()
    empty(lake, *DAYS)
    made = rebuild_minutes(lake, raw, DAYS)
    assert made.left_out["answer without minutes"] == 2
    assert lake.read(CRYPTOCOMPARE_CANDLES).num_rows == collected.num_rows


def test_days_of_which_nothing_is_kept_are_left_as_they_are(lake, raw):
    made = rebuild_minutes(lake, raw, DAYS)
    assert (made.answers, made.rows, made.inserted) == (0, 0, 0)
    assert lake.version(CRYPTOCOMPARE_CANDLES) is None
    assert made.left_out == {}


@pytest.mark.slow
def test_a_day_is_looked_for_among_later_receipts(collected, lake, raw):
    empty(lake, *DAYS)
    assert rebuild_minutes(lake, raw, DAYS, utc(YESTERDAY) - timedelta(days=3)).answers == 0
    assert collected.num_rows
