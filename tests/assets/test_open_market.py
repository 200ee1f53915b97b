"""A market whose time goes on: its schedules, and a real tick of `today` on the simulated market."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.compute as pc
import pytest

from bitpredict.market.time import MINUTE, MINUTES_A_DAY, floor_minute, month_of, utc
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.gap_ledger import read_gaps
from bitpredict.storage.lake import Lake
from tests.support.graph import at_home
from tests.support.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, dict[str, Any]]]:
    """The settings and what `tests.support.open_market` reported."""
    start = datetime.now(UTC) - timedelta(days=40)
    environment = {"BITPREDICT_MARKET": "simulated", "BITPREDICT_START": f"{start:%Y-%m-%d}"}
    with at_home(tmp_path_factory.mktemp("open"), **environment) as settings:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.open_market"],
            cwd=ROOT,
            env=os.environ,
            capture_output=True,
            text=True,
            timeout=800,
        )
        assert done.returncode == 0, done.stderr
        yield settings, json.loads(done.stdout)


def test_an_open_market_is_scheduled(market):
    _, report = market
    assert report["schedules"] == {
        "today_schedule": "*/5 * * * *",
        "yesterday_schedule": "20 0 * * *",
        "models_schedule": "40 0 1 * *",
        "repair_schedule": "50 1 * * *",
        "maintenance_schedule": "10 3 * * *",
        "parity_schedule": "40 0 * * *",
        "tick_models_schedule": "50 0 * * *",
    }


def test_what_everything_else_reads_may_be_late(market):
    assert sorted(market[1]["freshness"]) == ["binance_candles", "candles", "feature_table"]


def test_ticks_ask_for_partitions_that_the_calendar_has(market):
    """Dagster refuses a partition that is not there when a tick is evaluated: today is one, and this month."""
    asked = market[1]["asked"]
    for name, partition in (
        ("today_schedule", lambda tick: f"{(tick - MINUTE).date()}"),
        ("yesterday_schedule", lambda tick: f"{(tick - timedelta(days=1)).date()}"),
        ("models_schedule", month_of),
        ("tick_models_schedule", lambda tick: f"{(tick - timedelta(days=1)).date()}"),
        ("maintenance_schedule", lambda _tick: None),
    ):
        (run,) = asked[name]
        assert run["partition"] == partition(datetime.fromisoformat(run["tick"])), name
        assert run["run_key"] == run["tick"]
    assert asked["repair_schedule"] == []


def test_a_tick_of_today_collects_every_minute_that_is_over(market):
    settings, report = market
    assert report["success"]
    day = utc(datetime.fromisoformat(report["asked"]["today_schedule"][0]["partition"] + "T00:00:00+00:00"))
    stored = Lake.from_settings(settings).read(CANDLES)
    assert set(stored["provenance"].to_pylist()) == {"simulated"}
    assert set(stored["symbol"].to_pylist()) == {"BTCUSDT", "ETHUSDT"}
    over = min((floor_minute(datetime.fromisoformat(report["started"])) - day) // MINUTE, MINUTES_A_DAY)
    for symbol in ("BTCUSDT", "ETHUSDT"):  # each by itself: a minute may end between the one's turn and the other's
        times = stored.filter(pc.equal(stored["symbol"], symbol))["open_time"].to_pylist()
        assert min(times) == day
        assert len(times) >= over
        assert (max(times) - min(times)) // MINUTE + 1 == len(times)


def test_minutes_to_come_are_no_gap(market):
    settings, report = market
    assert report["checks"]["complete"]
    assert report["metadata"]["data_gaps"]["missing minutes of these days"] == {"BTCUSDT": 0, "ETHUSDT": 0}
    assert read_gaps(connect(settings)).empty


def test_today_has_features_and_says_why_it_has_no_forecast_yet(market):
    _, report = market
    assert report["checks"]["no_lookahead"]
    features, forecasts = report["metadata"]["feature_table"], report["metadata"]["batch_forecasts"]
    month = report["asked"]["today_schedule"][0]["partition"][:7]
    assert forecasts["rows of the run"] == 0
    assert forecasts["origins without a forecast"] == {f"no models for {month}": features["rows of the run"]}
