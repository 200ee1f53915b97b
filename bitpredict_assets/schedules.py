"""The cadence of an open market. The sample's calendar has ended, so nothing is scheduled on it."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from bitpredict.market.gaps import days_to_repair
from bitpredict.market.time import MINUTE
from bitpredict.settings import load_settings
from bitpredict.storage.gap_ledger import read_gaps
from bitpredict_assets import jobs
from bitpredict_assets.partitions import LOOKBACK_DAYS
from bitpredict_assets.resources import Platform

REPAIRED_FOR = timedelta(days=30)
"""A gap older than this is not fetched again by itself; the repair job can still be launched by hand."""

RUNNING = dg.DefaultScheduleStatus.RUNNING
_DAY_IS_COMPLETE = "20 12 * * *" if load_settings().market == "archive" else "20 0 * * *"
"""The archive publishes a day in the course of the next one."""


def _range(first: str, last: str) -> dict[str, str]:
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


@dg.schedule(
    job=jobs.today,
    cron_schedule="*/5 * * * *",
    default_status=RUNNING,
    description="Prices to forecasts of the current day. The minute that just closed belongs to it.",
)
def today_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    tick = context.scheduled_execution_time
    return dg.RunRequest(partition_key=(tick - MINUTE).strftime("%Y-%m-%d"), run_key=tick.isoformat())


@dg.schedule(
    job=jobs.prices_and_features,
    cron_schedule=_DAY_IS_COMPLETE,
    default_status=RUNNING,
    description="Yesterday once more when it is complete: its last minutes, and candles that came late.",
)
def yesterday_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return _of_yesterday(context)


@dg.schedule(
    job=jobs.models,
    cron_schedule="40 0 1 * *",
    default_status=RUNNING,
    description="The new month's models, trained on what came before it.",
)
def models_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    tick = context.scheduled_execution_time
    return dg.RunRequest(partition_key=tick.strftime("%Y-%m-01"), run_key=tick.isoformat())


@dg.schedule(
    job=jobs.repair,
    cron_schedule="50 1 * * *",
    default_status=RUNNING,
    description="Fetch recent open gaps again, with every day whose windows reach them.",
)
def repair_schedule(
    context: dg.ScheduleEvaluationContext, platform: dg.ResourceParam[Platform]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    tick = context.scheduled_execution_time
    gaps = read_gaps(platform.engine, status="open")
    recent = gaps[gaps["start"] >= tick - REPAIRED_FOR]
    ranges = days_to_repair(list(zip(recent["start"], recent["end"], strict=True)), LOOKBACK_DAYS, tick)
    if not ranges:
        yield dg.SkipReason(f"no open gap of the last {REPAIRED_FOR.days} days")
    for first, last in ranges:
        yield dg.RunRequest(tags=_range(f"{first}", f"{last}"), run_key=f"{first}/{last}@{tick.date()}")


@dg.schedule(
    job=jobs.maintenance,
    cron_schedule="10 3 * * *",
    default_status=RUNNING,
    description="Compact and vacuum the lake.",
)
def maintenance_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


@dg.schedule(
    job=jobs.backup,
    cron_schedule="30 2 * * *",
    default_status=RUNNING,
    description="Save the database and the lake.",
)
def database_backup_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


@dg.schedule(
    job=jobs.parity,
    cron_schedule="40 0 * * *",
    default_status=RUNNING,
    description="Yesterday of the live lane against what batch makes of it.",
)
def parity_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    tick = context.scheduled_execution_time
    day = f"{(tick - timedelta(days=1)).date()}"
    check = {"ops": {"streamed_trades_parity": {"config": {"day": day}}}}
    return dg.RunRequest(run_key=tick.isoformat(), run_config=check)


@dg.schedule(
    job=jobs.tick_models,
    cron_schedule="50 0 * * *",
    default_status=RUNNING,
    description="Models of the minute ahead, trained on yesterday's ticks.",
)
def tick_models_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return _of_yesterday(context)


@dg.schedule(
    job=jobs.markets,
    cron_schedule="*/5 * * * *",
    default_status=RUNNING,
    description="The current quote of every coin of the list.",
)
def coin_markets_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


@dg.schedule(
    job=jobs.news_today,
    cron_schedule="*/15 * * * *",
    default_status=RUNNING,
    description="What is new in the feeds of the list, what it says, and the hours that are over.",
)
def crypto_news_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """The day's first round looks at the day before once more, whose last rounds may have failed."""
    tick = context.scheduled_execution_time
    first, today = (f"{moment:%Y-%m-%d}" for moment in (tick - MINUTE, tick))
    if first != today:
        return dg.RunRequest(tags=_range(first, today), run_key=tick.isoformat())
    return dg.RunRequest(partition_key=today, run_key=tick.isoformat())


@dg.schedule(
    job=jobs.posts,
    cron_schedule="*/15 * * * *",
    default_status=RUNNING,
    description="What is new on X.",
)
def tweets_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


def _of_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    tick = context.scheduled_execution_time
    return dg.RunRequest(partition_key=(tick - timedelta(days=1)).strftime("%Y-%m-%d"), run_key=tick.isoformat())


def for_this_market() -> list[dg.ScheduleDefinition]:
    """None where the calendar has ended; none of today where a day is published after it is over; where there are no
    candles to collect the upkeep alone. What others publish is not asked for beside a market that is made up. Backups
    where a place for them is set."""
    settings = load_settings()
    if settings.calendar()[1] is not None:
        return []
    watching = [coin_markets_schedule, crypto_news_schedule] if settings.watches_the_world else []
    if watching and settings.x_token.get_secret_value():
        watching.append(tweets_schedule)
    upkeep = [maintenance_schedule, *([database_backup_schedule] if settings.backup_url else [])]
    live = [parity_schedule, tick_models_schedule]
    if settings.market == "coinbase":
        return [*upkeep, *live, *watching]
    later = [yesterday_schedule, models_schedule, repair_schedule, *upkeep]
    return [*(later if settings.market == "archive" else [today_schedule, *later, *live]), *watching]
