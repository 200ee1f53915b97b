"""Files that others read while they are written: the old one or the new one is there, never half of one."""

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def replace_file(path: Path, content: bytes, *, flushed: bool = False, mode: int = 0o666) -> None:
    """Make `content` the whole of the file at `path`, whose folders are made where they are missing.

    It is written beside its place, under a name that no other process has, and renamed. Of several writers the last to
    rename wins. What fails leaves the old file and nothing else; a killed process may leave its hidden `.part` file.

    Args:
        path: the file; a link there is replaced, not followed.
        content: its bytes.
        flushed: wait until the disk has them before they take the old one's place, so that a power cut spares one of
            the two. Costs milliseconds; what is checked when it is read, or soon written again, can do without.
        mode: the new file's permissions, less what the umask takes; the old one's do not count.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.parent / f".{uuid4().hex}.part"
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            if flushed:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):  # what went wrong first is told
            beside.unlink()
        raise
