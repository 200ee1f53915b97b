"""Tables made again from what was answered: the same rows, known since the same moments."""

import json
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from sqlalchemy import delete

from bitpredict.errors import BitPredictError, SourceError
from bitpredict.market.coins import Coin, read_coins
from bitpredict.settings import Settings
from bitpredict.sources import coingecko as source
from bitpredict.sources.coingecko import CoinGecko
from bitpredict.sources.feed_addresses import FeedAddress
from bitpredict.sources.news import collect_news, news_client
from bitpredict.sources.rebuilding import past_days, rebuild_news, rebuild_quotes
from bitpredict.storage.database import reading, writing
from bitpredict.storage.market_table import read_coins_seen, write_history, write_quotes
from bitpredict.storage.news_table import read_feeds, read_news
from bitpredict.storage.raw import RawStore
from bitpredict.storage.schema import crypto_assets, crypto_news, price_data_real
from tests.support.archive_server import Answer
from tests.support.recorded_quotes import recorded_quotes

EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
ROUTE = "/api/v3/coins/markets"


@pytest.fixture
def settings(server, monkeypatch) -> Settings:
    monkeypatch.setattr(source, "_INTERVALS", {"free": 0.0})
    monkeypatch.setenv("BITPREDICT_COINGECKO_URL", server.url)
    monkeypatch.setenv("BITPREDICT_HTTP_ATTEMPTS", "1")
    monkeypatch.setenv("BITPREDICT_FEEDS_ALLOW_PRIVATE", "true")
    return Settings()


@pytest.fixture
def raw(settings) -> RawStore:
    return RawStore.from_settings(settings)


def days(raw: RawStore, of: str) -> list[date]:
    return raw.days(of)


def quotes_of(engine) -> pd.DataFrame:
    with reading(engine) as connection:
        rows = connection.execute(price_data_real.select().order_by("coin_id", "observed_at")).all()
    return pd.DataFrame(rows, dtype=object)


def empty(engine, *tables) -> None:
    with writing(engine) as connection:
        for table in tables:
            connection.execute(delete(table))


def row(coin: str, observed_at: datetime, price: float | None) -> dict:
    return {"id": coin, "current_price": price, "market_cap_rank": 1, "last_updated": observed_at.isoformat()}


def ask(settings, engine, raw, coins: list[Coin]) -> None:
    client = CoinGecko.from_settings(settings, raw.keeper(source.SOURCE))
    found = client.markets([coin.coin_id for coin in coins])
    write_quotes(engine, coins, found.quotes, source=source.SOURCE)


def test_quotes_come_back_as_they_were_known(server, settings, engine, raw, recordings):
    coins, now = read_coins(), datetime.now(UTC).replace(microsecond=0)
    two = [row("bitcoin", now, 7.5), row("ethereum", now, None), row("solana", now - timedelta(minutes=1), 1e-9)]
    recorded = recorded_quotes(recordings, now - timedelta(minutes=5))
    bodies = [recorded, json.dumps(two).encode(), recorded, b'{"error":"busy"}', b"<html>"]
    server.scripts[ROUTE] = [Answer(body=body) for body in bodies]
    for _ in bodies[:3]:
        ask(settings, engine, raw, coins)
    for _ in bodies[3:]:
        with pytest.raises(SourceError):
            ask(settings, engine, raw, coins)
    start = now - timedelta(days=1)
    points = [[int(now.timestamp() - 60 * n) * 1000, 3.0 + n] for n in range(1, 6)]
    server.scripts["/api/v3/coins/tron/market_chart/range"] = [Answer(body=json.dumps({"prices": points}).encode())]
    past = CoinGecko.from_settings(settings, raw.keeper(source.SOURCE)).history("tron", start, now)
    write_history(engine, past.quotes, source=source.SOURCE)
    quotes, seen = quotes_of(engine), read_coins_seen(engine)
    assert len(quotes) == 92 + 2 + 5

    empty(engine, price_data_real, crypto_assets)
    made = rebuild_quotes(engine, raw, coins, days(raw, "coingecko"))
    pd.testing.assert_frame_equal(quotes_of(engine), quotes)
    pd.testing.assert_frame_equal(read_coins_seen(engine), seen)
    assert (made.answers, made.inserted, made.rows) == (6, 99, 92 + 2 + 92 + 5)
    assert made.left_out == {"answer without quotes": 2}
    assert rebuild_quotes(engine, raw, coins, days(raw, "coingecko")).inserted == 0
    assert len(server.asked) == 6, "nobody is asked again"


def test_what_is_there_stays_as_it_is(server, settings, engine, raw):
    coins, now = [Coin("bitcoin", "BTC", "Bitcoin")], datetime.now(UTC)
    server.scripts[ROUTE] = [Answer(body=json.dumps([row("bitcoin", now, price)]).encode()) for price in (1.0, 2.0)]
    ask(settings, engine, raw, coins)
    before = quotes_of(engine)
    ask(settings, engine, raw, coins)
    rebuild_quotes(engine, raw, coins, days(raw, "coingecko"))
    pd.testing.assert_frame_equal(quotes_of(engine), before)


