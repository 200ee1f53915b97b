"""`bitpredict sources`: what it shows of each source, and what a question to one comes to."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from bitpredict.market.coins import read_coins
from bitpredict.sources.circuits import Circuits
from tests.support.archive_server import Answer, ArchiveServer, serve
from tests.support.cryptocompare import ROUTE as MINUTES
from tests.support.cryptocompare import market
from tests.support.x_server import XServer, post

ROUTE = "/api/v3/coins/markets"
OBSERVED = datetime.now(UTC) - timedelta(minutes=1)


@pytest.fixture
def coingecko(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    with serve() as server:
        monkeypatch.setenv("BITPREDICT_COINGECKO_URL", server.url)
        monkeypatch.setenv("BITPREDICT_HTTP_ATTEMPTS", "1")
        yield server


def quotes(price: float | None = 2.5, without: str = "") -> Answer:
    rows = [
        {"id": coin.coin_id, "current_price": price, "last_updated": OBSERVED.isoformat()}
        for coin in read_coins()
        if coin.coin_id != without
    ]
    return Answer(body=json.dumps(rows).encode())


def test_the_list_names_every_source_and_hides_passwords(run, monkeypatch):
    monkeypatch.setenv("BITPREDICT_COINGECKO_URL", "http://me:secret@mirror")
    shown = run("sources", "list").stdout
    assert "candles" in shown
    rows = {row["source"]: row for row in json.loads(run("sources", "list", "--json").stdout)}
    assert set(rows) == {"candles", "cryptocompare", "coingecko", "news", "x"}
    assert rows["cryptocompare"]["address"].startswith("not asked: neither BITPREDICT_CRYPTOCOMPARE_KEY nor ")
    assert rows["candles"]["address"].endswith("sample")
    assert rows["coingecko"]["address"] == "http://***@mirror"
    assert "secret" not in shown


def test_the_sample_has_its_last_day_whole(run):
    assert run("sources", "test", "candles").stdout == "candles: ok, 1440 of 1440 minutes of BTCUSDT on 2023-12-31\n"


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        pytest.param(
            quotes(),
            0,
            f"ok, 92 of 92 coins have a quote, the newest of {OBSERVED:%Y-%m-%d %H:%M:%S} UTC\n",
            id="every coin",
        ),
        pytest.param(
            quotes(without="tron"),
            0,
            f"warn, 91 of 92 coins have a quote, the newest of {OBSERVED:%Y-%m-%d %H:%M:%S} UTC; "
            "missing tron: not in the answer\n",
            id="one missing",
        ),
        pytest.param(quotes(price=None), 1, "fail, 0 of 92 coins have a quote; missing aave: no price; ", id="none"),
    ],
)
def test_a_question_says_how_many_coins_answered(run, coingecko, tmp_path, answer, code, says):
    coingecko.scripts[ROUTE] = [answer]
    result = run("sources", "test", "coingecko")
    assert result.exit_code == code
    assert result.stdout.startswith(f"coingecko: {says}")
    assert not (tmp_path / "home").exists(), "a question stores nothing"


def test_a_source_that_refuses_is_one_line(run, coingecko):
    coingecko.scripts[ROUTE] = [Answer(429, headers={"Retry-After": "200"})]
    result = run("sources", "test", "coingecko")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "asked to wait 200 s" in result.stderr
    assert result.stderr.count("\n") == 1


def test_as_json(run, coingecko):
    coingecko.scripts[ROUTE] = [quotes()]
    (found,) = json.loads(run("sources", "test", "coingecko", "--json").stdout)
    assert (found["check"], found["status"]) == ("coingecko", "ok")


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        pytest.param(market(), 0, r"ok, 1440 of 1440 minutes of BTCUSDT on \d{4}-\d\d-\d\d\n", id="a whole day"),
        pytest.param(
            market(without=lambda _pair, moment: moment.hour == 3),
            0,
            r"warn, 1380 of 1440 minutes of BTCUSDT on [\d-]+, rejected \{'no trade in it': 60\}\n",
            id="an hour without trades",
        ),
        pytest.param(market(without=lambda *_: True), 1, "fail, 0 of 1440 minutes", id="no trade at all"),
    ],
)
def test_a_question_to_the_second_source_says_what_it_has_of_yesterday(run, tmp_path, monkeypatch, answer, code, says):
    with serve() as server:
        monkeypatch.setenv("BITPREDICT_CRYPTOCOMPARE_URL", server.url)
        server.routes[MINUTES] = answer
        result = run("sources", "test", "cryptocompare")
    assert result.exit_code == code
    assert re.match(f"cryptocompare: {says}", result.stdout)
    assert not (tmp_path / "home").exists()


def test_just_after_midnight_the_last_whole_day_is_asked_for(run, monkeypatch):
    with serve() as server, time_machine.travel(datetime(2026, 3, 2, 0, 1, tzinfo=UTC)):
        monkeypatch.setenv("BITPREDICT_CRYPTOCOMPARE_URL", server.url)
        server.routes[MINUTES] = market()
        result = run("sources", "test", "cryptocompare")
    assert result.stdout == "cryptocompare: ok, 1440 of 1440 minutes of BTCUSDT on 2026-02-28\n"


def test_a_second_source_that_is_not_set_is_one_line(run):
    result = run("sources", "test", "cryptocompare")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: neither BITPREDICT_CRYPTOCOMPARE_KEY nor BITPREDICT_CRYPTOCOMPARE_URL")


FEED = b"<rss version='2.0'><channel><item><title>A</title><link>https://e.com/1</link></item></channel></rss>"


@pytest.mark.parametrize(
    ("answers", "code", "says"),
    [
        pytest.param([Answer(body=FEED)] * 2, 0, "ok, 2 of 2 feeds answered, with 2 articles\n", id="both"),
        pytest.param(
            [Answer(body=FEED), Answer(404)], 0, "warn, 1 of 2 feeds answered, with 1 articles; http", id="one"
        ),
        pytest.param([Answer(404)] * 2, 1, "fail, 0 of 2 feeds answered, with 0 articles; http", id="none"),
    ],
)
def test_a_question_says_how_many_feeds_answered(run, tmp_path, monkeypatch, answers, code, says):
    with serve() as server:
        lines = [f"{name},{server.url}/{name},en,15,yes" for name in "ab"]
        header = "name,address,language,interval_minutes,enabled"
        (tmp_path / "feeds.csv").write_text("\n".join([header, *lines]))
        monkeypatch.setenv("BITPREDICT_FEEDS_FILE", str(tmp_path / "feeds.csv"))
        monkeypatch.setenv("BITPREDICT_FEEDS_ALLOW_PRIVATE", "true")
        for name, answer in zip("ab", answers, strict=True):
            server.scripts[f"/{name}"] = [answer]
        result = run("sources", "test", "news")
    assert result.exit_code == code
    assert result.stdout.startswith(f"news: {says}")
    assert not (tmp_path / "home").exists()


def test_posts_are_counted_and_none_is_read(run, monkeypatch):
    assert run("sources", "test", "x").stdout.startswith("x: warn, not asked: there is no BITPREDICT_X_TOKEN")
    with serve() as server:
        x = XServer(server, [post(datetime.now(UTC))] * 3)
        monkeypatch.setenv("BITPREDICT_X_URL", server.url)
        monkeypatch.setenv("BITPREDICT_X_TOKEN", "secret")
        monkeypatch.setenv("BITPREDICT_X_QUERIES", "bitcoin")
        result = run("sources", "test", "x")
    assert result.stdout == "x: ok, 3 posts of the last seven days match 'bitcoin'\n"
    assert x.cost == 0


def test_who_asks_by_hand_is_not_held_off_by_earlier_failures(run, coingecko, settings):
    settings.home.mkdir()
    circuits = Circuits("coingecko", settings.home)
    circuits.failed(coingecko.url.removeprefix("http://"), "down", pause=600.0)
    coingecko.scripts[ROUTE] = [quotes()]
    assert run("sources", "test", "coingecko").exit_code == 0
