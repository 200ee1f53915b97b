"""All feeds asked side by side, and what is new in them: cleaned, each article once, retold ones marked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import structlog
from sqlalchemy import Engine

from bitpredict.errors import BadSourceDataError, SourceError
from bitpredict.masking import masked
from bitpredict.observability import SOURCE_REJECTED_ROWS
from bitpredict.settings import Settings
from bitpredict.sources.circuits import Circuits
from bitpredict.sources.feed_addresses import FeedAddress
from bitpredict.sources.feeds import LARGEST_FEED, Article, Feed, parse_feed
from bitpredict.sources.http import Asks, HttpClient
from bitpredict.storage.news_table import known_articles, read_feeds, read_headlines, write_news
from bitpredict.storage.raw import Keep
from bitpredict.storage.schema import crypto_news, news_feeds
from bitpredict.text.duplicates import WINDOW, Headline, near_duplicates

State = Mapping[Any, Any]
"""A row of `news_feeds`."""

_log = structlog.get_logger(__name__)

SOURCE = "news"
OBSERVED = "observed"
AT_ONCE = 32
"""Feeds asked at the same time: each is another host, and slow ones must not hold the others."""

FEWEST_FAILURES = 4
LONGEST_REST = timedelta(hours=6)
LONGEST_ETAG, LONGEST_DATE = 300, 100
"""Characters that the table keeps of an answer's validators."""

EARLY = timedelta(minutes=5)
"""A round that comes this much before a feed's interval is over counts as its turn (a third of short intervals): the
last may have started late."""

NEW, UNCHANGED, FAILED, RESTING, NOT_DUE = "new", "unchanged", "failed", "resting", "not due"


@dataclass(frozen=True)
class Visit:
    """What came of one feed.

    Attributes:
        outcome: NEW (it answered with a feed), UNCHANGED (304), FAILED; not asked: RESTING after failures, NOT_DUE.
        feed: with NEW.
        problem: why it failed or rests, otherwise empty.
        etag, last_modified: to ask with next time.
    """

    address: FeedAddress
    outcome: str
    feed: Feed | None = None
    problem: str = ""
    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class NewsCollected:
    """What a round brought.

    Attributes:
        visits: of every enabled feed, in the list's order.
        inserted: articles that are new in the table.
        known: articles that the table had, under their address or the feed's own name for them.
        retold: of the inserted ones those that another feed told before.
        rejected: reason -> entries that are no articles.
    """

    visits: tuple[Visit, ...]
    inserted: int
    known: int
    retold: int
    rejected: Mapping[str, int]


def news_client(settings: Settings, keep: Keep | None = None) -> HttpClient:
    """The client for feeds: impatient, since a feed comes again in minutes, and kept out of our own network.

    Args:
        keep: is given every answer as it came.
    """
    timeout = min(settings.http_timeout_seconds, 10.0)
    return HttpClient(
        SOURCE,
        circuits=Circuits.from_settings(SOURCE, settings),
        timeout=timeout,
        deadline=2 * timeout,
        attempts=min(settings.http_attempts, 2),
        wait_max=2.0,
        longest_pause=5.0,
        public_only=not settings.feeds_allow_private,
        keep=keep,
    )


def collect_news(
    engine: Engine, http: HttpClient, addresses: Sequence[FeedAddress], now: datetime | None = None
) -> NewsCollected:
    """Ask every feed that is due, and store what is new with the feeds' state.

    Args:
        now: by which it is decided who is due; by default the clock's.

    Raises:
        StorageError: the database cannot be read or written. Nothing was written.
    """
    now = now or datetime.now(UTC)
    return store_visits(engine, visit_all(http, addresses, _feed_states(engine), now), now)


def store_visits(
    engine: Engine,
    visits: tuple[Visit, ...],
    now: datetime,
    provenance: str = OBSERVED,
    *,
    remember_feeds: bool = True,
) -> NewsCollected:
    """Store what the visits brought with the feeds' state; raises what `collect_news` raises.

    Args:
        remember_feeds: False for visits of the past, which say nothing of how the feeds are now.
    """
    states = _feed_states(engine)
    found = [(each.address, article) for each in visits if each.feed for article in each.feed.articles]
    fresh = _not_known(engine, found)
    rows = _with_originals(engine, fresh, provenance)
    asked = [each for each in visits if each.outcome not in (RESTING, NOT_DUE) and remember_feeds]
    inserted = write_news(engine, rows, _states(asked, states, now))
    rejected: Counter[str] = Counter()
    for each in visits:
        if each.outcome == FAILED:
            _log.warning("feed failed", feed=each.address.name, problem=each.problem)
        rejected.update(each.feed.rejected if each.feed else {})
    for reason, count in rejected.items():
        SOURCE_REJECTED_ROWS.labels(SOURCE, reason).inc(count)
    retold = int(rows["duplicate_of"].notna().sum())
    return NewsCollected(visits, inserted, len(found) - len(fresh), retold, dict(rejected))


def visit_all(
    http: HttpClient, addresses: Sequence[FeedAddress], states: Mapping[str, State], now: datetime
) -> tuple[Visit, ...]:
    """Visit every enabled feed, side by side; nothing is stored."""
    enabled = [address for address in addresses if address.enabled]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="feed") as pool:
        return tuple(pool.map(lambda address: visit(http, address, states.get(address.name), now), enabled))


