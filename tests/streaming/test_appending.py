"""Appending to a log that fails half-way: each message is stored once, in its partition's order."""

import random
import threading
from collections.abc import Sequence

import pytest

from bitpredict.errors import EventLogError
from bitpredict.streaming import appending
from bitpredict.streaming.appending import Appender, not_stored
from bitpredict.streaming.log import Message
from tests.support.memory_log import MemoryLog

TOPIC = "t"


class HalfWay(MemoryLog):
    """Every other append stores only a part of the messages, or all of them, and fails."""

    def __init__(self, seed: int) -> None:
        super().__init__(3, TOPIC)
        self._chance = random.Random(seed)
        self.failures = 0

    def append(self, topic: str, messages: Sequence[Message]) -> None:
        if self._chance.random() < 0.5:
            self.failures += 1
            parts = self._chance.sample(range(3), self._chance.randint(0, 3))
            super().append(topic, [each for each in messages if int(each.key) in parts])
            raise EventLogError("the answer was lost")
        super().append(topic, messages)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appending, "FIRST_PAUSE", 0.0001)


@pytest.mark.parametrize("seed", range(5))
def test_an_append_that_failed_half_way_stores_nothing_twice(seed: int) -> None:
    log = HalfWay(seed)
    appender, stop = Appender(log), threading.Event()
    sent = [Message(str(i % 3), str(i // 2).encode(), 1000 + i // 20) for i in range(600)]
    for first in range(0, len(sent), 30):
        assert appender.append(TOPIC, sent[first : first + 30], stop)
    assert log.failures > 3
    assert appender.appended == 600
    for key in "012":
        found = [r.value for n in range(3) for r in log.read(TOPIC, n, 0) if r.key == key]
        assert found == [each.value for each in sent if each.key == key]


def test_equal_messages_are_counted() -> None:
    """The same bytes sent three times, of which two are there: one is left."""
    log = MemoryLog(1, TOPIC)
    same = Message("k", b"v", 5)
    log.append(TOPIC, [same, same])
    assert not_stored(log, TOPIC, [same] * 3) == [same]  # type: ignore[arg-type]
    assert not_stored(log, TOPIC, []) == []  # type: ignore[arg-type]
