"""What it costs to keep data: an answer as it came, a day of answers made rows again, a backup and its restore."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bitpredict.market.coins import read_coins
from bitpredict.settings import Settings
from bitpredict.sources.rebuilding import rebuild_quotes
from bitpredict.storage.backups import backup_store, find_backup, make_backup, restore_backup, verify
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.lake import Lake
from bitpredict.storage.raw import RawStore
from tests.support.made_rows import made_candles, midnight

ROUNDS = 288
"""A day of quotes, every five minutes."""
LAKE_DAYS = 60

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Sent:
    received_at: datetime
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""


def main() -> None:
    """Print milliseconds, seconds and bytes."""
    with tempfile.TemporaryDirectory(prefix="bitpredict-bench-") as folder:
        settings = Settings(home=Path(folder, "home"), backup_url=str(Path(folder, "backups")))
        _answers(settings)
        _backup(settings, Path(folder, "restored"))


def _answers(settings: Settings) -> None:
    raw, coins = RawStore.from_settings(settings), read_coins()
    start = datetime(2026, 3, 4, tzinfo=UTC)
    asked = f"https://api.coingecko.com/api/v3/coins/markets?ids={'%2C'.join(coin.coin_id for coin in coins)}"
    random, took, sent = np.random.default_rng(7), [], 0
    for number in range(ROUNDS):
        at = start + timedelta(minutes=5 * number)
        body = json.dumps([_row(coin.coin_id, at, random) for coin in coins]).encode()
        sent += len(body)
        before = time.perf_counter()
        raw.keep("coingecko", asked, _Sent(at, body), at)
        took.append(1000 * (time.perf_counter() - before))
    kept = sum(path.stat().st_size for path in Path(settings.lake, "raw").rglob("*.zst"))
    print(
        f"an answer of {len(coins)} coins kept: {statistics.median(took):.2f} ms, 99 % {np.quantile(took, 0.99):.2f} ms"
    )
    print(f"a day of them: {sent / 1e6:.1f} MB as sent, {kept / 1e6:.1f} MB kept")
    engine = connect(settings)
    seconds, made = _timed(lambda: rebuild_quotes(engine, raw, coins, [start.date()]))
    print(f"{made.inserted:,} rows made again from them: {seconds:.1f} s")
    engine.dispose()


def _row(coin: str, at: datetime, random: np.random.Generator) -> dict[str, Any]:
    """A coin as the source tells it, with what nobody reads."""
    amounts = ("current_price", "market_cap", "total_volume", "high_24h", "low_24h", "circulating_supply", "ath", "atl")
    numbers = {name: float(random.lognormal(5, 3)) for name in (*amounts, "price_change_24h", "max_supply")}
    about = {"symbol": coin[:4], "name": coin, "image": f"https://e.com/{coin}.png", "last_updated": at.isoformat()}
    return {"id": coin, "market_cap_rank": 7, **numbers, **about}


def _backup(settings: Settings, target: Path) -> None:
    lake = Lake.from_settings(settings)
    lake.replace(CANDLES, made_candles(0, LAKE_DAYS), midnight(), midnight(LAKE_DAYS))
    seconds, made = _timed(lambda: make_backup(settings))
    rows = lake.read(CANDLES).num_rows
    print(f"a backup of {rows:,} candles and the quotes: {seconds:.1f} s, {made.size / 1e6:.1f} MB")
    store, found = find_backup(settings, "latest")
    seconds, _ = _timed(lambda: verify(store, found))
    print(f"verified: {seconds:.1f} s")
    elsewhere = Settings(home=target, backup_url=settings.backup_url)
    seconds, _ = _timed(lambda: restore_backup(elsewhere, backup_store(elsewhere), found))
    same = Lake.from_settings(elsewhere).read(CANDLES).equals(lake.read(CANDLES))
    print(f"restored into an empty home: {seconds:.1f} s; the same rows: {same}")


def _timed(action: Callable[[], Result]) -> tuple[float, Result]:
    before = time.perf_counter()
    result = action()
    return time.perf_counter() - before, result
