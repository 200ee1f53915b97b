"""Posts of X: what is kept of them, how far a search has come, and that no more is read than may be spent."""

import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bitpredict.errors import BadSourceDataError, RateLimitedError, SourceUnavailableError, StorageError
from bitpredict.settings import Settings
from bitpredict.sources import x_posts
from bitpredict.sources.x_posts import CUT_SHORT, FAILED, NOT_ASKED, READ, collect_posts, search_name
from bitpredict.sources.x_search import Page, XSearch, hashed
from bitpredict.storage.news_table import read_feeds
from bitpredict.storage.tweet_table import count_tweets, read_tweets
from tests.support.archive_server import Answer
from tests.support.x_server import COUNTS, ROUTE, XServer, number, post

NOW = datetime.now(UTC).replace(microsecond=0)
EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
QUERY = "(bitcoin OR ether) lang:en"
HOUR = timedelta(hours=1)


@pytest.fixture
def x(server) -> XServer:
    return XServer(server)


@pytest.fixture
def search(server, client) -> XSearch:
    return XSearch(server.url, client(headers={"Authorization": "Bearer secret"}))


def many(count: int, at: datetime = NOW - HOUR) -> list[dict[str, object]]:
    return [post(at + timedelta(seconds=n), text=f"Post {n} about Bitcoin") for n in range(count)]


