"""What models made of articles: each article once by each model, as it was judged first."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
from sqlalchemy import Engine, exists

from bitpredict.storage.database import reading, undeterred, writing
from bitpredict.storage.frames import fetch, select
from bitpredict.storage.schema import article_sentiment, crypto_news
from bitpredict.storage.upserts import insert_new

_TO_JUDGE = ("article_id", "title", "first_seen_at", "provenance")
_ARTICLE = ("article_id", "source", "title", "summary", "first_seen_at", "duplicate_of", "provenance")
_JUDGEMENT = ("model", "model_version", "label", "score", "scored_at")


def unjudged_articles(engine: Engine, start: datetime, end: datetime, models: Sequence[str]) -> pd.DataFrame:
    """Articles first seen in [start, end) of which none of `models` has spoken: article_id, title, first_seen_at,
    provenance; in the order in which they were seen."""
    news, judged = crypto_news.c, article_sentiment.c
    columns = [news[name] for name in _TO_JUDGE]
    spoken = exists().where(judged.article_id == news.article_id, judged.model.in_(models))
    query = select(columns, engine.dialect).where(news.first_seen_at >= start, news.first_seen_at < end, ~spoken)
    with reading(engine) as connection:
        return fetch(connection, query, columns, [news.first_seen_at, news.article_id])


@undeterred
def write_sentiment(engine: Engine, rows: pd.DataFrame) -> int:
    """Write rows of `schema.article_sentiment`, and return how many were new. What a model said of an article first
    stays: features may have used it.

    Raises:
        ContractError: rows do not fit the table. Nothing was written.
        StorageError: the database cannot be written, or has no such article. Nothing was written.
    """
    with writing(engine) as connection:
        return insert_new(connection, article_sentiment, rows)


def read_judged(engine: Engine, start: datetime, end: datetime) -> pd.DataFrame:
    """Articles first seen in [start, end), a row for each model that spoke: article_id, source, title, summary,
    first_seen_at, duplicate_of, provenance; model, model_version, label, score, scored_at. In that order of time."""
    news, judged = crypto_news.c, article_sentiment.c
    columns = [*(news[name] for name in _ARTICLE), *(judged[name] for name in _JUDGEMENT)]
    query = (
        select(columns, engine.dialect)
        .join_from(crypto_news, article_sentiment)
        .where(news.first_seen_at >= start, news.first_seen_at < end)
    )
    with reading(engine) as connection:
        return fetch(connection, query, columns, [news.first_seen_at, news.article_id, judged.model])
