"""One secret in every address and key that a user can set, which nothing may show or keep."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest
from structlog.testing import capture_logs

from bitpredict.errors import ModelError, SettingsError
from bitpredict.forecasting.registry import open_registry
from bitpredict.settings import Settings, load_settings
from bitpredict.sources.circuits import OPENS_AT, host_states
from bitpredict.sources.coingecko import CoinGecko
from bitpredict.streaming.open_log import open_event_log
from tests.support.archive_server import Answer, serve
from tests.support.ports import nobodys_port

SECRET = "sEcReT9"  # noqa: S105 - of nobody
FEEDS = "name,address,language,interval_minutes,enabled\n"


@pytest.fixture
def away() -> Iterator[str]:
    """An address at which nobody answers."""
    with nobodys_port() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITPREDICT_HTTP_ATTEMPTS", "1")


def assert_untold(text: str, home: Path) -> None:
    files = [file for file in home.rglob("*") if file.is_file()]
    assert SECRET not in text
    assert SECRET not in generate_latest(REGISTRY).decode()
    assert not [file for file in files if SECRET in str(file) or SECRET.encode() in file.read_bytes()]


def with_login(url: str) -> str:
    return url.replace("://", f"://u:{SECRET}@")


def test_the_password_of_a_source_that_is_away(run, monkeypatch, settings, away):
    settings.home.mkdir()
    monkeypatch.setenv("BITPREDICT_COINGECKO_PLAN", "pro")  # its pace is quicker
    monkeypatch.setenv("BITPREDICT_COINGECKO_URL", with_login(away))
    told = run("sources", "test", "coingecko")
    assert told.exit_code == 1
    assert re.search(r"http://\*\*\*@127\.0\.0\.1:\d+/api/v3/coins/markets\?", told.stderr)
    source = CoinGecko.from_settings(load_settings())
    with capture_logs() as logs:
        for _ in range(OPENS_AT + 1):
            with pytest.raises(Exception, match=r"127\.0\.0\.1") as failed:
                source.markets(["bitcoin"])
    (state,) = host_states(settings.home)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", state.host)
    assert [line["event"] for line in logs] == ["host rests"]
    shown = run("doctor").output
    assert "127.0.0.1" in shown
    assert_untold(f"{told.output}{shown}{run('sources', 'list').output}{failed.value}{logs}", settings.home)


def test_an_error_shows_the_beginning_of_a_long_query(run, monkeypatch, away):
    monkeypatch.setenv("BITPREDICT_COINGECKO_URL", away)
    told = run("sources", "test", "coingecko").stderr
    assert "/api/v3/coins/markets?vs_currency=usd&ids=" in told
    assert "the connection failed" in told
    assert len(told) < 700


def test_a_password_in_an_address_is_sent(run, monkeypatch, settings):
    settings.home.mkdir()
    with serve() as server:
        monkeypatch.setenv("BITPREDICT_COINGECKO_URL", with_login(server.url))
        server.routes["/api/v3/coins/markets"] = lambda _: Answer(body=b"[]")
        run("sources", "test", "coingecko")
    (asked,) = server.asked
    assert asked.headers["Authorization"] == "Basic dTpzRWNSZVQ5"


@pytest.mark.parametrize(
    "variable",
    ["COINGECKO_KEY", "CRYPTOCOMPARE_KEY", "X_TOKEN"],
)
@pytest.mark.parametrize("between", ["\n", " ", "\x7f", "é"])
def test_a_key_that_no_header_can_carry(run, monkeypatch, variable, between):
    monkeypatch.setenv(f"BITPREDICT_{variable}", f"{SECRET}{between}more")
    with pytest.raises(SettingsError, match=f"^BITPREDICT_{variable}: .*printable ASCII") as error:
        load_settings()
    assert SECRET not in str(error.value)
    told = run("sources", "test", "coingecko")
    assert told.exit_code == 1
    assert SECRET not in told.output


def test_a_key_may_have_a_line_break_behind_it(monkeypatch):
    monkeypatch.setenv("BITPREDICT_COINGECKO_KEY", f" {SECRET}\n")
    assert load_settings().coingecko_key.get_secret_value() == SECRET


def test_the_feeds_passwords_and_tokens(run, monkeypatch, tmp_path, settings, away):
    settings.home.mkdir()
    with serve() as server:
        server.files["/good"] = (
            b"<rss version='2.0'><channel><item><title>A</title><link>#a</link></item></channel></rss>"
        )
        server.files["/page"] = b"<html>no feed</html>"
        places = {
            "login": with_login(f"{server.url}/page"),
            "token": f"{server.url}/missing?a=1&token={SECRET}",
            "good": f"{with_login(server.url)}/good?api_key={SECRET}",
            "away": f"{with_login(away)}/x?key={SECRET}",
        }
        (tmp_path / "feeds.csv").write_text(FEEDS + "".join(f"{n},{a},en,15,yes\n" for n, a in places.items()))
        monkeypatch.setenv("BITPREDICT_FEEDS_FILE", str(tmp_path / "feeds.csv"))
        monkeypatch.setenv("BITPREDICT_FEEDS_ALLOW_PRIVATE", "true")
        monkeypatch.setenv("BITPREDICT_MARKET", "binance")
        told = run("sources", "test", "news")
    assert "1 of 4 feeds answered" in told.output
    asked = {request.path: request for request in server.asked}
    assert asked["/missing"].query["token"] == asked["/good"].query["api_key"] == SECRET
    assert asked["/page"].headers["Authorization"].startswith("Basic ")
    assert_untold(told.output, settings.home)


def test_a_malformed_line_of_the_feeds_list(run, monkeypatch, tmp_path):
    monkeypatch.setenv("BITPREDICT_FEEDS_FILE", str(tmp_path / "feeds.csv"))
    for line in (f"a,ftp://u:{SECRET}{'x' * 80}@h/,en,15,yes", f"a,http://u:{SECRET}@h/,en,15"):
        (tmp_path / "feeds.csv").write_text(FEEDS + line + "\n")
        told = run("sources", "test", "news")
        assert "line 2" in told.output
        assert SECRET not in told.output


def test_settings_as_json_show_no_secret(run, monkeypatch):
    monkeypatch.setenv("BITPREDICT_COINGECKO_KEY", SECRET)
    monkeypatch.setenv("BITPREDICT_HUB_URL", f"https://h/?token={SECRET}")
    rows = {row["check"]: row["detail"] for row in json.loads(run("doctor", "--json").stdout)}
    assert rows["BITPREDICT_COINGECKO_KEY"] == "******** (environment)"
    assert rows["BITPREDICT_HUB_URL"] == "https://h/?token=*** (environment)"


STORES = {
    "DATABASE_URL": "postgresql://",
    "REDIS_URL": "redis://",
    "MLFLOW_URI": "http://",
    "BACKUP_URL": "ftp://",
    "EVENT_LOG_URL": "kafka://",
    "ARCHIVE_URL": "http://",
    "BINANCE_URL": "http://",
    "CRYPTOCOMPARE_URL": "http://",
}
OTHERS = {
    "DATABASE_URL": "mysql://",
    "REDIS_URL": "http://",
    "MLFLOW_URI": "postgresql://",
    "EVENT_LOG_URL": "mysql://",
}


@pytest.mark.parametrize("schemes", [STORES, STORES | OTHERS, STORES | {"DATABASE_URL": "oracle://"}])
@pytest.mark.parametrize(
    "credentials",
    [*(pytest.param(each, marks=pytest.mark.slow) for each in (f"u:{SECRET}", f"u:a@{SECRET}")), f"u:{SECRET}/x"],
)
def test_the_passwords_of_stores(run, monkeypatch, settings, schemes, credentials):
    settings.home.mkdir()
    monkeypatch.setenv("BITPREDICT_MARKET", "binance")
    for variable, scheme in schemes.items():
        monkeypatch.setenv(f"BITPREDICT_{variable}", f"{scheme}{credentials}@127.0.0.1:1/x")
    asked = [("doctor", "--json"), ("db", "status"), ("cache", "stats"), ("restore", "latest"), ("topics",)]
    asked += [("sources", "list"), ("sources", "test", "candles"), ("sources", "test", "cryptocompare")]
    answers = [run(*command) for command in asked]
    assert [answer.exit_code for answer in answers][-2:] == [1, 1]
    assert all(re.search(r"127\.0\.0\.1|not usable|not supported", answer.output) for answer in answers[:2])
    assert_untold("".join(answer.output for answer in answers), settings.home)


@pytest.mark.parametrize("address", [f"kafka://u:{SECRET}@h:1", f"kafka:/u:{SECRET}@h", f"u:{SECRET}@h:9092"])
def test_the_password_of_a_malformed_event_log(address):
    with pytest.raises(SettingsError, match="BITPREDICT_EVENT_LOG_URL") as error:
        open_event_log(Settings(event_log_url=address))
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("uri", [f"http://u:{SECRET}@127.0.0.1:1", f"http://u:{SECRET}/x@127.0.0.1:1", f"u:{SECRET}@h"])
def test_the_password_of_mlflow(uri):
    with pytest.raises((SettingsError, ModelError)) as error:
        open_registry(uri).champions()
    assert SECRET not in str(error.value)