def test_a_post_is_kept_without_its_author_and_its_number(x, search, engine):
    text = "@satoshi says: RT @hal_9000: BTC &gt; gold 🚀\nmail me@example.com <b>now</b>\u202e"
    x.posts = [post(NOW - HOUR, text=text, author_id="42", username="satoshi")]
    found = collect_posts(engine, search, [QUERY], 1_000, NOW)
    (row,) = read_tweets(engine, *EVER).to_dict("records")
    assert row["text"] == "@user says: RT @user: BTC > gold 🚀 mail me@example.com now"
    assert row["tweet_id"] == hashed(str(number(NOW - HOUR)))
    assert (row["query"], row["language"], row["provenance"]) == (QUERY, "en", "observed")
    assert row["created_at"] == NOW - HOUR
    assert abs(row["first_seen_at"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert found.this_month == 1
    (asked,) = x.searches
    assert asked == {"query": QUERY, "max_results": "100", "tweet.fields": "created_at,lang"}
    assert x.server.asked[0].headers["Authorization"] == "Bearer secret"
    dump = "\n".join(sqlite3.connect(engine.url.database).iterdump())
    kept = dump.replace(f"'{number(NOW - HOUR)}'", "", 1)  # how far the search has come
    assert not any(secret in kept for secret in (str(number(NOW - HOUR)), "satoshi", "hal_9000"))


def test_all_pages_are_read_and_the_next_round_begins_behind_them(x, search, engine):
    x.posts = many(250)
    first = collect_posts(engine, search, [QUERY], 1_000, NOW)
    assert [(s.outcome, s.read, s.inserted) for s in first.searched] == [(READ, 250, 250)]
    assert [asked.get("next_token") for asked in x.searches] == [None, "100", "200"]
    nothing = collect_posts(engine, search, [QUERY], 1_000, NOW)
    assert [(s.outcome, s.read) for s in nothing.searched] == [(READ, 0)]
    assert x.searches[-1]["since_id"] == x.posts[-1]["id"]
    x.posts.append(post(NOW))
    more = collect_posts(engine, search, [QUERY], 1_000, NOW)
    assert [(s.read, s.inserted) for s in more.searched] == [(1, 1)]
    assert (x.cost, more.this_month, len(read_tweets(engine, *EVER))) == (251, 251, 251)


def test_a_post_of_two_searches_is_there_once_under_the_first(x, search, engine):
    x.posts = many(3)
    found = collect_posts(engine, search, [QUERY, "ether"], 1_000, NOW)
    assert [s.inserted for s in found.searched] == [3, 0]
    assert set(read_tweets(engine, *EVER)["query"]) == {QUERY}
    assert read_feeds(engine)["source"].tolist() == sorted([search_name(QUERY), search_name("ether")])


def test_no_more_is_read_than_may_be_spent(x, search, engine):
    x.posts = many(300)
    found = collect_posts(engine, search, [QUERY, "ether"], 130, NOW)
    assert x.cost <= 130
    assert [asked["max_results"] for asked in x.searches] == ["100", "30"]
    assert [s.outcome for s in found.searched] == [CUT_SHORT, NOT_ASKED]
    assert "130 of this month's 130 posts are read (BITPREDICT_X_POSTS_PER_MONTH)" in found.searched[1].problem
    again = collect_posts(engine, search, [QUERY], 130, NOW)
    assert (again.searched[0].outcome, x.cost) == (NOT_ASKED, 130)
    almost = collect_posts(engine, search, [QUERY], 139, NOW)
    assert almost.searched[0].outcome == NOT_ASKED, "X answers with no fewer than ten"
    next_month = (NOW.replace(day=1) + timedelta(days=32)).replace(day=1)
    assert collect_posts(engine, search, [QUERY], 130, next_month).searched[0].outcome == READ
    assert count_tweets(engine, EVER[0]) == 130


QUERIES = [QUERY, "bitcoin", "ether OR bitcoin"]
"""They all find the same posts."""


def test_what_several_searches_read_counts_as_often_as_it_is_paid_for(x, search, engine):
    for hour in range(10):
        x.posts += many(40, NOW - HOUR + timedelta(minutes=hour))
        found = collect_posts(engine, search, QUERIES, 300, NOW)
        assert found.this_month == x.cost <= 300
    assert x.cost > 290
    assert len(read_tweets(engine, *EVER)) < 150
    assert {s.outcome for s in found.searched} == {NOT_ASKED}
    asked = len(x.searches)
    again = collect_posts(engine, search, [QUERY, "another"], 300, NOW)
    assert ({s.outcome for s in again.searched}, len(x.searches)) == ({NOT_ASKED}, asked), "nobody is asked again"
    next_month = (NOW.replace(day=1) + timedelta(days=32)).replace(day=1)
    assert collect_posts(engine, search, ["another"], 300, next_month).this_month == 300
    assert x.cost == again.this_month + 300


def test_posts_that_are_none_count(x, search, engine):
    x.posts = [post(NOW - HOUR, n, text=None) for n in range(40)]
    assert collect_posts(engine, search, [QUERY], 45, NOW).this_month == x.cost == 40
    assert collect_posts(engine, search, [QUERY, "ether"], 45, NOW).searched[1].outcome == NOT_ASKED
    assert len(read_tweets(engine, *EVER)) == 0


def test_an_answer_that_never_came_costs_nothing(x, server, search, engine):
    x.posts = many(5)
    server.scripts[ROUTE] = [Answer(503)] * 5
    assert collect_posts(engine, search, [QUERY], 1_000, NOW).this_month == 0
    assert collect_posts(engine, search, [QUERY], 1_000, NOW).this_month == x.cost == 5


class Killed(BaseException):
    pass


@dataclass
class KilledAt:
    """Searches until the page of this place is there, and ends before anybody has it."""

    search: XSearch
    place: int

    def pages(self, query: str, since_id: str, at_most: int) -> Iterator[Page]:
        for place, page in enumerate(self.search.pages(query, since_id, at_most)):
            if place == self.place:
                raise Killed
            yield page


@pytest.mark.parametrize("place", [0, 1, 2])
def test_what_was_read_before_a_kill_is_not_forgotten(x, search, engine, place):
    x.posts = many(400)
    with pytest.raises(Killed):
        collect_posts(engine, KilledAt(search, place), [QUERY], 350, NOW)
    assert x.cost == 100 * (place + 1)
    assert len(read_tweets(engine, *EVER)) == 100 * place
    for query in ("another", "yet another", "ether"):
        found = collect_posts(engine, search, [query], 350, NOW)
        assert found.this_month == x.cost <= 350
    assert found.searched[0].outcome == NOT_ASKED


def test_rows_of_a_month_in_which_nothing_was_counted_count(x, search, engine):
    x.posts = many(40)
    collect_posts(engine, search, [QUERY], 1_000, NOW)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE news_feeds SET last_modified = ''")
    assert collect_posts(engine, search, ["ether"], 45, NOW).searched[0].outcome == NOT_ASKED


def test_a_busy_hour_does_not_spend_the_month(x, search, engine, monkeypatch):
    monkeypatch.setattr(x_posts, "A_ROUND", 20)
    x.posts = many(50)
    (searched,) = collect_posts(engine, search, [QUERY], 10_000, NOW).searched
    assert (searched.outcome, searched.read, x.cost) == (CUT_SHORT, 20, 20)
    assert "more than the 20 posts" in searched.problem
    assert collect_posts(engine, search, [QUERY], 10_000, NOW).searched[0].read == 0, (
        "what was left costs nothing later"
    )


def test_a_pause_that_x_asks_for_ends_the_round_with_what_came(x, server, search, engine):
    x.posts = many(150)
    limit = Answer(429, json.dumps({"title": "Too Many Requests"}).encode(), _reset(900))
    server.scripts[ROUTE] = [Answer(body=json.dumps(_first_page(x)).encode()), limit]
    found = collect_posts(engine, search, [QUERY, "ether"], 1_000, NOW)
    assert [(s.outcome, s.read) for s in found.searched] == [(CUT_SHORT, 100), (NOT_ASKED, 0)]
    assert all("asked to wait" in s.problem for s in found.searched)
    assert len(x.searches) == 2, "nobody is asked again before the pause is over"
    assert len(read_tweets(engine, *EVER)) == 100
    assert read_feeds(engine)["problem"].str.contains("asked to wait").sum() == 1


@pytest.mark.slow
def test_a_short_pause_is_waited_for(x, server, search, engine):
    x.posts = many(5)
    server.scripts[ROUTE] = [Answer(429, b"{}", _reset(1))]
    started = time.monotonic()
    assert collect_posts(engine, search, [QUERY], 1_000, NOW).searched[0].outcome == READ
    assert time.monotonic() - started < 30


def test_one_search_that_fails_holds_no_other(x, server, search, engine):
    x.posts = many(5)
    refusal = {"errors": [{"message": "no operator 'near'"}], "title": "Invalid Request", "detail": "bad query"}
    server.scripts[ROUTE] = [Answer(400, json.dumps(refusal).encode())]
    found = collect_posts(engine, search, ["near:", QUERY], 1_000, NOW)
    assert [s.outcome for s in found.searched] == [FAILED, READ]
    assert "no operator 'near'" in found.searched[0].problem
    states = read_feeds(engine).set_index("source")
    assert states.loc[search_name("near:"), "failures"] == 1
    assert states.loc[search_name(QUERY), "problem"] is None


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        pytest.param(Answer(401, b"{}"), SourceUnavailableError, "refused .401", id="wrong token"),
        pytest.param(Answer(403, b"{}"), SourceUnavailableError, "refused .403", id="no access"),
        pytest.param(Answer(404, b"{}"), SourceUnavailableError, "X refuses", id="another address"),
        pytest.param(Answer(429, b"{}", {"x-rate-limit-reset": "99999999999"}), RateLimitedError, "wait", id="limit"),
        pytest.param(Answer(429, b"{}", {"x-rate-limit-reset": "soon"}), RateLimitedError, "429", id="limit, when?"),
        pytest.param(Answer(503), SourceUnavailableError, "503", id="down"),
        pytest.param(Answer(body=b"<html>"), BadSourceDataError, "no JSON", id="a web page"),
        pytest.param(Answer(body=b"[]"), BadSourceDataError, "none of a search", id="a list"),
        pytest.param(Answer(body=b"{}"), BadSourceDataError, "none of a search", id="nothing"),
        pytest.param(Answer(body=b'{"meta": 7}'), BadSourceDataError, "none of a search", id="a strange meta"),
        pytest.param(Answer(body=b'{"data": {}}'), BadSourceDataError, "none of a search", id="strange data"),
        pytest.param(
            Answer(body=b'{"errors": [{"detail": "over capacity"}]}'), BadSourceDataError, "over capacity", id="errors"
        ),
    ],
)
def test_what_x_may_answer_instead(server, search, engine, answer, error, says):
    server.scripts[ROUTE] = [answer] * 5
    with pytest.raises(error, match=says):
        list(search.pages(QUERY, "", 100))
    server.scripts[ROUTE] = [answer] * 5
    assert collect_posts(engine, search, [QUERY], 1_000, NOW).searched[0].outcome == FAILED


