"""`coin_history`: past quotes by day, beside what was collected."""

import json
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from bitpredict.market.coins import Coin
from bitpredict.settings import Settings
from bitpredict.sources import coingecko as source
from bitpredict.sources.circuits import FOLDER
from bitpredict.storage.database import connect
from bitpredict.storage.market_table import read_coins_seen, read_quotes, write_quotes
from tests.storage.test_market_table import quotes
from tests.support.archive_server import Answer, ArchiveServer, serve
from tests.support.graph import QUIET, Ran, defs, shared_instance

START = datetime(2024, 3, 5, tzinfo=UTC)
DAY = timedelta(days=1)
COINS = [Coin("bitcoin", "BTC", "Bitcoin"), Coin("sats", "SATS", "SATS (Ordinals)"), Coin("new", "NEW", "New")]


def chart(query: Mapping[str, str], price: float) -> Answer:
    """A point an hour, as CoinGecko has them, from the hour before the range to that after it."""
    start, end = int(query["from"]) * 1000, int(query["to"]) * 1000
    hour = 3_600_000
    points = [[at, price + number] for number, at in enumerate(range(start - hour, end + hour, hour))]
    return Answer(body=json.dumps({"prices": points, "market_caps": points, "total_volumes": []}).encode())


@pytest.fixture
def coingecko(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[ArchiveServer]:
    """A list of three coins, of which two have been seen; the source has the past of both."""
    settings.home.mkdir()
    lines = [f"{coin.coin_id},{coin.symbol},{coin.name}" for coin in COINS]
    settings.own_coins_file.write_text("\n".join(["coin_id,symbol,name", *lines]))
    monkeypatch.setattr(source, "_INTERVALS", {"free": 0.0})
    with serve() as server:
        for coin in ("bitcoin", "sats"):
            server.routes[f"/api/v3/coins/{coin}/market_chart/range"] = lambda query: chart(query, 100.0)
        monkeypatch.setenv("BITPREDICT_COINGECKO_URL", server.url)
        monkeypatch.setenv("BITPREDICT_HTTP_ATTEMPTS", "1")
        engine = connect(settings)
        write_quotes(engine, COINS, quotes(("bitcoin", START, 7.0), ("sats", START, 7.0)), source="coingecko")
        engine.dispose()
        yield server


def run(first: datetime, last: datetime) -> Ran:
    job = dg.define_asset_job("history", selection=dg.AssetSelection.assets("coin_history"))
    definition = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def(job.name)
    tags: dict[str, Any] = {
        ASSET_PARTITION_RANGE_START_TAG: f"{first.date()}",
        ASSET_PARTITION_RANGE_END_TAG: f"{last.date()}",
    }
    return Ran.of(
        definition.execute_in_process(run_config=QUIET, instance=shared_instance(), raise_on_error=False, tags=tags)
    )


@pytest.mark.slow
def test_a_range_of_days_is_one_question_a_coin_and_twice_is_once(coingecko, engine):
    seen = read_coins_seen(engine)
    ran = run(START, START + DAY)
    assert ran.success, ran.failures
    said = ran.metadata("coin_history")
    assert said["coins"] == "2 of 3"
    assert said["missing coins"] == {"new": "never seen: materialize coin_markets first"}
    assert (said["rows of the run"], said["new"], said["already there"]) == (96, 94, 2)
    assert said["oddities of the answers"] == {"point outside the range": 4}
    assert ran.row_counts("coin_history") == {"2024-03-05": 48, "2024-03-06": 48}
    assert [request.path.split("/")[4] for request in coingecko.asked] == ["bitcoin", "sats"]
    stored = read_quotes(engine, "sats", START, START + 2 * DAY)
    assert stored["price"].tolist() == [7.0, *(101.0 + hour for hour in range(1, 48))]
    assert (stored["known_at"].iloc[1:] > START + 2 * DAY).all()
    assert run(START, START + DAY).metadata("coin_history")["new"] == 0
    assert read_coins_seen(engine).equals(seen)


def test_a_coin_that_is_refused_holds_no_other(coingecko):
    coingecko.scripts["/api/v3/coins/bitcoin/market_chart/range"] = [Answer(404, b'{"error":"coin not found"}')]
    said = run(START, START).metadata("coin_history")
    assert said["coins"] == "1 of 3"
    assert "coin not found" in said["missing coins"]["bitcoin"]


@pytest.mark.slow
def test_a_limit_ends_the_run_and_what_came_before_stays(coingecko, engine, settings):
    coingecko.scripts["/api/v3/coins/sats/market_chart/range"] = [Answer(429, headers={"Retry-After": "900"})]
    ran = run(START, START)
    assert "asked to wait 900 s" in ran.failures["coin_history"]
    assert len(read_quotes(engine, "bitcoin", START, START + DAY)) == 24
    asked = len(coingecko.asked)
    assert "is not asked until" in run(START, START).failures["coin_history"]
    assert len(coingecko.asked) == asked, "the next run keeps to the pause"
    shutil.rmtree(settings.home / FOLDER)
    assert run(START, START).metadata("coin_history")["coins"] == "2 of 3"


def test_days_without_any_quote_are_a_failed_run(coingecko):
    for coin in ("bitcoin", "sats"):
        coingecko.scripts[f"/api/v3/coins/{coin}/market_chart/range"] = [Answer(body=b'{"prices":[]}')]
    ran = run(START, START)
    assert "0 of 3 coins have quotes of these days" in ran.failures["coin_history"]
    assert ran.materialized == {}
