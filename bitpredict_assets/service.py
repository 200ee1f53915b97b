"""One child process of `bitpredict up`, with everything that it starts itself."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bitpredict_assets.dead_runs import listening

HOST = "127.0.0.1"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Service:
    """A process whose output goes to the end of `log`; it is up when its `port` answers.

    Attributes:
        address: where people find it.
        awaited: those after it need it from their start.
        setting: what moves it to another port.
    """

    name: str
    command: list[str]
    log: Path
    port: int | None = None
    address: str = ""
    awaited: bool = False
    setting: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, environment: dict[str, str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            # A process group of its own: Ctrl-C reaches the supervisor alone, which then ends its children in order.
            self.process = subprocess.Popen(  # noqa: S603
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                preexec_fn=partial(_end_with_the_supervisor, os.getpid()),
            )

    @property
    def ended(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.poll() if self.process else None

    @property
    def answers(self) -> bool:
        return self.port is None or listening(HOST, self.port)

    def state(self) -> str:
        if self.process is None:
            return "waiting"
        if self.ended is not None:
            return f"ended with {self.ended}"
        return "running" if self.answers else "starting"

    def last_lines(self, count: int = 5) -> list[str]:
        """The end of its log."""
        return self.log.read_text(errors="replace").strip().splitlines()[-count:]

    def ask_to_end(self) -> None:
        """SIGTERM to it and all that it started."""
        self._signal(signal.SIGTERM)

    def end(self, deadline: float) -> None:
        """Wait until it and all that it started have ended; kill what has not by `deadline` (monotonic seconds)."""
        if self.process is None:
            return
        while self._signal(0) and time.monotonic() < deadline:
            self.process.poll()  # once reaped, it no longer counts as one of its group
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> bool:
        """Signal the whole group; False when nothing is left of it."""
        if self.process is None:
            return False
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True


def _end_with_the_supervisor(supervisor: int) -> None:
    """In the child: the kernel ends it when the supervisor is killed and cannot (Linux only)."""
    if _libc:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != supervisor:  # killed before the kernel knew
            os._exit(1)
