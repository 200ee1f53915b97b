"""The live lane's processes as `bitpredict up` starts them: `collect`, `replay` and `predict`, watched and killed.

Each is a process of its own that runs the command line, forked from one that has imported what they need: most of a
start is imports.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from bitpredict.settings import Settings
from tests.support.commands import environment_of
from tests.support.ports import free_ports
from tests.support.stopwatch import Stopwatch

_FORGE = multiprocessing.get_context("forkserver")
_FORGE.set_forkserver_preload(
    [f"bitpredict.streaming.{name}" for name in ("predictor", "collector", "candle_replay", "kafka_log", "sql_log")]
    + ["prometheus_client", "structlog", "psycopg2", "bitpredict.cli.main"]
)

LOOK_SECONDS = 0.1
USED = "bitpredict_stream_used_total"
"""What a predictor counts of its input."""

END_SECONDS = 5.0
"""Within this a process ends after SIGTERM."""


class Part:
    """One process of the lane. What it says goes to a file."""

    def __init__(self, settings: Settings, folder: Path, arguments: Sequence[object]) -> None:
        self.name = str(arguments[0])
        (self.port,) = free_ports(1)
        self._output = folder / f"{self.name}-{self.port}.out"
        command = [*map(str, arguments), "--port", str(self.port)]
        self.process = _FORGE.Process(
            target=_run, args=(command, folder, environment_of(settings), self._output), name=self.name, daemon=True
        )
        self.process.start()

    @property
    def said(self) -> str:
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def ready(self) -> bool:
        """What /readyz answers; False while nothing answers."""
        return self.get("/readyz")[0] == 200

    def healthy(self) -> bool:
        return self.get("/healthz")[0] == 200

    def metric(self, name: str) -> float:
        """A counter or gauge, over all of its labels; 0 while nothing answers."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.partition("{")[0].partition(" ")[0] == name)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, ""
        except (URLError, OSError):
            return 0, ""

    def runs(self) -> bool:
        return self.process.is_alive()

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        """SIGKILL, and the proof that it did not end by itself."""
        self.process.kill()
        self.process.join(30)
        assert self.process.exitcode == -signal.SIGKILL, self.said

    def end(self) -> str:
        """SIGTERM, after which it has to end well and in time; its last line, which says what it did."""
        assert self.runs(), self.said
        watch = Stopwatch()
        self.signal(signal.SIGTERM)
        done = self.ended(60)
        watch.assert_within(END_SECONDS)
        return done

    def ended(self, timeout: float) -> str:
        """Wait for its end, which must be a good one; its last line."""
        self.process.join(timeout)
        assert self.process.exitcode == 0, self.said
        return self.said.splitlines()[-1]


def _run(command: Sequence[str], folder: Path, environment: dict[str, str], output: Path) -> None:
    """In the child: become the command."""
    from bitpredict.cli.main import run

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["bitpredict", *command]
    run()


class Processes:
    """The processes of one lane, by its settings. Those that still run at the end are killed."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self._folder = folder
        self._parts: list[Part] = []

    def start(self, *arguments: object) -> Part:
        part = Part(self.settings, self._folder, arguments)
        self._parts.append(part)
        return part

    def discard(self) -> None:
        for part in self._parts:
            if part.runs():
                part.process.kill()
                part.process.join(30)


@contextmanager
def processes(settings: Settings, folder: Path) -> Iterator[Processes]:
    folder.mkdir(parents=True, exist_ok=True)
    started = Processes(settings, folder)
    try:
        yield started
    finally:
        started.discard()


def until(happened: Callable[[], object], *parts: Part, seconds: float = 150) -> None:
    """Look until it has happened.

    Raises:
        AssertionError: one of the parts ended before, or it took too long; with what they said.
    """
    deadline = time.monotonic() + seconds
    while not happened():
        for part in parts:
            assert part.runs(), f"{part.name} ended with {part.process.exitcode}: {part.said}"
        assert time.monotonic() < deadline, "it did not happen in time\n" + "\n".join(part.said for part in parts)
        time.sleep(LOOK_SECONDS)
