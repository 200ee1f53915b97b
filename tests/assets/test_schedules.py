"""Which partitions a tick of each schedule asks for."""

import re
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from bitpredict.features.outside import BREADTH_DELAY, SENTIMENT_DELAY
from bitpredict.market.gaps import Gap
from bitpredict.market.time import DAY, MINUTE
from bitpredict.storage.gap_ledger import reconcile
from bitpredict_assets import schedules
from bitpredict_assets.resources import Platform


def at(*moment: int) -> dg.ScheduleEvaluationContext:
    return dg.build_schedule_context(scheduled_execution_time=datetime(*moment, tzinfo=UTC))


@pytest.mark.parametrize(
    ("schedule", "moment", "partition"),
    [
        pytest.param(schedules.today_schedule, (2024, 3, 5, 14, 35), "2024-03-05", id="today"),
        pytest.param(
            schedules.today_schedule,
            (2024, 3, 5, 0, 0),
            "2024-03-04",
            id="the minute that just closed belongs to yesterday",
        ),
        pytest.param(schedules.today_schedule, (2024, 3, 5, 0, 5), "2024-03-05", id="five past midnight"),
        pytest.param(schedules.today_schedule, (2024, 1, 1, 0, 0), "2023-12-31", id="midnight of a new year"),
        pytest.param(schedules.yesterday_schedule, (2024, 3, 1, 0, 20), "2024-02-29", id="yesterday, a leap day"),
        pytest.param(schedules.models_schedule, (2024, 3, 1, 0, 40), "2024-03-01", id="the month that begins"),
        pytest.param(schedules.tick_models_schedule, (2024, 3, 1, 0, 50), "2024-02-29", id="yesterday's ticks"),
        pytest.param(schedules.maintenance_schedule, (2024, 3, 5, 3, 10), None, id="maintenance has no partition"),
        pytest.param(schedules.database_backup_schedule, (2024, 3, 5, 2, 30), None, id="a backup has no partition"),
        pytest.param(schedules.coin_markets_schedule, (2024, 3, 5, 14, 35), None, id="quotes have no partition"),
        pytest.param(schedules.crypto_news_schedule, (2024, 3, 5, 14, 45), "2024-03-05", id="what the news say today"),
    ],
)
def test_a_tick_asks_for_its_partition_once(schedule, moment, partition):
    asked, again = schedule(at(*moment)), schedule(at(*moment))
    assert asked.partition_key == partition
    assert asked.run_key == again.run_key == datetime(*moment, tzinfo=UTC).isoformat()


def test_the_first_round_of_news_looks_at_the_day_before_once_more():
    asked = schedules.crypto_news_schedule(at(2024, 3, 1, 0, 0))
    assert asked.partition_key is None
    assert asked.tags["dagster/asset_partition_range_start"] == "2024-02-29"
    assert asked.tags["dagster/asset_partition_range_end"] == "2024-03-01"
    assert asked.run_key == "2024-03-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("schedule", "delay"),
    [
        pytest.param(schedules.crypto_news_schedule, SENTIMENT_DELAY, id="sentiment"),
        pytest.param(schedules.today_schedule, BREADTH_DELAY, id="breadth"),
    ],
)
def test_a_row_from_outside_is_stored_before_it_counts_even_if_a_round_fails(schedule, delay):
    """The next round, and five minutes that it may take."""
    every = re.fullmatch(r"\*/(\d+) \* \* \* \*", schedule.cron_schedule)
    assert delay == int(every[1]) * MINUTE + 5 * MINUTE


def test_the_live_lane_is_checked_when_its_day_is_over():
    asked = schedules.parity_schedule(at(2024, 3, 1, 0, 40))
    assert asked.run_config == {"ops": {"streamed_trades_parity": {"config": {"day": "2024-02-29"}}}}


def test_ticks_of_a_day_have_run_keys_of_their_own():
    ticks = [datetime(2024, 3, 5, tzinfo=UTC) + i * timedelta(minutes=5) for i in range(288)]
    keys = {
        schedules.today_schedule(dg.build_schedule_context(scheduled_execution_time=tick)).run_key for tick in ticks
    }
    assert len(keys) == 288


NOW = (2024, 3, 25, 1, 50)
MIDNIGHT = datetime(2024, 3, 25, tzinfo=UTC)


