"""Time that passes only while somebody waits: what is paced comes at its instants, however busy the machine is."""

import threading
from types import SimpleNamespace

import pytest


class Stepped(threading.Event):
    """An event that is set at `end`, in seconds from 0. Each wait for it takes no time, and moves its clock on."""

    def __init__(self, end: float) -> None:
        super().__init__()
        self.now = 0.0
        self._end = end

    def wait(self, timeout: float | None = None) -> bool:
        self.now = self._end if timeout is None else min(self.now + timeout, self._end)
        return self.is_set()

    def is_set(self) -> bool:
        return super().is_set() or self.now >= self._end

    def paces(self, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The module's `time.monotonic` shows this clock."""
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=lambda: self.now))
