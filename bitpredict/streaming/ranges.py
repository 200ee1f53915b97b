"""Ranges of offsets, and how they are read whole."""

from collections.abc import Iterator
from typing import NamedTuple

from bitpredict.streaming.log import EventLog, Record

PAGE = 10_000


class Range(NamedTuple):
    """Offsets [start, end) of one partition of a topic."""

    topic: str
    partition: int
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}[{self.start},{self.end})"


def read_range(log: EventLog, wanted: Range) -> Iterator[list[Record]]:
    """Every message that the log has in the range, in pages. There may be fewer than offsets: markers take some.

    Raises:
        OffsetsLostError: the range begins before the first message that is still there.
    """
    start = wanted.start
    while start < wanted.end:
        page = log.read(wanted.topic, wanted.partition, start, wanted.end, limit=PAGE)
        if not page:
            return
        yield page
        start = page[-1].offset + 1
