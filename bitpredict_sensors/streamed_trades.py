"""The sensor that turns trades of the event log into runs of `streamed_trades`, each over exact offsets of one day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from bitpredict.errors import EventLogError
from bitpredict.market.time import utc
from bitpredict.settings import load_settings
from bitpredict.streaming.log import EventLog
from bitpredict.streaming.ranges import Range, read_range
from bitpredict.streaming.topics import live_exchanges, trades_topic
from bitpredict_assets.jobs import stream
from bitpredict_assets.partitions import streamed
from bitpredict_assets.resources import Platform
from bitpredict_sensors import offsets
from bitpredict_sensors.event_days import Cut, cut
from bitpredict_sensors.newest_cursor import newest_cursor
from bitpredict_sensors.placing import limits, oldest, placed_now, states
from bitpredict_sensors.requested import Found, Requested, State, TradesCursor, review

MOST_RUNS = 2
"""Runs under way at once: they share a pool of one, and midnight needs two. More would keep others waiting."""

_ASSET = dg.AssetKey("streamed_trades")
_BAD = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dg.sensor(
    job=stream,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING
    if live_exchanges(load_settings())
    else dg.DefaultSensorStatus.STOPPED,
    description=(
        "Trades of the event log, by exact offsets, into the lake: a run when enough of them wait or the oldest has "
        "waited long enough, bounded bites after a pause. A run that failed is asked for again."
    ),
)
def streamed_trades_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult | dg.SkipReason:
    from bitpredict.streaming.open_log import open_event_log

    cursor = offsets.decoded(newest_cursor(context), TradesCursor, TradesCursor())
    try:
        with open_event_log(platform.settings) as log:
            return _tick(context, platform, log, cursor)
    except EventLogError as error:
        return dg.SkipReason(f"the event log is away: {error}")


def _tick(
    context: dg.SensorEvaluationContext, platform: Platform, log: EventLog, cursor: TradesCursor
) -> dg.SensorResult:
    now = datetime.now(UTC)
    topics = states(log, [trades_topic(exchange) for exchange in live_exchanges(platform.settings)])
    position, events = placed_now(context, platform.engine, log, cursor.topics, topics, _ASSET, now)
    runs, asked = review(cursor.runs, {run.run_key: _found(context, run) for run in cursor.runs}, now)
    new: tuple[Requested, ...] = ()
    why = f"{len(runs)} runs are under way or wait to be repeated"
    if len(runs) < MOST_RUNS:
        ranges = offsets.waiting(position, topics)
        bounds = limits(platform.settings)
        why = offsets.why_wait(ranges, oldest(log, ranges), bounds, now) or ""
        if not why:
            bite = _cut(context, log, offsets.bite(ranges, bounds.bite), MOST_RUNS - len(runs))
            incarnations = {topic: place.incarnation for topic, place in position.items()}
            new = tuple(_requested(day, of_day, incarnations) for day, of_day in bite.days.items())
            position = offsets.advanced(position, bite.taken, bite.times)
            why = "" if new else "no message of the bite is of a day that a run can take"
    requests = [_request(run) for run in (*asked, *new)]
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else why,
        cursor=offsets.dump(TradesCursor(dict(position), (*runs, *new))),
        asset_events=events,
    )


def _cut(context: dg.SensorEvaluationContext, log: EventLog, bite: Sequence[Range], most: int) -> Cut:
    read = {each: [record for page in read_range(log, each) for record in page] for each in bite}
    done = cut(read, most, in_calendar=lambda day: streamed.start <= utc(day) < _calendars_end())
    if done.undated:
        context.log.warning(f"{done.undated} messages of {[*map(str, bite)]} have no time and are in no run")
    for day, count in done.impossible.items():
        context.log.warning(f"{count} messages are of {day}, which the calendar does not have; they are in no run")
    return done


def _calendars_end() -> datetime:
    last = streamed.get_last_partition_window()
    if last is None:
        raise ValueError("the calendar of the stream is empty; is this machine's clock right?")
    return last.end


def _requested(day: date, ranges: tuple[Range, ...], incarnations: dict[str, str]) -> Requested:
    return Requested(day, ranges, {each.topic: incarnations[each.topic] for each in ranges})


def _request(run: Requested) -> dg.RunRequest:
    ranges = [
        {
            "topic": each.topic,
            "incarnation": run.incarnations[each.topic],
            "partition": each.partition,
            "start": each.start,
            "end": each.end,
        }
        for each in run.ranges
    ]
    return dg.RunRequest(
        run_key=run.run_key,
        partition_key=f"{run.day}",
        run_config={"ops": {"streamed_trades": {"config": {"ranges": ranges}}}},
    )


def _found(context: dg.SensorEvaluationContext, run: Requested) -> Found:
    records = context.instance.get_run_records(dg.RunsFilter(tags={"dagster/run_key": run.run_key}))
    statuses = [record.dagster_run.status for record in records]
    if dg.DagsterRunStatus.SUCCESS in statuses:
        return Found(State.SUCCEEDED)
    if not records:
        return Found(State.ABSENT)
    if any(status not in _BAD for status in statuses):
        return Found(State.UNDER_WAY)
    ended = max(record.end_time or record.update_timestamp.timestamp() for record in records)
    return Found(State.FAILED, datetime.fromtimestamp(ended, UTC))
