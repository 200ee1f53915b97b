"""The cache that several processes share. A Redis that does not answer costs a short moment, then nothing for a while:
everybody computes what they need, and nobody fails."""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import redis
import structlog
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from bitpredict.breaker import Circuit
from bitpredict.errors import SettingsError
from bitpredict.observability import CACHE_AWAY, CACHE_EVICTIONS
from bitpredict.storage.cache import Look, Namespace, Usage

T = TypeVar("T")
_log = structlog.get_logger(__name__)

PATIENCE = 0.25
"""Seconds that one question may take."""

REST = 5.0
"""Seconds, about, for which a Redis that did not answer is left alone."""

LOCK_SECONDS = 10.0
"""How long others wait for who computes a value, should that process have died meanwhile."""

POLL_SECONDS = 0.01
HEAD = 64
"""Characters of a generation and of the value's own name, with which every value begins: who had it before need not
fetch it again."""

SEEN = 32
"""How many values this process has at hand, should Redis still hold the same."""

LAYOUT = "2"
"""Of values, their order and locks: what another layout put there is never met. The generation is everybody's, so that
processes of older and newer versions tell each other of newer rows."""

_LOOK = """
local generation = redis.call('GET', KEYS[1])
if not generation then
  generation = ARGV[1]
  redis.call('SET', KEYS[1], generation)
end
local head = redis.call('GETRANGE', KEYS[2], 0, 63)
if string.sub(head, 1, 32) == generation then
  local now = redis.call('TIME')
  redis.call('ZADD', KEYS[3], 'XX', now[1] + now[2] / 1e6, ARGV[2])
  if ARGV[3] == '1' then redis.call('HINCRBY', KEYS[4], 'hits', 1) end
  local name = string.sub(head, 33)
  if name == ARGV[4] then return {generation, name} end
  return {generation, name, redis.call('GETRANGE', KEYS[2], 64, -1)}
end
if ARGV[3] == '1' then redis.call('HINCRBY', KEYS[4], 'misses', 1) end
return {generation}
"""
"""Gives the generation; the name of a value of that generation; and the value where the caller has another one or none.
Redis may forget the generation, as when its memory is full: then a new one begins."""

_KEEP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
local now = redis.call('TIME')
now = now[1] + now[2] / 1e6
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[4] / 1000)
redis.call('ZADD', KEYS[3], now, ARGV[3])
redis.call('PEXPIRE', KEYS[3], 2 * ARGV[4])
local evicted, over = 0, redis.call('ZCARD', KEYS[3]) - ARGV[5]
if over > 0 then
  local oldest = redis.call('ZPOPMIN', KEYS[3], over)
  for i = 1, #oldest, 2 do evicted = evicted + redis.call('DEL', ARGV[6] .. oldest[i]) end
  redis.call('HINCRBY', KEYS[4], 'evictions', evicted)
