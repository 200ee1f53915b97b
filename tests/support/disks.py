"""Folders that cannot be written: full, or without rights. As root by real file systems, else as near as possible."""

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(kilobytes: int) -> Iterator[Path]:
    """A folder on a disk of that size; without the right to mount one, no file can grow beyond it."""
    with tempfile.TemporaryDirectory(prefix="bitpredict-disk-") as name:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", name]
        if os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0:
            try:
                yield Path(name)
            finally:
                subprocess.run(["umount", "--lazy", name], check=True)
        else:
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, hard))
            try:
                yield Path(name)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_rights(folder: Path, mode: int) -> Iterator[None]:
    """`folder` and what is in it with `mode`, seen by a user whom modes bind: root becomes somebody else meanwhile."""
    inside = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
    before = [(path, path.stat().st_mode) for path in inside]
    user = os.geteuid()
    for path in reversed(inside):
        path.chmod(mode)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        for path, was in before:
            path.chmod(was)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter (pytest's own belong to one)."""
    with tempfile.TemporaryDirectory(prefix="bitpredict-open-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """`folder` and what is in it, which no process can change: mounted read-only, or without the right to mount one,
    by its mode."""
    if os.geteuid() != 0:
        with without_rights(folder, 0o555):
            yield
        return
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
