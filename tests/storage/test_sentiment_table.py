"""Which articles are still to be judged, and that a judgement stays as it was made."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bitpredict.errors import ContractError, StorageError
from bitpredict.storage.news_table import write_news
from bitpredict.storage.schema import crypto_news, news_feeds
from bitpredict.storage.sentiment_table import read_judged, unjudged_articles, write_sentiment

NOON = datetime(2026, 2, 6, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NO_FEEDS = pd.DataFrame(columns=[column.name for column in news_feeds.columns])


def put_articles(engine, **first_seen) -> None:
    rows = pd.DataFrame(columns=[column.name for column in crypto_news.columns])
    for name, moment in first_seen.items():
        rows.loc[len(rows)] = {
            "article_id": name * 32,
            "source": "one",
            "entry_id": name * 32,
            "url": f"https://example.com/{name}",
            "language": "en",
            "title": f"Title {name} 🚀 ' ; -- \\ \"",
            "summary": "S",
            "published_at": None,
            "dated": "missing",
            "first_seen_at": moment,
            "duplicate_of": None,
            "provenance": "observed",
        }
    write_news(engine, rows, NO_FEEDS)


def judgement(name, **changes) -> dict:
    row = {
        "article_id": name * 32,
        "model": "vader",
        "model_version": "vader-1",
        "label": "negative",
        "score": -0.5,
        "negative": 0.5,
        "neutral": 0.5,
        "positive": 0.0,
        "scored_at": NOON + timedelta(minutes=1),
    }
    return row | changes


def waiting(engine, *models, start=NOON, end=NOON + DAY) -> list[str]:
    return [name[0] for name in unjudged_articles(engine, start, end, models)["article_id"]]


def test_an_article_waits_until_one_of_the_models_has_spoken(engine):
    put_articles(engine, b=NOON, a=NOON + timedelta(hours=1), c=NOON - timedelta(microseconds=1), d=NOON + DAY)
    assert waiting(engine, "vader") == ["b", "a"]
    assert write_sentiment(engine, pd.DataFrame([judgement("b"), judgement("c")])) == 2
    assert waiting(engine, "vader") == ["a"]
    assert waiting(engine, "linear", "vader") == ["a"]
    assert waiting(engine, "linear") == ["b", "a"]
    assert waiting(engine, "vader", start=NOON - DAY, end=NOON + 2 * DAY) == ["a", "d"]
    found = unjudged_articles(engine, NOON, NOON + DAY, ["vader"])
    assert list(found) == ["article_id", "title", "first_seen_at", "provenance"]
    assert found.loc[0, "title"] == "Title a 🚀 ' ; -- \\ \""


def test_a_judgement_stays_and_another_models_comes_beside_it(engine):
    put_articles(engine, a=NOON)
    write_sentiment(engine, pd.DataFrame([judgement("a")]))
    later = NOON + timedelta(hours=1)
    again = [
        judgement("a", model_version="vader-2", score=0.5, scored_at=later),
        judgement("a", model="linear", scored_at=later),
    ]
    assert write_sentiment(engine, pd.DataFrame(again)) == 1
    stored = read_judged(engine, NOON, NOON + DAY)
    assert stored["model"].tolist() == ["linear", "vader"]
    assert stored["model_version"].tolist() == ["vader-1", "vader-1"]
    assert stored["score"].tolist() == [-0.5, -0.5]
    assert stored["scored_at"].tolist() == [pd.Timestamp(later), pd.Timestamp(NOON + timedelta(minutes=1))]


def test_judged_articles_come_with_what_they_told(engine):
    put_articles(engine, b=NOON, a=NOON + timedelta(hours=1), c=NOON - DAY, d=NOON)
    write_sentiment(engine, pd.DataFrame([judgement("a"), judgement("b"), judgement("c")]))
    stored = read_judged(engine, NOON, NOON + DAY)
    assert stored["article_id"].tolist() == ["b" * 32, "a" * 32]
    assert (stored.loc[0, "source"], stored.loc[0, "summary"], stored.loc[0, "duplicate_of"]) == ("one", "S", None)
    assert str(stored["first_seen_at"].dtype) == "datetime64[us, UTC]"
    assert read_judged(engine, NOON + 2 * DAY, NOON + 3 * DAY).empty


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"score": float("nan")}, ContractError),
        ({"model": None}, ContractError),
        ({"article_id": "x" * 32}, StorageError),
    ],
)
def test_what_cannot_be_is_refused_whole(engine, row, error):
    put_articles(engine, a=NOON)
    with pytest.raises(error):
        write_sentiment(engine, pd.DataFrame([judgement("a"), judgement("a", model="linear") | row]))
    assert read_judged(engine, NOON, NOON + DAY).empty