def test_a_round_of_several_answers_is_known_when_the_last_came(server, settings, engine, raw, monkeypatch):
    monkeypatch.setattr(source, "COINS_AT_ONCE", 2)
    coins = [Coin(name, name.upper(), name) for name in ("a", "b", "c")]
    now = datetime.now(UTC)
    for _ in range(2):
        server.scripts[ROUTE] = [
            Answer(body=json.dumps([row("a", now, 1.0), row("b", now, 2.0)]).encode()),
            Answer(body=json.dumps([row("c", now, 3.0)]).encode(), delay=0.05),
        ]
        ask(settings, engine, raw, coins)
    before = quotes_of(engine)
    assert before["known_at"].nunique() == 1
    empty(engine, price_data_real, crypto_assets)
    rebuild_quotes(engine, raw, coins, days(raw, "coingecko"))
    pd.testing.assert_frame_equal(quotes_of(engine), before)


def test_a_coin_that_left_the_list_comes_back_only_where_it_has_been_seen(server, settings, engine, raw):
    coins, now = [Coin("a", "A", "a"), Coin("b", "B", "b")], datetime.now(UTC)
    server.scripts[ROUTE] = [Answer(body=json.dumps([row("a", now, 1.0), row("b", now, 2.0)]).encode())]
    ask(settings, engine, raw, coins)
    before = quotes_of(engine)
    empty(engine, price_data_real)
    assert rebuild_quotes(engine, raw, coins[:1], days(raw, "coingecko")).left_out == {}
    pd.testing.assert_frame_equal(quotes_of(engine), before)
    empty(engine, price_data_real, crypto_assets)
    made = rebuild_quotes(engine, raw, coins[:1], days(raw, "coingecko"))
    assert made.left_out == {"coin is not in the list": 1}
    assert quotes_of(engine)["coin_id"].tolist() == ["a"]


TOLD = "SEC approves first spot Bitcoin ETF in historic decision"


def rss(*stories: tuple[int, str]) -> bytes:
    items = "".join(f"<item><title>{title}</title><link>/n/{n}</link></item>" for n, title in stories)
    return f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>".encode()


def test_news_come_back_as_they_were_first_seen(server, settings, engine, raw, recordings):
    addresses = [
        FeedAddress(name, f"{server.url}/{name}?token=hush", "en", 15, True) for name in ("a", "b", "c", "gone")
    ]
    later = rss((4, "Ether falls"), (2, TOLD.upper() + "!"))
    rounds = [
        {"a": rss((1, "Bitcoin rises again today")), "b": rss((2, TOLD), (5, ""))},
        {"a": rss((3, TOLD)), "b": b"<html>down</html>", "gone": rss((9, "Of a feed that leaves the list"))},
        {"c": (recordings / "rss" / "cointelegraph_2026-02-06.xml").read_bytes(), "b": later},
    ]
    now = datetime.now(UTC)
    for number, answers in enumerate(rounds):
        for name in ("a", "b", "c", "gone"):
            body = answers.get(name)
            server.scripts[f"/{name}"] = [Answer(500) if body is None else Answer(body=body)]
        moment = now + timedelta(hours=number)
        collect_news(engine, news_client(settings, raw.keeper("news")), addresses, moment)
    before, feeds = read_news(engine, *EVER), read_feeds(engine)
    assert before["duplicate_of"].notna().sum() == 1
    assert len(before) > 8

    empty(engine, crypto_news)
    asked = len(server.asked)
    made = rebuild_news(engine, raw, addresses, days(raw, "news"))
    pd.testing.assert_frame_equal(read_news(engine, *EVER), before)
    pd.testing.assert_frame_equal(read_feeds(engine), feeds)
    assert (made.inserted, made.answers) == (len(before), 7)
    assert made.left_out == {"answer that is no feed": 1, "no title": 1}
    assert len(server.asked) == asked

    # A round in the middle that is lost comes back although later ones are there.
    lost = before[before["source"] == "a"]["article_id"].tolist()
    with writing(engine) as connection:
        connection.execute(delete(crypto_news).where(crypto_news.c.article_id.in_(lost)))
    rebuild_news(engine, raw, addresses, days(raw, "news"))
    pd.testing.assert_frame_equal(read_news(engine, *EVER), before)

    empty(engine, crypto_news)
    left = rebuild_news(engine, raw, addresses[:3], days(raw, "news")).left_out
    assert left["feed is not in the list"] == 1


def test_a_damaged_answer_is_counted_and_holds_no_other(server, settings, engine, raw):
    coins, now = [Coin("a", "A", "a")], datetime.now(UTC)
    for price in (1.0, 2.0):
        answer = json.dumps([row("a", now + timedelta(seconds=price), price)]).encode()
        server.scripts[ROUTE] = [Answer(body=answer)]
        ask(settings, engine, raw, coins)
    empty(engine, price_data_real)
    (day,) = raw.days("coingecko")
    file = next(iter(sorted((settings.home / "lake" / "raw" / "coingecko" / f"{day}").iterdir())))
    file.write_bytes(file.read_bytes()[:-2])
    made = rebuild_quotes(engine, raw, coins, [day])
    assert (made.answers, made.inserted, made.left_out) == (1, 1, {"damaged file": 1})


def test_only_days_that_are_over_are_made_again():
    now = datetime(2024, 3, 5, 0, 1, tzinfo=UTC)
    assert past_days(date(2024, 3, 3), date(2024, 3, 4), now) == [date(2024, 3, 3), date(2024, 3, 4)]
    for first, last in ((date(2024, 3, 4), date(2024, 3, 5)), (date(2024, 3, 4), date(2024, 3, 3))):
        with pytest.raises(BitPredictError, match="until 2024-03-04"):
            past_days(first, last, now)
