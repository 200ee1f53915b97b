"""A day of what is scheduled for quotes and news, in minutes: 288 and 96 ticks, each a real run of the product's graph.

The clock is moved from tick to tick. A local server answers with newer quotes every time, and with feeds in which an
article appears and the oldest goes every so often; what has to be in the tables is counted from what it served.
BENCH_HOURS: how many hours of the day, 24 by default.
"""

import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import time_machine
from sqlalchemy import text

from benchmarks.stream_processes import machine_load, number, temporary
from bitpredict.market.coins import Coin, read_coins
from bitpredict.market.time import EPOCH, utc
from bitpredict.settings import load_settings
from bitpredict.storage.database import connect, reading
from tests.support.archive_server import Answer, ArchiveServer, serve

FEEDS, SHOWN = 26, 20
"""Feeds, and articles that each of them shows."""

QUOTES, NEWS = timedelta(minutes=5), timedelta(minutes=15)
_DAY = date(2025, 3, 3)
_TABLES = {
    "price_data_real": "coin_id, observed_at",
    "crypto_news": "source, title",
    "article_sentiment": "article_id",
}


def main() -> None:
    """Print runs, failures, rows against what was served, and rows that are there twice."""
    ticks = round(number("HOURS", 24) * (timedelta(hours=1) / QUOTES))
    with temporary() as home, serve() as server, _environment(home, server):
        coins, runs = read_coins(), Counter[str]()
        _serve_quotes(server, coins)
        _serve_feeds(server, home)
        print(f"{ticks} ticks of quotes, {ticks * QUOTES // NEWS} of news, {machine_load()}", flush=True)
        began = time.monotonic()
        for tick in range(1, ticks + 1):
            moment = utc(_DAY) + tick * QUOTES - timedelta(minutes=5)
            with time_machine.travel(moment, tick=True):
                runs.update(_due(moment))
            if tick % 36 == 0:
                print(f"  {tick} ticks, {runs.total()} runs in {time.monotonic() - began:.0f} s", flush=True)
        seconds = time.monotonic() - began
        wanted = {
            "price_data_real": ticks * len(coins),
            "crypto_news": FEEDS * (SHOWN - 1 + -(-(ticks * QUOTES) // NEWS)),
        }
        wanted["article_sentiment"] = wanted["crypto_news"]
        _report(runs, seconds, wanted)


def _due(moment: datetime) -> Iterator[str]:
    """Run what the product's schedules ask for at this moment; `<job>` for a success, `<job> failed` otherwise."""
    import dagster as dg

    from bitpredict_assets import schedules
    from bitpredict_assets.definitions import defs

    due = [schedules.coin_markets_schedule]
    if (moment - EPOCH) % NEWS == timedelta(0):
        due.append(schedules.crypto_news_schedule)
    with dg.DagsterInstance.get() as instance:
        for schedule in due:
            context = dg.build_schedule_context(
                instance, scheduled_execution_time=moment, repository_def=defs.get_repository_def()
            )
            for request in schedule.evaluate_tick(context).run_requests or ():
                done = defs.resolve_job_def(schedule.job.name).execute_in_process(
                    instance=instance,
                    partition_key=request.partition_key,
                    tags=dict(request.tags),
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                    raise_on_error=False,
                )
                yield schedule.job.name + ("" if done.success else " failed")


def _report(runs: Counter[str], seconds: float, wanted: Mapping[str, int]) -> None:
    failed = sum(count for name, count in runs.items() if name.endswith("failed"))
    print(f"  {runs.total()} runs in {seconds:.0f} s ({dict(runs)}), {failed} of them failed")
    engine = connect(load_settings())
    with reading(engine) as connection:
        for table, key in _TABLES.items():
            rows = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608
            once = connection.execute(text(f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM {table})")).scalar_one()  # noqa: S608
            print(f"  {table}: {rows:,} rows, {wanted[table]:,} were served, {rows - once} of them are there twice")
    engine.dispose()


@contextmanager
def _environment(home: Path, server: ArchiveServer) -> Iterator[None]:
    """What the graph is defined by; it is imported afterwards."""
    from bitpredict_assets.instance import prepare_dagster_home

    given = {
        "BITPREDICT_HOME": str(home),
        "BITPREDICT_MARKET": "coinbase",
        "BITPREDICT_COINGECKO_URL": server.url,
        "BITPREDICT_FEEDS_FILE": str(home / "feeds.csv"),
        "BITPREDICT_FEEDS_ALLOW_PRIVATE": "true",
    }
    before = dict(os.environ)
    os.environ.update(given)
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(load_settings()))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _serve_quotes(server: ArchiveServer, coins: tuple[Coin, ...]) -> None:
    def answer(_query: Mapping[str, str]) -> Answer:
        observed = datetime.now(UTC) - timedelta(seconds=40)
        rows = [
            {
                "id": coin.coin_id,
                "symbol": coin.symbol,
                "name": coin.name,
                "current_price": 10.0 + place + observed.minute / 60,
                "market_cap": 1e9,
                "market_cap_rank": place + 1,
                "total_volume": 1e7,
                "high_24h": 300.0,
                "low_24h": 1.0,
                "circulating_supply": 1e8,
                "last_updated": (observed - timedelta(seconds=place % 30)).isoformat(),
            }
            for place, coin in enumerate(coins)
        ]
        return Answer(body=json.dumps(rows).encode(), headers={"Content-Type": "application/json"})

    server.routes["/api/v3/coins/markets"] = answer


def _serve_feeds(server: ArchiveServer, home: Path) -> None:
    names = [f"feed-{number}" for number in range(FEEDS)]
    lines = [f"{name},{server.url}/{name},en,15,yes" for name in names]
    (home / "feeds.csv").write_text("\n".join(["name,address,language,interval_minutes,enabled", *lines]))
    for name in names:
        server.routes[f"/{name}"] = lambda _query, name=name: Answer(body=_feed(name), headers=_XML)


_XML = {"Content-Type": "application/rss+xml"}


def _feed(name: str) -> bytes:
    """What a feed shows at this moment: an article for each of the last quarters of an hour."""
    newest = (datetime.now(UTC) - EPOCH) // NEWS
    items = "".join(
        f"<item><title>{_title(name, quarter)}</title><link>https://{name}.example/{quarter}</link>"
        f"<pubDate>{format_datetime(EPOCH + quarter * NEWS)}</pubDate></item>"
        for quarter in range(newest - SHOWN + 1, newest + 1)
    )
    return f"<rss version='2.0'><channel><title>{name}</title>{items}</channel></rss>".encode()


def _title(name: str, quarter: int) -> str:
    """Unlike any other, so that no feed tells what another told before."""
    return " ".join(re.findall("......", hashlib.sha256(f"{name} {quarter}".encode()).hexdigest()))


if __name__ == "__main__":
    main()
