"""The outside sources by name: what they bring, where they are, and one question that shows whether they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bitpredict.cli.finding import Finding, Status
from bitpredict.settings import Settings

SHOWN = 5
"""How many faults a line names."""


@dataclass(frozen=True, slots=True)
class Source:
    """One outside source.

    Attributes:
        brings: what is made of it.
        address: where it is by the settings.
        ask: ask it once, store nothing; raises the source's errors.
    """

    brings: str
    address: Callable[[Settings], str]
    ask: Callable[[Settings], Finding]


def _candle_address(settings: Settings) -> str:
    if settings.market == "simulated":
        return "none: made up from BITPREDICT_SIMULATION_SEED"
    return settings.archive + (f", {settings.binance_url}" if settings.market == "binance" else "")


def _ask_for_candles(settings: Settings) -> Finding:
    from bitpredict.market.time import MINUTES_A_DAY
    from bitpredict.sources.candles import choose_source

    end = settings.calendar()[1] or datetime.now(UTC) - timedelta(days=1)
    day, symbol = (end - timedelta(days=1)).date(), settings.symbols[0]
    batch = choose_source(settings).day(symbol, day)
    whole = batch.candles.num_rows == MINUTES_A_DAY and not batch.rejected
    rejected = f", rejected {dict(batch.rejected)}" if batch.rejected else ""
    detail = f"{batch.candles.num_rows} of {MINUTES_A_DAY} minutes of {symbol} on {day}{rejected}"
    return Finding("candles", Status.OK if whole else Status.WARN, detail)


def _second_address(settings: Settings) -> str:
    from bitpredict.sources.cryptocompare import why_not

    why = why_not(settings)
    return f"not asked: {why}" if why else settings.cryptocompare


def _ask_the_second_source(settings: Settings) -> Finding:
    from bitpredict.market.time import MINUTES_A_DAY
    from bitpredict.sources.cryptocompare import SETTLED, SOURCE, CryptoCompare

    # The last whole day, whatever the market's calendar is: older days are not kept for everybody.
    day, symbol = (datetime.now(UTC) - SETTLED - timedelta(days=1)).date(), settings.symbols[0]
    batch = CryptoCompare.from_settings(settings).day(symbol, day)
    minutes = batch.candles.num_rows
    rejected = f", rejected {dict(batch.rejected)}" if batch.rejected else ""
    status = Status.OK if minutes == MINUTES_A_DAY else Status.WARN
    detail = f"{minutes} of {MINUTES_A_DAY} minutes of {symbol} on {day}{rejected}"
    return Finding(SOURCE, status if minutes else Status.FAIL, detail)


def _ask_for_quotes(settings: Settings) -> Finding:
    from bitpredict.market.coins import read_coins
    from bitpredict.sources.coingecko import CoinGecko

    coins = [coin.coin_id for coin in read_coins(settings.coins_file)]
    found = CoinGecko.from_settings(settings).markets(coins)
    detail = f"{len(found.quotes)} of {len(coins)} coins have a quote"
    if len(found.quotes):
        detail += f", the newest of {found.quotes['observed_at'].max():%Y-%m-%d %H:%M:%S} UTC"
    if found.missing:
        named = "; ".join(f"{coin}: {why}" for coin, why in list(found.missing.items())[:SHOWN])
        detail += f"; missing {named}" + ("; …" if len(found.missing) > SHOWN else "")
    if found.oddities:
        detail += f"; odd {dict(found.oddities)}"
    status = Status.WARN if found.missing else Status.OK
    return Finding("coingecko", status if len(found.quotes) else Status.FAIL, detail)


def _feeds_address(settings: Settings) -> str:
    from bitpredict.sources.feed_addresses import FEEDS_FILE

    return f"those of {settings.feeds_file or FEEDS_FILE}"


def _ask_for_news(settings: Settings) -> Finding:
    from bitpredict.sources.feed_addresses import FEEDS_FILE, read_feed_addresses
    from bitpredict.sources.news import news_client, visit_all

    addresses = read_feed_addresses(settings.feeds_file or FEEDS_FILE)
    visits = visit_all(news_client(settings), addresses, {}, datetime.now(UTC))
    feeds = [visit.feed for visit in visits if visit.feed]
    detail = f"{len(feeds)} of {len(visits)} feeds answered, with {sum(len(feed.articles) for feed in feeds)} articles"
    if problems := [visit.problem for visit in visits if visit.problem]:
        detail += f"; {'; '.join(problems[:SHOWN])}" + ("; …" if len(problems) > SHOWN else "")
    status = Status.WARN if problems else Status.OK
    return Finding("news", status if feeds else Status.FAIL, detail)


def _ask_for_posts(settings: Settings) -> Finding:
    from bitpredict.sources.x_search import XSearch

    if not settings.x_token.get_secret_value():
        return Finding("x", Status.WARN, "not asked: there is no BITPREDICT_X_TOKEN, and posts are not collected")
    search = XSearch.from_settings(settings)
    counts = [
        f"{search.matching(query):,} posts of the last seven days match {query!r}" for query in settings.x_queries
    ]
    return Finding("x", Status.OK, "; ".join(counts))


SOURCES: Mapping[str, Source] = {
    "candles": Source("one-minute candles of BITPREDICT_MARKET", _candle_address, _ask_for_candles),
    "cryptocompare": Source("the same minutes, to repair and compare", _second_address, _ask_the_second_source),
    "coingecko": Source("quotes of the coins of the list", lambda settings: settings.coingecko, _ask_for_quotes),
    "news": Source("articles of the feeds of the list", _feeds_address, _ask_for_news),
    "x": Source("posts that the searches of the settings find", lambda settings: settings.x_url, _ask_for_posts),
}