end
return evicted
"""

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class _AwayError(Exception):
    """Redis does not answer, or is left alone because it did not."""


class RedisStore:
    """Values in a Redis that others may use too: all names begin with `bitpredict:`.

    Args:
        client: with short time-outs and without retries.
        database: whose rows are kept; those of another one are other values.
    """

    def __init__(self, client: "redis.Redis", where: str, database: str) -> None:
        self._client: Any = client
        self._where = where
        self._of = hashlib.sha256(database.encode()).hexdigest()[:12]
        self._circuit = Circuit(opens_at=1, open_seconds=REST)
        self._away = self._said = False
        self._not_told: set[str] = set()
        self._seen: OrderedDict[tuple[str, str], tuple[str, bytes]] = OrderedDict()
        self._lock = threading.Lock()
        self._look_script = self._client.register_script(_LOOK)
        self._keep_script = self._client.register_script(_KEEP)
        self._release_script = self._client.register_script(_RELEASE)

    @classmethod
    def open(cls, url: str, database: str) -> "RedisStore":
        """Nothing is asked yet.

        Raises:
            SettingsError: the address is malformed.
        """
        try:
            parts = urlsplit(url)
            where = f"Redis at {parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
        except ValueError as error:  # it shows what stands for the port: of a password with a slash its beginning
            raise _unusable("its port is no number, or a / of a password is not written %2F") from error
        try:
            client = redis.Redis.from_url(
                url, socket_connect_timeout=PATIENCE, socket_timeout=PATIENCE, retry=Retry(NoBackoff(), 0)
            )
        except ValueError as error:
            raise _unusable(str(error)) from error
        return cls(client, where, database)

    @property
    def where(self) -> str:
        """In words, without the password."""
        return self._where + (", which is away" if self._away else "")

    def look(self, space: Namespace, key: str) -> Look:
        """See `cache.Store`."""
        try:
            return self._look(space, key, count=True)
        except _AwayError:
            return Look("", None)

    def computed(self, space: Namespace, key: str, generation: str, compute: Callable[[], bytes]) -> bytes:
        """See `cache.Store`."""
        lock, token = self._name(space, f"{LAYOUT}:lock:{key}"), uuid4().hex
        try:
            value = self._wait_for_turn(space, key, lock, token) if generation else None
        except _AwayError:
            generation, value = "", None
        try:
            if value is None:
                value = compute()
                if generation:
                    self._keep(space, key, generation, value)
        finally:
            if generation:
                with suppress(_AwayError):
                    self._ask(lambda: self._release_script(keys=[lock], args=[token]))
        return value

    def invalidate(self, space: Namespace) -> None:
        """See `cache.Store`; told later if Redis is away, as long as this process lives."""
        with self._lock:
            self._not_told.add(space.name)
        with suppress(_AwayError):
            self._tell(space)

    def clear(self, space: Namespace) -> int:
        """See `cache.Store`."""
        with self._lock:
            self._not_told.add(space.name)
        try:
            self._tell(space, quiet=True)
            names = [self._name(space, f"{LAYOUT}:value:{key}") for key in self._keys(space)]
            others = [self._name(space, name) for name in (f"{LAYOUT}:order", "counts")]
            deleted = self._ask(lambda: self._client.delete(*names), quiet=True) if names else 0
            self._ask(lambda: self._client.delete(*others), quiet=True)
            return int(deleted)
        except _AwayError:
            return 0

    def usage(self, space: Namespace) -> Usage | None:
        """See `cache.Store`."""

        def ask() -> tuple[list[int], dict[bytes, bytes]]:
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.strlen(self._name(space, f"{LAYOUT}:value:{key}"))
            pipeline.hgetall(self._name(space, "counts"))
            *lengths, counts = pipeline.execute()
            return lengths, counts

        try:
            keys = self._keys(space)
            lengths, counts = self._ask(ask, quiet=True)
        except _AwayError:
            return None
        there = [length - HEAD for length in lengths if length]
        hits, misses, evictions = (int(counts.get(what, 0)) for what in (b"hits", b"misses", b"evictions"))
        return Usage(len(there), sum(there), hits, misses, evictions)

    def _look(self, space: Namespace, key: str, *, count: bool) -> Look:
        if space.name in self._not_told:
            self._tell(space)
        names = self._names(space, key)
        with self._lock:
            name, value = self._seen.get((space.name, key), ("", b""))
        arguments = [uuid4().hex, key, "1" if count else "0", name]

        def ask() -> list[bytes]:
            try:  # what the script would do, in nine tenths of the time
                return list(self._client.execute_command("EVALSHA", self._look_script.sha, 4, *names, *arguments))
            except NoScriptError:
                return list(self._look_script(keys=names, args=arguments))

        generation, *found = self._ask(ask)
        if len(found) == 2:
            value = self._see(space, key, found[0].decode(), found[1])
        return Look(generation.decode(), value if found else None)

    def _see(self, space: Namespace, key: str, name: str, value: bytes) -> bytes:
        with self._lock:
            self._seen[space.name, key] = (name, value)
            self._seen.move_to_end((space.name, key))
            while len(self._seen) > SEEN:
                self._seen.popitem(last=False)
        return value

    def _wait_for_turn(self, space: Namespace, key: str, lock: str, token: str) -> bytes | None:
        """None when it is this caller's turn to compute; what another one has computed otherwise."""
        deadline = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < deadline:
            mine = self._ask(lambda: self._client.set(lock, token, nx=True, px=int(LOCK_SECONDS * 1000)))
            found = self._look(space, key, count=False)
            if mine or found.value is not None:
                return found.value
            time.sleep(POLL_SECONDS)
        return None

    def _keep(self, space: Namespace, key: str, generation: str, value: bytes) -> None:
        names = self._names(space, key)
        prefix, name = self._name(space, f"{LAYOUT}:value:"), uuid4().hex
        kept, milliseconds = f"{generation}{name}".encode() + value, max(1, int(space.seconds * 1000))
        arguments: list[str | bytes | int] = [generation, kept, key, milliseconds, space.keys, prefix]
        with suppress(_AwayError):
            evicted = self._ask(lambda: self._keep_script(keys=names, args=arguments))
            CACHE_EVICTIONS.labels(space.name).inc(int(evicted))
            self._see(space, key, name, value)

    def _keys(self, space: Namespace) -> list[str]:
        order = self._name(space, f"{LAYOUT}:order")
        return [key.decode() for key in self._ask(lambda: self._client.zrange(order, 0, -1), quiet=True)]

    def _tell(self, space: Namespace, *, quiet: bool = False) -> None:
        generation = self._name(space, "generation")
        self._ask(lambda: self._client.set(generation, uuid4().hex), quiet=quiet)
        with self._lock:
            self._not_told.discard(space.name)

    def _ask(self, ask: Callable[[], T], *, quiet: bool = False) -> T:
        """Raises _AwayError, counted; logged when it begins and when it ends, unless the caller tells it himself."""
        try:
            if not self._circuit.admits():
                raise _AwayError(f"it did not answer within the last {REST:g} s")
            answer = ask()
        except (redis.RedisError, _AwayError) as error:
            CACHE_AWAY.inc()
            if not isinstance(error, _AwayError):
                self._circuit.failed()
            self._away = True
            if not self._said and not quiet:
                self._said = True
                _log.warning("Redis is away: reads go to the database", redis=self._where, problem=str(error))
            raise _AwayError from error
        self._circuit.worked()
        self._away = False
        if self._said:
            self._said = False
            _log.info("Redis is back", redis=self._where)
        return answer

    def _names(self, space: Namespace, key: str) -> list[str]:
        """What the scripts call KEYS."""
        names = ("generation", f"{LAYOUT}:value:{key}", f"{LAYOUT}:order", "counts")
        return [self._name(space, name) for name in names]

    def _name(self, space: Namespace, name: str) -> str:
        """The braces put all names of a namespace on one node of a cluster."""
        return f"bitpredict:{{{self._of}:{space.name}}}:{name}"


def _unusable(why: str) -> SettingsError:
    return SettingsError(f"BITPREDICT_REDIS_URL is not usable ({why}); write for example redis://:password@host:6379/0")
