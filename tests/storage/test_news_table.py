"""Articles are there once and stay as they were first seen; feeds have their newest state."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bitpredict.errors import ContractError
from bitpredict.storage.news_table import known_articles, read_feeds, read_headlines, read_news, write_news
from bitpredict.storage.schema import crypto_news, news_feeds

NOON = datetime(2026, 2, 6, 12, tzinfo=UTC)
NO_FEEDS = pd.DataFrame(columns=[column.name for column in news_feeds.columns])
NO_NEWS = pd.DataFrame(columns=[column.name for column in crypto_news.columns])


def article(name: str, **changes) -> dict:
    row = {
        "article_id": name * 32,
        "source": "one",
        "entry_id": name.upper() * 32,
        "url": f"https://example.com/{name}",
        "language": "en",
        "title": f"Title {name} 🚀 ' ; -- \\ \" {{}}",
        "summary": "",
        "published_at": NOON - timedelta(hours=1),
        "dated": "said",
        "first_seen_at": NOON,
        "duplicate_of": None,
        "provenance": "observed",
    }
    return row | changes


def feed(name: str, **changes) -> dict:
    row = {
        "source": name,
        "address": f"https://example.com/{name}.xml",
        "etag": '"1"',
        "last_modified": "",
        "asked_at": NOON,
        "answered_at": NOON,
        "articles": 3,
        "rejected": 0,
        "failures": 0,
        "resting_until": None,
        "problem": None,
    }
    return row | changes


def test_articles_are_written_once_and_keep_their_first_row(engine):
    rows = pd.DataFrame([article("a", published_at=None, dated="missing"), article("b", duplicate_of="a" * 32)])
    assert write_news(engine, rows, NO_FEEDS) == 2
    stored = read_news(engine, NOON, NOON + timedelta(seconds=1))
    assert stored["title"].tolist() == rows["title"].tolist()
    assert stored["published_at"].isna().tolist() == [True, False]
    assert stored["duplicate_of"].tolist() == [None, "a" * 32]
    later = pd.DataFrame([article("a", title="Changed", first_seen_at=NOON + timedelta(hours=1)), article("c")])
    assert write_news(engine, later, NO_FEEDS) == 1
    again = read_news(engine, NOON, NOON + timedelta(days=1))
    assert len(again) == 3
    assert again.set_index("article_id").loc["a" * 32, "first_seen_at"] == pd.Timestamp(NOON)


def test_known_articles_are_found_by_address_and_by_the_feeds_own_name(engine):
    write_news(engine, pd.DataFrame([article("a"), article("b")]), NO_FEEDS)
    known = known_articles(engine, ["a" * 32, "x" * 32] * 600, ["B" * 32, *(f"{i}" for i in range(1_200))])
    assert known.articles == {"a" * 32, "b" * 32}
    assert known.entries == {("one", "A" * 32), ("one", "B" * 32)}
    assert known_articles(engine, [], []).articles == frozenset()


def test_headlines_since(engine):
    write_news(engine, pd.DataFrame([article("a"), article("b", first_seen_at=NOON - timedelta(days=2))]), NO_FEEDS)
    assert read_headlines(engine, NOON - timedelta(days=1))["article_id"].tolist() == ["a" * 32]
    assert read_headlines(engine, NOON - timedelta(days=3))["article_id"].tolist() == ["b" * 32, "a" * 32]


def test_a_feed_has_its_newest_state(engine):
    write_news(engine, NO_NEWS, pd.DataFrame([feed("one"), feed("two")]))
    broken = feed("one", failures=1, problem="down", resting_until=NOON + timedelta(hours=1), answered_at=None)
    write_news(engine, NO_NEWS, pd.DataFrame([broken]))
    states = read_feeds(engine).set_index("source")
    assert states["failures"].to_dict() == {"one": 1, "two": 0}
    assert states.loc["one", "problem"] == "down"
    assert states["answered_at"].isna().to_dict() == {"one": True, "two": False}


def test_articles_and_feeds_are_written_together_or_not_at_all(engine):
    with pytest.raises(ContractError):
        write_news(engine, pd.DataFrame([article("a")]), pd.DataFrame([feed("one", failures=None)]))
    assert read_news(engine, NOON, NOON + timedelta(days=1)).empty


def test_what_was_read_of_feeds_can_be_written_back(engine):
    states = pd.DataFrame([feed("one"), feed("two", answered_at=None, problem="down", failures=2)])
    write_news(engine, NO_NEWS, states)
    stored = read_feeds(engine)
    write_news(engine, NO_NEWS, pd.DataFrame(stored.to_dict("records")))
    pd.testing.assert_frame_equal(read_feeds(engine), stored)


def test_names_that_a_capital_or_a_blank_tells_apart_are_different(engine):
    names = ["one", "ONE", "one ", " one", "öne", "o\u0308ne"]
    write_news(engine, NO_NEWS, pd.DataFrame([feed(name, problem=name) for name in names]))
    assert read_feeds(engine).set_index("source")["problem"].to_dict() == {name: name for name in names}
    write_news(engine, NO_NEWS, pd.DataFrame([feed(name, problem=f"{name} ") for name in names]))
    assert read_feeds(engine).set_index("source")["problem"].to_dict() == {name: f"{name} " for name in names}


def test_a_text_of_100_kilobytes_is_kept_whole(engine):
    long = "🚀'\\%s" * 20_000
    assert write_news(engine, pd.DataFrame([article("a", title=long), article("b")]), NO_FEEDS) == 2
    assert read_headlines(engine, NOON)["title"][0] == long
