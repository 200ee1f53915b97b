"""How long to wait before trying again: longer each time, shortened by chance, and very long once nothing helps."""

import random
import time


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
