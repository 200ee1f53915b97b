"""A coin's past: recorded charts, and points that cannot be believed."""

import json
import re
from datetime import UTC, datetime

import pytest

from bitpredict.errors import BadSourceDataError, SourceUnavailableError
from bitpredict.sources.coingecko import CoinGecko
from bitpredict.sources.coingecko_quotes import QUOTE_COLUMNS
from tests.support.archive_server import Answer

ROUTE = "/api/v3/coins/bitcoin/market_chart/range"
START, END = datetime(2021, 5, 14, 14, 45, tzinfo=UTC), datetime(2021, 5, 14, 15, 45, tzinfo=UTC)
FIRST = int(START.timestamp()) * 1000


@pytest.fixture
def history(server, client):
    def ask(answer: dict | bytes):
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        server.scripts[ROUTE] = [Answer(body=body)]
        return CoinGecko(server.url, client()).history("bitcoin", START, END)

    return ask


def test_a_recorded_chart_is_cut_to_the_range_and_known_when_it_came(history, recordings, server):
    cassette = recordings / "api/coingecko/test_that_it_gets_minutely_historical_prices_for_one_coin.yml"
    body = re.search(r"string: '(\{.*\})'", cassette.read_text())[1].encode()
    before = datetime.now(UTC)
    found = history(body)
    sent = json.loads(body)
    within = [n for n, (ms, _) in enumerate(sent["prices"]) if FIRST <= ms < FIRST + 3_600_000]
    assert len(within) > 8
    assert found.oddities == {"point outside the range": 288 - len(within)}
    quotes = found.quotes
    assert list(quotes.columns) == QUOTE_COLUMNS
    for name, key in (("price", "prices"), ("market_cap", "market_caps"), ("total_volume", "total_volumes")):
        assert quotes[name].tolist() == [sent[key][n][1] for n in within]
    milliseconds = quotes["observed_at"].astype("int64") // 1000
    assert milliseconds.tolist() == [sent["prices"][n][0] for n in within]
    assert quotes["known_at"].min() >= before
    assert quotes["high_24h"].isna().all()
    assert server.asked[0].query == {
        "vs_currency": "usd",
        "from": f"{FIRST // 1000}",
        "to": f"{FIRST // 1000 + 3600}",
        "precision": "full",
    }


def test_points_that_cannot_be_believed_are_counted(history):
    at = FIRST
    prices = [
        *([at, None], [at, -1], [at, "x"], [None, 1.0], [1e300, 1.0], [at], 17, None),
        *([at + 60_000, 2.0], [at, 1.0], [at, 1.5], [at - 1, 1.0], [at + 3_600_000, 1.0]),
    ]
    found = history({"prices": prices, "market_caps": [[at, 5.0], [at + 60_000, 1e300]], "total_volumes": "none"})
    assert found.quotes["price"].tolist() == [1.0, 2.0]
    assert found.quotes["market_cap"].isna().tolist() == [False, True]
    assert found.quotes["total_volume"].isna().all()
    assert found.oddities == {
        "point without a believable price": 8,
        "time told twice": 1,
        "point outside the range": 2,
        "unusable market_cap": 1,
    }


def test_a_range_of_which_nothing_is_kept_is_empty(history):
    assert history({"prices": [], "market_caps": [], "total_volumes": []}).quotes.empty


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"prices":{}}', b"null"])
def test_what_is_no_chart_is_refused(history, body):
    with pytest.raises(BadSourceDataError, match="is no chart"):
        history(body)


def test_an_unknown_coin_is_said_to_be_unknown(server, client):
    server.scripts[ROUTE] = [Answer(404, b'{"error":"coin not found"}')]
    with pytest.raises(SourceUnavailableError, match="404: coin not found"):
        CoinGecko(server.url, client()).history("bitcoin", START, END)
