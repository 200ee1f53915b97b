"""The cache over both stores: what it must never do is give something else than the computation would."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import structlog.testing
from prometheus_client import REGISTRY

from bitpredict.errors import BitPredictError, SettingsError, StorageError
from bitpredict.settings import Settings
from bitpredict.storage import cache_redis
from bitpredict.storage.cache import Cache, Codec, Namespace, open_cache
from bitpredict.storage.cache_memory import MemoryStore
from tests.support.redis_server import RedisServer, redis_server

__all__ = ["redis_server"]

BYTES: Codec[bytes] = Codec(bytes, bytes, bytes)
Open = Callable[..., Cache]


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"bitpredict_cache_{name}", labels) or 0.0


class Source:
    """What is cached: counts how often it was asked."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.value, self.asked, self._seconds = b"first", 0, seconds

    def __call__(self) -> bytes:
        value = self.value
        self.asked += 1  # told last: who waits for it may change the value at once
        time.sleep(self._seconds)
        return value


PATIENT = 60.0
"""Seconds for a Redis that only has to come to its turn on a busy machine."""


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.slow)])
def opened(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens caches that share what other processes would: a folder, or a server."""
    if request.param == "redis":
        monkeypatch.setattr(cache_redis, "PATIENCE", PATIENT)
        url = request.getfixturevalue("redis_server").url
        settings = settings.model_copy(update={"redis_url": url})
    return lambda **changes: open_cache(settings.model_copy(update=changes))


def test_what_is_there_is_not_computed_again(opened):
    cache, source = opened(), Source()
    hits, misses = metric("hits_total", namespace="price"), metric("misses_total", namespace="price")
    assert [cache.value("price", "a", source, BYTES) for _ in range(3)] == [b"first"] * 3
    assert cache.value("price", "b", source, BYTES) == b"first"
    assert cache.value("news", "a", source, BYTES) == b"first", "another namespace, another value"
    assert source.asked == 3
    assert metric("hits_total", namespace="price") - hits == 2
    assert metric("misses_total", namespace="price") - misses == 2
    usage = cache.usage("price")
    assert (usage.keys, usage.size, usage.hits, usage.misses) == (2, 2 * len(b"first"), 2, 2)
    assert (metric("keys", namespace="price"), metric("bytes", namespace="price")) == (2, 2 * len(b"first"))


def test_the_default_limits():
    spaces = {space.name: (space.seconds, space.keys) for space in open_cache(Settings()).spaces}
    assert spaces == {"price": (300, 1_000), "news": (900, 500), "sentiment": (1_800, 200)}


def test_a_value_is_forgotten_when_its_time_is_over(opened):
    cache, source = opened(cache_price_seconds=0.1), Source()
    cache.value("price", "a", source, BYTES)
    time.sleep(0.12)
    assert cache.usage("price").keys == 0
    source.value = b"second"
    assert cache.value("price", "a", source, BYTES) == b"second"


def test_the_value_that_was_not_asked_for_the_longest_makes_room(opened):
    cache = opened(cache_news_keys=2)
    evicted = metric("evictions_total", namespace="news")
    for key in ("a", "b", "a", "c"):
        cache.value("news", key, key.encode, BYTES)
    assert cache.usage("news").keys == 2
    source = Source()
    assert cache.value("news", "a", source, BYTES) == b"a"
    assert cache.value("news", "c", source, BYTES) == b"c"
    assert source.asked == 0
    assert cache.value("news", "b", source, BYTES) == b"first"
    assert cache.usage("news").evictions == 2
    assert metric("evictions_total", namespace="news") - evicted == 2


def test_newer_rows_are_seen_by_every_process(opened):
    mine, theirs, source = opened(), opened(), Source()
    for cache in (mine, theirs):
        assert cache.value("price", "a", source, BYTES) == b"first"
    source.value = b"second"
    mine.invalidate("price")
    assert [cache.value("price", "a", source, BYTES) for cache in (mine, theirs)] == [b"second", b"second"]
    assert opened().value("price", "a", source, BYTES) == b"second"


def test_what_was_read_before_newer_rows_came_is_not_kept(opened):
    cache, writer, source = opened(), opened(), Source(seconds=0.2)
    with ThreadPoolExecutor() as pool:
        early = pool.submit(cache.value, "price", "a", source, BYTES)
        while not source.asked:
            time.sleep(0.001)
        source.value = b"second"
        writer.invalidate("price")
        assert cache.value("price", "a", source, BYTES) == b"second", "it does not wait for the old one"
        assert early.result() == b"first"
    assert cache.value("price", "a", source, BYTES) == b"second"
    assert source.asked == 2


def test_of_many_threads_one_computes(opened):
    caches, source = [opened(), opened()], Source(seconds=0.1)
    start = threading.Barrier(24)

    def ask(number: int) -> bytes:
        start.wait()
        return caches[number % (2 if "Redis" in caches[0].where else 1)].value("price", "a", source, BYTES)

    with ThreadPoolExecutor(24) as pool:
        assert set(pool.map(ask, range(24))) == {b"first"}
    assert source.asked == 1


def test_an_error_reaches_everyone_who_waits_and_is_not_kept(opened):
    cache, start = opened(), threading.Barrier(5)

    def fail() -> bytes:
        time.sleep(0.1)
        raise StorageError("the database is away")

    def ask(_number: int) -> bytes:
        start.wait()
        return cache.value("price", "a", fail, BYTES)

    with ThreadPoolExecutor(5) as pool:
        for future in [pool.submit(ask, n) for n in range(5)]:
            with pytest.raises(StorageError, match="away"):
                future.result()
    assert cache.value("price", "a", Source(), BYTES) == b"first"


def test_a_damaged_value_is_computed_again(opened):
    def refuse(_stored: bytes) -> bytes:
        raise ValueError("not of this version")

    cache, source = opened(), Source()
    strange = Codec(bytes, refuse, bytes)
    assert [cache.value("price", "a", source, strange) for _ in range(2)] == [b"first"] * 2
    assert source.asked == 3, "once to keep it, and each time that it could not be read"
    assert cache.value("price", "a", source, BYTES) == b"first"
    assert source.asked == 3


def test_clearing_gives_the_memory_back(opened):
    cache, source = opened(), Source()
    cache.value("price", "a", source, BYTES)
    cache.value("news", "a", source, BYTES)
    assert cache.clear("price") == 1
    assert (cache.usage("price").keys, cache.usage("news").keys) == (0, 1)
    cache.value("price", "a", source, BYTES)
    assert source.asked == 3


def test_an_unknown_namespace_is_named():
    with pytest.raises(BitPredictError, match="no namespace 'prices'; it has price, news, sentiment"):
        open_cache(Settings()).value("prices", "a", Source(), BYTES)


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("")
    space = Namespace("price", 60, 10)
    cache, source = Cache(MemoryStore(tmp_path / "file" / "cache"), (space,)), Source()
    cache.value("price", "a", source, BYTES)
    source.value = b"second"
    cache.invalidate("price")
    assert cache.value("price", "a", source, BYTES) == b"second"


@pytest.mark.parametrize("url", ["http://host", "redis://host:port"])
def test_a_malformed_address_names_the_setting(url):
    with pytest.raises(SettingsError, match="BITPREDICT_REDIS_URL is not usable"):
        open_cache(Settings(redis_url=url))


def test_nobody_is_told_the_password():
    assert open_cache(Settings(redis_url="redis://me:secret@host:6380/2")).where == "Redis at host:6380/2"


@pytest.fixture
def shared(redis_server: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(cache_redis, "REST", 0.5)
    monkeypatch.setattr(cache_redis, "PATIENCE", PATIENT)
    return settings.model_copy(update={"redis_url": redis_server.url})


@pytest.mark.slow
class TestRedis:
    def test_a_killed_one_costs_time_and_nothing_else(self, shared, redis_server):
        with structlog.testing.capture_logs() as log:
            cache, source = open_cache(shared), Source()
            cache.value("price", "a", source, BYTES)
            redis_server.kill()
            away = metric("away_total")
            source.value = b"second"
            started = time.perf_counter()
            assert [cache.value("price", "a", source, BYTES) for _ in range(50)] == [b"second"] * 50
            cache.invalidate("price")
            assert time.perf_counter() - started < PATIENT
            assert source.asked == 51
            assert metric("away_total") - away >= 50
            assert cache.usage("price") is None
            assert cache.clear("price") == 0
            assert metric("keys", namespace="price") != metric("keys", namespace="price"), "NaN"
            assert cache.where.endswith("which is away")
            redis_server.start()
            time.sleep(0.6)
            assert [cache.value("price", "a", source, BYTES) for _ in range(9)] == [b"second"] * 9
            assert source.asked == 52
            assert not cache.where.endswith("away")
        assert [said["event"] for said in log] == ["Redis is away: reads go to the database", "Redis is back"]

    def test_one_that_hangs_is_not_waited_for_twice(self, shared, redis_server, monkeypatch):
        monkeypatch.setattr(cache_redis, "PATIENCE", 1.0)
        monkeypatch.setattr(cache_redis, "REST", 600.0)
        cache, source = open_cache(shared), Source()
        cache.value("price", "a", source, BYTES)
        redis_server.freeze()
        started = time.perf_counter()
        for _ in range(60):
            assert cache.value("price", "a", source, BYTES) == b"first"
        assert 1.0 <= time.perf_counter() - started < 40, "of a minute"
        redis_server.thaw()

    def test_newer_rows_are_told_when_it_is_back(self, shared, redis_server, monkeypatch):
        monkeypatch.setattr(cache_redis, "PATIENCE", 2.0)
        reader, writer, source = open_cache(shared), open_cache(shared), Source()
        reader.value("price", "a", source, BYTES)
        redis_server.freeze()
        source.value = b"second"
        writer.invalidate("price")
        redis_server.thaw()
        time.sleep(0.6)
        writer.value("news", "other", source, BYTES)
        writer.value("price", "other", source, BYTES)
        assert reader.value("price", "a", source, BYTES) == b"second"

    def test_who_dies_while_computing_is_waited_for_only_so_long(self, shared, redis_server, monkeypatch):
        monkeypatch.setattr(cache_redis, "LOCK_SECONDS", 0.3)
        cache, client = open_cache(shared), redis_server.client()
        cache.value("price", "a", Source(), BYTES)
        (order,) = client.keys("*:order")
        client.set(order.replace(b":order", b":lock:b"), b"of a dead process", px=60_000)
        source = Source()
        started = time.perf_counter()
        assert cache.value("price", "b", source, BYTES) == b"first"
        assert 0.25 < time.perf_counter() - started < 30
        assert source.asked == 1
        client.close()

    def test_across_processes_one_computes(self, shared, tmp_path):
        code = (
            "import sys, time\n"
            "from pathlib import Path\n"
            "from bitpredict.settings import Settings\n"
            "from bitpredict.storage import cache_redis\n"
            "from bitpredict.storage.cache import Codec, open_cache\n"
            "def compute():\n"
            "    with Path(sys.argv[2]).open('a') as file: file.write('x')\n"
            "    time.sleep(0.3)\n"
            "    return b'value'\n"
            f"cache_redis.PATIENCE = {PATIENT}\n"
            "cache = open_cache(Settings(redis_url=sys.argv[1]))\n"
            "print('ready', flush=True); input()\n"
            "print(cache.value('price', 'a', compute, Codec(bytes, bytes, bytes)).decode())\n"
        )
        log = tmp_path / "computed"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        asked = [subprocess.Popen([sys.executable, "-c", code, shared.redis_url, str(log)], **pipes) for _ in range(2)]
        for each in asked:
            assert each.stdout.readline() == "ready\n"
        for each in asked:
            each.stdin.write("\n")
            each.stdin.flush()
        assert [each.communicate(timeout=120)[0] for each in asked] == ["value\n"] * 2
        assert log.read_text() == "x"

    def test_it_may_forget_what_it_likes(self, shared, redis_server):
        cache, client, source = open_cache(shared), redis_server.client(), Source()
        cache.value("price", "a", source, BYTES)
        source.value = b"second"
        for name in client.keys("*"):
            if name.endswith(b":generation"):
                client.delete(name)
        assert cache.value("price", "a", source, BYTES) == b"second", "of which generation it was, nobody knows"
        client.flushall()
        source.value = b"third"
        assert cache.value("price", "a", source, BYTES) == b"third"
        client.close()

    def test_a_full_one_keeps_nothing_and_fails_nobody(self, shared, redis_server):
        client = redis_server.client()
        client.config_set("maxmemory", 1)
        cache, source = open_cache(shared), Source()
        assert [cache.value("price", "a", source, BYTES) for _ in range(3)] == [b"first"] * 3
        client.close()

    def test_a_value_at_hand_is_not_fetched_again(self, shared, redis_server):
        cache, client, big = open_cache(shared), redis_server.client(), b"x" * 100_000
        open_cache(shared).value("price", "a", lambda: big, BYTES)
        sent = []
        for _ in range(2):
            before = client.info("stats")["total_net_output_bytes"]
            for _ in range(5):
                assert cache.value("price", "a", Source(), BYTES) == big
            sent.append(client.info("stats")["total_net_output_bytes"] - before)
        assert len(big) < sent[0] < 2 * len(big), "once"
        assert sent[1] < 0.2 * len(big), "not at all"
        assert cache.usage("price").hits == 10
        client.close()

    def test_a_value_at_hand_is_given_only_while_redis_has_the_same(self, shared, redis_server):
        mine, theirs, client, source = open_cache(shared), open_cache(shared), redis_server.client(), Source()
        assert [cache.value("price", "a", source, BYTES) for cache in (mine, theirs)] == [b"first"] * 2
        (value,) = client.keys("*:value:a")
        client.delete(value)
        source.value = b"second"
        assert theirs.value("price", "a", source, BYTES) == b"second"
        assert mine.value("price", "a", source, BYTES) == b"second"
        client.delete(value)
        source.value = b"third"
        assert mine.value("price", "a", source, BYTES) == b"third"
        client.close()

    def test_more_values_than_are_kept_at_hand(self, shared, monkeypatch):
        monkeypatch.setattr(cache_redis, "SEEN", 2)
        writer, reader = open_cache(shared), open_cache(shared)
        for key in "abcde":
            writer.value("price", key, key.encode, BYTES)
        for key in "abcdeabcde":
            assert reader.value("price", key, Source(), BYTES) == key.encode()

    def test_older_versions_beside_it_do_no_harm(self, shared, redis_server):
        """They kept `<generation><value>` under `value:<key>`, and told of newer rows as it is done now."""
        cache, client, source = open_cache(shared), redis_server.client(), Source()
        cache.value("price", "other", source, BYTES)
        (generation,) = client.keys("*:generation")
        client.set(generation.replace(b"generation", b"value:a"), client.get(generation) + b"z" * 99)
        assert cache.value("price", "a", source, BYTES) == b"first"
        source.value = b"second"
        client.set(generation, b"0" * 32)  # an older version tells
        assert cache.value("price", "a", source, BYTES) == b"second"
        cache.invalidate("price")
        assert client.get(generation) != b"0" * 32, "an older version is told"
        client.close()

    def test_another_database_has_other_values(self, shared):
        other = shared.model_copy(update={"home": shared.home / "other"})
        open_cache(shared).value("price", "a", Source(), BYTES)
        assert open_cache(other).value("price", "a", lambda: b"other", BYTES) == b"other"

    def test_nothing_stays_for_ever(self, shared, redis_server):
        cache, client = open_cache(shared), redis_server.client()
        cache.value("price", "a", Source(), BYTES)
        lasting = {name.rpartition(b":")[2] for name in client.keys("*") if client.ttl(name) == -1}
        assert lasting <= {b"generation", b"counts"}, "one small name a namespace each"
        assert isinstance(client, redis.Redis)
        client.close()