def test_odd_posts_are_counted_and_dates_mistrusted(x, search, engine):
    x.posts = [
        post(NOW - HOUR, 1, created_at="yesterday"),
        post(NOW - HOUR, 2, created_at="2999-01-01T00:00:00.000Z"),
        post(NOW - HOUR, 3, created_at=None, lang=7),
        post(NOW - HOUR, 4, created_at="2024-01-01T00:00:00"),
        post(NOW - HOUR, 5, text=" \u200b "),
        post(NOW - HOUR, 6, text=None),
    ]
    x.posts += [dict(x.posts[0])]
    found = collect_posts(engine, search, [QUERY], 1_000, NOW)
    assert found.rejected == {"no text": 2, "the same post again": 1}
    rows = read_tweets(engine, *EVER)
    assert len(rows) == 4
    assert rows["created_at"].isna().all()
    assert set(rows["language"]) == {"en", "und"}
    assert read_feeds(engine)["rejected"].tolist() == [3]


def test_a_search_whose_last_post_is_out_of_reach_begins_anew(x, search, engine):
    x.posts = [post(NOW - timedelta(days=8))]
    collect_posts(engine, search, [QUERY], 1_000, NOW)
    x.posts = many(2)
    assert collect_posts(engine, search, [QUERY], 1_000, NOW).searched[0].inserted == 2
    assert all("since_id" not in asked for asked in x.searches)


