"""Appends to the event log until it is done: a log that is away for a while loses nothing."""

import random
import threading
from collections.abc import Callable, Sequence
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
        """Append to one topic; False when `stop` came before the log could be reached."""

        def attempt() -> bool:
            self._log.append(topic, messages)
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
