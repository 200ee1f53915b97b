"""What both stream sensors do first: look at the topics, fit the cursor to them, and say what was lost."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import Engine

from bitpredict.settings import Settings
from bitpredict.streaming.log import EventLog, TopicState
from bitpredict.streaming.lost_ranges import record_lost
from bitpredict.streaming.ranges import Range
from bitpredict_sensors.offsets import Cursor, Limits, place


def limits(settings: Settings) -> Limits:
    return Limits(
        settings.stream_min_messages,
        timedelta(seconds=settings.stream_max_age_seconds),
        settings.stream_bite_messages,
    )


def states(log: EventLog, topics: Iterable[str]) -> list[TopicState]:
    """Those of the topics that are there."""
    there = log.topics()
    return [there[name] for name in topics if name in there]


def placed_now(
    context: dg.SensorEvaluationContext,
    engine: Engine,
    log: EventLog,
    cursor: Cursor,
    topics: Sequence[TopicState],
    asset: dg.AssetKey,
    now: datetime,
) -> tuple[Cursor, list[dg.AssetObservation]]:
    """The cursor on the topics as they are. Lost offsets are in the gap ledger then, and observations of the asset."""
    placed = place(cursor, topics)
    for topic in placed.remade:
        context.log.warning(f"{topic} was deleted and made again: it is read from its start")
    for topic, number in placed.added:
        context.log.info(f"{topic} has a new partition {number}")
    for each in placed.rewound:
        context.log.warning(f"the log has {each} no more, which were taken: it lost its newest messages")
    for each in placed.lost:
        record_lost(engine, log, each, cursor[each.topic].times.get(each.partition), now)
        context.log.warning(f"{each} was deleted by retention before it was taken; the gap ledger has it")
    observations = [
        dg.AssetObservation(
            asset,
            description="deleted by retention before it was taken",
            metadata={"lost offsets": f"{each}", "count": each.end - each.start},
        )
        for each in placed.lost
    ]
    return placed.cursor, observations


def oldest(log: EventLog, ranges: Iterable[Range]) -> datetime | None:
    """When the first message of the ranges was received."""
    firsts = [log.read(each.topic, each.partition, each.start, each.end, limit=1) for each in ranges]
    timestamps = [first[0].timestamp for first in firsts if first]
    return datetime.fromtimestamp(min(timestamps) / 1000, UTC) if timestamps else None
