"""`coin_markets` and its checks, against a server that answers with recorded bytes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from bitpredict.market.coins import read_coins
from bitpredict.storage.market_table import newest_quotes, read_coins_seen, read_quotes
from tests.support.archive_server import Answer, ArchiveServer, serve
from tests.support.graph import check_alone, run_job
from tests.support.recorded_quotes import recorded_quotes

ROUTE = "/api/v3/coins/markets"
START, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def coingecko(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    """What the graph asks for quotes."""
    with serve() as server:
        monkeypatch.setenv("BITPREDICT_COINGECKO_URL", server.url)
        monkeypatch.setenv("BITPREDICT_HTTP_ATTEMPTS", "1")
        yield server


def quote(coin: str, observed_at: datetime, **changes) -> dict:
    sent = {"id": coin, "current_price": 2.5, "market_cap_rank": 7, "last_updated": observed_at.isoformat()}
    return sent | changes


def answer(observed_at: datetime, **changes: dict) -> Answer:
    """Of every coin of the list, with changes by coin; None: the coin is left out."""
    rows = [
        quote(coin.coin_id, observed_at, **(changes.get(coin.coin_id) or {}))
        for coin in read_coins()
        if changes.get(coin.coin_id, {}) is not None
    ]
    return Answer(body=json.dumps(rows).encode())


def test_recorded_quotes_are_92_of_92(recordings, coingecko, engine):
    now = datetime.now(UTC).replace(microsecond=0)
    body = recorded_quotes(recordings, now)
    coingecko.scripts[ROUTE] = [Answer(body=body)]
    ran = run_job("markets")
    assert ran.success, ran.failures
    said = ran.metadata("coin_markets")
    assert said["coins"] == "92 of 92"
    assert said["missing coins"] == {}
    assert (said["dagster/row_count"], said["new"], said["already there"]) == (92, 92, 0)
    assert said["oddities of the answer"] == {"coin not asked for": 8}
    assert said["source"] == f"coingecko, {coingecko.url}"
    assert said["preview"].splitlines()[-1].startswith("| BTC | Bitcoin | 1 | 42812 | 20")
    assert datetime.fromtimestamp(said["last"], UTC) == now
    assert len(read_coins_seen(engine)) == 92
    stored = newest_quotes(engine).set_index("coin_id")
    assert stored["price"].to_dict() == {
        row["id"]: row["current_price"] for row in json.loads(body) if row["id"] in stored.index
    }
    assert set(stored["provenance"]) == {"observed"}
    assert ran.check("every_coin_told").passed
    assert ran.check("quotes_fresh").passed


@pytest.mark.slow
def test_beside_the_samples_candles_invented_quotes_are_labelled_so_and_fit_its_calendar(engine):
    first, second = run_job("markets"), run_job("markets")
    assert all(check.passed for ran in (first, second) for check in ran.checks.values())
    said, again = first.metadata("coin_markets"), second.metadata("coin_markets")
    assert (said["coins"], said["oddities of the answer"]) == ("92 of 92", {})
    assert said["source"].startswith("sample, ")
    assert (said["new"], again["new"]) == (109 * 92, 0)
    assert set(newest_quotes(engine)["provenance"]) == {"simulated"}
    bitcoin = read_quotes(engine, "bitcoin", datetime(2023, 12, 30, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    assert len(bitcoin) == 109
    assert (bitcoin["known_at"] >= bitcoin["observed_at"]).all()
    assert bitcoin["known_at"].max() < datetime(2024, 1, 1, tzinfo=UTC)
    seen = read_coins_seen(engine)
    assert set(seen["first_seen"]) == {bitcoin["known_at"].min()}
    assert set(seen["last_seen"]) == {bitcoin["known_at"].max()}


@pytest.mark.slow
def test_fresh_quotes_pass_and_the_same_again_adds_nothing(coingecko, engine):
    coingecko.scripts[ROUTE] = [answer(datetime.now(UTC).replace(microsecond=0))] * 2
    first, second = run_job("markets"), run_job("markets")
    assert all(check.passed for ran in (first, second) for check in ran.checks.values())
    assert first.metadata("coin_markets")["new"] == 92
    again = second.metadata("coin_markets")
    assert (again["new"], again["already there"]) == (0, 92)
    assert len(read_quotes(engine, "bitcoin", START, END)) == 1


@pytest.mark.slow
def test_missing_coins_are_reported_with_their_reason_and_fail_the_check(coingecko, engine):
    now = datetime.now(UTC)
    coingecko.scripts[ROUTE] = [
        answer(now - timedelta(minutes=1), tron=None),
        answer(now, bitcoin={"current_price": None}, tron=None),
    ]
    run_job("markets")
    ran = run_job("markets")
    assert ran.success
    said = ran.metadata("coin_markets")
    assert said["coins"] == "90 of 92"
    assert said["missing coins"] == {"bitcoin": "no price", "tron": "not in the answer"}
    assert not ran.check("every_coin_told").passed
    told = ran.check_metadata("every_coin_told")
    assert told["coins"] == "90 of 92"
    assert set(told["missing, last told of"]) == {"bitcoin", "tron"}
    assert told["missing, last told of"]["tron"] == "never"
    assert len(read_quotes(engine, "bitcoin", START, END)) == 1


@pytest.mark.slow
def test_a_quote_of_another_day_is_none_of_this_run(coingecko, engine, monkeypatch):
    now = datetime.now(UTC)
    monkeypatch.setenv("BITPREDICT_COINGECKO_URL", coingecko.url.replace("://", "://u:hush@"))
    coingecko.scripts[ROUTE] = [answer(now, cosmos={"last_updated": "2020-03-12T10:00:00Z"})]
    ran = run_job("markets")
    assert ran.metadata("coin_markets")["missing coins"] == {"cosmos": "stale: last updated 2020-03-12 10:00:00 UTC"}
    assert ran.metadata("coin_markets")["source"] == f"coingecko, {coingecko.url}".replace("://", "://***@")
    assert not ran.check("every_coin_told").passed
    assert read_quotes(engine, "cosmos", START, END).empty


@pytest.mark.slow
def test_a_coin_that_stands_still_at_the_source_is_stale(coingecko):
    now = datetime.now(UTC)
    stuck = (now - timedelta(minutes=16)).isoformat()
    coingecko.scripts[ROUTE] = [answer(now, cosmos={"last_updated": stuck})]
    ran = run_job("markets")
    assert ran.check("every_coin_told").passed
    assert not ran.check("quotes_fresh").passed
    assert set(ran.check_metadata("quotes_fresh")["observed at"]) == {"cosmos"}


@pytest.mark.slow
def test_a_quote_that_stands_out_is_a_warning_and_stays(coingecko, engine):
    now = datetime.now(UTC)
    prices = [2.5, 2.51, 2.5, 9.0, 2.5, 2.51]
    coingecko.scripts[ROUTE] = [
        answer(now - (6 - n) * timedelta(minutes=5), bitcoin={"current_price": price}) for n, price in enumerate(prices)
    ]
    *_, ran = (run_job("markets") for _ in prices)
    check, said = ran.check("no_outlying_quote"), ran.check_metadata("no_outlying_quote")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (said["quotes"], said["outliers"], said["by coin"]) == (92 * 6, 1, {"bitcoin": 1})
    assert read_quotes(engine, "bitcoin", START, END)["price"].tolist() == prices


def test_checks_alone_on_an_empty_database_fail():
    ran = check_alone("coin_markets")
    assert not ran.check("every_coin_told").passed
    assert not ran.check("quotes_fresh").passed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "says"),
    [
        pytest.param(Answer(500), "failed (500)", id="500"),
        pytest.param(Answer(429, headers={"Retry-After": "900"}), "asked to wait 900 s", id="429"),
        pytest.param(
            Answer(body=b'{"status":{"error_code":429,"error_message":"Rate Limit"}}'),
            "Rate Limit",
            id="200 and a limit",
        ),
        pytest.param(Answer(body=b"{}"), "no list of markets", id="no list"),
        pytest.param(Answer(body=b"[]"), "0 of 92 coins have a quote", id="nothing of any coin"),
    ],
)
def test_a_source_that_fails_makes_a_failed_run_and_changes_nothing(sent, says, coingecko, engine):
    coingecko.scripts[ROUTE] = [answer(datetime.now(UTC)), sent]
    run_job("markets")
    before = newest_quotes(engine)
    ran = run_job("markets")
    assert not ran.success
    assert says in ran.failures["coin_markets"]
    assert ran.materialized == {}
    assert newest_quotes(engine).equals(before)


@pytest.mark.slow
def test_the_users_own_list_is_what_is_asked_for(coingecko, settings):
    settings.home.mkdir()
    settings.own_coins_file.write_text("coin_id,symbol,name\nbitcoin,BTC,Bitcoin\nxyz,XYZ,Unknown\n")
    coingecko.scripts[ROUTE] = [answer(datetime.now(UTC))]
    ran = run_job("markets")
    assert coingecko.asked[0].query["ids"] == "bitcoin,xyz"
    assert ran.metadata("coin_markets")["coins"] == "1 of 2"
    assert ran.check_metadata("every_coin_told")["coins"] == "1 of 2"
