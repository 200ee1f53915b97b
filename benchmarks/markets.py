"""Quotes of the coins: one cycle from question to committed rows, and the newest of each coin out of a million.

The newest are compared with the same question put as `GROUP BY`, which reads every quote. PostgreSQL and MariaDB where
they are installed, MariaDB's data in memory.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sqlalchemy import Engine, text

from bitpredict.market.coins import Coin, read_coins
from bitpredict.settings import Settings
from bitpredict.sources.coingecko import SOURCE, CoinGecko
from bitpredict.sources.http import HttpClient
from bitpredict.storage.database import open_database, upgrade
from bitpredict.storage.market_table import newest_quotes, write_history, write_quotes
from tests.support.archive_server import Answer, serve
from tests.support.mariadb import MariaDB
from tests.support.postgres import PostgreSQL

ROWS = 1_000_000
PIECES = 20
ROUNDS = 15
CYCLE_LIMIT, NEWEST_LIMIT = 150, 20
"""Milliseconds."""

GROUPED = """
SELECT p.* FROM price_data_real p
JOIN (SELECT coin_id, max(observed_at) AS newest FROM price_data_real GROUP BY coin_id) n
ON p.coin_id = n.coin_id AND p.observed_at = n.newest
"""
START = datetime(2024, 1, 1, tzinfo=UTC)


def main() -> None:
    """Print milliseconds of each database, their share of the limit and the ratio to grouping."""
    coins = read_coins()
    with tempfile.TemporaryDirectory(prefix="bitpredict-bench-") as folder:
        _measure("SQLite", Settings(home=Path(folder)), coins)
    if PostgreSQL.installed():
        with PostgreSQL.serving() as server:
            _measure("PostgreSQL", Settings(database_url=server.database("markets")), coins)
    else:
        print("PostgreSQL: skipped, it is not installed")
    if MariaDB.installed():
        with MariaDB.serving() as server:
            _measure("MariaDB", Settings(database_url=server.database("markets")), coins)
    else:
        print("MariaDB: skipped, it is not installed")


def _measure(name: str, settings: Settings, coins: tuple[Coin, ...]) -> None:
    engine = open_database(settings)
    upgrade(engine)
    with _asked(coins) as ask:
        cycle = _median(lambda: write_quotes(engine, coins, ask(), source=SOURCE))
    print(f"{name}: a cycle of {len(coins)} coins {cycle:.1f} ms, {cycle / CYCLE_LIMIT:.2f} of {CYCLE_LIMIT} ms")
    rows = fill(engine, coins)
    newest = _median(lambda: newest_quotes(engine))
    grouped = _median(lambda: _grouped(engine))
    print(
        f"{name}: the newest of each coin out of {rows:,} quotes {newest:.1f} ms, {newest / NEWEST_LIMIT:.2f} of "
        f"{NEWEST_LIMIT} ms; grouping takes {grouped:.0f} ms, {grouped / newest:.0f} times as long "
        f"(load {os.getloadavg()[0]:.1f})"
    )
    engine.dispose()


@contextmanager
def _asked(coins: tuple[Coin, ...]) -> Iterator[Callable[[], pd.DataFrame]]:
    """A question to a local server, whose every answer is a minute newer."""
    minute = iter(range(10_000))

    def answer(_query: object) -> Answer:
        observed = (START + timedelta(minutes=next(minute))).isoformat()
        rows = [
            {
                "id": coin.coin_id,
                "symbol": coin.symbol,
                "name": coin.name,
                "current_price": 42812.123456,
                "market_cap": 839172444303,
                "market_cap_rank": 7,
                "total_volume": 13176759389,
                "high_24h": 43088,
                "low_24h": 42553,
                "circulating_supply": 19598775.0,
                "last_updated": observed,
            }
            for coin in coins
        ]
        return Answer(body=json.dumps(rows).encode())

    with serve() as server:
        server.routes["/api/v3/coins/markets"] = answer
        source = CoinGecko(server.url, HttpClient(SOURCE, interval=0.0))
        yield lambda: source.markets([coin.coin_id for coin in coins]).quotes


def fill(engine: Engine, coins: tuple[Coin, ...]) -> int:
    """A million quotes of coins that have been seen; returns how many quotes there are."""
    each = ROWS // len(coins)
    for piece in np.array_split(np.arange(each), PIECES):
        moments = pd.to_datetime(START - timedelta(days=60)) + pd.to_timedelta(piece * 300, unit="s")
        frame = pd.DataFrame(
            {
                "coin_id": np.repeat([coin.coin_id for coin in coins], piece.size),
                "observed_at": pd.DatetimeIndex(np.tile(moments, len(coins))),
                "price": np.random.default_rng(int(piece[0])).lognormal(0, 3, piece.size * len(coins)),
            }
        )
        told = {"market_cap": 1e9, "total_volume": 1e8, "high_24h": 1.0, "low_24h": 1.0, "circulating_supply": 1e6}
        write_history(engine, frame.assign(**told, market_cap_rank=7, known_at=pd.Timestamp(START)), source=SOURCE)
    with engine.begin() as connection:
        tables = " TABLE price_data_real, crypto_assets" if engine.dialect.name == "mysql" else ""
        connection.execute(text(f"ANALYZE{tables}"))
        return int(connection.execute(text("SELECT count(*) FROM price_data_real")).scalar_one())


def _grouped(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text(GROUPED)).all()


def _median(action: Callable[[], object]) -> float:
    """Milliseconds, the first round left out."""
    taken = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        action()
        taken.append(1000 * (time.perf_counter() - begun))
    return statistics.median(taken[1:])
