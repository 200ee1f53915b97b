"""Appends to the event log until it is done: a log that is away for a while loses nothing."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import structlog

from bitpredict.errors import EventLogError
from bitpredict.streaming.log import EventLog, Message
from bitpredict.streaming.metrics import APPENDED

_log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two attempts: doubled each time, and shortened by chance so that not all come back at once."""

_T = TypeVar("_T")


class Appender:
    """Appends with patience. One thread uses it.

    Attributes:
        waiting: the log cannot be reached just now.
        appended: messages stored so far.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.waiting = False
        self.appended = 0

    def append(self, topic: str, messages: Sequence[Message], stop: threading.Event) -> bool:
        """Append to one topic, each message once; False when `stop` came before the log could be reached."""

        def attempt() -> bool:
            # An attempt that failed may have stored a part: one partition of two, or all with the answer lost.
            left = not_stored(self._log, topic, messages) if self.waiting else messages
            self._log.append(topic, left)
            return True

        if not self.patiently(attempt, stop):
            return False
        self.appended += len(messages)
        APPENDED.labels(topic).inc(len(messages))
        return True

    def patiently(self, attempt: Callable[[], _T], stop: threading.Event) -> _T | None:
        """What `attempt` returns, as soon as the log can be reached; None when `stop` came first."""
        pause = FIRST_PAUSE
        while True:
            try:
                result = attempt()
            except EventLogError as error:
                if not self.waiting:
                    _log.warning("the event log cannot be used; trying again", error=str(error))
                self.waiting = True
                if stop.wait(pause * random.uniform(0.5, 1.0)):  # noqa: S311 - spreads attempts, hides nothing
                    return None
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if self.waiting:
                    _log.info("the event log can be used again")
                self.waiting = False
                return result


def not_stored(log: EventLog, topic: str, messages: Sequence[Message]) -> list[Message]:
    """Those of the messages that the topic does not hold, in their order.

    Raises:
        EventLogError: the log cannot be reached.
    """
    if not messages:
        return []
    since = datetime.fromtimestamp(min(message.timestamp for message in messages) / 1000, UTC)
    there: Counter[tuple[str, bytes]] = Counter()
    for number, start in log.offset_at(topic, since).items():
        while page := log.read(topic, number, start):
            there.update((record.key, record.value) for record in page)
            start = page[-1].offset + 1
    left = []
    for message in messages:
        if there[message.key, message.value] > 0:
            there[message.key, message.value] -= 1
        else:
            left.append(message)
    return left
