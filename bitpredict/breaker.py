"""How long to wait before trying again: longer each time, shortened by chance, and very long once nothing helps."""

import random
import threading
import time
from enum import IntEnum


class Breaker:
    """Counts failures in a row of one thing that is tried again and again.

    After `opens_at` failures the circuit is open: the next trial comes after `open_seconds`, and closes it if it goes
    well. A trial has gone well only when it held for `good_after` seconds, so that a server which accepts and breaks
    off at once is not asked a hundred times a minute.
    """

    def __init__(
        self,
        *,
        first_pause: float = 0.25,
        longest_pause: float = 15.0,
        opens_at: int = 8,
        open_seconds: float = 60.0,
        good_after: float = 10.0,
    ) -> None:
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._opens_at = opens_at
        self._open_seconds = open_seconds
        self._good_after = good_after
        self._failures = 0
        self._good_since: float | None = None

    @property
    def open(self) -> bool:
        """Whether so many trials failed in a row that the next is far away."""
        return self._failures >= self._opens_at

    def works(self) -> None:
        """Something came of the trial."""
        self._good_since = self._good_since or time.monotonic()
        if not self._good_after:
            self._failures = 0

    def pause(self) -> float:
        """The trial is over: seconds until the next."""
        if self._good_since is not None and time.monotonic() - self._good_since >= self._good_after:
            self._failures = 0
        self._good_since = None
        self._failures += 1
        if self.open:
            return float(self._open_seconds * random.uniform(0.8, 1.0))  # noqa: S311 - spreads attempts, hides nothing
        longest = min(self._longest_pause, self._first_pause * 2 ** (self._failures - 1))
        return float(longest * random.uniform(0.5, 1.0))  # noqa: S311


class State(IntEnum):
    """Of a circuit; the numbers are those of the metrics."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Circuit:
    """A breaker for calls that many threads make: who asks is let through, or told at once that it rests.

    Closed lets everybody through. After `opens_at` failures in a row it is open until its rest is over; then it is
    half open: one caller is let through, and what comes of that closes it or opens it again.
    """

    def __init__(self, *, opens_at: int, open_seconds: float) -> None:
        self._breaker = Breaker(opens_at=opens_at, open_seconds=open_seconds, good_after=0.0)
        self._open_seconds = open_seconds
        self._until = 0.0
        self._opened = False  # by a rest that somebody asked for
        self._trying = False
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        with self._lock:
            return self._state()

    def admits(self) -> bool:
        """Whether to try; who is let through must tell `worked` or `failed`."""
        with self._lock:
            state = self._state()
            if state is State.OPEN or self._trying:
                return False
            self._trying = state is State.HALF_OPEN
            return True

    def worked(self) -> None:
        with self._lock:
            self._trying = self._opened = False
            self._breaker.works()

    def failed(self, rest: float | None = None) -> bool:
        """Returns whether this failure opened it; with `rest` it does, for so many seconds."""
        with self._lock:
            before, self._trying = self._state() is not State.CLOSED, False
            pause = self._breaker.pause()
            if rest is not None:
                self._opened = True
            if self._opened or self._breaker.open:
                pause = pause if self._breaker.open else self._open_seconds
                self._until = time.monotonic() + (pause if rest is None else rest)
            return self._state() is not State.CLOSED and not before

    def abandoned(self) -> None:
        """Nothing is known of what came of it."""
        with self._lock:
            self._trying = False

    def open_for(self, seconds: float) -> None:
        """Take up the rest that another process began."""
        with self._lock:
            self._opened, self._until = True, time.monotonic() + seconds

    @property
    def rests(self) -> float:
        """Seconds until it is half open; 0 where it is or is closed."""
        with self._lock:
            return max(0.0, self._until - time.monotonic()) if self._state() is State.OPEN else 0.0

    def _state(self) -> State:
        if not (self._opened or self._breaker.open):
            return State.CLOSED
        return State.OPEN if time.monotonic() < self._until else State.HALF_OPEN
