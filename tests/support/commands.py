"""The installed `bitpredict` command as a process, watched, interrupted and killed by a test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bitpredict.settings import Settings

BITPREDICT = Path(sys.executable).with_name("bitpredict")
LOOK_SECONDS = 0.002


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str
    cpu_seconds: float = 0.0

    def one_error(self) -> str:
        """The single line with which it failed."""
        assert self.code == 1, f"{self.code}\n{self.out}\n{self.err}"
        assert self.err.startswith("error: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err


def bitpredict(
    *arguments: object, cwd: Path, prefix: tuple[str, ...] = (), timeout: float = 1500, **environment: object
) -> Finished:
    """Run a command to its end."""
    before = _cpu_of_children()
    done = subprocess.run(
        [*prefix, BITPREDICT, *map(str, arguments)],
        cwd=cwd,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr, _cpu_of_children() - before)


@contextmanager
def started(*arguments: object, cwd: Path, **environment: object) -> Iterator["subprocess.Popen[str]"]:
    """A command that runs beside the test; it and all that it started are killed at the end."""
    process = subprocess.Popen(
        [BITPREDICT, *map(str, arguments)],
        cwd=cwd,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    family = psutil.Process(process.pid)
    children: list[psutil.Process] = []
    try:
        yield process
    finally:
        if process.poll() is None:
            with suppress(psutil.NoSuchProcess):
                children = family.children(recursive=True)
            process.kill()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        process.communicate()


def wait_for(happened: Callable[[], bool], process: "subprocess.Popen[str]", seconds: float = 300) -> None:
    """Look until it has happened.

    Raises:
        AssertionError: the process ended before, or it took too long.
    """
    deadline = time.monotonic() + seconds
    while not happened():
        if process.poll() is not None:
            raise AssertionError(f"it ended with {process.returncode} before: {process.communicate()}")
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(LOOK_SECONDS)


def ended(process: "subprocess.Popen[str]", timeout: float = 120) -> Finished:
    """Wait for its end."""
    out, err = process.communicate(timeout=timeout)
    return Finished(process.returncode, out, err)


def killed(process: "subprocess.Popen[str]") -> None:
    """SIGKILL, and the proof that it did not end by itself."""
    process.kill()
    assert process.wait(30) == -signal.SIGKILL, process.communicate()


def command_line(process: psutil.Process) -> str:
    """Empty once it is gone: of a family that was looked up, some may have ended since."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


def environment_of(settings: Settings) -> dict[str, str]:
    """An environment in which `Settings()` has the values that these were given."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return _environment(
        {
            f"BITPREDICT_{name.upper()}": ",".join(value) if isinstance(value, tuple) else value
            for name, value in given.items()
        }
    )


def _environment(settings: dict[str, object]) -> dict[str, str]:
    """The shell's, without settings of its own: what counts is given."""
    shell = {name: value for name, value in os.environ.items() if not name.startswith(("BITPREDICT_", "DAGSTER_"))}
    return shell | {name: str(value) for name, value in settings.items()}


def _cpu_of_children() -> float:
    used = os.times()
    return used.children_user + used.children_system
