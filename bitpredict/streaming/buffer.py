"""What a collector holds between an exchange and the event log: bounded, so that an outage costs no memory."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Literal, NamedTuple

from bitpredict.streaming.log import Message

Policy = Literal["block", "drop_oldest", "drop_newest"]


class Item(NamedTuple):
    """A message on its way to a topic."""

    topic: str
    message: Message


class Buffer:
    """A queue of one reader and several writers.

    Args:
        capacity: messages that wait at most; those that the reader has taken do not count.
        policy: what happens when it is full: the writer waits, or the oldest or the newest are dropped.
    """

    def __init__(self, capacity: int, policy: Policy) -> None:
        self._capacity = capacity
        self._policy = policy
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, items: Sequence[Item]) -> list[Item]:
        """Queue items in order, and return those that were dropped for it.

        A writer that waits for room gives up when the buffer is closed: what did not fit is returned as well.
        """
        dropped: list[Item] = []
        with self._changed:
            for place, item in enumerate(items):
                if len(self._items) >= self._capacity:
                    if self._policy == "block":
                        self._changed.notify_all()
                        self._changed.wait_for(lambda: self._closed or len(self._items) < self._capacity)
                        if len(self._items) >= self._capacity:
                            dropped.extend(items[place:])
                            break
                    elif self._policy == "drop_oldest":
                        dropped.append(self._items.popleft())
                    else:
                        dropped.append(item)
                        continue
                self._items.append(item)
            self._changed.notify_all()
        return dropped

    def take(self, limit: int, timeout: float) -> list[Item]:
        """The oldest items, at most `limit`; waits at most `timeout` seconds for the first."""
        with self._changed:
            self._changed.wait_for(lambda: self._items, timeout)
            taken = [self._items.popleft() for _ in range(min(limit, len(self._items)))]
            if taken:
                self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Let no writer wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
