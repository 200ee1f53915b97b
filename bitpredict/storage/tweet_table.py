"""Posts in the database, each once, and how far every search has come."""

from datetime import datetime

import pandas as pd
from sqlalchemy import Engine, func
from sqlalchemy import select as sql_select

from bitpredict.storage.database import reading, undeterred, writing
from bitpredict.storage.frames import fetch, select
from bitpredict.storage.schema import news_feeds, tweets
from bitpredict.storage.upserts import insert_new, upsert


@undeterred
def write_tweets(engine: Engine, posts: pd.DataFrame, search: pd.DataFrame) -> int:
    """Write new posts and the state of their search in one transaction.

    Args:
        posts: rows of `schema.tweets`. A post that is there already keeps its first row, and with it when it was first
            seen.
        search: a row of `schema.news_feeds`.

    Returns:
        How many posts were new.

    Raises:
        ContractError: rows do not fit their table. Nothing was written.
        StorageError: the database cannot be written. Nothing was written.
    """
    with writing(engine) as connection:
        inserted = insert_new(connection, tweets, posts)
        upsert(connection, news_feeds, search)
    return inserted


def read_tweets(engine: Engine, start: datetime, end: datetime) -> pd.DataFrame:
    """Posts first seen in [start, end), in that order."""
    table = tweets.c
    query = select(tweets.columns, engine.dialect).where(table.first_seen_at >= start, table.first_seen_at < end)
    with reading(engine) as connection:
        return fetch(connection, query, list(tweets.columns), [table.first_seen_at, table.tweet_id])


def count_tweets(engine: Engine, start: datetime) -> int:
    """How many posts were first seen from `start` on."""
    query = sql_select(func.count()).select_from(tweets).where(tweets.c.first_seen_at >= start)
    with reading(engine) as connection:
        return int(connection.execute(query).scalar_one())
