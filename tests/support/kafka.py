"""A private Kafka broker: the real one, by `deploy/kafka/broker`, with ports and a folder of its own."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.support.ports import free_ports

_ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = _ROOT / "deploy" / "kafka" / "broker"
# Little memory, a quick start, and retention that a test can wait for (of properties given twice, the last holds).
_JAVA_OPTIONS = "-Xms128m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
_QUICK = "log.retention.check.interval.ms=500\nlog.initial.task.delay.ms=500\n"


@contextmanager
def serving() -> Iterator[str]:
    """The URL of a running broker."""
    with new_broker() as broker:
        broker.start()
        yield broker.url


def new_broker(data: Path | None = None) -> "Broker":
    """A broker that is not started yet, its logs in `data` where given; skips the test, naming what is missing."""
    if shutil.which("java") is None:
        pytest.skip("no java: install openjdk-17-jre-headless")
    if not (_ROOT / ".kafka" / "libs").is_dir():
        if shutil.which("mvn") is None:
            pytest.skip("no mvn to fetch Kafka with: install maven")
        _fetch()
    return Broker(data)


class Broker:
    """One broker; its data outlive `stop` and `kill`.

    Attributes:
        address: `host:port`. url: what BITPREDICT_EVENT_LOG_URL takes. data: the folder of its logs.
    """

    def __init__(self, data: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bitpredict-kafka-"))
        self.data = data or self.folder / "data"
        port, controller = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        self.url = f"kafka://{self.address}"
        properties = (_SCRIPT.parent / "server.properties").read_text()
        properties = properties.replace(":9092", f":{port}").replace(":9093", f":{controller}")
        properties = properties.replace(".kafka/data", str(self.data))
        (self.folder / "server.properties").write_text(properties + _QUICK)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 240) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_SCRIPT, self.folder / "server.properties"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=os.environ | {"KAFKA_JAVA_OPTIONS": f"{_JAVA_OPTIONS} -Djava.io.tmpdir={self.folder}"},
            )
        host, port = self.address.split(":")
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as connection:
                if connection.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.1)
        self.kill()
        raise RuntimeError(f"Kafka did not come up: {(self.folder / 'log').read_text()[-3000:]}")

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def discard(self) -> None:
        """End it and delete all that it holds."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.discard()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:  # a clean end can wait for a controller that is gone
            self._process.kill()
            self._process.wait(20)
        self._process = None


def _fetch() -> None:
    """Fetch the libraries once, whoever else runs tests in this checkout."""
    (_ROOT / ".kafka").mkdir(exist_ok=True)
    with (_ROOT / ".kafka" / "fetching.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fetched = subprocess.run([_SCRIPT, "--fetch"], check=False, capture_output=True, text=True)
    if fetched.returncode != 0:
        raise RuntimeError(fetched.stdout + fetched.stderr)