def gap(days_ago: float, minutes: int = 80) -> Gap:
    start = MIDNIGHT - days_ago * DAY
    return Gap(start, start + timedelta(minutes=minutes))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gaps", "ranges"),
    [
        pytest.param([gap(20)], [("2024-03-05", "2024-03-13")], id="to the last day whose windows reach it"),
        pytest.param([gap(3)], [("2024-03-22", "2024-03-25")], id="not beyond today"),
        pytest.param([gap(20), gap(14.5)], [("2024-03-05", "2024-03-18")], id="overlapping ranges are one run"),
        pytest.param(
            [gap(25), gap(5)],
            [("2024-02-29", "2024-03-08"), ("2024-03-20", "2024-03-25")],
            id="distant ranges are two runs",
        ),
        pytest.param([gap(40), gap(20)], [("2024-03-05", "2024-03-13")], id="one of long ago is given up"),
    ],
)
def test_the_repair_asks_for_every_day_whose_windows_reach_a_gap(engine, gaps, ranges):
    start, end = MIDNIGHT - 60 * DAY, MIDNIGHT
    reconcile(engine, "ETHUSDT", "binance", start, end, gaps, now=MIDNIGHT)
    asked = list(schedules.repair_schedule(at(*NOW), platform=Platform()))
    assert [
        (run.tags["dagster/asset_partition_range_start"], run.tags["dagster/asset_partition_range_end"])
        for run in asked
    ] == ranges
    assert len({run.run_key for run in asked}) == len(ranges)
    tomorrow = list(schedules.repair_schedule(at(2024, 3, 26, 1, 50), platform=Platform()))
    assert not {run.run_key for run in asked} & {run.run_key for run in tomorrow}


def test_gaps_that_are_repaired_are_not_fetched_again(engine):
    start, end = MIDNIGHT - 10 * DAY, MIDNIGHT
    reconcile(engine, "ETHUSDT", "binance", start, end, [gap(3)], now=MIDNIGHT)
    reconcile(engine, "ETHUSDT", "binance", start, end, [], now=MIDNIGHT)
    (answer,) = schedules.repair_schedule(at(*NOW), platform=Platform())
    assert isinstance(answer, dg.SkipReason)
    assert answer.skip_message == "no open gap of the last 30 days"


WATCHING = ["coin_markets_schedule", "crypto_news_schedule"]


@pytest.mark.parametrize(
    ("market", "names"),
    [
        ("sample", []),
        ("coinbase", ["maintenance_schedule", "parity_schedule", "tick_models_schedule", *WATCHING]),
        (
            "archive",
            [
                *("yesterday_schedule", "models_schedule", "repair_schedule", "maintenance_schedule"),
                *WATCHING,
            ],
        ),
        (
            "binance",
            [
                *("today_schedule", "yesterday_schedule", "models_schedule", "repair_schedule"),
                *("maintenance_schedule", "parity_schedule", "tick_models_schedule", *WATCHING),
            ],
        ),
    ],
)
def test_only_what_the_market_has_is_scheduled(monkeypatch, market, names):
    monkeypatch.setenv("BITPREDICT_MARKET", market)
    assert [schedule.name for schedule in schedules.for_this_market()] == names


def test_posts_are_asked_for_only_with_a_token(monkeypatch):
    monkeypatch.setenv("BITPREDICT_X_TOKEN", "secret")
    monkeypatch.setenv("BITPREDICT_MARKET", "coinbase")
    assert [schedule.name for schedule in schedules.for_this_market()][-1] == "tweets_schedule"
    monkeypatch.setenv("BITPREDICT_MARKET", "sample")
    assert schedules.for_this_market() == []
    asked = schedules.tweets_schedule(at(2024, 3, 5, 14, 45))
    assert (asked.partition_key, asked.run_key) == (None, "2024-03-05T14:45:00+00:00")


def test_without_any_gap_there_is_nothing_to_repair():
    (answer,) = schedules.repair_schedule(at(*NOW), platform=Platform())
    assert isinstance(answer, dg.SkipReason)


@pytest.mark.parametrize(("market", "times"), [("sample", 0), ("binance", 1), ("archive", 1), ("coinbase", 1)])
def test_backups_are_scheduled_where_a_place_for_them_is_set(monkeypatch, market, times):
    monkeypatch.setenv("BITPREDICT_MARKET", market)
    monkeypatch.setenv("BITPREDICT_BACKUP_URL", "/backups")
    names = [schedule.name for schedule in schedules.for_this_market()]
    assert names.count("database_backup_schedule") == times
