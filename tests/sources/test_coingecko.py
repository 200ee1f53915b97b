"""CoinGecko's quotes: recorded answers, and everything that can be wrong with one."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bitpredict.errors import BadSourceDataError, RateLimitedError, SourceUnavailableError
from bitpredict.market.coins import read_coins
from bitpredict.settings import Settings
from bitpredict.sources.coingecko import CoinGecko, Markets
from bitpredict.sources.coingecko_quotes import QUOTE_COLUMNS
from bitpredict.sources.http import Reply
from tests.support.archive_server import Answer

MARKETS = "/api/v3/coins/markets"
NOW = datetime.now(UTC)
OBSERVED = (NOW - timedelta(minutes=3)).isoformat()
RECORDED_AT = datetime(2024, 1, 14, 19, 52, tzinfo=UTC)


def row(coin: str, **changes) -> dict:
    """A row as CoinGecko sends it."""
    sent = {
        "id": coin,
        "symbol": coin[:3],
        "name": coin.title(),
        "current_price": 42812.5,
        "market_cap": 839172444303,
        "market_cap_rank": 1,
        "total_volume": 13176759389,
        "high_24h": 43088,
        "low_24h": 42553,
        "circulating_supply": 19598775.0,
        "last_updated": OBSERVED,
    }
    return sent | changes


class Recording:
    """Answers as it was answered at the time."""

    def __init__(self, body: bytes, received_at: datetime) -> None:
        self._body, self._received_at = body, received_at
        self.asked: list[tuple] = []

    def get(self, url, params=None, **_) -> Reply:
        self.asked.append((url, params))
        return Reply(200, {}, self._body, self._received_at, url)


@pytest.fixture
def markets(server, client) -> Callable[..., Markets]:
    """What is made of an answer: of rows, or of a body as it is."""

    def ask(answer: list | bytes, coins: tuple[str, ...] = ("bitcoin", "tether"), **changes) -> Markets:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        server.scripts[MARKETS] = [Answer(body=body)]
        return CoinGecko(server.url, client(**changes)).markets(coins)

    return ask


def test_recorded_quotes_keep_every_digit(recordings):
    body = (recordings / "api/coingecko/markets_100.json").read_bytes()
    client = Recording(body, RECORDED_AT)
    coins = [coin.coin_id for coin in read_coins()]
    found = CoinGecko("https://e.com/", client).markets(coins)
    assert (len(found.quotes), found.missing, found.oddities) == (92, {}, {"coin not asked for": 8})
    assert list(found.quotes.columns) == QUOTE_COLUMNS
    assert found.received_at == RECORDED_AT
    recorded = {each["id"]: each for each in json.loads(body)}
    for quote in found.quotes.to_dict("records"):
        sent = recorded[quote["coin_id"]]
        assert quote["price"] == sent["current_price"]
        assert quote["market_cap"] == sent["market_cap"]
        assert quote["total_volume"] == sent["total_volume"]
        assert quote["circulating_supply"] == sent["circulating_supply"]
        assert quote["market_cap_rank"] == sent["market_cap_rank"]
        assert quote["observed_at"] == datetime.fromisoformat(sent["last_updated"])
        assert quote["known_at"] == found.received_at
        assert (quote["high_24h"], quote["low_24h"]) == (sent["high_24h"], sent["low_24h"])
    asked = {"vs_currency": "usd", "ids": ",".join(coins), "per_page": 250, "precision": "full"}
    assert client.asked == [("https://e.com/api/v3/coins/markets", asked)]


def test_quotes_are_known_when_the_answer_came(markets):
    before = datetime.now(UTC)
    found = markets([row("bitcoin"), row("tether")])
    assert before <= found.received_at <= datetime.now(UTC)


def test_more_coins_than_one_answer_holds_are_asked_for_in_pages(server, client):
    server.routes[MARKETS] = lambda query: Answer(
        body=json.dumps([row(coin) for coin in query["ids"].split(",")]).encode()
    )
    coins = [f"coin-{number:03}" for number in range(501)]
    found = CoinGecko(server.url, client()).markets(coins)
    assert found.quotes["coin_id"].tolist() == coins
    assert [len(request.query["ids"].split(",")) for request in server.asked] == [250, 250, 1]
    assert set(found.quotes["known_at"]) == {found.received_at}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"current_price": None}, "no price", id="null price"),
        pytest.param({"current_price": 0}, "no believable price: '0'", id="zero"),
        pytest.param({"current_price": -1.5}, "no believable price", id="negative"),
        pytest.param({"current_price": "n/a"}, "no believable price: 'n/a'", id="text"),
        pytest.param({"current_price": "1_000"}, "no believable price", id="a number only to Python"),
        pytest.param({"current_price": "1,000.5"}, "no believable price", id="thousands separated"),
        pytest.param({"current_price": True}, "no believable price", id="true"),
        pytest.param({"current_price": [1]}, "no believable price", id="list"),
        pytest.param({"current_price": float("nan")}, "no believable price: 'nan'", id="not a number"),
        pytest.param({"current_price": float("inf")}, "no believable price", id="infinite"),
        pytest.param({"current_price": 10**400}, "no believable price", id="beyond all numbers"),
        pytest.param({"current_price": 1e-30}, "no believable price", id="nothing that a column could hold"),
        pytest.param({"last_updated": None}, "no time of observation", id="no time"),
        pytest.param({"last_updated": "2024-01-14T19:50:46"}, "no time of observation", id="a time without a zone"),
        pytest.param({"last_updated": "yesterday"}, "no time of observation: 'yesterday'", id="no instant"),
        pytest.param({"last_updated": 1705261846}, "no time of observation", id="a number as a time"),
        pytest.param({"last_updated": "9999-12-31T23:59:59-14:00"}, "no time of observation", id="after all times"),
        pytest.param(
            {"last_updated": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, "observed in the future", id="future"
        ),
    ],
)
def test_a_quote_that_cannot_be_believed_is_a_missing_one(markets, changes, why):
    found = markets([row("bitcoin", **changes), row("tether")])
    assert found.quotes["coin_id"].tolist() == ["tether"]
    assert list(found.missing) == ["bitcoin"]
    assert found.missing["bitcoin"].startswith(why)


def test_a_number_sent_as_text_is_that_number(markets):
    found = markets([row("bitcoin", current_price="0.00000063363", market_cap="8.5e3"), row("tether")])
    assert found.quotes["price"].tolist() == [6.3363e-07, 42812.5]
    assert found.quotes["market_cap"].tolist() == [8500.0, 839172444303.0]
    assert found.oddities == {}


def test_what_is_not_told_is_null_and_what_is_absurd_is_counted(markets):
    absent = {"market_cap": None, "circulating_supply": None, "market_cap_rank": None}
    absurd = {"market_cap": -1, "high_24h": "high", "market_cap_rank": 1.5}
    found = markets([row("bitcoin", **absent), row("tether", **absurd)])
    assert found.missing == {}
    assert found.quotes["market_cap"].isna().tolist() == [True, True]
    assert found.quotes["market_cap_rank"].isna().tolist() == [True, True]
    assert found.quotes["high_24h"].isna().tolist() == [False, True]
    assert found.oddities == {
        "unusable market_cap": 1,
        "unusable high_24h": 1,
        "unusable market_cap_rank": 1,
    }


@pytest.mark.parametrize(
    ("changes", "lost", "counted"),
    [
        ({"market_cap": 1e300}, {"market_cap"}, {"unusable market_cap": 1}),
        ({"total_volume": 1e16, "circulating_supply": 1e30}, None, None),
        ({"high_24h": 1, "low_24h": 9}, {"high_24h", "low_24h"}, {"high_24h below low_24h": 1}),
        ({"high_24h": 1e14}, {"high_24h"}, {"unusable high_24h": 1}),
        ({"low_24h": 0}, {"low_24h"}, {"unusable low_24h": 1}),
        ({"high_24h": 5, "low_24h": 5}, set(), {}),
    ],
)
def test_an_amount_beyond_belief_is_null_and_counted(markets, changes, lost, counted):
    found = markets([row("bitcoin", **changes), row("tether")])
    (bitcoin, tether) = found.quotes[QUOTE_COLUMNS].isna().to_dict("records")
    assert {name for name, missing in bitcoin.items() if missing} == (set(changes) if lost is None else lost)
    assert found.oddities == (dict.fromkeys((f"unusable {name}" for name in changes), 1) if lost is None else counted)
    assert not any(tether.values())


@pytest.mark.parametrize(
    ("age", "missing"),
    [
        (timedelta(hours=23), {}),
        (timedelta(hours=25), {"bitcoin": f"stale: last updated {NOW - timedelta(hours=25):%Y-%m-%d %H:%M:%S} UTC"}),
    ],
)
def test_a_quote_older_than_a_day_is_stale(markets, age, missing):
    found = markets([row("bitcoin", last_updated=(NOW - age).isoformat()), row("tether")])
    assert found.missing == missing


class TestCoinsToldTwice:
    def test_the_same_again_is_one_quote(self, markets):
        found = markets([row("bitcoin"), row("bitcoin"), row("tether")])
        assert len(found.quotes) == 2
        assert found.oddities == {"coin told twice": 1}

    def test_the_newer_is_kept_whichever_comes_first(self, markets):
        older, newer = row("bitcoin"), row("bitcoin", current_price=43000, last_updated=NOW.isoformat())
        for answer in ([older, newer], [newer, older]):
            assert markets(answer, ("bitcoin",)).quotes["price"].tolist() == [43000.0]

    def test_two_prices_at_the_same_time_are_none(self, markets):
        found = markets([row("bitcoin"), row("bitcoin", current_price=1.0), row("tether")])
        assert found.missing == {"bitcoin": "two prices at the same time"}

    def test_a_good_one_counts_beside_a_bad_one(self, markets):
        for answer in ([row("bitcoin", current_price=None), row("bitcoin")], [row("bitcoin"), row("bitcoin", id=7)]):
            assert markets(answer, ("bitcoin",)).missing == {}


def test_a_coin_that_is_not_in_the_answer_is_missing(markets):
    found = markets([row("tether"), 17, None, {"id": None}, row("dogwifhat")])
    assert found.missing == {"bitcoin": "not in the answer"}
    assert found.oddities == {"row without a coin": 3, "coin not asked for": 1}


def test_an_empty_answer_is_every_coin_missing(markets):
    found = markets([])
    assert found.missing == dict.fromkeys(("bitcoin", "tether"), "not in the answer")
    assert found.quotes.empty
    assert list(found.quotes.columns) == QUOTE_COLUMNS


LIMITED = {"status": {"error_code": 429, "error_message": "You've exceeded the Rate Limit."}}


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        pytest.param(
            Answer(body=json.dumps(LIMITED).encode()),
            RateLimitedError,
            r"exceeded the Rate Limit\.; ask less often, or set BITPREDICT_COINGECKO_KEY",
            id="a limit reported with 200",
        ),
        pytest.param(
            Answer(body=json.dumps({"error": LIMITED}).encode()), RateLimitedError, "Rate Limit", id="the same, nested"
        ),
        pytest.param(
            Answer(body=b'{"status":{"error_code":10002,"error_message":"API Key Missing"}}'),
            SourceUnavailableError,
            r"refuses \(10002: API Key Missing\)",
            id="no key, with 200",
        ),
        pytest.param(
            Answer(body=b'{"error":"coin not found"}'), SourceUnavailableError, "coin not found", id="error with 200"
        ),
        pytest.param(
            Answer(400, b'{"error":"invalid vs_currency"}'),
            SourceUnavailableError,
            "400: invalid vs_currency",
            id="400",
        ),
        pytest.param(Answer(400, b"<html>"), SourceUnavailableError, r"\(400\)", id="400 with a page"),
        pytest.param(Answer(404, b"[]"), SourceUnavailableError, r"refused \(404\)", id="404"),
        pytest.param(Answer(401, b'{"status":{"error_code":10002}}'), SourceUnavailableError, "401", id="401"),
        pytest.param(Answer(429, headers={"Retry-After": "200"}), RateLimitedError, "wait 200 s", id="429"),
        pytest.param(Answer(429), RateLimitedError, "too many requests", id="429 for ever"),
        pytest.param(Answer(500), SourceUnavailableError, r"failed \(500\) \(3 attempts\)", id="500 for ever"),
        pytest.param(Answer(body=b"[]", delay=60), SourceUnavailableError, "no answer within 0.2 s", id="slow"),
        pytest.param(
            Answer(body=b"[" + b" " * 99 + b"]", drip=0.05), SourceUnavailableError, "longer than 0.5 s", id="drips"
        ),
        pytest.param(Answer(body=b"[[]", cut_after=1), SourceUnavailableError, "broke off", id="cut off"),
        pytest.param(Answer(body=b"<html>hello"), BadSourceDataError, "is no JSON: b'<html>hello'", id="a page"),
        pytest.param(Answer(body=b""), BadSourceDataError, "is no JSON", id="nothing"),
        pytest.param(Answer(body=b"[" * 100_000), BadSourceDataError, "is no JSON", id="nested without end"),
        pytest.param(Answer(body=b"\xff\xfe["), BadSourceDataError, "is no JSON", id="no text"),
        pytest.param(Answer(body=b'{"bitcoin":{"usd":1}}'), BadSourceDataError, "no list of markets", id="object"),
        pytest.param(Answer(body=b"null"), BadSourceDataError, "no list of markets", id="null"),
        pytest.param(Answer(body=b'{"status":"ok"}'), BadSourceDataError, "no list of markets", id="another object"),
    ],
)
def test_bad_answers_are_errors_with_their_reason(answer, error, says, server, client):
    server.scripts[MARKETS] = [answer] * 3
    patience = {"timeout": 0.2} if answer.delay else {"deadline": 0.5} if answer.drip else {}
    with pytest.raises(error, match=says):
        CoinGecko(server.url, client(**patience)).markets(["bitcoin"])


def test_it_waits_as_long_as_it_is_asked_and_goes_on(server, client):
    server.scripts[MARKETS] = [
        Answer(429, headers={"Retry-After": "0.3"}),
        Answer(500),
        Answer(body=json.dumps([row("bitcoin")]).encode()),
    ]
    assert CoinGecko(server.url, client()).markets(["bitcoin"]).missing == {}
    first, second, _ = (request.at for request in server.asked)
    assert second - first >= 0.3


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        pytest.param({}, {}, id="no key"),
        pytest.param({"KEY": "secret"}, {"x-cg-demo-api-key": "secret"}, id="free"),
        pytest.param({"KEY": " secret\n", "PLAN": "pro"}, {"x-cg-pro-api-key": "secret"}, id="pro"),
    ],
)
def test_the_key_goes_into_its_plans_header_and_into_no_address(environment, sent, server, monkeypatch):
    for name, value in {"URL": server.url, **environment}.items():
        monkeypatch.setenv(f"BITPREDICT_COINGECKO_{name}", value)
    server.scripts[MARKETS] = [Answer(body=json.dumps([row("bitcoin")]).encode())]
    CoinGecko.from_settings(Settings()).markets(["bitcoin"])
    (asked,) = server.asked
    assert {name: value for name, value in asked.headers.items() if name.startswith("x-cg")} == sent
    assert "secret" not in asked.query.values()


@pytest.mark.parametrize(
    ("plan", "host"), [("free", "https://api.coingecko.com"), ("pro", "https://pro-api.coingecko.com")]
)
def test_each_plan_has_its_address(plan, host):
    assert Settings(coingecko_plan=plan).coingecko == host
