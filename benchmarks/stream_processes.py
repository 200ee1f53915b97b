"""The other processes of the live lane's benchmarks: the predictor as it is shipped, and children of a benchmark."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bitpredict.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


def number(name: str, default: float) -> float:
    """An option of a benchmark: the variable BENCH_<name>."""
    return float(os.environ.get(f"BENCH_{name}", default))


def machine_load() -> str:
    """The machine's load of the last minute, to be printed with what is measured next."""
    return f"load {os.getloadavg()[0]:.1f} at its start"


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder that goes when it is no longer needed, whatever a process that ends still writes into it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(settings: Settings) -> dict[str, str]:
    """What makes another process use the same home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BITPREDICT_", "DAGSTER_"))}
    return kept | {
        "BITPREDICT_HOME": str(settings.home),
        "BITPREDICT_MARKET": settings.market,
        "BITPREDICT_SYMBOLS": ",".join(settings.symbols),
        "BITPREDICT_EVENT_LOG_URL": settings.event_log_url,
        "BITPREDICT_TRADES_RETENTION_HOURS": f"{settings.trades_retention_hours}",
    }


class Predictor:
    """A `bitpredict predict` of its own process, ready when made.

    Attributes:
        summary: what it said when it ended.
    """

    def __init__(self, settings: Settings) -> None:
        self._port = free_port()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bitpredict", "predict", "--port", str(self._port)],
            env=environment(settings),
            stdout=subprocess.PIPE,
            text=True,
        )
        self.summary = ""
        until(self._is_ready, self._process, 60)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> str:
        """End it as an operator would."""
        self._process.send_signal(signal.SIGTERM)
        self.summary = self._process.communicate(timeout=60)[0].strip().splitlines()[-1]
        return self.summary

    def __enter__(self) -> "Predictor":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=1):
                return True
        except OSError:
            return False


def child(module: str, settings: Settings, *arguments: object) -> "subprocess.Popen[str]":
    """`python -m benchmarks.<module>` beside this process, on the same home; it prints one line of JSON at its end."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    return subprocess.Popen(command, env=environment(settings), stdout=subprocess.PIPE, text=True, cwd=ROOT)


def said(process: "subprocess.Popen[str]") -> dict[str, float]:
    """What a child printed at its end."""
    out = process.communicate()[0]
    if process.returncode != 0:
        raise SystemExit(f"{process.args!r} failed")
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def until(condition: Callable[[], bool], process: "subprocess.Popen[Any]", seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{process.args!r} did not come up")
        time.sleep(0.05)
