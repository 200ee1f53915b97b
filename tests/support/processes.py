"""Other processes that run this project's code beside a test: `python -m <module>`, started and ended by it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]

Process = subprocess.Popen[str]


@contextmanager
def running(module: str, *arguments: object) -> Iterator[Process]:
    """A process that has printed `ready` and waits for `go`; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"{module} did not get ready: {process.communicate()[1]}")
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_answer(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until the server that was started is up; `log` is what it says."""
    deadline = time.monotonic() + 200
    while True:
        assert process.poll() is None, log.read_text()
        try:
            urlopen(url, timeout=30).close()  # noqa: S310 - our own server
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.25)
        else:
            return


def go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def succeed(process: Process, timeout: float = 120) -> None:
    """Wait for its end, which must be a good one."""
    _, errors = process.communicate(timeout=timeout)
    assert process.returncode == 0, errors
