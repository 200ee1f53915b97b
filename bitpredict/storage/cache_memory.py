"""The cache of one process: the newest values in its memory, and a file by which processes tell of newer rows."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import structlog

from bitpredict.files import replace_file
from bitpredict.observability import CACHE_EVICTIONS
from bitpredict.storage.cache import Look, Namespace, Usage

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Kept:
    generation: str
    until: float
    value: bytes


class MemoryStore:
    """Least recently used values go first, and all of them when their time is over.

    Args:
        folder: with a file of each namespace that was invalidated, whose content names its generation: other processes
            of this machine have values of their own and look there.
        clock: seconds that only go forward.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._kept: dict[str, OrderedDict[str, _Kept]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    @property
    def where(self) -> str:
        """In words."""
        return "in this process"

    def look(self, space: Namespace, key: str) -> Look:
        """See `cache.Store`."""
        found = self._look(space, key)
        with self._lock:
            self._counts[space.name, "misses" if found.value is None else "hits"] += 1
        return found

    def computed(self, space: Namespace, key: str, generation: str, compute: Callable[[], bytes]) -> bytes:
        """See `cache.Store`."""
        found = self._look(space, key)  # another thread may have been done just now
        if found.value is not None:
            return found.value
        value = compute()
        if self._generation(space) != generation:
            return value
        with self._lock:
            shelf = self._shelf(space)
            shelf[key] = _Kept(generation, self._clock() + space.seconds, value)
            shelf.move_to_end(key)
            while len(shelf) > space.keys:
                shelf.popitem(last=False)
                self._counts[space.name, "evictions"] += 1
                CACHE_EVICTIONS.labels(space.name).inc()
        return value

    def invalidate(self, space: Namespace) -> None:
        """See `cache.Store`."""
        self._begin_next(space)

    def clear(self, space: Namespace) -> int | None:
        """See `cache.Store`."""
        with self._lock:
            there = len(self._shelf(space))
        return there if self._begin_next(space) else None

    def usage(self, space: Namespace) -> Usage:
        """See `cache.Store`."""
        now = self._clock()
        with self._lock:
            shelf = self._shelf(space)
            for key in [key for key, kept in shelf.items() if kept.until <= now]:
                del shelf[key]
            size = sum(len(kept.value) for kept in shelf.values())
            hits, misses, evictions = (self._counts[space.name, what] for what in ("hits", "misses", "evictions"))
            return Usage(len(shelf), size, hits, misses, evictions)

    def _begin_next(self, space: Namespace) -> bool:
        """Begin the next generation here; whether other processes hear of it."""
        file = self._folder / space.name
        told = True
        try:
            replace_file(file, uuid4().hex.encode())
        except OSError as error:
            told = False
            _log.warning(
                "other processes do not hear of newer rows before their values' time is over",
                namespace=space.name,
                problem=f"{file} cannot be written: {error.strerror}",
            )
        with self._lock:
            self._shelf(space).clear()
        return told

    def _look(self, space: Namespace, key: str) -> Look:
        generation = self._generation(space)
        with self._lock:
            shelf = self._shelf(space)
            kept = shelf.get(key)
            if kept is None:
                return Look(generation, None)
            if kept.generation != generation or kept.until <= self._clock():
                del shelf[key]
                return Look(generation, None)
            shelf.move_to_end(key)
            return Look(generation, kept.value)

    def _generation(self, space: Namespace) -> str:
        try:
            with open(self._folder / space.name) as file:  # noqa: PTH123 - twice as fast, at every hit
                return file.read()
        except OSError:
            return ""

    def _shelf(self, space: Namespace) -> OrderedDict[str, _Kept]:
        return self._kept.setdefault(space.name, OrderedDict())
