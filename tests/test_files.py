"""A file is the old one or the new one, whatever happens while it is written."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from bitpredict.files import replace_file
from tests.support.disks import open_folder, small_disk, without_rights
from tests.support.processes import ROOT, Process, go, running

SIZE = 1 << 20


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("flushed", [False, True])
def test_the_file_and_its_folders_are_made_and_then_replaced(tmp_path, flushed):
    file = tmp_path / "a" / "b" / "file"
    for content in (b"old and long", b"new", b""):
        replace_file(file, content, flushed=flushed)
        assert file.read_bytes() == content
        assert names(file.parent) == ["file"]


@pytest.mark.usefixtures("usual_umask")
def test_the_permissions_are_those_of_any_new_file_or_the_ones_asked_for(tmp_path):
    file = tmp_path / "file"
    for asked, given in (({}, 0o644), ({"mode": 0o600}, 0o600), ({"mode": 0o644}, 0o644), ({}, 0o644)):
        replace_file(file, b"", **asked)
        assert stat.S_IMODE(file.stat().st_mode) == given
    os.umask(0o077)
    replace_file(file, b"")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "the umask counts"


def test_a_link_is_replaced_and_what_it_led_to_stays(tmp_path):
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / "file").symlink_to("other")
    replace_file(tmp_path / "file", b"new")
    assert (tmp_path / "other").read_bytes() == b"other"
    assert not (tmp_path / "file").is_symlink()


def test_a_flushed_file_is_on_the_disk_before_it_takes_the_old_ones_place(tmp_path, monkeypatch):
    file, seen, flush = tmp_path / "file", [], os.fsync
    file.write_bytes(b"old")

    def watched(descriptor: int) -> None:
        seen.append((file.read_bytes(), os.fstat(descriptor).st_size))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    replace_file(file, b"newer", flushed=True)
    assert seen == [(b"old", 5)]
    replace_file(file, b"newest")
    assert len(seen) == 1


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("problem", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_what_fails_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, problem):
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def fail(*_: object) -> None:
        assert len(names(tmp_path)) == 2
        raise problem

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(type(problem)) as raised:
        replace_file(file, b"new", flushed=True)
    assert raised.value is problem
    assert names(tmp_path) == ["file"]
    assert file.read_bytes() == b"old"


def test_what_cannot_be_cleaned_up_does_not_hide_what_went_wrong(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "first")

    def fail_again(*_: object) -> None:
        raise OSError(errno.EROFS, "second")

    monkeypatch.setattr(Path, "replace", fail)
    monkeypatch.setattr(Path, "unlink", fail_again)
    with pytest.raises(OSError, match="first"):
        replace_file(tmp_path / "file", b"new")


@pytest.mark.parametrize("place", ["folder", "below/file"])
def test_a_place_where_no_file_can_be_is_an_error_of_the_disk(tmp_path, place):
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "below").write_bytes(b"")
    with pytest.raises(OSError, match=r"folder|below|busy|directory"):
        replace_file(tmp_path / place, b"new")
    assert names(tmp_path) == ["below", "folder"]


def test_a_path_without_a_name_is_an_error_of_the_disk_too(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=r"busy|directory"):
        replace_file(Path(), b"new")
    assert names(tmp_path) == []


def test_a_full_disk_leaves_the_old_file_and_its_room():
    with small_disk(200) as folder:
        file = folder / "file"
        replace_file(file, b"old")
        with pytest.raises(OSError, match=r"No space left|too large"):
            replace_file(file, bytes(500_000))
        assert file.read_bytes() == b"old"
        assert names(folder) == ["file"]
        replace_file(file, bytes(100_000))


def test_a_folder_without_rights_leaves_the_old_file():
    with open_folder() as folder:
        replace_file(folder / "file", b"old")
        with without_rights(folder, 0o555), pytest.raises(PermissionError):
            replace_file(folder / "file", b"new")
        assert (folder / "file").read_bytes() == b"old"
        assert names(folder) == ["file"]


def test_a_process_killed_in_the_middle_leaves_the_old_file(tmp_path):
    """What it had written until then lies hidden beside it and is in nobody's way."""
    file = tmp_path / "file"
    replace_file(file, b"old")
    killed = (
        "import os, signal, sys; from pathlib import Path; from bitpredict.files import replace_file\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        "replace_file(Path(sys.argv[1]), b'new', flushed=True)"
    )
    assert subprocess.run([sys.executable, "-c", killed, file], check=False, cwd=ROOT).returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old"
    (left,) = {*names(tmp_path)} - {"file"}
    assert left.startswith(".")
    replace_file(file, b"newer")
    assert file.read_bytes() == b"newer"
    assert names(tmp_path) == [left, "file"]


@pytest.mark.slow
def test_readers_beside_several_writers_see_whole_files_also_when_writers_are_killed(tmp_path):
    """Each writer's file is one letter: half of one, or one of two writers, would show."""
    file, seen, writers = tmp_path / "file", set(), dict[str, Process]()
    replace_file(file, b"0" * SIZE)

    def look() -> None:
        content = file.read_bytes()
        assert content == content[:1] * SIZE
        seen.add(content[:1].decode())

    with ExitStack() as stack:
        for letter in "abc":
            writers[letter] = stack.enter_context(running("tests.support.file_writer", file, letter, SIZE))
        for writer in writers.values():
            go(writer)
        deadline = time.monotonic() + 60
        while not seen >= {*writers}:
            look()
            assert time.monotonic() < deadline, seen
        for writer in writers.values():
            assert writer.poll() is None, "it failed"
            writer.kill()
            writer.wait()
            for _ in range(20):
                look()
    replace_file(file, b"mine")
    assert file.read_bytes() == b"mine"
