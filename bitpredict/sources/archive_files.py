"""Where an archive's files lie: a folder, or an HTTP address with the same paths below it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bitpredict.errors import BadSourceDataError, SourceUnavailableError
from bitpredict.sources.downloads import Downloads
from bitpredict.sources.http import HttpClient, Reply


@dataclass(frozen=True)
class Found:
    """A file's bytes.

    Attributes:
        verified: they were found good before and have not changed since.
        keep: to be called when they were found good.
    """

    body: bytes
    verified: bool
    keep: Callable[[], None]


class ArchiveFiles(Protocol):
    """Files by their path below the archive's base."""

    def read(self, path: str) -> Found | None:
        """The file, None where there is none."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""

    def locate(self, path: str) -> str:
        """The path or address, for messages."""


@dataclass(frozen=True)
class FolderFiles:
    """An archive in a folder."""

    folder: Path
    max_bytes: int

    def read(self, path: str) -> Found | None:
        """Raises SourceUnavailableError without the folder, BadSourceDataError for a file above `max_bytes`."""
        file = self.folder / path
        try:
            if file.stat().st_size > self.max_bytes:
                raise BadSourceDataError(f"{file} is larger than {self.max_bytes} bytes; it is no file of the archive")
            return Found(file.read_bytes(), verified=False, keep=_nothing)
        except FileNotFoundError:
            self._require_folder()
            return None
        except OSError as error:
            raise SourceUnavailableError(f"{file} cannot be read ({error.strerror}); check its permissions") from error

    def exists(self, path: str) -> bool:
        return (self.folder / path).exists()

    def locate(self, path: str) -> str:
        return str(self.folder / path)

    def _require_folder(self) -> None:
        if not self.folder.is_dir():
            raise SourceUnavailableError(f"there is no archive at {self.folder}; set BITPREDICT_ARCHIVE_URL")


@dataclass(frozen=True)
class WebFiles:
    """An archive behind HTTP; good files are kept and only fetched again when they have changed."""

    base: str
    max_bytes: int
    http: HttpClient
    downloads: Downloads | None

    def read(self, path: str) -> Found | None:
        """Raises what HttpClient.get raises."""
        kept = self.downloads.find(path) if self.downloads else None
        reply = self.http.get(self.locate(path), etag=kept.etag if kept else "", max_bytes=self.max_bytes)
        if kept and reply.status == 304:
            return Found(kept.body, verified=True, keep=_nothing)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise SourceUnavailableError(f"{self.locate(path)}: refused ({reply.status}); check BITPREDICT_ARCHIVE_URL")
        return Found(reply.body, verified=False, keep=lambda: self._keep(path, reply))

    def exists(self, path: str) -> bool:
        return self.http.exists(self.locate(path))

    def locate(self, path: str) -> str:
        return f"{self.base.rstrip('/')}/{path}"

    def _keep(self, path: str, reply: Reply) -> None:
        if self.downloads and (etag := reply.headers.get("ETag")):
            self.downloads.keep(path, reply.body, etag)


def _nothing() -> None:
    """A folder's files need no keeping."""
