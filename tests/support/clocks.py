"""A clock that a test puts forward. To sleep takes time, and between two lines of a test more of it may pass on a busy
machine than anybody slept."""


class Clock:
    """Stands in for the module `time` of what is tested; by itself it stands still."""

    def __init__(self) -> None:
        self._now = 1_000.0

    def monotonic(self) -> float:
        return self._now

    def forward(self, seconds: float) -> None:
        self._now += seconds
