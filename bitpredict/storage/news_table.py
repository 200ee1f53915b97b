"""Articles in the database, each once, and the state of the feeds that they came from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import Engine

from bitpredict.storage.database import reading, undeterred, writing
from bitpredict.storage.frames import fetch, select
from bitpredict.storage.schema import crypto_news, news_feeds
from bitpredict.storage.upserts import insert_new, upsert

_IDS_AT_ONCE = 500
_HEADLINE = ("article_id", "source", "title", "first_seen_at", "duplicate_of")


@dataclass(frozen=True)
class KnownArticles:
    """Which of the asked articles are in the table: by their own id, and by (source, entry id)."""

    articles: frozenset[str]
    entries: frozenset[tuple[str, str]]


@undeterred
def write_news(engine: Engine, articles: pd.DataFrame, feeds: pd.DataFrame) -> int:
    """Write new articles and the state of their feeds in one transaction: what a feed is told that we have, we have.

    Args:
        articles: rows of `schema.crypto_news`. An article that is there already keeps its first row, and with it
            when it was first seen.
        feeds: rows of `schema.news_feeds`, which replace those of the same source.

    Returns:
        How many articles were new.

    Raises:
        ContractError: rows do not fit their table. Nothing was written.
        StorageError: the database cannot be written. Nothing was written.
    """
    with writing(engine, alone=True) as connection:
        inserted = insert_new(connection, crypto_news, articles)
        upsert(connection, news_feeds, feeds)
    return inserted


def read_news(engine: Engine, start: datetime, end: datetime) -> pd.DataFrame:
    """Articles first seen in [start, end), in that order."""
    table = crypto_news.c
    query = select(crypto_news.columns, engine.dialect).where(table.first_seen_at >= start, table.first_seen_at < end)
    with reading(engine) as connection:
        return fetch(connection, query, list(crypto_news.columns), [table.first_seen_at, table.article_id])


def read_headlines(engine: Engine, start: datetime, end: datetime | None = None) -> pd.DataFrame:
    """Of articles first seen from `start` on, before `end` where it is given, in that order: article_id, source, title,
    first_seen_at, duplicate_of."""
    columns = [crypto_news.c[name] for name in _HEADLINE]
    query = select(columns, engine.dialect).where(crypto_news.c.first_seen_at >= start)
    if end is not None:
        query = query.where(crypto_news.c.first_seen_at < end)
    with reading(engine) as connection:
        return fetch(connection, query, columns, [crypto_news.c.first_seen_at, crypto_news.c.article_id])


def known_articles(engine: Engine, article_ids: Sequence[str], entry_ids: Sequence[str]) -> KnownArticles:
    """What the table has of these articles, whichever feed showed them."""
    table = crypto_news.c
    columns = [table.article_id, table.source, table.entry_id]
    found: list[pd.DataFrame] = []
    with reading(engine) as connection:
        for column, ids in ((table.article_id, article_ids), (table.entry_id, entry_ids)):
            for some in _parts(ids):
                query = select(columns, engine.dialect).where(column.in_(some))
                found.append(fetch(connection, query, columns, [table.article_id]))
    rows = [row for frame in found for row in frame.itertuples(index=False)]
    return KnownArticles(
        frozenset(str(row.article_id) for row in rows), frozenset((str(row.source), str(row.entry_id)) for row in rows)
    )


def read_feeds(engine: Engine) -> pd.DataFrame:
    """Rows of `schema.news_feeds`, ordered by source."""
    with reading(engine) as connection:
        query = select(news_feeds.columns, engine.dialect)
        return fetch(connection, query, list(news_feeds.columns), [news_feeds.c.source])


def _parts(ids: Sequence[str]) -> Iterable[list[str]]:
    unique = sorted(set(ids))
    return (unique[first : first + _IDS_AT_ONCE] for first in range(0, len(unique), _IDS_AT_ONCE))