def visit(http: Asks, address: FeedAddress, state: State | None, now: datetime) -> Visit:
    """Ask one feed, if it is its turn. Whatever is wrong with it is told in the visit, and stops nobody else.

    Args:
        state: its row of `news_feeds`, None the first time.
    """
    if state is not None and state["address"] != masked(address.address):
        state = None
    if state is not None:
        resting, asked_at = state["resting_until"], state["asked_at"]
        if isinstance(resting, datetime) and not pd.isna(resting) and now < resting:
            return Visit(address, RESTING, problem=f"{state['failures']} failures in a row: {state['problem']}")
        interval = timedelta(minutes=address.interval_minutes)
        if isinstance(asked_at, datetime) and now < asked_at + interval - min(EARLY, interval / 3):
            return Visit(address, NOT_DUE)
    etag, last_modified = (str(state["etag"]), str(state["last_modified"])) if state is not None else ("", "")
    try:
        reply = http.get(address.address, etag=etag, last_modified=last_modified, max_bytes=LARGEST_FEED)
        if reply.status == 304:
            return Visit(address, UNCHANGED, etag=etag, last_modified=last_modified)
        if reply.status != 200:
            raise BadSourceDataError(f"{address.address}: answered {reply.status}; check the feed's address")
        feed = parse_feed(reply.body, masked(reply.url), reply.received_at, reply.headers.get("Content-Type", ""))
    except SourceError as error:
        return Visit(address, FAILED, problem=str(error)[:1_000])
    return Visit(
        address,
        NEW,
        feed=feed,
        etag=_kept(reply.headers.get("ETag", ""), LONGEST_ETAG),
        last_modified=_kept(reply.headers.get("Last-Modified", ""), LONGEST_DATE),
    )


def rest(failures: int, interval: timedelta) -> timedelta | None:
    """How long a feed is left alone after so many failures in a row: twice as long each time, None at first."""
    if failures < FEWEST_FAILURES:
        return None
    return min(interval * 2.0 ** min(failures - FEWEST_FAILURES + 1, 20), LONGEST_REST)


def _kept(header: str, longest: int) -> str:
    """A validator that the table can hold; without one the feed is simply sent whole."""
    return header if len(header) <= longest and header.isprintable() else ""


def _not_known(engine: Engine, found: Sequence[tuple[FeedAddress, Article]]) -> list[tuple[FeedAddress, Article]]:
    """Articles whose address is new, and which their feed does not show again under another address."""
    known = known_articles(engine, [a.article_id for _, a in found], [a.entry_id for _, a in found])
    articles, entries = set(known.articles), set(known.entries)
    fresh = []
    for address, article in sorted(found, key=lambda each: each[1].first_seen_at):
        entry = (address.name, article.entry_id)
        if article.article_id not in articles and entry not in entries:
            fresh.append((address, article))
        articles.add(article.article_id)
        entries.add(entry)
    return fresh


def _with_originals(engine: Engine, fresh: Sequence[tuple[FeedAddress, Article]], provenance: str) -> pd.DataFrame:
    """Rows of `crypto_news`; each with the article of another feed that told the same before, stored or among them."""
    columns = [column.name for column in crypto_news.columns]
    if not fresh:
        return pd.DataFrame(columns=columns)
    first = fresh[0][1].first_seen_at
    before = read_headlines(engine, first - WINDOW, first)
    told = zip(before["source"], before["title"], before["first_seen_at"], strict=True)
    stored = [Headline(source, title, first_seen_at) for source, title, first_seen_at in told]
    new = [Headline(address.name, article.title, article.first_seen_at) for address, article in fresh]
    ids = [*before["article_id"], *(article.article_id for _, article in fresh)]
    roots = [*before["duplicate_of"], *(None for _ in fresh)]
    originals = near_duplicates([*stored, *new])[len(stored) :]
    rows = []
    for (address, article), original in zip(fresh, originals, strict=True):
        row = {name: getattr(article, name) for name in columns if hasattr(article, name)}
        duplicate_of = None if original is None else roots[original] or ids[original]
        rows.append(
            row
            | {"source": address.name, "language": address.language, "provenance": provenance}
            | {"duplicate_of": duplicate_of}
        )
    return pd.DataFrame(rows, columns=columns)


def _feed_states(engine: Engine) -> dict[str, State]:
    return {row["source"]: row for row in read_feeds(engine).to_dict("records")}


def _states(asked: Sequence[Visit], before: Mapping[str, State], now: datetime) -> pd.DataFrame:
    """Rows of `news_feeds` after these visits."""
    rows = [_state(each, before.get(each.address.name), now) for each in asked]
    return pd.DataFrame(rows, columns=[column.name for column in news_feeds.columns])


def _state(visit: Visit, before: State | None, now: datetime) -> State:
    if before is None or before["address"] != masked(visit.address.address):
        before = {"etag": "", "last_modified": "", "answered_at": None, "articles": 0, "rejected": 0, "failures": 0}
    after = {**before, "source": visit.address.name, "address": masked(visit.address.address), "asked_at": now}
    if visit.outcome == FAILED:
        failures = before["failures"] + 1
        pause = rest(failures, timedelta(minutes=visit.address.interval_minutes))
        until = None if pause is None else now + pause
        return after | {"failures": failures, "resting_until": until, "problem": visit.problem}
    after |= {"answered_at": now, "failures": 0, "resting_until": None, "problem": None}
    after |= {"etag": visit.etag, "last_modified": visit.last_modified}
    if visit.feed is not None:
        after |= {"articles": len(visit.feed.articles), "rejected": sum(visit.feed.rejected.values())}
    return after
