"""Offsets that were deleted before anyone took them: found, and kept in the gap ledger for ever."""

from datetime import UTC, datetime

from sqlalchemy import Engine

from bitpredict.errors import UnknownTopicError
from bitpredict.market.time import MINUTE, floor_minute
from bitpredict.storage.gap_ledger import declare_unrepairable
from bitpredict.streaming.log import EventLog, Record
from bitpredict.streaming.ranges import Range

NOBODY = "unknown"
"""The symbol of a lost range where not even the partition's next messages tell whose it was."""


def still_there(log: EventLog, wanted: Range, incarnation: str) -> Range:
    """The end of a range that can still be read: all of it, or nothing (an empty range) once its topic was remade."""
    try:
        state = log.topic(wanted.topic)
    except UnknownTopicError:
        return wanted._replace(start=wanted.end)
    if state.incarnation != incarnation or wanted.partition not in state.start:
        return wanted._replace(start=wanted.end)
    return wanted._replace(start=min(max(wanted.start, state.start[wanted.partition]), wanted.end))


def record_lost(engine: Engine, log: EventLog, lost: Range, since: int | None, now: datetime) -> None:
    """Write a lost range to the gap ledger: as unrepairable minutes of receipt, one row a symbol of the partition.

    What was lost is gone with its symbols and times. Its minutes reach from the last message that was taken to the
    first that is left; its symbols are those of the messages that are left. The ledger's source is `topic/partition`.

    Args:
        since: timestamp (milliseconds) of the last message taken; None where that is not known.
    """
    left = _first_messages(log, lost)
    until = datetime.fromtimestamp(left[0].timestamp / 1000, UTC) if left else now
    begin = until if since is None else min(datetime.fromtimestamp(since / 1000, UTC), until)
    for symbol in sorted({record.key for record in left}) or [NOBODY]:
        declare_unrepairable(
            engine,
            symbol,
            f"{lost.topic}/{lost.partition}",
            floor_minute(begin),
            floor_minute(until) + MINUTE,
            now=now,
        )


def _first_messages(log: EventLog, lost: Range) -> list[Record]:
    try:
        state = log.topic(lost.topic)
    except UnknownTopicError:
        return []
    start = state.start.get(lost.partition)
    return [] if start is None else log.read(lost.topic, lost.partition, start, limit=1000)
