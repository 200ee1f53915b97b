"""A recording that is replayed again and again: what a pass's messages are, and where a restarted replay goes on."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from bitpredict.errors import BadSourceDataError, MessageError
from bitpredict.streaming.log import EventLog, partition_of
from bitpredict.streaming.messages import Candle, Rejected, Trade, decode_trade

_LOOKED_AT = 50  # records before a partition's end, of which the last looped trade is taken


def extent(messages: Iterable[Trade | Candle | Rejected]) -> tuple[timedelta, int]:
    """How long a recording is, in whole seconds so that its seconds stay whole, and how many messages it holds.

    Raises:
        BadSourceDataError: none of its messages can be used.
    """
    times = [message.received_at for message in messages if not isinstance(message, Rejected)]
    if not times:
        raise BadSourceDataError("the recording holds no message that can be used; name another")
    return timedelta(seconds=math.floor((times[-1] - times[0]).total_seconds()) + 1), len(times)


def of_pass(message: Trade | Candle | Rejected, number: int, shift: timedelta) -> Trade | Candle | Rejected:
    """A message as pass `number` has it, `shift` later than recorded."""
    if isinstance(message, Trade):
        return msgspec.structs.replace(
            message, trade_id=f"{message.trade_id}#{number}", event_time=message.event_time + shift
        )
    if isinstance(message, Candle):
        return msgspec.structs.replace(message, open_time=message.open_time + shift)
    return message


@dataclass
class LoopPlace:
    """Where a looped replay stands in a topic: for each of its partitions the last trade that is there.

    Attributes:
        first_pass: the pass to begin with.
        last: partition -> pass and trade_id of its last trade, forgotten when the replay has come past it.
    """

    first_pass: int
    partitions: int
    last: dict[int, tuple[int, str]]

    @classmethod
    def read(cls, log: EventLog, topic: str, count: int) -> "LoopPlace":
        """Look it up. Where retention deleted everything, a pass that cannot have been is begun: as many messages as
        were ever appended cannot have taken more passes of `count` than that.

        Raises:
            EventLogError: the log cannot be reached, or has no such topic.
        """
        state = log.topic(topic)
        last = {
            number: found
            for number, end in state.end.items()
            if (found := _last_looped(log, topic, number, state.start[number], end))
        }
        if last:
            return cls(min(number for number, _ in last.values()), len(state.end), last)
        ever = sum(state.end.values())
        return cls(ever // count + 1 if ever else 0, len(state.end), {})

    def has(self, trade: Trade, number: int) -> bool:
        """Whether the topic has this trade of pass `number` already; asked for each trade in order."""
        if not self.last:
            return False
        partition = partition_of(trade.symbol, self.partitions)
        last = self.last.get(partition)
        if last is None:
            return False
        if (number, trade.trade_id) == last or number > last[0]:
            del self.last[partition]
        return number <= last[0]


def _last_looped(log: EventLog, topic: str, partition: int, start: int, end: int) -> tuple[int, str] | None:
    for record in reversed(log.read(topic, partition, max(start, end - _LOOKED_AT), end)):
        try:
            trade_id = decode_trade(record.value).trade_id
        except MessageError:
            continue
        number = trade_id.rpartition("#")[2]
        if "#" in trade_id and number.isdecimal():
            return int(number), trade_id
    return None
