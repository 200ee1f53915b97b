"""How long something takes that is promised to be quick, on a machine that has other things to do as well."""

import time
from collections.abc import Iterator
from pathlib import Path

_PRESSURE = (Path("/proc/pressure/cpu"), Path("/sys/fs/cgroup/cpu.pressure"))
_SLOWER = 4


class Stopwatch:
    """Runs from its making. A promise is one of a machine with a core for who wants one: seconds in which some process
    waited for a core (which Linux counts) do not belong to it, though no machine may take several times as long."""

    def __init__(self) -> None:
        self._began, self._waited = time.monotonic(), dict(_waited())

    def assert_within(self, promised: float) -> None:
        """That no more of such seconds have passed."""
        seconds = time.monotonic() - self._began
        waited = max((now - self._waited[file] for file, now in _waited()), default=0.0)
        assert seconds - waited < promised, f"{seconds:.1f} s, of which {waited:.1f} s without a free core"
        assert seconds < _SLOWER * promised


def _waited() -> Iterator[tuple[Path, float]]:
    """Seconds so far in which at least one process waited for a core."""
    for file in _PRESSURE:
        if file.exists():
            some = file.read_text().splitlines()[0]
            yield file, int(some.rpartition("total=")[2]) / 1e6
