"""A round over all feeds, against a real server: what is new is stored once, and nobody holds the others."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from bitpredict.errors import StorageError
from bitpredict.settings import Settings
from bitpredict.sources import news
from bitpredict.sources.circuits import Circuits
from bitpredict.sources.feed_addresses import FeedAddress, read_feed_addresses
from bitpredict.sources.http import HttpClient
from bitpredict.sources.news import (
    FAILED,
    NEW,
    NOT_DUE,
    RESTING,
    UNCHANGED,
    NewsCollected,
    collect_news,
    news_client,
    rest,
)
from bitpredict.storage.news_table import read_feeds, read_news
from bitpredict.storage.raw import RawStore
from tests.support.archive_server import Answer, ArchiveServer
from tests.support.stopwatch import Stopwatch

EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
TITLE = "SEC approves first spot Bitcoin ETF in historic decision"


def item(number: int, title: str = "", guid: str = "") -> str:
    name = f"<guid isPermaLink='false'>{guid}</guid>" if guid else ""
    return f"<item><title>{title or f'Story {number}'}</title><link>https://e.com/{number}</link>{name}</item>"


def rss(*items: str) -> bytes:
    return f"<rss version='2.0'><channel><title>News</title>{''.join(items)}</channel></rss>".encode()


def feeds(server: ArchiveServer, *names: str) -> list[FeedAddress]:
    return [FeedAddress(name, f"{server.url}/{name}", "en", 15, True) for name in names]


@pytest.fixture
def collect(engine: Engine, server, client) -> Callable[..., NewsCollected]:
    """A round over the named feeds, so many intervals from now."""
    http = client(attempts=1)

    def run(*names: str, turn: int = 0, http: HttpClient = http) -> NewsCollected:
        return collect_news(engine, http, feeds(server, *names), datetime.now(UTC) + turn * QUARTER)

    return run


def outcomes(collected: NewsCollected) -> dict[str, str]:
    return {visit.address.name: visit.outcome for visit in collected.visits}


def test_what_is_new_is_stored_with_its_feeds_state(collect, server, engine):
    server.files["/a"] = rss(item(1), item(2), "<item><title>No address</title></item>")
    before = datetime.now(UTC)
    collected = collect("a")
    assert (collected.inserted, collected.known, collected.retold) == (2, 0, 0)
    assert collected.rejected == {"no address": 1}
    stored = read_news(engine, *EVER).set_index("title")
    assert {*stored.index} == {"Story 1", "Story 2"}
    assert stored.loc["Story 1", ["source", "language", "url", "dated", "provenance"]].tolist() == [
        *("a", "en", "https://e.com/1", "missing", "observed")
    ]
    assert (stored["first_seen_at"] >= before).all()
    state = read_feeds(engine).set_index("source").loc["a"]
    assert (state["articles"], state["rejected"], state["failures"], state["problem"]) == (2, 1, 0, None)
    assert state["etag"].startswith('"')


def test_a_feed_that_has_not_changed_is_not_sent_again(collect, server, engine):
    server.files["/a"] = rss(item(1))
    assert outcomes(collect("a")) == {"a": NEW}
    again = collect("a", turn=1)
    assert outcomes(again) == {"a": UNCHANGED}
    assert server.asked[1].headers["If-None-Match"]
    server.files["/a"] = rss(item(1), item(2))
    changed = collect("a", turn=2)
    assert (outcomes(changed), changed.inserted, changed.known) == ({"a": NEW}, 1, 1)
    assert len(read_news(engine, *EVER)) == 2
    assert read_feeds(engine)["articles"].tolist() == [2]


def test_the_same_round_again_asks_nobody(collect, server):
    server.files["/a"] = rss(item(1))
    collect("a")
    assert outcomes(collect("a")) == {"a": NOT_DUE}
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("interval", "minutes", "asked"), [(15, 9, 1), (15, 11, 2), (60, 54, 1), (60, 56, 2), (1, 1, 2)]
)
def test_a_feed_is_asked_when_its_interval_is_nearly_over(engine, server, client, interval, minutes, asked):
    server.files["/a"] = rss(item(1))
    feed = FeedAddress("a", f"{server.url}/a", "en", interval, True)
    now = datetime.now(UTC)
    for moment in (now, now + timedelta(minutes=minutes)):
        collect_news(engine, client(), [feed], moment)
    assert len(server.asked) == asked


def test_an_article_is_stored_once(collect, server, engine):
    server.files["/a"] = rss(item(1, guid="x"))
    server.files["/b"] = rss(item(1).replace("https://e.com/1", "http://www.e.com/1/?utm_source=b"))
    assert collect("a").inserted == 1
    elsewhere = collect("b")
    assert (elsewhere.inserted, elsewhere.known) == (0, 1)
    server.files["/a"] = rss(item(7, guid="x"))
    moved = collect("a", turn=1)
    assert (moved.inserted, moved.known) == (0, 1)
    assert len(read_news(engine, *EVER)) == 1


def test_a_story_that_another_feed_told_before_is_marked(collect, server, engine):
    server.files["/a"] = rss(item(1, TITLE), item(2))
    collect("a")
    server.files["/b"] = rss(item(3, TITLE.upper()))
    server.files["/c"] = rss(item(4, f"{TITLE} | C"))
    assert collect("b", "c").retold == 2
    stored = read_news(engine, *EVER).set_index("url")
    original = stored.loc["https://e.com/1", "article_id"]
    assert stored["duplicate_of"].to_dict() == {
        "https://e.com/1": None,
        "https://e.com/2": None,
        "https://e.com/3": original,
        "https://e.com/4": original,
    }


BAD = {
    "gone": Answer(404),
    "error": Answer(500),
    "refused": Answer(403),
    "busy": Answer(429, headers={"Retry-After": "3600"}),
    "page": Answer(body=b"<!DOCTYPE html><html><body>Checking your browser</body></html>"),
    "empty": Answer(body=b""),
    "cut": Answer(body=rss(item(9)), cut_after=30),
    "circle": Answer(302, headers={"Location": "/circle"}),
    "slow": Answer(body=rss(item(9)), delay=60),
    "drip": Answer(body=rss(item(9)) * 20, drip=0.05),
    "laughs": Answer(body=b'<!DOCTYPE r [<!ENTITY a "x"><!ENTITY b "&a;&a;">]>' + rss(item(9, "&b;"))),
    "large": Answer(body=b"x" * 4_000_001),
}


@pytest.mark.slow
def test_one_bad_feed_never_holds_the_others(collect, server, engine, client):
    for name, answer in BAD.items():
        server.routes[f"/{name}"] = lambda _query, answer=answer: answer
    server.files["/good"] = rss(item(1))
    started = time.monotonic()
    collected = collect(*BAD, "good", http=client(attempts=1, timeout=6.0, deadline=6.0))
    assert time.monotonic() - started < 40
    assert outcomes(collected) == dict.fromkeys(BAD, FAILED) | {"good": NEW}
    assert collected.inserted == 1
    states = read_feeds(engine).set_index("source")
    assert states["failures"].to_dict() == dict.fromkeys(BAD, 1) | {"good": 0}
    for name, says in {"gone": "answered 404", "page": "a web page", "circle": "redirects", "large": "larger"}.items():
        assert says in states.loc[name, "problem"]


def test_a_feed_that_fails_again_and_again_is_left_alone_until_it_works(collect, server, engine):
    server.routes["/a"] = lambda _query: Answer(500)
    seen = [outcomes(collect("a", turn=turn))["a"] for turn in range(6)]
    assert seen == [*[FAILED] * 4, RESTING, FAILED]
    (state,) = read_feeds(engine).to_dict("records")
    assert (state["failures"], state["resting_until"] - state["asked_at"]) == (5, 4 * QUARTER)
    del server.routes["/a"]
    server.files["/a"] = rss(item(1))
    assert outcomes(collect("a", turn=30)) == {"a": NEW}
    (state,) = read_feeds(engine).to_dict("records")
    assert state["failures"] == 0
    assert state["problem"] is None


def test_a_rest_is_doubled_up_to_six_hours():
    hours = [rest(failures, QUARTER) for failures in (1, 3, 4, 5, 6, 20, 5_000)]
    assert hours == [None, None, 2 * QUARTER, 4 * QUARTER, 8 * QUARTER, timedelta(hours=6), timedelta(hours=6)]


def test_a_feed_at_another_address_starts_anew(engine, server, client):
    server.files["/old"], server.files["/new"] = rss(item(1)), rss(item(1), item(2))
    for path in ("old", "new"):
        moved = FeedAddress("a", f"{server.url}/{path}", "en", 15, True)
        assert outcomes(collect_news(engine, client(), [moved])) == {"a": NEW}
    assert "If-None-Match" not in server.asked[1].headers


def test_a_disabled_feed_is_not_asked(engine, server, client):
    off = FeedAddress("a", f"{server.url}/a", "en", 15, False)
    assert collect_news(engine, client(), [off]).visits == ()
    assert server.asked == []


def test_what_could_not_be_stored_is_asked_for_again(collect, server, monkeypatch):
    server.files["/a"] = rss(item(1))

    def full(*_arguments):
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(news, "write_news", full)
        with pytest.raises(StorageError):
            collect("a")
    assert collect("a").inserted == 1


def test_private_addresses_are_refused_unless_allowed(server, monkeypatch, engine):
    server.files["/a"] = rss(item(1))
    refused = collect_news(engine, news_client(Settings()), feeds(server, "a"))
    assert "no public address" in refused.visits[0].problem
    assert server.asked == []
    monkeypatch.setenv("BITPREDICT_FEEDS_ALLOW_PRIVATE", "true")
    later = datetime.now(UTC) + QUARTER
    assert outcomes(collect_news(engine, news_client(Settings()), feeds(server, "a"), later)) == {"a": NEW}


def test_no_password_or_token_of_a_feed_is_stored_or_told(server, engine, client, settings, capsys):
    secret, answered = "sEcReT9", rss("<item><title>A</title><link>#one</link></item>")
    server.routes["/good"] = server.routes["/other"] = lambda _query: Answer(body=answered)
    server.routes["/bad"] = lambda _query: Answer(body=b"<html>")
    at = server.url.replace("://", f"://u:{secret}@")
    names = {"good": f"{at}/good", "other": f"{server.url}/other?a=1&token={secret}", "bad": f"{at}/bad?key={secret}"}
    addresses = [FeedAddress(name, address, "en", 15, True) for name, address in names.items()]
    raw = RawStore.from_settings(settings)
    for turn in range(2):
        http = client(attempts=1, keep=raw.keeper(news.SOURCE), circuits=Circuits(news.SOURCE, settings.home))
        collected = collect_news(engine, http, addresses, datetime.now(UTC) + turn * QUARTER)
        assert outcomes(collected) == {"good": NEW, "other": NEW, "bad": FAILED}
    told = read_feeds(engine).set_index("source")
    assert told.loc["good", "address"] == server.url.replace("://", "://***@") + "/good"
    assert told.loc["other", "address"] == f"{server.url}/other?a=1&token=***"
    assert told.loc["bad", "failures"] == 2
    assert "a web page" in told.loc["bad", "problem"]
    assert sorted(read_news(engine, *EVER)["url"]) == [f"{server.url}/good", f"{server.url}/other?a=1&token=%2A%2A%2A"]
    files = [file for file in settings.home.rglob("*") if file.is_file()]
    assert len(files) > 3
    assert not [file for file in files if secret in str(file) or secret.encode() in file.read_bytes()]
    assert secret not in f"{capsys.readouterr()}{collected.visits[2].problem}"


@pytest.mark.slow
def test_all_feeds_that_take_a_second_each_are_read_in_ten_seconds(server, engine, monkeypatch):
    monkeypatch.setenv("BITPREDICT_FEEDS_ALLOW_PRIVATE", "true")
    names = [feed.name.replace(" ", "-") for feed in read_feed_addresses()]
    for number, name in enumerate(names):
        body = rss(*(item(100 * number + i) for i in range(40)))
        server.routes[f"/{name}"] = lambda _query, body=body: Answer(body=body, delay=1)
    watch = Stopwatch()
    collected = collect_news(engine, news_client(Settings()), feeds(server, *names))
    watch.assert_within(10)
    assert outcomes(collected) == dict.fromkeys(names, NEW)
    assert collected.inserted == 26 * 40
