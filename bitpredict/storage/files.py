"""Files below one root, a folder or S3, each there whole or not at all."""

import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from bitpredict.errors import StorageError
from bitpredict.storage.delta_errors import remedy

UNFINISHED = ".part"
"""What a file's name ends in until all of it is written: never read, and removed with its folder."""

_PIECE = 8 << 20


class Files:
    """Files by their path below a root, parts separated by slashes. Safe to share between threads.

    Args:
        root: a folder or `s3://bucket/prefix`.
        storage_options: what Delta needs to reach S3 (`Settings.options_for`).
        variable: the setting that names the root, for errors.
    """

    def __init__(self, root: str, storage_options: Mapping[str, str], variable: str) -> None:
        self.root = root.rstrip("/")
        self.is_local = "://" not in self.root
        self._variable = variable
        if self.is_local:
            self._files: pafs.FileSystem = pafs.SubTreeFileSystem(
                str(Path(self.root).resolve()), pafs.LocalFileSystem()
            )
        else:
            # Delta's own handler of files cannot write through this Arrow.
            self._files = pafs.SubTreeFileSystem(self.root.removeprefix("s3://"), _s3(storage_options))

    def write(self, path: str, content: bytes) -> None:
        """Write a file, replacing what is there.

        Raises:
            StorageError: it cannot be written. What was there is still there.
        """
        self.copy_in(path, iter([content]))

    def copy_in(self, path: str, pieces: Iterator[bytes]) -> int:
        """Write a file piece by piece; it appears with the last of them. Returns its bytes.

        Raises:
            StorageError: as `write`.
        """
        # A store of objects shows one when it is whole; a folder shows every byte, and a rename is its one step.
        target = f"{path}.{uuid.uuid4().hex}{UNFINISHED}" if self.is_local else path
        written = 0
        with self._explained("write", path):
            if self.is_local and (folder := path.rpartition("/")[0]):
                self._files.create_dir(folder, recursive=True)
            elif self.is_local:
                Path(self.root).mkdir(parents=True, exist_ok=True)
            try:
                with self._files.open_output_stream(target, compression=None) as stream:
                    for piece in pieces:
                        stream.write(piece)
                        written += len(piece)
                if self.is_local:
                    Path(self.root, target).replace(Path(self.root, path))
            except BaseException:
                if self.is_local:
                    with suppress(OSError):
                        Path(self.root, target).unlink()
                raise
        return written

    def read(self, path: str) -> bytes:
        """A file's bytes.

        Raises:
            StorageError: it is not there, or cannot be read.
        """
        return b"".join(self.pieces(path))

    def pieces(self, path: str) -> Iterator[bytes]:
        """A file's bytes, some megabytes at a time."""
        with self._explained("read", path), self._files.open_input_file(path) as stream:
            while piece := stream.read(_PIECE):
                yield bytes(piece)

    def exists(self, path: str) -> bool:
        with self._explained("read", path):
            return bool(self._files.get_file_info([path])[0].type != pafs.FileType.NotFound)

    def below(self, folder: str) -> list[str]:
        """The paths of all finished files below a folder, in order; none where there is no folder."""
        return [path for path in self._every(folder) if not path.endswith(UNFINISHED)]

    def folders(self, folder: str) -> list[str]:
        """The names of the folders directly in a folder, in order."""
        with self._explained("read", folder):
            chosen = pafs.FileSelector(folder, allow_not_found=True)
            found = self._files.get_file_info(chosen)
            names = {info.path.rpartition("/")[2] for info in found if info.type == pafs.FileType.Directory}
            return sorted(names)

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        with self._explained("delete", path), suppress(FileNotFoundError):
            self._files.delete_file(path)

    def delete_folder(self, folder: str) -> int:
        """Delete everything below a folder, what is unfinished included. Returns how many files that were."""
        with self._explained("delete", folder):
            found = self._files.get_file_info(pafs.FileSelector(folder, recursive=True, allow_not_found=True))
            inner = [info.path for info in found if info.type == pafs.FileType.Directory and not self.is_local]
            # The innermost first: some S3 servers keep folders, and refuse to delete one that is not empty.
            for path in [*sorted(inner, key=lambda path: -path.count("/")), folder]:
                with suppress(FileNotFoundError):  # another process deletes it too
                    self._files.delete_dir(path)
            return sum(info.type == pafs.FileType.File for info in found)

    def _every(self, folder: str) -> list[str]:
        with self._explained("read", folder):
            chosen = pafs.FileSelector(folder, recursive=True, allow_not_found=True)
            return sorted(info.path for info in self._files.get_file_info(chosen) if info.type == pafs.FileType.File)

    @contextmanager
    def _explained(self, doing: str, path: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else remedy(error)
            what = reason.replace("BITPREDICT_LAKE_URL", self._variable)
            raise StorageError(f"cannot {doing} {self.root}/{path}: {what}; see {self._variable}") from error


def _s3(options: Mapping[str, str]) -> pafs.FileSystem:
    """S3 by Delta's names for its options."""
    scheme, _, endpoint = options.get("AWS_ENDPOINT_URL", "").rpartition("://")
    return pafs.S3FileSystem(
        access_key=options.get("AWS_ACCESS_KEY_ID"),
        secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
        region=options.get("AWS_REGION"),
        scheme=scheme or "https",
        endpoint_override=endpoint or None,
        connect_timeout=5,
        request_timeout=30,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=5),
    )
