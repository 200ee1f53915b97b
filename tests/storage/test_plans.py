"""The queries that exist find their rows by an index on every database: the plans of the very statements."""

import re
from collections.abc import Callable
from datetime import timedelta

import pandas as pd
import pytest
from sqlalchemy import Engine, event, text

from bitpredict.storage.database import writing
from bitpredict.storage.ledger import due_forecasts, latest_forecasts, read_forecasts, write_forecasts, write_outcomes
from bitpredict.storage.news_table import known_articles, read_headlines, read_news
from bitpredict.storage.schema import article_sentiment, crypto_news, tweets
from bitpredict.storage.tweet_table import read_tweets
from bitpredict.storage.upserts import insert_new
from tests.storage.test_news_table import article
from tests.support.made_rows import made_forecasts, made_outcomes, midnight

EXPLAIN = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN (COSTS OFF)", "mysql": "EXPLAIN"}
HOUR = timedelta(hours=1)


def plan(engine: Engine, ask) -> str:
    """How the database would find what `ask()` asks it for."""
    asked = []
    listening = (engine, "before_cursor_execute", lambda *seen: asked.append(seen[2:4]))
    event.listen(*listening)
    ask()
    event.remove(*listening)
    found = []
    with engine.connect() as connection:
        for statement, parameters in asked:
            if statement.startswith("SELECT"):
                answer = connection.exec_driver_sql(f"{EXPLAIN[engine.dialect.name]} {statement}", parameters)
                found += [" ".join(map(str, row)) for row in answer]
    return "\n".join(found)


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


def test_sentiment_is_found_by_when_it_was_scored(filled):
    """What `scored_at` bounds, as hourly sentiment does."""
    question = "SELECT score FROM article_sentiment WHERE scored_at >= '2023-03-02' AND scored_at < '2023-03-03'"
    with filled.connect() as connection:
        found = connection.execute(text(f"{EXPLAIN[filled.dialect.name]} {question}")).all()
    assert "ix_article_sentiment_scored_at" in str(found)
