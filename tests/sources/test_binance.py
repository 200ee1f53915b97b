import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qsl

import pytest

from bitpredict.errors import (
    AbsentError,
    BadSourceDataError,
    NotYetPublishedError,
    RateLimitedError,
    SourceUnavailableError,
    UnknownSymbolError,
)
from bitpredict.sources.binance import BinanceRest
from bitpredict.sources.http import HttpClient
from tests.support.archive_server import Answer

KLINES = "/api/v3/klines"
DAY = date(2023, 3, 24)
START = int(datetime(2023, 3, 24, tzinfo=UTC).timestamp()) * 1000
LATER = datetime(2023, 3, 25, 1, tzinfo=UTC)


def kline(minute: int, close: str = "100.5") -> list:
    opened = START + minute * 60_000
    return [opened, "100", "101", "99", close, "5", opened + 59_999, "500", 7, "2", "200", "0"]


def exchange(minutes, headers: Mapping[str, str] | None = None):
    """Answers as Binance does: what opened in [startTime, endTime], oldest first, `limit` at most."""

    def answer(query: Mapping[str, str]) -> Answer:
        assert (query["symbol"], query["interval"]) == ("BTCUSDT", "1m")
        rows = [kline(minute) for minute in minutes]
        wanted = [row for row in rows if int(query["startTime"]) <= row[0] <= int(query["endTime"])]
        return Answer(body=json.dumps(wanted[: int(query["limit"])]).encode(), headers=headers or {})

    return answer


@pytest.fixture
def rest(server, client):
    def make(now: datetime = LATER, **changes) -> BinanceRest:
        return BinanceRest(f"{server.url}/", client(**changes), now=lambda: now)

    return make


def minutes_of(batch) -> list[int]:
    return [time.hour * 60 + time.minute for time in batch.candles["open_time"].to_pylist()]


def test_a_day_is_fetched_page_by_page(rest, server):
    server.routes[KLINES] = exchange(range(-3, 1443))
    before = datetime.now(UTC)
    batch = rest().day("BTCUSDT", DAY)
    assert minutes_of(batch) == list(range(1440))
    assert [request.query["limit"] for request in server.asked] == ["1000", "1000"]
    assert not batch.rejected
    assert all(before <= known <= datetime.now(UTC) for known in batch.candles["known_at"].to_pylist())


def test_recorded_candles(recordings, client, server):
    """The server answers with the recorded bytes of the same question."""
    routes = json.loads((recordings / "api/binance/binance_public_routes.json").read_text())
    recorded = {
        query["startTime"]: json.dumps(entry["data"]).encode()
        for entry in routes[KLINES]["GET"]
        if (query := dict(parse_qsl(entry["queryString"])))["interval"] == "1m"
    }
    server.routes[KLINES] = lambda _: Answer(body=recorded["1588740088000"])
    batch = BinanceRest(server.url, client()).day("BTCUSDT", date(2020, 5, 6))
    assert batch.candles.num_rows == 60
    assert not batch.rejected
    first = batch.candles.slice(0, 1).to_pylist()[0]
    assert first | {"known_at": None} == {
        "symbol": "BTCUSDT",
        "open_time": datetime(2020, 5, 6, 4, 42, tzinfo=UTC),
        "open": 9033.34,
        "high": 9039.99,
        "low": 9032.75,
        "close": 9033.15,
        "volume": 31.192968,
        "quote_volume": 281893.08800082,
        "trade_count": 282,
        "taker_buy_volume": 6.358103,
        "provenance": "observed",
        "known_at": None,
    }


def test_holes_are_left_as_they_are(rest, server):
    server.routes[KLINES] = exchange([0, 1, 5, 1439])
    assert minutes_of(rest().day("BTCUSDT", DAY)) == [0, 1, 5, 1439]


class TestToday:
    NOW = datetime(2023, 3, 24, 0, 3, 20, tzinfo=UTC)

    def test_the_running_minute_is_not_asked_for(self, rest, server):
        server.routes[KLINES] = exchange(range(1440))
        assert minutes_of(rest(self.NOW).day("BTCUSDT", DAY)) == [0, 1, 2]

    def test_a_clock_that_is_ahead_of_binance_lets_no_running_minute_in(self, rest, server):
        behind = format_datetime(self.NOW - timedelta(minutes=1), usegmt=True)
        server.routes[KLINES] = exchange(range(1440), {"Date": behind})
        batch = rest(self.NOW).day("BTCUSDT", DAY)
        assert minutes_of(batch) == [0, 1]
        assert batch.rejected == {"outside the range": 1}

    def test_before_the_first_minute_is_over(self, rest, server):
        with pytest.raises(NotYetPublishedError, match="no complete minute of BTCUSDT on 2023-03-24"):
            rest(datetime(2023, 3, 24, 0, 0, 59, tzinfo=UTC)).day("BTCUSDT", DAY)
        assert not server.asked

    def test_no_candle_yet(self, rest, server):
        server.routes[KLINES] = exchange([])
        with pytest.raises(NotYetPublishedError):
            rest(self.NOW).day("BTCUSDT", DAY)


