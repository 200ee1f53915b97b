"""What a killed process left goes with the next one that succeeds; what a living one has stays."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bitpredict.storage.scratch import scratch
from tests.support.processes import ROOT

KILLED = """
import os, signal, sys
from pathlib import Path
from bitpredict.storage.scratch import scratch
with scratch(Path(sys.argv[1]), "backup") as folder:
    (folder / "file").write_bytes(b"the last copy")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The folder of a process that was killed."""
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    (folder,) = tmp_path.iterdir()
    return folder


def test_what_a_killed_process_left_goes_with_the_next_success_and_not_before(left, tmp_path):
    with pytest.raises(KeyboardInterrupt), scratch(tmp_path, "backup"):
        raise KeyboardInterrupt
    with scratch(tmp_path, "restore"):
        pass
    assert names(tmp_path) == [left.name]
    assert (left / "file").read_bytes() == b"the last copy"
    with scratch(tmp_path, "backup"):
        assert len(names(tmp_path)) == 2
    assert names(tmp_path) == []


def test_what_others_have_or_make_just_now_stays(tmp_path):
    (tmp_path / ".backup-new").mkdir()
    with scratch(tmp_path, "backup") as other:
        with scratch(tmp_path, "backup") as folder:
            assert folder != other
        assert names(tmp_path) == sorted([".backup-new", other.name])
    assert names(tmp_path) == [".backup-new"]


def test_without_locks_nothing_is_taken_for_a_dead_ones(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(os.strerror(37))

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "flock", refused)
        with scratch(tmp_path / "made", "backup") as other:
            with scratch(tmp_path / "made", "backup"):
                pass
            assert names(tmp_path / "made") == [other.name]
    assert names(tmp_path / "made") == []
