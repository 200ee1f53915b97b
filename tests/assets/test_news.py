"""`crypto_news` and its checks, against a server with feeds."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from bitpredict.storage.news_table import read_feeds, read_news, write_news
from tests.support.archive_server import Answer, ArchiveServer, serve
from tests.support.graph import check_alone, run_job

EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
TITLE = "SEC approves first spot Bitcoin ETF in historic decision"


def rss(*stories: tuple[int, str]) -> bytes:
    items = "".join(f"<item><title>{title}</title><link>https://e.com/{n}</link></item>" for n, title in stories)
    return f"<rss version='2.0'><channel><title>News</title>{items}</channel></rss>".encode()


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with serve() as running:
        yield running


@pytest.fixture
def listed(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make the graph's list of feeds one of these names, all at the server."""
    monkeypatch.setenv("BITPREDICT_FEEDS_FILE", str(tmp_path / "feeds.csv"))
    monkeypatch.setenv("BITPREDICT_FEEDS_ALLOW_PRIVATE", "true")
    monkeypatch.setenv("BITPREDICT_HTTP_ATTEMPTS", "1")

    def write(*names: str) -> None:
        lines = [f"{name},{server.url}/{name},en,15,yes" for name in names]
        header = "name,address,language,interval_minutes,enabled"
        (tmp_path / "feeds.csv").write_text("\n".join([header, *lines]))

    return write


def test_a_round_stores_what_is_new_and_tells_how_every_feed_is(server, listed, engine, recordings):
    listed("recorded", "a", "b", "down")
    server.files["/recorded"] = (recordings / "rss" / "cointelegraph_2026-02-06.xml").read_bytes()
    server.files["/a"], server.files["/b"] = rss((1, TITLE), (2, "Ether")), rss((3, TITLE.upper()), (4, ""))
    server.scripts["/down"] = [Answer(500)]
    ran = run_job("news")
    assert ran.success, ran.failures
    said = ran.metadata("crypto_news")
    assert (said["dagster/row_count"], said["already there"], said["told by another feed before"]) == (8, 0, 1)
    assert said["feeds"] == {"new": 3, "failed": 1}
    assert "the server failed (500)" in said["problems"]["down"]
    assert said["rejected entries"] == {"no title": 1}
    assert len(said["feed health"].splitlines()) == 2 + 4
    assert "SEC approves" in said["preview"] or "EU tokenization" in said["preview"]
    assert len(read_news(engine, *EVER)) == 8
    assert ran.check("articles_consistent").passed
    assert not ran.check("feeds_answer").passed
    assert ran.check_metadata("feeds_answer")["feeds"] == "3 of 4"
    assert list(ran.check_metadata("feeds_answer")["silent"]) == ["down"]


@pytest.mark.slow
def test_beside_the_samples_candles_invented_news_are_labelled_so_and_fit_its_calendar(engine):
    first = run_job("news")
    before = read_news(engine, *EVER), read_feeds(engine)
    second = run_job("news")
    assert all(check.passed for ran in (first, second) for check in ran.checks.values())
    articles, feeds = before
    assert first.metadata("crypto_news")["dagster/row_count"] == len(articles) > 30
    assert second.metadata("crypto_news")["dagster/row_count"] == 0
    pd.testing.assert_frame_equal(read_news(engine, *EVER), articles)
    pd.testing.assert_frame_equal(read_feeds(engine), feeds)
    assert set(articles["provenance"]) == {"simulated"}
    assert articles["title"].str.startswith("(made-up) ").all()
    assert articles["source"].str.startswith("Sample ").all()
    assert articles["url"].str.contains(".sample.example/", regex=False).all()
    waited = articles["first_seen_at"] - articles["published_at"]
    assert waited.between(timedelta(0), timedelta(minutes=15), inclusive="left").all()
    assert articles["first_seen_at"].min() >= datetime(2023, 12, 30, tzinfo=UTC)
    assert articles["first_seen_at"].max() <= datetime(2024, 1, 1, tzinfo=UTC)
    assert articles["duplicate_of"].notna().sum() == 1


@pytest.mark.slow
def test_running_it_again_changes_nothing(server, listed, engine):
    listed("a")
    server.files["/a"] = rss((1, TITLE))
    assert run_job("news").success
    before = read_news(engine, *EVER)
    again = run_job("news")
    assert again.success
    assert again.metadata("crypto_news")["feeds"] == {"not due": 1}
    pd.testing.assert_frame_equal(read_news(engine, *EVER), before)
    assert again.check("feeds_answer").passed


def test_a_round_that_reaches_nobody_fails_and_remembers_why(listed, engine):
    listed("a", "b")
    ran = run_job("news")
    assert not ran.success
    assert "none of 2 feeds answered" in ran.failures["crypto_news"]
    assert read_feeds(engine)["failures"].tolist() == [1, 1]


def test_a_list_that_is_wrong_is_told_before_anyone_is_asked(server, listed, tmp_path):
    listed("a")
    (tmp_path / "feeds.csv").write_text("name\n")
    ran = run_job("news")
    assert "the first line must be" in ran.failures["crypto_news"]
    assert server.asked == []


def test_the_checks_see_what_cannot_be(server, listed, engine):
    listed("a")
    server.files["/a"] = rss((1, TITLE))
    assert run_job("news").success
    stored = read_news(engine, *EVER)
    bad = stored.assign(article_id="f" * 32, duplicate_of=stored["article_id"], title="")
    bad["published_at"] = bad["first_seen_at"] + timedelta(hours=1)
    worse = bad.assign(article_id="e" * 32, duplicate_of="f" * 32)
    write_news(engine, pd.concat([bad, worse]), read_feeds(engine))
    checked = check_alone("crypto_news")
    assert not checked.check("articles_consistent").passed
    found = checked.check_metadata("articles_consistent")
    assert (found["without a title"], found["dated after their receipt"]) == (2, 2)
    assert found["originals that are duplicates"] == 1
