"""What is new on X, within what may be spent: each search from its last known post on."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from bitpredict.errors import RateLimitedError, SourceError
from bitpredict.observability import SOURCE_REJECTED_ROWS
from bitpredict.sources.x_search import FEWEST, MOST, SOURCE, Page, XSearch
from bitpredict.storage.news_table import read_feeds
from bitpredict.storage.schema import news_feeds, tweets
from bitpredict.storage.tweet_table import count_tweets, write_tweets

OBSERVED = "observed"
A_ROUND = 5 * MOST
"""Posts that one search may bring at a time: a busy hour must not spend the month."""

_PREFIX = "x: "
_COUNTED = re.compile(r"(\d{4}-\d\d): (\d{1,18}) posts counted")

READ, CUT_SHORT, FAILED, NOT_ASKED = "read", "cut short", "failed", "not asked"


@dataclass(frozen=True)
class Searched:
    """What came of one search.

    Attributes:
        outcome: READ, CUT_SHORT (older posts of this round were left and will not come again), FAILED, NOT_ASKED.
        read: posts that X answered with.
        inserted: of these the ones that are new in the table.
        problem: why it was cut short, failed or was not asked; otherwise empty.
    """

    query: str
    outcome: str
    read: int = 0
    inserted: int = 0
    problem: str = ""


@dataclass(frozen=True)
class PostsCollected:
    """What a round brought.

    Attributes:
        searched: every search, in order.
        rejected: reason -> posts that are none.
        this_month: posts that are counted as read this month, this round's included.
    """

    searched: tuple[Searched, ...]
    rejected: Mapping[str, int]
    this_month: int


def collect_posts(
    engine: Engine, x: XSearch, queries: Sequence[str], a_month: int, now: datetime | None = None
) -> PostsCollected:
    """Ask each search for what is new, and store every answer with how far the search has come.

    X is asked only when the database has just been written, and for no more posts than are left of the month's: they
    are paid for whether or not they can be stored, are new, or are posts at all.

    Args:
        a_month: posts that may be read in one calendar month (UTC), whichever search reads them and however often.

    Raises:
        StorageError: the database cannot be read or written.
    """
    now = now or datetime.now(UTC)
    states = {str(row["source"]): row for row in read_feeds(engine).to_dict("records")}
    counted = sum(_counted(row, now) for name, row in states.items() if name.startswith(_PREFIX))
    # Rows of a month in which only they were counted, before the upgrade.
    read = max(counted, count_tweets(engine, now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)))
    rejected: Counter[str] = Counter()
    searched: list[Searched] = []
    pause = ""
    for query in queries:
        left = a_month - read
        if pause or left < FEWEST:
            why = pause or f"{read} of this month's {a_month} posts are read (BITPREDICT_X_POSTS_PER_MONTH)"
            searched.append(Searched(query, NOT_ASKED, problem=why))
            continue
        search = _Search(engine, query, states.get(search_name(query)), min(left, A_ROUND), now)
        try:
            for page in x.pages(query, search.since_id, search.at_most):
                rejected.update(page.rejected)
                search.store(page)
        except SourceError as error:
            search.failed(str(error))
            pause = str(error) if isinstance(error, RateLimitedError) else ""
        read += search.read
        searched.append(search.result())
    for reason, count in rejected.items():
        SOURCE_REJECTED_ROWS.labels(SOURCE, reason).inc(count)
    return PostsCollected(tuple(searched), dict(rejected), read)


def search_name(query: str) -> str:
    """By which `news_feeds` knows a search."""
    name = f"{_PREFIX}{query}"
    return name if len(name) <= 60 else f"{name[:51]} {hashlib.sha256(query.encode()).hexdigest()[:8]}"


def _counted(state: Mapping[Any, Any], now: datetime) -> int:
    """Posts that a search's row has counted in the month of `now`."""
    said = _COUNTED.fullmatch(str(state["last_modified"]))
    return int(said[2]) if said and said[1] == f"{now:%Y-%m}" else 0


class _Search:
    """One search of a round, and its row of `news_feeds`: the address is the query, the etag its newest post, and
    `last_modified` the posts that it has read in a month.

    A page is counted as full before it is asked for, and as what it held when that is stored: a process that is killed
    between the two has counted too much and never too little.
    """

    def __init__(
        self, engine: Engine, query: str, before: Mapping[Any, Any] | None, at_most: int, now: datetime
    ) -> None:
        self._engine = engine
        self._query = query
        self._now = now
        self.at_most = at_most
        new = {
            "etag": "",
            "last_modified": "",
            "answered_at": None,
            "articles": 0,
            "rejected": 0,
            "failures": 0,
            "problem": None,
        }
        self._state = {**new, **(before or {}), "source": search_name(query), "address": query, "asked_at": now}
        self._state |= {"resting_until": None}
        self._before = _counted(self._state, now)
        self.since_id = str(self._state["etag"])
        self.read = self._inserted = 0
        self._problem = ""
        self._more = False
        self._write([], asking=min(MOST, at_most))

    def store(self, page: Page) -> None:
        if not self.read:  # the newest post is on the first page; the next round goes on from it
            self._state |= {"etag": page.newest_id or self.since_id, "articles": 0, "rejected": 0}
        self.read += page.read
        self._more = page.more
        self._state |= {"answered_at": self._now, "failures": 0, "problem": None}
        self._state["articles"] += len(page.posts)
        self._state["rejected"] += sum(page.rejected.values())
        told = {"query": self._query, "first_seen_at": page.received_at, "provenance": OBSERVED}
        left = self.at_most - self.read
        self._write([vars(post) | told for post in page.posts], asking=min(MOST, left) if page.more else 0)

    def failed(self, problem: str) -> None:
        self._problem = problem[:1_000]
        self._state |= {"failures": int(self._state["failures"]) + 1, "problem": self._problem}
        self._write([])

    def result(self) -> Searched:
        if self._problem:
            return Searched(self._query, CUT_SHORT if self.read else FAILED, self.read, self._inserted, self._problem)
        if self._more:
            why = f"more than the {self.read} posts that it may bring at a time"
            return Searched(self._query, CUT_SHORT, self.read, self._inserted, why)
        return Searched(self._query, READ, self.read, self._inserted)

    def _write(self, rows: list[dict[str, Any]], asking: int = 0) -> None:
        counted = self._before + self.read + (asking if asking >= FEWEST else 0)
        self._state["last_modified"] = f"{self._now:%Y-%m}: {counted} posts counted"
        posts = pd.DataFrame(rows, columns=[column.name for column in tweets.columns])
        state = pd.DataFrame([self._state], columns=[column.name for column in news_feeds.columns])
        self._inserted += write_tweets(self._engine, posts, state)
