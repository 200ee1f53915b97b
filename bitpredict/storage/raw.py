"""What the outside sources answered, as it came: from it their tables can be made again.

One compressed file an answer, `<source>/<day of receipt>/<time of receipt>-<digest>.zst`. A file appears whole, and its
name holds the digest of its bytes, so that a spoiled one is told from a good one. It begins with a line of JSON (the
address without keys, receipt, status, type, the round of asking that it belonged to); the body follows.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog
import zstandard

from bitpredict.errors import StorageError
from bitpredict.masking import is_secret
from bitpredict.observability import RAW_ANSWERS
from bitpredict.settings import Settings
from bitpredict.storage.files import Files

FOLDER = "raw"
"""Below the lake's root, beside the tables."""

_NAME = re.compile(r"(\d{12})-([0-9a-f]{32})\.zst")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_UNCHANGED = 304

_log = structlog.get_logger(__name__)


class Replied(Protocol):
    """What is kept of an answer (`sources.http.Reply`)."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def url(self) -> str: ...


Keep = Callable[[str, Replied], None]
"""Takes the address that was asked, and its answer."""


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it was kept.

    Attributes:
        asked: the address with its query, without keys.
        url: where redirects led to, without keys.
        round: when the run began that asked: answers of one run belong together.
    """

    asked: str
    url: str
    status: int
    content_type: str
    received_at: datetime
    round: datetime
    body: bytes


class RawStore:
    """Keeps and gives back answers. Safe to share between threads."""

    def __init__(self, files: Files) -> None:
        self._files = files

    @classmethod
    def from_settings(cls, settings: Settings) -> "RawStore":
        """Below the lake's root, wherever that is."""
        root = f"{settings.lake.rstrip('/')}/{FOLDER}"
        return cls(Files(root, settings.options_for(root), "BITPREDICT_LAKE_URL"))

    def keeper(self, source: str) -> Keep:
        """What an `HttpClient` is given to keep all of a run's answers.

        An answer that cannot be kept is counted and logged, and is used all the same: what can be collected is.
        """
        round_ = datetime.now(UTC)

        def keep(asked: str, reply: Replied) -> None:
            if reply.status == _UNCHANGED:
                return
            try:
                self.keep(source, asked, reply, round_)
                RAW_ANSWERS.labels(source, "kept").inc()
            except StorageError as error:
                RAW_ANSWERS.labels(source, "failed").inc()
                _log.warning("an answer could not be kept", source=source, problem=str(error))

        return keep

    def keep(self, source: str, asked: str, reply: Replied, round_: datetime) -> str:
        """Keep one answer, and return its file's path.

        Raises:
            StorageError: it cannot be written. No part of it is there.
        """
        about = {
            "asked": without_keys(asked),
            "url": without_keys(reply.url),
            "status": reply.status,
            "content_type": reply.headers.get("Content-Type", ""),
            "received_at": reply.received_at.isoformat(),
            "round": round_.isoformat(),
        }
        content = zstandard.compress(json.dumps(about).encode() + b"\n" + reply.body)
        moment = reply.received_at.astimezone(UTC)
        path = f"{source}/{moment.date()}/{moment:%H%M%S%f}-{_digest(content)}.zst"
        self._files.write(path, content)
        return path

    def days(self, source: str) -> list[date]:
        """The days of which something is kept, in order."""
        return [date.fromisoformat(name) for name in self._files.folders(source) if _DAY.fullmatch(name)]

    def answers(self, source: str, day: date) -> Iterator[tuple[str, RawAnswer | None]]:
        """The files of a UTC day of receipt, in that order, each with its answer; None where a file is damaged.

        Raises:
            StorageError: the store cannot be read.
        """
        for path in self._files.below(f"{source}/{day}"):
            yield path, _answer(path.rpartition("/")[2], self._files.read(path))

    def prune(self, before: date) -> dict[str, int]:
        """Delete what came on days before `before`. Returns source -> answers deleted.

        Raises:
            StorageError: the store cannot be written.
        """
        deleted: dict[str, int] = {}
        for source in self._files.folders(""):
            old = [day for day in self.days(source) if day < before]
            count = sum(self._files.delete_folder(f"{source}/{day}") for day in old)
            if count:
                deleted[source] = count
        return deleted


def oldest_kept(now: datetime, retention_days: int) -> date:
    """The first day that a retention of so many days keeps."""
    return (now.astimezone(UTC) - timedelta(days=retention_days)).date()


def without_keys(address: str) -> str:
    """An address without what may be secret in it: user and password, and the values of parameters named like keys."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if not any(is_secret(name) for name, _ in pairs):
        return urlunsplit(parts._replace(netloc=host))
    told = [(name, "" if is_secret(name) else value) for name, value in pairs]
    return urlunsplit(parts._replace(netloc=host, query=urlencode(told)))


def _answer(name: str, content: bytes) -> RawAnswer | None:
    """The answer in a file; None where these are not the bytes that were kept under its name."""
    written = _NAME.fullmatch(name)
    if written is None or _digest(content) != written[2]:
        return None
    line, _, body = zstandard.decompress(content).partition(b"\n")
    about = json.loads(line)
    return RawAnswer(
        asked=about["asked"],
        url=about["url"],
        status=about["status"],
        content_type=about["content_type"],
        received_at=datetime.fromisoformat(about["received_at"]),
        round=datetime.fromisoformat(about["round"]),
        body=body,
    )


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
