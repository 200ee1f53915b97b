"""What a predictor reads again when it takes up a partition: the minutes before its checkpoint."""

from collections.abc import Iterator

import structlog

from bitpredict.errors import MessageError, OffsetsLostError
from bitpredict.streaming.credible import fault_of_candle
from bitpredict.streaming.log import EventLog, Partition, Record
from bitpredict.streaming.messages import Candle, decode_candle
from bitpredict.streaming.topics import exchange_of

_A_MINUTE = b'"1m"'
_PAGE = 10_000
_log = structlog.get_logger(__name__)


def minutes_before(log: EventLog, partition: Partition, position: int) -> list[Candle]:
    """Minutes of a candles' topic that were part of the state at a checkpoint there.

    Built ones were appended together with the checkpoint that says so, and are all part of it. Of the others, those
    before `position`.

    Raises:
        EventLogError: the log cannot be reached.
    """
    exchange = exchange_of(partition.topic)
    found = []
    for record in _records(log, partition):
        if _A_MINUTE not in record.value:
            continue  # candles of a second are many, and are not used
        try:
            candle = decode_candle(record.value)
        except MessageError:
            continue  # rejected when it came
        usable = candle.interval == "1m" and fault_of_candle(candle, exchange) is None
        if usable and (candle.built or record.offset < position):
            found.append(candle)
    return found


def _records(log: EventLog, partition: Partition) -> Iterator[Record]:
    state = log.topic(partition.topic)
    start, end = state.start[partition.number], state.end[partition.number]
    while start < end:
        try:
            page = log.read(partition.topic, partition.number, start, end, _PAGE)
        except OffsetsLostError as error:
            _log.info("minutes were deleted while they were read back", partition=str(partition), first=error.first)
            start = error.first
            continue
        if not page:
            return
        yield from page
        start = page[-1].offset + 1
