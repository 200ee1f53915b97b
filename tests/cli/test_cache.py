"""`bitpredict cache`."""

import json

import pytest

from bitpredict.settings import Settings
from bitpredict.storage import cache_redis
from bitpredict.storage.cache import Codec, open_cache
from tests.support.redis_server import redis_server

__all__ = ["redis_server"]

BYTES: Codec[bytes] = Codec(bytes, bytes, bytes)


def test_without_redis_the_limits_are_shown_and_no_figures_of_nothing(run, monkeypatch):
    monkeypatch.setenv("BITPREDICT_CACHE_NEWS_KEYS", "7")
    shown = run("cache", "stats")
    assert shown.exit_code == 0
    assert "each process has its own cache" in shown.stdout
    rows = {row["namespace"]: row for row in json.loads(run("cache", "stats", "--json").stdout)}
    assert list(rows) == ["price", "news", "sentiment"]
    assert (rows["news"]["most_keys"], rows["news"]["seconds"], rows["news"]["hits"]) == (7, 900.0, None)


def test_clearing_reaches_the_other_processes_of_this_machine(run):
    cache = open_cache(Settings())
    cache.value("price", "a", lambda: b"old", BYTES)
    cache.value("news", "a", lambda: b"old", BYTES)
    assert run("cache", "clear", "price").stdout == "price: every process forgets its own\n"
    assert cache.value("price", "a", lambda: b"new", BYTES) == b"new"
    assert cache.value("news", "a", lambda: b"new", BYTES) == b"old"
    run("cache", "clear")
    assert cache.value("news", "a", lambda: b"new", BYTES) == b"new"


def test_where_the_other_processes_cannot_be_told_nothing_else_is_said(run, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BITPREDICT_HOME", str(tmp_path / "file" / "home"))
    result = run("cache", "clear")
    assert result.exit_code == 1
    assert "price: other processes give what they keep until its time is over" in result.stderr
    assert "every process forgets" not in result.output


def test_an_unknown_namespace_is_one_line(run):
    result = run("cache", "clear", "prices")
    assert result.exit_code == 1
    assert "no namespace 'prices'" in result.stderr


@pytest.mark.slow
def test_with_redis_the_figures_are_those_of_all_processes(run, redis_server, monkeypatch):
    monkeypatch.setattr(cache_redis, "PATIENCE", 60.0)
    monkeypatch.setenv("BITPREDICT_REDIS_URL", redis_server.url)
    cache = open_cache(Settings())
    for key in ("a", "a", "b"):
        cache.value("price", key, lambda: b"value", BYTES)
    (price, *_) = json.loads(run("cache", "stats", "--json").stdout)
    assert price == {
        "namespace": "price",
        "seconds": 300.0,
        "most_keys": 1000,
        "keys": 2,
        "size": 10,
        "hits": 1,
        "misses": 2,
        "evictions": 0,
    }
    assert run("cache", "clear").stdout == "price: 2 values\nnews: 0 values\nsentiment: 0 values\n"
    redis_server.kill()
    away = run("cache", "stats")
    assert (away.exit_code, "which is away" in away.stdout) == (1, True)
    refused = run("cache", "clear")
    assert (refused.exit_code, "which is away: start it" in refused.stderr) == (1, True)
