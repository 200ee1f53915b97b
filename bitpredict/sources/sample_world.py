"""The sample's quotes and news: invented files in the shapes of CoinGecko's and feeds' answers, read without a network.

What reads the real answers reads these. Whatever comes of them is labelled `simulated`.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

from bitpredict.errors import ContractError
from bitpredict.market.time import EPOCH
from bitpredict.settings import SAMPLE_FOLDER
from bitpredict.sources.coingecko import Markets
from bitpredict.sources.coingecko_quotes import current, table
from bitpredict.sources.feed_addresses import FeedAddress
from bitpredict.sources.feeds import Article, Feed, parse_feed
from bitpredict.sources.news import NEW, Visit

SIMULATED = "simulated"
QUOTES_FILE = SAMPLE_FOLDER / "coin_markets.jsonl.gz"
NEWS_FOLDER = SAMPLE_FOLDER / "news"
SAMPLE_FEEDS_FILE = NEWS_FOLDER / "feeds.csv"

ROUND = timedelta(minutes=15)
"""As if the feeds had been asked so often: an article was first seen at the next round."""


def sample_quotes(coins: Sequence[str]) -> Iterator[Markets]:
    """The quotes of `coins` in answers that were never given, one after the other in the order of their receipt.

    Raises:
        ContractError: the file is missing or damaged.
    """
    for line in _lines(QUOTES_FILE):
        received_at, oddities = datetime.fromisoformat(line["received_at"]), Counter[str]()
        rows, missing = current(line["answer"], coins, received_at, oddities)
        quotes = table(sorted(rows, key=itemgetter("coin_id")), known_at=received_at)
        yield Markets(quotes, dict(sorted(missing.items())), dict(+oddities), received_at)


def sample_visits(addresses: Sequence[FeedAddress], end: datetime) -> tuple[Visit, ...]:
    """What the enabled feeds showed until `end`; a feed's file bears its name.

    Raises:
        ContractError: a file is missing.
        BadSourceDataError: it is no feed.
    """
    return tuple(_visit(address, end) for address in addresses if address.enabled)


def _visit(address: FeedAddress, end: datetime) -> Visit:
    file = NEWS_FOLDER / f"{address.name.lower().replace(' ', '_')}.xml"
    try:
        body = file.read_bytes()
    except OSError as error:
        raise ContractError(f"{file}: the sample's feed cannot be read ({error}); restore it") from error
    shown = parse_feed(body, address.address, end)
    articles = tuple(replace(article, first_seen_at=_seen(article, end)) for article in shown.articles)
    return Visit(address, NEW, feed=Feed(shown.title, articles, shown.rejected, shown.well_formed))


def _seen(article: Article, end: datetime) -> datetime:
    if article.published_at is None:
        return end
    return min(end, EPOCH - (EPOCH - article.published_at) // ROUND * ROUND)


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)
    except (OSError, EOFError, ValueError) as error:
        raise ContractError(f"{file}: the sample's quotes cannot be read ({error}); restore it") from error
