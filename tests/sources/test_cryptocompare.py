"""CryptoCompare's minutes: a recorded answer, paging, limits in the body, and everything that can be wrong with one."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from bitpredict.errors import (
    AbsentError,
    BadSourceDataError,
    NotYetPublishedError,
    RateLimitedError,
    SettingsError,
    SourceError,
    SourceUnavailableError,
    UnknownSymbolError,
)
from bitpredict.market.candles import CANDLE_SCHEMA, CandleBatch
from bitpredict.settings import Settings
from bitpredict.sources.candles import CandleSource
from bitpredict.sources.cryptocompare import CryptoCompare, ask_for_days
from tests.support.archive_server import Answer
from tests.support.cryptocompare import OVER_THE_SECOND, ROUTE, body, filled, market, minute, success

START = datetime(2023, 11, 10, 12, tzinfo=UTC)
FIRST = int(START.timestamp())
MINUTE = timedelta(minutes=1)


@pytest.fixture
def source(server, client) -> CryptoCompare:
    return CryptoCompare(f"{server.url}/", client())


@pytest.fixture
def minutes(server, source) -> Callable[..., CandleBatch]:
    """What is made of one answer about ten minutes: of rows, or of an answer as it is."""

    def ask(answer: list | dict | Answer) -> CandleBatch:
        answer = success(answer) if isinstance(answer, list) else answer
        server.scripts[ROUTE] = [answer if isinstance(answer, Answer) else body(answer)]
        return source.minutes("BTCUSDT", START, START + 10 * MINUTE)

    return ask


def test_a_recorded_day_is_its_observed_minutes_and_the_one_in_progress_is_not(recordings, server, source):
    cassette = recordings / "api/cryptocompare/btc_to_usd_histo_minute.yml"
    recorded = re.search(r"string: '(\{.*\})'", cassette.read_text())[1].encode()
    sent = json.loads(recorded)["Data"]
    first, last = sent[0]["time"], sent[-1]["time"]
    assert (len(sent), sent[-1]["volumefrom"]) == (1441, 0), "its last minute had only just begun"
    server.scripts[ROUTE] = [Answer(body=recorded)]
    before = datetime.now(UTC)
    found = source.minutes("BTCUSD", datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last + 60, UTC))
    traded = [each for each in sent if each["volumefrom"] > 0]
    assert found.rejected == {"no trade in it": len(sent) - len(traded)}
    assert found.candles.schema.equals(CANDLE_SCHEMA)
    for name, key in (("open", "open"), ("high", "high"), ("close", "close"), ("volume", "volumefrom")):
        assert found.candles[name].to_pylist() == [each[key] for each in traded]
    assert found.candles["quote_volume"].to_pylist() == [each["volumeto"] for each in traded]
    times = found.candles["open_time"].to_numpy().astype("datetime64[s]").astype(int)
    assert times.tolist() == [each["time"] for each in traded]
    for untold in ("trade_count", "taker_buy_volume"):
        assert found.candles[untold].null_count == len(traded)
    assert all(before <= moment <= datetime.now(UTC) for moment in set(found.candles["known_at"].to_pylist()))
    assert server.asked[0].query == {
        "fsym": "BTC",
        "tsym": "USD",
        "e": "Binance",
        "limit": "1440",
        "toTs": f"{last}",
        "tryConversion": "false",
    }


def test_both_versions_of_the_interface_are_read(minutes):
    rows = [minute(FIRST + 60 * n) for n in range(10)]
    assert minutes(rows).candles.num_rows == 10
    assert minutes({**success([]), "Data": rows}).candles.num_rows == 10


def test_days_are_asked_for_by_page_backwards_over_midnight(server, source):
    server.routes[ROUTE] = market(close=lambda _pair, time: time / 1e6)
    start, end = datetime(2023, 11, 9, 22, tzinfo=UTC), datetime(2023, 11, 12, 1, 30, tzinfo=UTC)
    found = source.minutes("ETHUSDT", start, end)
    expected = np.arange(int(start.timestamp()), int(end.timestamp()), 60)
    assert found.candles["open_time"].to_numpy().astype("datetime64[s]").astype(int).tolist() == expected.tolist()
    assert found.candles["close"].to_pylist() == (expected / 1e6).tolist()
    assert (found.rejected, set(found.candles["symbol"].to_pylist())) == ({}, {"ETHUSDT"})
    asked = [(int(each.query["toTs"]), int(each.query["limit"])) for each in server.asked]
    last = int(end.timestamp()) - 60
    assert asked == [(last, 2000), (last - 2001 * 60, len(expected) - 2001 - 1)]


def test_a_day_is_one_question(server, source: CandleSource):
    server.routes[ROUTE] = market()
    assert source.day("BTCUSDT", START.date()).candles.num_rows == 1440
    assert len(server.asked) == 1


def test_a_page_that_is_shorter_than_asked_is_gone_on_from(server, source):
    sizes: list[int] = []

    def short(query):
        sizes.append(int(query["limit"]))
        return market()({**query, "limit": "99"})

    server.routes[ROUTE] = short
    assert source.minutes("BTCUSDT", START, START + 250 * MINUTE).candles.num_rows == 250
    assert sizes == [249, 149, 49]


def test_minutes_that_are_not_settled_are_not_asked_for(server, client):
    server.routes[ROUTE] = market()
    source = CryptoCompare(server.url, client(), now=lambda: START + timedelta(minutes=7, seconds=30))
    assert source.day("BTCUSDT", START.date()).candles["open_time"][-1].as_py() == START + 4 * MINUTE
    with pytest.raises(NotYetPublishedError, match="no settled minute of BTCUSDT"):
        source.day("BTCUSDT", START.date() + timedelta(days=1))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"close": None}, "missing or not finite", id="null"),
        pytest.param({"close": "n/a"}, "missing or not finite", id="text"),
        pytest.param({"close": True}, "missing or not finite", id="true"),
        pytest.param({"close": [1]}, "missing or not finite", id="list"),
        pytest.param({"close": float("nan")}, "missing or not finite", id="not a number"),
        pytest.param({"close": 10**400}, "missing or not finite", id="beyond all numbers"),
        pytest.param({"volumefrom": None}, "missing or not finite", id="no amount"),
        pytest.param({"low": 0}, "price not above zero", id="zero"),
        pytest.param({"volumeto": -1}, "amount below zero", id="negative amount"),
        pytest.param({"high": 98.0}, "high below low", id="upside down"),
        pytest.param({"close": 102.0}, "open or close outside low and high", id="close above high"),
        pytest.param({"high": 1e6}, "absurd price", id="absurd"),
        pytest.param({"volumefrom": 1, "volumeto": 1e9}, "average price outside low and high", id="dear trades"),
        pytest.param({"volumeto": 3e-6}, "average price outside low and high", id="cheap trades"),
        pytest.param({"volumefrom": 1e19, "volumeto": 1e12}, "amount beyond belief", id="more than there is"),
        pytest.param({"volumefrom": 1e12, "volumeto": 1e14}, "amount beyond belief", id="more than there is of money"),
        pytest.param({"time": None}, "no time", id="no time"),
        pytest.param({"time": "yesterday"}, "no time", id="time in words"),
        pytest.param({"time": 1e300}, "no time", id="no instant"),
        pytest.param({"time": FIRST + 30}, "not on a full minute", id="within a minute"),
        pytest.param({"time": FIRST - 60}, "outside the range", id="before"),
        pytest.param({"time": FIRST + 600}, "outside the range", id="after"),
        pytest.param({"volumefrom": 0}, "no trade in it", id="no trade"),
        pytest.param({"conversionType": "multiply"}, "converted from another pair", id="converted"),
        pytest.param({"time": FIRST + 60}, "conflicting duplicate", id="told in two ways"),
    ],
)
def test_a_minute_that_cannot_be_believed_is_counted_and_no_row(minutes, changes, reason):
    rows = [minute(FIRST + 60 * n) for n in range(10)]
    rows[3] = {**minute(FIRST + 180, low=98.5), **changes}
    found = minutes(rows)
    conflict = reason == "conflicting duplicate"
    assert found.rejected == {reason: 2 if conflict else 1}
    kept = {moment.minute for moment in found.candles["open_time"].to_pylist()}
    assert kept == set(range(10)) - {3} - ({1} if conflict else set())


def test_amounts_that_were_rounded_or_come_from_other_exchanges_are_believed(minutes):
    rounded = [minute(FIRST, volumefrom=0.01, volumeto=0.6), minute(FIRST + 60, volumefrom=2e-05, volumeto=0.0019)]
    assert minutes([*rounded, minute(FIRST + 120, volumeto=3 * 103.0)]).candles.num_rows == 3


def test_numbers_as_text_are_those_numbers(minutes):
    found = minutes([{**minute(FIRST, close="100.75"), "time": f"{FIRST}"}])
    assert found.candles["close"].to_pylist() == [100.75]


def test_what_is_no_candle_is_counted(minutes):
    found = minutes([minute(FIRST), None, 7, "minute", [1]])
    assert (found.candles.num_rows, found.rejected) == (1, {"no candle": 4})


def test_filled_minutes_are_no_observations(minutes):
    found = minutes([filled(FIRST + 60 * n) for n in range(10)])
    assert (found.candles.num_rows, found.rejected) == (0, {"no trade in it": 10})


def refusal(words: str, kind: int, **more) -> dict:
    return {"Response": "Error", "Message": words, "HasWarning": False, "Type": kind, "Data": {}, **more}


OVER_THE_MONTH = {
    **OVER_THE_SECOND,
    "RateLimit": {
        "calls_made": {"second": 1, "minute": 11, "hour": 485, "day": 10973, "month": 82758},
        "max_calls": {"second": 20, "minute": 300, "hour": 3000, "day": 7500, "month": 50000},
    },
}


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        pytest.param(
            OVER_THE_MONTH,
            RateLimitedError,
            r"10973 of 7500 calls a day, 82758 of 50000 calls a month.*BITPREDICT_CRYPTOCOMPARE_KEY",
            id="over the month, with 200",
        ),
        pytest.param(
            {**OVER_THE_SECOND, "RateLimit": {"calls_left": {"second": 3, "hour": 0}}},
            RateLimitedError,
            r"\(no call left in the hour\)",
            id="over the hour, told by what is left",
        ),
        pytest.param(
            refusal("There is no data for the symbol BTC999 .", 2, ParamWithError="fsym"),
            UnknownSymbolError,
            r"no BTCUSDT of Binance \(There is no data for the symbol BTC999 \.\)",
            id="wrong symbol",
        ),
        pytest.param(
            refusal("Binance market does not exist for this coin pair (BTC-USDT)", 1),
            UnknownSymbolError,
            "does not exist",
            id="wrong pair",
        ),
        pytest.param(
            refusal("Minute data for BTC-USDT is only available for the last 7 days.", 2),
            AbsentError,
            "no longer has these minutes of BTCUSDT",
            id="too long ago",
        ),
        pytest.param(
            refusal("You need a valid auth key or api key to access this endpoint", 1),
            SourceUnavailableError,
            r"refuses BTCUSDT \(1: You need a valid auth key.*look at BITPREDICT_CRYPTOCOMPARE_KEY",
            id="no key",
        ),
        pytest.param({"Response": "Error"}, SourceUnavailableError, "refuses", id="an error without words"),
        pytest.param(Answer(401, b'{"Response":"Error"}'), SourceUnavailableError, "401", id="401"),
        pytest.param(Answer(404, b'{"Response":"Success"}'), SourceUnavailableError, r"refused \(404\)", id="404"),
        pytest.param(Answer(429, headers={"Retry-After": "200"}), RateLimitedError, "wait 200 s", id="429"),
        pytest.param(Answer(body=b"<!DOCTYPE html>"), BadSourceDataError, "is no JSON: b'<!DOCTYPE", id="a page"),
        pytest.param(Answer(body=b""), BadSourceDataError, "is no JSON", id="nothing"),
        pytest.param(Answer(body=b"[" * 100_000), BadSourceDataError, "is no JSON", id="nested without end"),
        pytest.param(Answer(body=b"[]"), BadSourceDataError, "is no object", id="list"),
        pytest.param({}, BadSourceDataError, "holds no minutes", id="empty object"),
        pytest.param({"Data": [minute(FIRST)]}, BadSourceDataError, "holds no minutes", id="no word of success"),
        pytest.param({**success([]), "Data": "none"}, BadSourceDataError, "holds no minutes", id="no list"),
        pytest.param(success([]), AbsentError, "nothing of BTCUSDT", id="no minute at all"),
        pytest.param(success([minute(FIRST + 6000)]), BadSourceDataError, "begins at .* to end at", id="another time"),
    ],
)
def test_bad_answers_are_one_clear_error(minutes, server, answer, error, says):
    if isinstance(answer, Answer):
        server.routes[ROUTE] = lambda _query: answer
    with pytest.raises(error, match=says) as raised:
        minutes(answer)
    assert "\n" not in str(raised.value)


def test_no_answer_is_one_clear_error(server, client):
    server.routes[ROUTE] = lambda _query: Answer(body=b"{}", delay=60)
    with pytest.raises(SourceUnavailableError, match=r"no answer within 0\.2 s") as raised:
        CryptoCompare(server.url, client(timeout=0.2)).minutes("BTCUSDT", START, START + 10 * MINUTE)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_it_waits_for_a_limit_of_the_second_and_goes_on(server, client):
    source = CryptoCompare(server.url, client())
    server.scripts[ROUTE] = [body(OVER_THE_SECOND)]
    server.routes[ROUTE] = market()
    assert source.minutes("BTCUSDT", START, START + 5 * MINUTE).candles.num_rows == 5
    first, second = (request.at for request in server.asked)
    assert second - first >= 0.99


def test_it_does_not_ask_for_ever(server, source, monkeypatch):
    monkeypatch.setattr("bitpredict.sources.cryptocompare._PAUSES", {"second": 0.0})
    server.routes[ROUTE] = lambda _query: body(OVER_THE_SECOND)
    with pytest.raises(RateLimitedError, match="21 of 20 calls a second"):
        source.minutes("BTCUSDT", START, START + 5 * MINUTE)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("environment", "sent"), [({}, None), ({"KEY": " secret\n"}, "Apikey secret")], ids=["no key", "key"]
)
def test_the_key_goes_into_a_header_and_into_no_address(environment, sent, server, monkeypatch):
    for name, value in {"URL": server.url, **environment}.items():
        monkeypatch.setenv(f"BITPREDICT_CRYPTOCOMPARE_{name}", value)
    server.routes[ROUTE] = market()
    CryptoCompare.from_settings(Settings()).minutes("BTCUSDT", START, START + 5 * MINUTE)
    (asked,) = server.asked
    assert asked.headers.get("Authorization") == sent
    assert "secret" not in str(asked.query)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({}, "neither BITPREDICT_CRYPTOCOMPARE_KEY nor BITPREDICT_CRYPTOCOMPARE_URL is set", id="not set"),
        pytest.param({"cryptocompare_key": " "}, "neither", id="an empty key"),
        pytest.param({"cryptocompare_key": "k", "market": "simulated"}, "made up", id="simulated"),
    ],
)
def test_it_is_not_asked_without_a_setting_or_beside_a_made_up_market(changes, says):
    with pytest.raises(SettingsError, match=says):
        CryptoCompare.from_settings(Settings(**changes))


def test_a_key_is_enough():
    assert Settings(cryptocompare_key="k").cryptocompare == "https://min-api.cryptocompare.com"


DAYS = [date(2023, 11, 10), date(2023, 11, 11)]


def asked_for(source, *symbols):
    return ask_for_days(source, symbols, datetime(2023, 11, 10, tzinfo=UTC), datetime(2023, 11, 12, tzinfo=UTC))


def test_days_come_ordered_and_what_is_in_no_row_is_counted_also_in_the_metrics(server, source):
    def told() -> float:
        labels = {"source": "cryptocompare", "reason": "no trade in it"}
        return REGISTRY.get_sample_value("bitpredict_source_rejected_rows_total", labels) or 0.0

    before = told()
    server.routes[ROUTE] = market(without=lambda pair, moment: pair == "ETHUSDT" and moment.hour == 3)
    found = asked_for(source, "ETHUSDT", "BTCUSDT")
    assert found.candles["symbol"].to_pylist() == ["BTCUSDT"] * 2 * 1440 + ["ETHUSDT"] * 2 * 1380
    assert found.candles.sort_by([("symbol", "ascending"), ("open_time", "ascending")]).equals(found.candles)
    assert (found.rejected, found.unanswered) == ({"no trade in it": 120}, {})
    assert told() - before == 120


def test_a_bad_day_holds_no_other_and_an_unknown_pair_is_asked_for_once(server, source):
    server.routes[ROUTE] = market(unknown=["ABCUSDT"])
    server.scripts[ROUTE] = [Answer(body=b"<html>")]
    found = asked_for(source, "BTCUSDT", "ABCUSDT", "ETHUSDT")
    assert {key: why[:30] for key, why in found.unanswered.items() if key[0] == "BTCUSDT"} == {
        ("BTCUSDT", DAYS[1]): f"{server.url}/data/v2/histominute"[:30]
    }
    assert [key for key in found.unanswered if key[0] == "ABCUSDT"] == [("ABCUSDT", day) for day in DAYS]
    assert found.candles.num_rows == 3 * 1440
    assert [request.query["fsym"] for request in server.asked] == ["BTC", "BTC", "ABC", "ETH", "ETH"]


def test_after_a_limit_of_the_day_nothing_more_is_asked(server, source):
    server.routes[ROUTE] = market()
    server.scripts[ROUTE] = [market()(query(FIRST)), body(OVER_THE_MONTH)]
    found = asked_for(source, "BTCUSDT", "ETHUSDT")
    assert len(server.asked) == 2
    assert list(found.unanswered) == [("BTCUSDT", DAYS[0]), ("ETHUSDT", DAYS[0]), ("ETHUSDT", DAYS[1])]


def test_before_a_day_that_it_no_longer_has_nothing_is_asked_for(server, source):
    server.routes[ROUTE] = lambda _query: body(refusal("Minute data is only available for the last 7 days", 2))
    found = asked_for(source, "BTCUSDT", "ETHUSDT")
    assert [(request.query["fsym"], request.query["toTs"]) for request in server.asked] == [
        ("BTC", "1699747140"),
        ("ETH", "1699747140"),
    ]
    assert len(found.unanswered) == 4


def query(last: int) -> dict[str, str]:
    return {"fsym": "BTC", "tsym": "USDT", "e": "Binance", "toTs": f"{last}", "limit": "1439"}


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just(FIRST + 120))
ANY = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=5)
ROWS = st.dictionaries(st.sampled_from([*minute(FIRST)]), st.one_of(ANY, st.floats(1, 1e3)), max_size=8).map(
    lambda changes: minute(FIRST) | changes
)
ANSWERS = st.one_of(
    st.builds(success, st.lists(st.one_of(ROWS, ANY), max_size=12)),
    st.dictionaries(st.sampled_from([*success([]), "ConversionType"]), ANY),
    ANY,
)


class Told:
    """A client that gives one answer, then none."""

    def __init__(self, answer: bytes) -> None:
        self.answers = [answer]

    def get(self, url, _params):
        from bitpredict.sources.http import Reply

        sent = self.answers.pop() if self.answers else json.dumps(success([])).encode()
        return Reply(200, {}, sent, datetime.now(UTC), url)

    def hold(self, _url, _seconds):
        """No wait."""


@given(ANSWERS.map(lambda answer: json.dumps(answer).encode()) | st.binary(max_size=40))
@profile(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_comes_is_minutes_that_can_be_believed_or_an_error(answer):
    source = CryptoCompare("http://told", Told(answer))
    try:
        found = source.minutes("BTCUSDT", START, START + 10 * MINUTE)
    except (SourceError, UnknownSymbolError):
        return
    table = found.candles.to_pandas()
    assert table["open_time"].between(START, START + 9 * MINUTE).all()
    assert table["open_time"].is_unique
    prices = table[["open", "high", "low", "close"]]
    assert np.isfinite(prices).all(axis=None)
    assert (prices.min(axis=1) > 0).all()
    assert (prices.max(axis=1) == table["high"]).all()
    assert (table[["volume", "quote_volume"]] > 0).all(axis=None)
