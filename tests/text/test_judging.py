"""Articles are judged in parts, each once; what a stopped run has judged stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine

from bitpredict.errors import ModelError
from bitpredict.storage.database import connect
from bitpredict.storage.news_table import write_news
from bitpredict.storage.schema import crypto_news, news_feeds
from bitpredict.storage.sentiment_table import read_judged
from bitpredict.text import judging
from bitpredict.text.judging import judge_articles
from bitpredict.text.model import Sentiments, from_scores
from bitpredict.text.opening import Opened

NOON = datetime(2026, 2, 6, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Counts:
    """Says how long a text is, in hundredths, and notes what it is asked."""

    name, version = "counts", "counts-1"

    def __init__(self, patience: int = 1_000) -> None:
        self.asked: list[list[str]] = []
        self._patience = patience

    def score(self, texts) -> Sentiments:
        if len(self.asked) == self._patience:
            raise ModelError("enough")
        self.asked.append(list(texts))
        score = np.array([-len(text) / 100 for text in texts])
        return from_scores(self.name, self.version, score, np.ones(len(texts), np.bool_))


@pytest.fixture
def engine(settings, monkeypatch) -> Iterator[Engine]:
    """A database with seven articles, the last two of which tell the same."""
    monkeypatch.setattr(judging, "AT_ONCE", 3)
    engine = connect(settings)
    titles = [*(f"{number} {'x' * number}" for number in range(5)), "the same", "the same"]
    rows = pd.DataFrame(
        {
            "article_id": [f"{number}" * 32 for number in range(7)],
            "source": "one",
            "entry_id": [f"{number}" * 32 for number in range(7)],
            "url": "https://example.com",
            "language": "en",
            "title": titles,
            "summary": "",
            "published_at": None,
            "dated": "missing",
            "first_seen_at": [NOON + timedelta(minutes=number) for number in range(7)],
            "duplicate_of": None,
            "provenance": ["observed"] * 6 + ["simulated"],
        },
        columns=[column.name for column in crypto_news.columns],
    )
    write_news(engine, rows, pd.DataFrame(columns=[column.name for column in news_feeds.columns]))
    yield engine
    engine.dispose()


def opened(*models) -> Opened:
    return Opened(models, {})


def test_each_article_is_judged_once_and_each_text_asked_once(engine):
    model, before = Counts(), datetime.now(UTC)
    written = judge_articles(engine, opened(model), NOON, NOON + DAY)
    assert [len(part) for part in model.asked] == [3, 3]
    assert model.asked[1][-1] == "the same"
    stored = read_judged(engine, NOON, NOON + DAY)
    assert stored["score"].tolist() == [-len(title) / 100 for title in stored["title"]]
    assert set(stored["label"]) == {"negative", "neutral"}
    assert written["article_id"].tolist() == stored["article_id"].tolist()
    assert stored["scored_at"][:6].between(before, datetime.now(UTC)).all()
    assert stored["scored_at"][6] == stored["first_seen_at"][6]
    again = judge_articles(engine, opened(model), NOON, NOON + DAY)
    assert again.empty
    assert list(again) == list(written)
    assert len(model.asked) == 2


def test_what_was_judged_before_the_models_failed_stays(engine):
    with pytest.raises(ModelError, match="enough"):
        judge_articles(engine, opened(Counts(patience=1)), NOON, NOON + DAY)
    assert len(read_judged(engine, NOON, NOON + DAY)) == 3
    rest = Counts()
    assert len(judge_articles(engine, opened(rest), NOON, NOON + DAY)) == 4
    assert rest.asked[0][0].startswith("3 ")


def test_a_chain_of_none_says_why(engine):
    with pytest.raises(ModelError, match="nothing trained"):
        judge_articles(engine, Opened((), {"linear": "nothing trained"}), NOON, NOON + DAY)
