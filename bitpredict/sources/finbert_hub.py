"""FinBERT's files from the hub (huggingface.co or a mirror), at one commit and checked, whole or not at all.

The hub lists a commit's files with their SHA-256 (large files) or git's own SHA-1 of their content (small ones).
"""

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bitpredict.errors import BadSourceDataError, StorageError
from bitpredict.sources.http import HttpClient
from bitpredict.text.finbert import CONFIG, NETWORK, ORIGIN, TOKENS, FinBert

WANTED: Mapping[str, str] = {"onnx/model_quantized.onnx": NETWORK, "tokenizer.json": TOKENS, "config.json": CONFIG}
"""The repository's files and what they are called here."""

LARGEST = 600_000_000
"""Bytes of a file: FinBERT is 110 MB quantized, 440 MB whole."""

_PROBE = "Bitcoin surges to a record"


class _LargeFile(msgspec.Struct):
    sha256: str


class _File(msgspec.Struct):
    rfilename: str
    blob_id: str = msgspec.field(name="blobId")
    lfs: _LargeFile | None = None


class _Listing(msgspec.Struct):
    sha: str
    siblings: list[_File]


def download(http: HttpClient, hub: str, repository: str, revision: str, folder: Path) -> str:
    """Fetch the files of `repository` at the commit `revision` into `folder`, in place of what is there.

    Returns:
        The version of the model that they are.

    Raises:
        SourceError: the hub cannot be reached, does not have it, or sent other bytes than it lists.
        ModelError: the files are whole, but no model of FinBERT's form.
        StorageError: the folder cannot be written.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", revision) or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise BadSourceDataError(
            f"{repository} at {revision!r} is no pinned revision; name owner/name and the commit's 40 hexadecimal "
            "digits, not a branch"
        )
    listed = _list(http, hub, repository, revision)
    unfinished = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    try:
        unfinished.mkdir(parents=True)
        digests = {}
        for path, name in WANTED.items():
            body = _fetch(http, f"{hub}/{repository}/resolve/{revision}/{path}", listed[path])
            (unfinished / name).write_bytes(body)
            digests[name] = hashlib.sha256(body).hexdigest()
        origin = {"repository": repository, "revision": revision, "sha256": digests}
        (unfinished / ORIGIN).write_text(json.dumps(origin, indent=1))
        model = FinBert(unfinished)
        model.score([_PROBE])
        _place(unfinished, folder)
        return model.version
    except OSError as error:
        raise StorageError(f"{folder} cannot be written ({error}); free space or choose another") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _list(http: HttpClient, hub: str, repository: str, revision: str) -> dict[str, _File]:
    url = f"{hub}/api/models/{repository}/revision/{revision}"
    reply = http.get(url, {"blobs": "true"})
    if reply.status != 200:
        raise BadSourceDataError(f"{url} answers {reply.status}; check the repository and its revision")
    try:
        listing = msgspec.json.decode(reply.body, type=_Listing)
    except msgspec.DecodeError as error:
        raise BadSourceDataError(f"{url} is no list of a repository's files ({error}); check the address") from error
    files = {file.rfilename: file for file in listing.siblings}
    absent = [path for path in WANTED if path not in files]
    if listing.sha != revision or absent:
        found = f"has no {', '.join(absent)}" if absent else f"is {listing.sha}"
        raise BadSourceDataError(f"{url} {found}; choose an ONNX export's own revision")
    return files


def _fetch(http: HttpClient, url: str, listed: _File) -> bytes:
    reply = http.get(url, max_bytes=LARGEST)
    if reply.status != 200:
        raise BadSourceDataError(f"{url} answers {reply.status}; try again later")
    if listed.lfs:
        good = hashlib.sha256(reply.body).hexdigest() == listed.lfs.sha256
    else:
        blob = f"blob {len(reply.body)}\0".encode() + reply.body
        good = hashlib.sha1(blob, usedforsecurity=False).hexdigest() == listed.blob_id
    if not good:
        raise BadSourceDataError(f"{url} sent {len(reply.body)} bytes of another checksum than listed; try again")
    return reply.body


def _place(unfinished: Path, folder: Path) -> None:
    """Put the new folder where the old one is; of a crash between the two steps the old one is left beside it."""
    old = folder.with_name(f".{folder.name}-old-{uuid.uuid4().hex}")
    if folder.exists():
        folder.rename(old)
    unfinished.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