def test_a_day_that_is_over_and_has_nothing(rest, server):
    server.routes[KLINES] = exchange([])
    with pytest.raises(AbsentError, match="nothing of BTCUSDT on 2023-03-24"):
        rest().day("BTCUSDT", DAY)


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        pytest.param(
            Answer(400, b'{"code":-1121,"msg":"Invalid symbol."}'),
            UnknownSymbolError,
            r"does not know BTCUSDT \(Invalid symbol\.\); check BITPREDICT_SYMBOLS",
            id="unknown symbol",
        ),
        pytest.param(
            Answer(400, b'{"code":-1100,"msg":"Illegal characters."}'),
            SourceUnavailableError,
            "refuses BTCUSDT with -1100: Illegal characters",
            id="another fault",
        ),
        pytest.param(
            Answer(400, b"<html>"), SourceUnavailableError, r"\(400\); check BITPREDICT_BINANCE_URL", id="400"
        ),
        pytest.param(Answer(404), SourceUnavailableError, r"\(404\); check BITPREDICT_BINANCE_URL", id="404"),
        pytest.param(Answer(451, b"restricted location"), SourceUnavailableError, "restricted location", id="451"),
        pytest.param(Answer(418, headers={"Retry-After": "200"}), RateLimitedError, "banned .* 200 s", id="418"),
        pytest.param(Answer(429, headers={"Retry-After": "200"}), RateLimitedError, "wait 200 s", id="429"),
        pytest.param(Answer(429), RateLimitedError, "too many requests", id="429 for ever"),
        pytest.param(Answer(500), SourceUnavailableError, r"failed \(500\) \(3 attempts\)", id="500 for ever"),
        pytest.param(
            Answer(body=b"<html>hello</html>"), BadSourceDataError, "no list of klines.*<html>hello", id="page"
        ),
        pytest.param(Answer(body=b'{"code":0}'), BadSourceDataError, "no list of klines", id="object"),
        pytest.param(Answer(body=b"[1,2]"), BadSourceDataError, "no list of klines", id="numbers"),
        pytest.param(Answer(body=b"[[1,2]]"), BadSourceDataError, "12 columns", id="too few columns"),
        pytest.param(Answer(body=b"[[]"), BadSourceDataError, "no list of klines", id="cut off"),
        pytest.param(
            Answer(body=json.dumps([kline(0, "abc")]).encode()), BadSourceDataError, "'abc'", id="letters in a price"
        ),
        pytest.param(
            Answer(body=json.dumps([[*kline(0)[:4], None, {}, *kline(0)[6:]]]).encode()),
            BadSourceDataError,
            "no list of klines",
            id="values of another kind",
        ),
        pytest.param(
            Answer(body=json.dumps([[10**30, *kline(0)[1:]]]).encode()),
            BadSourceDataError,
            "no list of klines",
            id="a time beyond all times",
        ),
        pytest.param(Answer(400, b"[" * 100_000), SourceUnavailableError, r"\(400\)", id="400 nested without end"),
        pytest.param(Answer(body=b"[" * 100_000), BadSourceDataError, "no list of klines", id="nested without end"),
    ],
)
def test_bad_answers_are_errors_with_their_reason(answer, error, says, rest, server):
    server.scripts[KLINES] = [answer] * 3
    with pytest.raises(error, match=rf"(?s){says}"):
        rest().day("BTCUSDT", DAY)


def test_prices_that_cannot_be_believed_are_counted(rest, server):
    rows = [kline(0), kline(1, "nan"), kline(2, "-1"), kline(3, "1e9"), kline(4)]
    server.scripts[KLINES] = [Answer(body=json.dumps(rows).encode())]
    batch = rest().day("BTCUSDT", DAY)
    assert minutes_of(batch) == [0, 4]
    assert sum(batch.rejected.values()) == 3


def test_a_server_that_ignores_the_start_does_not_hold_us_for_ever(rest, server):
    page = json.dumps([kline(minute) for minute in range(1000)]).encode()
    server.routes[KLINES] = lambda _: Answer(body=page)
    with pytest.raises(BadSourceDataError, match="repeats itself"):
        rest().day("BTCUSDT", DAY)
    assert len(server.asked) == 2


@pytest.mark.parametrize(("used", "pauses"), [("4800", 0), ("4801", 2), ("none", 0)])
def test_near_the_weight_limit_the_next_minute_is_waited_for(used, pauses, server, client, monkeypatch):
    held: list[float] = []
    monkeypatch.setattr(HttpClient, "hold", lambda _self, _url, seconds: held.append(seconds))
    server.routes[KLINES] = exchange(range(1440), {"X-MBX-USED-WEIGHT-1M": used})
    BinanceRest(server.url, client(), now=lambda: LATER).day("BTCUSDT", DAY)
    assert len(held) == pauses
    assert all(0 < seconds <= 60 for seconds in held)
