"""A private Redis from Debian's package: reached by a unix socket, keeping nothing on disk."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis


class RedisServer:
    """One that can be ended, frozen and started again, each time empty.

    Attributes:
        url: for BITPREDICT_REDIS_URL.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._folder = Path(tempfile.mkdtemp(prefix="bitpredict-redis-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._folder}/socket?db=0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["--port", "0", "--unixsocket", self._folder / "socket", "--save", "", "--appendonly", "no"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *map(str, options), "--dir", str(self._folder)], stdout=log, stderr=log
            )
        client = self.client()
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.02)
            else:
                client.close()
                return
        raise RuntimeError(f"Redis did not come up: {(self._folder / 'log').read_text()}")

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It accepts connections and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def discard(self) -> None:
        """End it and delete all that it holds."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def serving_redis() -> Iterator[RedisServer]:
    """A server that runs; skips the test, naming what is missing."""
    if not (program := shutil.which("redis-server")):
        pytest.skip("no Redis: install redis-server")
    server = RedisServer(program)
    try:
        server.start()
        yield server
    finally:
        server.discard()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """One of the test's own: it may be killed."""
    with serving_redis() as server:
        yield server
