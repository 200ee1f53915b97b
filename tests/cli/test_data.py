"""`bitpredict data` as a user calls it."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.lake import Lake
from bitpredict.storage.raw import RawStore
from tests.support.made_rows import made_candles, midnight


@pytest.fixture
def two_versions(settings: Settings) -> Lake:
    lake = Lake.from_settings(settings)
    for close in (1.0, 2.0):
        lake.replace(CANDLES, made_candles(0, close=close, minutes=10), midnight(), midnight(1))
    return lake


@pytest.mark.usefixtures("two_versions")
def test_versions_are_shown_and_can_be_read_by_a_script(run):
    shown = run("data", "versions", "candles").stdout
    assert "WRITE" in shown
    rows = json.loads(run("data", "versions", "candles", "--json", "--limit", "1").stdout)
    assert [(row["version"], row["rows_added"], row["readable"]) for row in rows] == [(1, 20, True)]


@pytest.mark.usefixtures("two_versions")
def test_a_difference_is_one_line_and_its_days(run):
    result = run("data", "diff", "candles", "0", "1", "--days")
    assert result.stdout.splitlines() == [
        "2023-03-01  0 added, 0 removed, 20 changed",
        "candles 0 to 1: 0 rows added, 0 removed, 20 changed, on 2023-03-01",
    ]
    assert "on 0 days" in run("data", "diff", "candles", "1", "1").stdout


def test_a_version_is_restored_and_gone_back_from(run, two_versions):
    before = two_versions.read(CANDLES, version=0)
    result = run("data", "restore", "candles", "0")
    assert result.stdout == "candles is what it was at version 0; that is version 2, the one before is 1\n"
    assert two_versions.read(CANDLES).equals(before)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["versions", "nonsense"], "'nonsense' is no table of the lake; choose one of binance_candles"),
        (["versions", "price_features"], "no rows of price_features"),
        (["restore", "candles", "7"], "has no version 7"),
        (["diff", "candles", "0", "7"], "has no version 7"),
        (
            ["rebuild", "candles", "--from", "2024-01-01", "--to", "2024-01-02"],
            "choose coin_markets, crypto_news or cryptocompare_candles",
        ),
        (["rebuild", "coin_markets", "--from", "2024-01-01", "--to", "2999-01-02"], "name past days"),
        (["rebuild", "crypto_news", "--from", "2024-01-01", "--to", "2024-01-02"], "nothing is kept"),
    ],
)
@pytest.mark.usefixtures("two_versions")
def test_what_cannot_be_is_one_line(run, arguments, says):
    result = run("data", *arguments)
    assert result.exit_code == 1
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_past_day_is_made_again(run, settings):
    at = datetime.now(UTC) - timedelta(days=2)
    asked = "https://e.com/api/v3/coins/markets?ids=bitcoin%2Cnonsense"
    row = {"id": "bitcoin", "current_price": 7, "last_updated": at.isoformat()}
    sent = SimpleNamespace(status=200, headers={}, url=asked, received_at=at, body=json.dumps([row]).encode())
    RawStore.from_settings(settings).keep("coingecko", asked, sent, at)
    for there, came in ((0, 1), (1, 0)):
        result = run("data", "rebuild", "coin_markets", "--from", at.date(), "--to", at.date())
        assert result.stdout == f"{came} rows came back from 1 answers; {there} were there already\n"
