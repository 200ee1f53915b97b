"""A cached frame is what would be read, types and all."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from sqlalchemy import Engine

from bitpredict.market.coins import Coin
from bitpredict.settings import Settings
from bitpredict.storage.cache import open_cache
from bitpredict.storage.cache_frames import FRAMES
from bitpredict.storage.database import connect
from bitpredict.storage.market_table import newest_quotes, write_quotes
from bitpredict.storage.news_table import read_feeds

NOW = datetime(2024, 1, 14, 19, 50, 46, 123456, tzinfo=UTC)
COINS = [Coin("bitcoin", "BTC", "Bitcoin"), Coin("ether", "ETH", "Ether")]


def quotes(price: float, observed_at: datetime) -> pd.DataFrame:
    told = {"market_cap": 1e9, "total_volume": float("nan"), "high_24h": 1.5, "low_24h": 0.5, "circulating_supply": 1e6}
    each = {"price": price, "observed_at": observed_at, "market_cap_rank": None, "known_at": observed_at}
    return pd.DataFrame([{"coin_id": coin.coin_id, **told, **each} for coin in COINS])


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = connect(settings)
    write_quotes(engine, COINS, quotes(2.5, NOW), source="coingecko")
    yield engine
    engine.dispose()


@pytest.mark.parametrize("read", [newest_quotes, read_feeds], ids=["rows", "no rows"])
def test_what_is_kept_is_what_would_be_read(settings, engine, read):
    cache = open_cache(settings)
    for _ in range(3):
        kept = cache.value("price", "a", lambda: read(engine), FRAMES)
        pd.testing.assert_frame_equal(kept, read(engine))
    assert cache.usage("price").misses == 1


def test_newer_rows_are_there_when_they_are_told(settings, engine):
    cache = open_cache(settings)

    def newest() -> list[float]:
        return cache.value("price", "a", lambda: newest_quotes(engine), FRAMES)["price"].tolist()

    assert newest() == [2.5, 2.5]
    write_quotes(engine, COINS, quotes(3.5, NOW + timedelta(minutes=5)), source="coingecko")
    assert newest() == [2.5, 2.5]
    open_cache(settings).invalidate("price")
    assert newest() == [3.5, 3.5]


def test_who_changes_an_answer_changes_it_for_nobody_else(settings, engine):
    cache = open_cache(settings)
    for _ in range(2):
        given = cache.value("price", "a", lambda: newest_quotes(engine), FRAMES)
        assert given["price"].tolist() == [2.5, 2.5]
        assert given["name"].tolist() == ["Bitcoin", "Ether"]
        given.loc[0, "price"] = -1.0
        given["name"] = "changed"


@pytest.mark.parametrize("damage", [lambda b: b[:-40], lambda b: b[:30], lambda _: b"", lambda _: b"x" * 99])
def test_damaged_bytes_are_an_error_that_the_cache_knows(engine, damage):
    with pytest.raises(ValueError):  # noqa: PT011 - by whatever Arrow says
        FRAMES.decode(damage(FRAMES.encode(newest_quotes(engine))))
