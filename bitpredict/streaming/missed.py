"""Trades that were missed and cannot be had again, as minutes in the gap ledger."""

import threading
from datetime import UTC, datetime

import structlog
from sqlalchemy import Engine

from bitpredict.errors import StorageError
from bitpredict.market.time import MINUTE, floor_minute
from bitpredict.settings import Settings
from bitpredict.storage.database import connect
from bitpredict.storage.gap_ledger import declare_unrepairable

_log = structlog.get_logger(__name__)


class Missed:
    """Keeps ranges until the database takes them. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._waiting: dict[tuple[str, str], tuple[datetime, datetime]] = {}
        self._lock = threading.Lock()

    def add(self, topic: str, symbol: str, start: datetime, end: datetime) -> None:
        """Trades of a symbol between two instants are missing in a topic."""
        with self._lock:
            known = self._waiting.get((topic, symbol), (start, end))
            self._waiting[topic, symbol] = (min(start, known[0]), max(end, known[1]))

    def write(self) -> None:
        """Put what waits into the ledger; what the database does not take waits on."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for (topic, symbol), (start, end) in waiting.items():
            try:
                self._engine = self._engine or connect(self._settings)
                declare_unrepairable(
                    self._engine, symbol, topic, floor_minute(start), floor_minute(end) + MINUTE, now=datetime.now(UTC)
                )
            except StorageError as error:
                _log.warning("missed trades cannot be recorded yet", symbol=symbol, topic=topic, error=str(error))
                self.add(topic, symbol, start, end)
