"""An event log in memory that can be told to fail: for what is tested with the log's faults, not with its storage."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from bitpredict.errors import EventLogError, UnknownTopicError
from bitpredict.streaming.log import Message, Record, TopicState, partition_of


class MemoryLog:
    """Only what collectors and replays use."""

    def __init__(self, partitions: int = 2, *topics: str) -> None:
        self._partitions = partitions
        self._records: dict[str, dict[int, list[Record]]] = {}
        self._lock = threading.Lock()
        self.away = self.away_for_appending = False
        self.appends: list[int] = []
        for topic in topics:
            self._records[topic] = {number: [] for number in range(partitions)}

    def topic(self, name: str) -> TopicState:
        self._check(name)
        records = self._records[name]
        start = dict.fromkeys(records, 0)
        return TopicState(name, "1", timedelta(hours=1), start, {n: len(r) for n, r in records.items()})

    def append(self, topic: str, messages: Sequence[Message]) -> None:
        self._check(topic)
        if self.away_for_appending:
            raise EventLogError("the disk is full")
        with self._lock:
            self.appends.append(len(messages))
            for message in messages:
                records = self._records[topic][partition_of(message.key, self._partitions)]
                records.append(Record(len(records), message.key, message.value, message.timestamp))

    def read(self, topic: str, partition: int, start: int, end: int | None = None, limit: int = 10_000) -> list[Record]:
        self._check(topic)
        return self._records[topic][partition][start:end][:limit]

    def offset_at(self, topic: str, moment: datetime) -> dict[int, int]:
        self._check(topic)
        since = moment.timestamp() * 1000
        return {
            number: next((record.offset for record in records if record.timestamp >= since), len(records))
            for number, records in self._records[topic].items()
        }

    def values(self, topic: str) -> list[bytes]:
        """Every value of a topic, partition after partition."""
        return [record.value for records in self._records[topic].values() for record in records]

    def cut(self, topic: str, partition: int, keep: int) -> None:
        """Forget what was appended to a partition behind its first `keep` records."""
        del self._records[topic][partition][keep:]

    def _check(self, topic: str) -> None:
        if self.away:
            raise EventLogError("the log is away")
        if topic not in self._records:
            raise UnknownTopicError(f"no topic {topic}")