def test_a_database_that_cannot_be_written_costs_nothing(x, search, engine):
    x.posts = many(5)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE news_feeds")
    with pytest.raises(StorageError):
        collect_posts(engine, search, [QUERY], 1_000, NOW)
    assert x.cost == 0


def test_running_it_twice_changes_nothing(x, search, engine):
    x.posts = many(5)
    collect_posts(engine, search, [QUERY], 1_000, NOW)
    before = read_tweets(engine, *EVER)
    collect_posts(engine, search, [QUERY], 1_000, NOW)
    pd.testing.assert_frame_equal(read_tweets(engine, *EVER), before)


def test_counting_reads_no_post(x, search):
    x.posts = many(7)
    assert search.matching(QUERY) == 7
    assert x.cost == 0
    assert [request.path for request in x.server.asked] == [COUNTS]


def test_searches_are_separated_by_semicolons(monkeypatch):
    monkeypatch.setenv("BITPREDICT_X_QUERIES", " bitcoin -is:retweet ; (a OR b) ;; bitcoin -is:retweet")
    assert Settings().x_queries == ("bitcoin -is:retweet", "(a OR b)")


def _reset(seconds: float) -> dict[str, str]:
    return {
        "x-rate-limit-limit": "450",
        "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": f"{time.time() + seconds:.0f}",
    }


def _first_page(x: XServer) -> dict[str, object]:
    page = sorted(x.posts, key=lambda each: int(str(each["id"])), reverse=True)[:100]
    return {"data": page, "meta": {"newest_id": page[0]["id"], "result_count": 100, "next_token": "100"}}
