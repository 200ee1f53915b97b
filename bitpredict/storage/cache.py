"""What is read again and again is kept for a while: in this process, or in Redis where several share it.

Values belong to the generation of their namespace. Who writes newer rows begins the next one with `invalidate`: what
was being read at that moment is kept under the old generation, and never given again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar, cast

import structlog

from bitpredict.errors import BitPredictError
from bitpredict.observability import CACHE_BYTES, CACHE_HITS, CACHE_KEYS, CACHE_MISSES
from bitpredict.settings import Settings

T = TypeVar("T")

DECODED = 32
"""How many values are also there as what they mean, so that they need not be decoded again."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Namespace:
    """Values of one kind.

    Attributes:
        seconds: how long one is kept at most.
        keys: how many are kept at most; the one that was not asked for the longest goes first.
    """

    name: str
    seconds: float
    keys: int


@dataclass(frozen=True)
class Codec(Generic[T]):
    """How values become bytes and come back; `decode` raises ValueError where the bytes are no such value.

    Attributes:
        copy: what a caller may change without changing it for the others.
    """

    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]
    copy: Callable[[T], T]


@dataclass(frozen=True)
class Look:
    """What a store has of a key: the namespace's generation, and the value if it is of that generation."""

    generation: str
    value: bytes | None


@dataclass(frozen=True)
class Usage:
    """What a namespace holds and has come to.

    Attributes:
        size: bytes of its values.
        hits, misses, evictions: of all processes with Redis, otherwise of this one.
    """

    keys: int
    size: int
    hits: int
    misses: int
    evictions: int


class Store(Protocol):
    """Where values lie. None of its methods fails: what is away holds nothing.

    Attributes:
        where: in words; no passwords.
    """

    @property
    def where(self) -> str: ...

    def look(self, space: Namespace, key: str) -> Look: ...

    def computed(self, space: Namespace, key: str, generation: str, compute: Callable[[], bytes]) -> bytes:
        """The value of `compute`, kept if the generation still is this one; or what another process computed
        meanwhile."""

    def invalidate(self, space: Namespace) -> None:
        """Begin the next generation, for every process that shares the store."""

    def clear(self, space: Namespace) -> int | None:
        """`invalidate`, and give the memory back; returns how many values that were, None where other processes keep
        theirs until their time is over."""

    def usage(self, space: Namespace) -> Usage | None:
        """None while the store is away."""


class Cache:
    """Gives values that are there, and computes the others: of many threads that ask for one, a single one does."""

    def __init__(self, store: Store, spaces: tuple[Namespace, ...]) -> None:
        self.spaces = spaces
        self._store = store
        self._by_name = {space.name: space for space in spaces}
        self._under_way: dict[tuple[str, str, str, int], Future[bytes]] = {}
        self._invalidated = dict.fromkeys(self._by_name, 0)
        self._decoded: OrderedDict[tuple[str, str], tuple[bytes, object]] = OrderedDict()
        self._lock = threading.Lock()
        for space in spaces:
            CACHE_KEYS.labels(space.name).set_function(partial(self._now, space, "keys"))
            CACHE_BYTES.labels(space.name).set_function(partial(self._now, space, "size"))

    @property
    def where(self) -> str:
        """Where the values lie, in words."""
        return self._store.where

    def value(self, namespace: str, key: str, compute: Callable[[], T], codec: Codec[T]) -> T:
        """The kept value of `key`, or that of `compute`; every caller has its own copy.

        Raises what `compute` raises.
        """
        space = self._space(namespace)
        found = self._store.look(space, key)
        value = found.value
        (CACHE_MISSES if value is None else CACHE_HITS).labels(namespace).inc()
        if value is None:
            value = self._one_computes(space, key, found.generation, lambda: codec.encode(compute()))
        try:
            return self._decode(namespace, key, value, codec)
        except ValueError as error:
            _log.warning("a cached value is damaged", namespace=namespace, key=key, problem=str(error))
            return compute()

    def invalidate(self, namespace: str) -> None:
        """Tell that newer rows were written: whoever asks from now on reads them."""
        space = self._space(namespace)
        with self._lock:
            self._invalidated[namespace] += 1
        self._store.invalidate(space)

    def clear(self, namespace: str) -> int | None:
        """See `Store.clear`."""
        space = self._space(namespace)
        with self._lock:
            self._invalidated[namespace] += 1
        return self._store.clear(space)

    def usage(self, namespace: str) -> Usage | None:
        """None while the store is away."""
        return self._store.usage(self._space(namespace))

    def _one_computes(self, space: Namespace, key: str, generation: str, compute: Callable[[], bytes]) -> bytes:
        with self._lock:
            # Who asks after an invalidation must not be given what was read before it.
            name = (space.name, key, generation, self._invalidated[space.name])
            future = self._under_way.get(name)
            if mine := future is None:
                future = self._under_way[name] = Future()
        if not mine:
            return future.result()
        try:
            future.set_result(self._store.computed(space, key, generation, compute))
        except BaseException as error:
            future.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._under_way[name]
        return future.result()

    def _decode(self, namespace: str, key: str, value: bytes, codec: Codec[T]) -> T:
        """A copy of what was decoded the last time, if these are still the same bytes: to decode takes ten times as
        long as to compare and copy."""
        with self._lock:
            same, decoded = self._decoded.get((namespace, key), (b"", None))
        if decoded is None or same != value:
            decoded = codec.decode(value)
            with self._lock:
                self._decoded[namespace, key] = (value, decoded)
                self._decoded.move_to_end((namespace, key))
                while len(self._decoded) > DECODED:
                    self._decoded.popitem(last=False)
        return codec.copy(cast("T", decoded))

    def _space(self, namespace: str) -> Namespace:
        if namespace not in self._by_name:
            raise BitPredictError(f"the cache has no namespace {namespace!r}; it has {', '.join(self._by_name)}")
        return self._by_name[namespace]

    def _now(self, space: Namespace, what: str) -> float:
        usage = self._store.usage(space)
        return float("nan") if usage is None else float(getattr(usage, what))


def open_cache(settings: Settings) -> Cache:
    """The cache that the settings name.

    Raises:
        SettingsError: BITPREDICT_REDIS_URL is malformed. A Redis that does not answer is no error.
    """
    from bitpredict.storage.cache_memory import MemoryStore

    store: Store
    if settings.redis_url:
        from bitpredict.storage.cache_redis import RedisStore

        store = RedisStore.open(settings.redis_url, settings.database)
    else:
        store = MemoryStore(settings.home / "cache")
    return Cache(
        store,
        (
            Namespace("price", settings.cache_price_seconds, settings.cache_price_keys),
            Namespace("news", settings.cache_news_seconds, settings.cache_news_keys),
            Namespace("sentiment", settings.cache_sentiment_seconds, settings.cache_sentiment_keys),
        ),
    )
