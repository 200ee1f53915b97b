"""The cache: a hit against the query that it saves, in the process and from Redis where it is installed, over TCP.

The queries are those of the pages: the newest quote of each coin out of a million, the same with each coin's last day
as the page of the market keeps it, and a day's headlines out of ten thousand articles; on SQLite, once with an engine
at hand and once as a page does it, which opens the database first. From Redis also the first hit of a process, which
fetches the value and decodes it; every other one asks whether the value that is at hand still is the one there.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine

from benchmarks.markets import fill
from bitpredict.market.coins import Coin, read_coins
from bitpredict.market.time import DAY, MINUTE
from bitpredict.report.world import DAY_AGO_WITHIN, with_last_day
from bitpredict.settings import Settings
from bitpredict.storage.cache import Cache, open_cache
from bitpredict.storage.cache_frames import FRAMES
from bitpredict.storage.database import connect
from bitpredict.storage.market_table import newest_quotes, read_prices, write_quotes
from bitpredict.storage.news_table import read_headlines, write_news
from bitpredict.storage.schema import news_feeds
from tests.support.ports import free_ports
from tests.support.redis_server import serving_redis

ARTICLES = 10_000
ROUNDS, HITS = 15, 200
GOAL = 20
START = datetime(2024, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print milliseconds of query and hit, their ratio, and its share of the goal."""
    with tempfile.TemporaryDirectory(prefix="bitpredict-bench-") as folder:
        settings = Settings(home=Path(folder))
        engine = connect(settings)
        _see(engine, read_coins())
        fill(engine, read_coins())
        _write_articles(engine)
        _measure("in this process", settings, engine)
        if shutil.which("redis-server"):
            with serving_redis() as server:
                (port,) = free_ports(1)
                with server.client() as client:
                    client.config_set("port", port)
                _measure("Redis", settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"}), engine)
        else:
            print("Redis: skipped, it is not installed")
        engine.dispose()


def _measure(where: str, settings: Settings, engine: Engine) -> None:
    @contextmanager
    def opened() -> Iterator[Engine]:
        page = connect(settings)
        yield page
        page.dispose()

    cache = open_cache(settings)
    questions: dict[str, Callable[[Engine], pd.DataFrame]] = {
        "the newest quotes": newest_quotes,
        "the market's page": _market,
        "a day's headlines": lambda engine: read_headlines(engine, START + DAY),
    }
    for name, query in questions.items():

        def page(query: Callable[[Engine], pd.DataFrame] = query) -> pd.DataFrame:
            with opened() as fresh:
                return query(fresh)

        def hit(cache: Cache = cache, name: str = name, page: Callable[[], pd.DataFrame] = page) -> pd.DataFrame:
            return cache.value("price", name, page, FRAMES)

        kept_frame, read_frame = (frame.drop(columns="last_day", errors="ignore") for frame in (hit(), query(engine)))
        pd.testing.assert_frame_equal(kept_frame, read_frame)
        # Side by side, so that both meet the same machine.
        at_hand, whole, kept, first = [], [], [], []
        for _ in range(ROUNDS):
            at_hand.append(_seconds(lambda query=query: query(engine)))
            whole.append(_seconds(page))
            kept += [_seconds(hit) for _ in range(HITS // ROUNDS)]
            if settings.redis_url:
                new = open_cache(settings)
                new.usage("price")
                first.append(_seconds(lambda hit=hit, new=new: hit(new)))
        query_ms, page_ms, hit_ms = (1000 * statistics.median(each) for each in (at_hand, whole, kept))
        print(
            f"{where}: {name} {query_ms:.1f} ms, with opening the database {page_ms:.1f} ms, a hit {hit_ms:.3f} ms: "
            f"{query_ms / hit_ms:.0f} and {page_ms / hit_ms:.0f} times as fast, of {GOAL} times"
        )
        if first:
            first_ms = 1000 * statistics.median(first)
            print(f"  the first hit of a process {first_ms:.1f} ms: {query_ms / first_ms:.1f} times as fast")


def _market(engine: Engine) -> pd.DataFrame:
    newest = newest_quotes(engine)
    start, end = newest["observed_at"].min() - DAY - DAY_AGO_WITHIN, newest["observed_at"].max() + MINUTE
    return with_last_day(newest, read_prices(engine, list(newest["coin_id"]), start, end))


def _see(engine: Engine, coins: tuple[Coin, ...]) -> None:
    quotes = pd.DataFrame({"coin_id": [coin.coin_id for coin in coins], "observed_at": START, "price": 1.0})
    told = {"market_cap": 1e9, "total_volume": 1e8, "high_24h": 1.0, "low_24h": 1.0, "circulating_supply": 1e6}
    write_quotes(engine, coins, quotes.assign(**told, market_cap_rank=7, known_at=START), source="benchmark")


def _write_articles(engine: Engine) -> None:
    moments = pd.date_range(START, START + 2 * DAY, periods=ARTICLES).as_unit("us")
    frame = pd.DataFrame({"first_seen_at": moments})
    frame["article_id"] = [blake2b(f"{n}".encode(), digest_size=16).hexdigest() for n in range(ARTICLES)]
    frame["title"] = [f"Bitcoin moves for the {n}th time today, and nobody knows why" for n in range(ARTICLES)]
    frame["url"] = [f"https://example.com/{n}" for n in range(ARTICLES)]
    told = {"source": "feed", "language": "en", "summary": "", "dated": "said", "provenance": "simulated"}
    frame = frame.assign(**told, entry_id=frame["article_id"], published_at=moments, duplicate_of=None)
    write_news(engine, frame, pd.DataFrame(columns=[column.name for column in news_feeds.columns]))


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
