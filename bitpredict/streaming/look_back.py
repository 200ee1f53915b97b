"""Reading a topic backwards: from a message to those before it."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple, Self

from bitpredict.errors import MessageError, OffsetsLostError
from bitpredict.streaming.log import EventLog, Record

PAGE = 5_000

_PLACE = re.compile(r"(?P<topic>[\w.-]+)/(?P<partition>\d+)@(?P<offset>\d+)")


class Place(NamedTuple):
    """Where a message is."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The place written `topic/partition@offset`; None where `text` names something else, as a table."""
        found = _PLACE.fullmatch(text)
        return cls(found["topic"], int(found["partition"]), int(found["offset"])) if found else None


def message_at(log: EventLog, place: Place) -> Record:
    """One message.

    Raises:
        OffsetsLostError: retention has deleted it.
        MessageError: there never was one at this offset.
    """
    found = log.read(place.topic, place.partition, place.offset, place.offset + 1, 1)
    if not found:
        raise MessageError(f"{place} holds no message; the topic was made again, or it is of another log")
    return found[0]


def before(log: EventLog, topic: str, partition: int, end: int, page: int = PAGE) -> Iterator[Record]:
    """The messages before the offset `end`, the newest first, as far back as the topic still has them."""
    first = log.topic(topic).start[partition]
    while end > first:
        start = max(first, end - page)
        try:
            yield from reversed(log.read(topic, partition, start, end, page))
        except OffsetsLostError as lost:  # retention was quicker
            first = lost.first
            continue
        end = start


def newest_first(log: EventLog, topic: str, until: datetime | None = None) -> Iterator[tuple[Place, Record]]:
    """Every message of a topic that was received before `until`, partition by partition, each newest first."""
    ends = log.topic(topic).end if until is None else log.offset_at(topic, until)
    for number, end in ends.items():
        for record in before(log, topic, number, end):
            yield Place(topic, number, record.offset), record
