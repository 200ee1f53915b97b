"""The queries that exist find their rows by an index on every database: the plans of the very statements."""

import re
from collections.abc import Callable
from datetime import timedelta

import pandas as pd
import pytest
from sqlalchemy import Engine, text

from bitpredict.storage.database import writing
from bitpredict.storage.ledger import due_forecasts, latest_forecasts, read_forecasts, write_forecasts, write_outcomes
from bitpredict.storage.news_table import known_articles, read_headlines, read_news
from bitpredict.storage.schema import article_sentiment, crypto_news, tweets
from bitpredict.storage.sentiment_table import read_judged
from bitpredict.storage.tweet_table import read_tweets
from bitpredict.storage.upserts import insert_new
from tests.storage.test_news_table import article
from tests.support.made_rows import made_forecasts, made_outcomes, midnight
from tests.support.plans import plan, plan_of

HOUR = timedelta(hours=1)


def post(number: int) -> dict[str, object]:
    at = midnight() + number * HOUR
    said = {"query": "bitcoin", "language": "en", "text": "up", "created_at": at, "provenance": "observed"}
    return {"tweet_id": f"{number:032d}", "first_seen_at": at, **said}


def judgement(number: int) -> dict[str, object]:
    made = {"model": "vader", "model_version": "1", "label": "neutral", "score": 0.0}
    made |= {"negative": 0.0, "neutral": 1.0, "positive": 0.0}
    return {"article_id": f"{number:032d}", "scored_at": midnight() + number * HOUR, **made}


@pytest.fixture
def filled(engine):
    frame = made_forecasts(6000)
    write_forecasts(engine, frame)
    write_outcomes(engine, made_outcomes(frame))
    rows = [
        article(
            f"{number:032d}",
            article_id=f"{number:032d}",
            entry_id=f"{number:032x}",
            first_seen_at=midnight() + number * HOUR,
        )
        for number in range(3000)
    ]
    with writing(engine) as connection:
        insert_new(connection, crypto_news, pd.DataFrame(rows))
        insert_new(connection, tweets, pd.DataFrame(map(post, range(3000))))
        insert_new(connection, article_sentiment, pd.DataFrame(map(judgement, range(3000))))
        if engine.dialect.name == "mysql":
            connection.execute(
                text("ANALYZE TABLE forecasts, forecast_outcomes, crypto_news, tweets, article_sentiment")
            )
        else:
            connection.execute(text("ANALYZE"))
    return engine


def queries(engine: Engine) -> dict[str, tuple[Callable[[], object], str]]:
    """Who asks, and the index that leads to what is asked for."""
    start = midnight() + HOUR
    ids = [f"{number:032d}" for number in range(20)]
    return {
        "latest forecasts": (lambda: latest_forecasts(engine), "ix_forecasts_latest"),
        "due forecasts": (lambda: due_forecasts(engine, start, start + HOUR), "ix_forecasts_target"),
        "served forecasts": (
            lambda: read_forecasts(engine, "BTCUSDT", "1h", start, start + HOUR, variant="champion"),
            "ix_forecasts_latest",
        ),
        "news": (lambda: read_news(engine, start, start + 20 * HOUR), "ix_crypto_news_first_seen_at"),
        "headlines": (lambda: read_headlines(engine, midnight() + 2980 * HOUR), "ix_crypto_news_first_seen_at"),
        "articles by feed": (lambda: known_articles(engine, [], ids), "ix_crypto_news_entry_id"),
        "posts": (lambda: read_tweets(engine, start, start + HOUR), "ix_tweets_first_seen_at"),
    }


def test_each_query_finds_its_rows_by_an_index(filled):
    reads_all = re.compile(
        {"sqlite": r"\bSCAN ", "postgresql": "Seq Scan", "mysql": r" (ALL|index) (None|PRIMARY|ix_)"}[
            filled.dialect.name
        ]
    )
    for who, (ask, index) in queries(filled).items():
        found = plan(filled, ask)
        assert index in found, f"{who}: {found}"
        assert not reads_all.search(found), f"{who}: {found}"


def test_sentiment_is_found_by_when_it_was_scored_and_when_its_article_was_seen(filled):
    """What `scored_at` bounds, as hourly sentiment does; of so few judgements PostgreSQL then reads all."""
    question = "SELECT score FROM article_sentiment WHERE scored_at >= '2023-03-02' AND scored_at < '2023-03-03'"
    assert "ix_article_sentiment_scored_at" in plan_of(filled, question)
    start = midnight() + HOUR
    assert "ix_crypto_news_first_seen_at" in plan(filled, lambda: read_judged(filled, start, start + 20 * HOUR))
