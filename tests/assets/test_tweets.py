"""`tweets`: skipped without a token, and what a run says with one."""

from datetime import UTC, datetime, timedelta

import pytest

from bitpredict.storage.cache import Codec, open_cache
from bitpredict.storage.news_table import read_feeds
from bitpredict.storage.tweet_table import read_tweets, write_tweets
from tests.support.archive_server import Answer, serve
from tests.support.graph import check_alone, run_job
from tests.support.x_server import ROUTE, XServer, post

EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def x(monkeypatch):
    with serve() as server:
        monkeypatch.setenv("BITPREDICT_X_URL", server.url)
        monkeypatch.setenv("BITPREDICT_X_TOKEN", "secret")
        monkeypatch.setenv("BITPREDICT_X_QUERIES", "bitcoin; ether")
        monkeypatch.setenv("BITPREDICT_HTTP_ATTEMPTS", "1")
        yield XServer(server, [post(NOW - timedelta(minutes=minutes), text="@me BTC") for minutes in range(30)])


def test_without_a_token_it_is_skipped_and_nobody_is_asked(x, monkeypatch):
    monkeypatch.setenv("BITPREDICT_X_TOKEN", "")
    ran = run_job("posts")
    assert ran.success, ran.failures
    assert ran.materialized == {}
    skipped = {event.step_key for event in ran.events if event.event_type_value == "STEP_SKIPPED"}
    assert skipped == {"tweets_posts_consistent"}
    assert x.server.asked == []


def test_a_round_stores_what_is_new_and_says_what_it_cost(x, settings, engine):
    x.server.scripts[ROUTE] = [Answer(503)]
    cache = open_cache(settings)
    codec = Codec(bytes, bytes, bytes)
    assert cache.value("news", "a", lambda: b"before", codec) == b"before"
    ran = run_job("posts")
    assert ran.success, ran.failures
    said = ran.metadata("tweets")
    assert (said["dagster/row_count"], said["read"], said["read this month"]) == (30, 30, "30 of 10000")
    assert said["searches"] == {"failed": 1, "read": 1}
    assert "(503)" in said["problems"]["bitcoin"]
    assert "@user BTC" in said["preview"]
    assert ran.check("posts_consistent").passed
    assert set(read_tweets(engine, *EVER)["query"]) == {"ether"}
    assert cache.value("news", "a", lambda: b"after", codec) == b"after"


def test_when_the_month_is_spent_it_is_skipped(x, monkeypatch):
    monkeypatch.setenv("BITPREDICT_X_POSTS_PER_MONTH", "30")
    assert run_job("posts").metadata("tweets")["read this month"] == "30 of 30"
    ran = run_job("posts")
    assert (ran.success, ran.materialized, x.cost) == (True, {}, 30)


def test_a_round_that_nobody_answers_fails(x):
    x.server.scripts[ROUTE] = [Answer(401), Answer(401)]
    ran = run_job("posts")
    assert "no search was answered" in ran.failures["tweets"]


@pytest.mark.usefixtures("x")
def test_the_check_sees_what_cannot_be(engine):
    assert run_job("posts").success
    stored = read_tweets(engine, *EVER).head(1)
    bad = stored.assign(tweet_id="f" * 32, text="by @satoshi", created_at=stored["first_seen_at"] + timedelta(hours=1))
    write_tweets(engine, bad, read_feeds(engine))
    checked = check_alone("tweets")
    assert not checked.check("posts_consistent").passed
    found = checked.check_metadata("posts_consistent")
    assert (found["with a name"], found["dated after their receipt"]) == (1, 1)
