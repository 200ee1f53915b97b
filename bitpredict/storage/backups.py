"""Backups: the database and the lake's tables as they were at one moment, in a folder or on S3, and back from there.

A backup is a folder named by its moment. Its list of files with their digests is written last: without it a backup was
never finished, and is no backup.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed
from pathlib import Path

import zstandard
from sqlalchemy import Engine

from bitpredict.errors import BitPredictError, SettingsError, StorageError
from bitpredict.settings import Settings
from bitpredict.storage.database import REVISIONS, open_database, schema_state
from bitpredict.storage.dumps import dump, load
from bitpredict.storage.files import Files
from bitpredict.storage.lake_copies import LakeTables
from bitpredict.storage.scratch import scratch
from bitpredict.store_settings import store_address

VARIABLE = "BITPREDICT_BACKUP_URL"
_MANIFEST, _DATABASE, _LAKE = "manifest.json", "database.zst", "lake"
_NAME = "%Y-%m-%dT%H-%M-%SZ"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Backup:
    """A finished backup.

    Attributes:
        name: of its folder.
        database: sqlite, postgresql or mysql.
        schema: the database's schema version.
        tables: of the lake -> version.
        files: path below the backup -> (bytes, SHA-256), in the order of their writing.
    """

    name: str
    made_at: datetime
    made_by: str
    database: str
    schema: str
    tables: dict[str, int]
    files: dict[str, tuple[int, str]]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(size for size, _ in self.files.values())


def backup_store(settings: Settings, url: str = "") -> Files:
    """Where backups are: `url`, or what the settings name.

    Raises:
        SettingsError: neither says where, or it can be no place of backups.
    """
    if not (url or settings.backup_url):
        raise SettingsError(f"{VARIABLE} is not set; name a folder on another disk, or s3://bucket/prefix")
    try:
        root = store_address(url or settings.backup_url)
    except ValueError as error:
        raise SettingsError(f"{url}: {error}") from error
    return Files(root, settings.options_for(root), VARIABLE)


def make_backup(settings: Settings, now: datetime | None = None) -> Backup:
    """Save the database, then the lake's tables: what the database speaks of is in the lake that is saved.

    Raises:
        SettingsError: no place is set.
        StorageError: something cannot be read or written. What was written of it is deleted, or at least is no backup.
    """
    store = backup_store(settings)
    now = (now or datetime.now(UTC)).astimezone(UTC)
    name = now.strftime(_NAME)
    if store.below(name):
        raise StorageError(f"{store.root}/{name} is there already; run it again in a second")
    try:
        files: dict[str, tuple[int, str]] = {}
        engine = open_database(settings)
        try:
            schema = schema_state(engine).current
            if schema is None:
                raise StorageError("the database has no tables yet; there is nothing to save")
            files[_DATABASE] = _save_database(engine, store, f"{name}/{_DATABASE}", settings)
        finally:
            engine.dispose()
        lake, tables = LakeTables(settings.lake, settings, "BITPREDICT_LAKE_URL"), {}
        for table in lake.tables():
            tables[table], paths = lake.paths(table)
            for path in paths:
                files[f"{_LAKE}/{path}"] = _write(store, f"{name}/{_LAKE}/{path}", lake.files.pieces(path))
        made = Backup(name, now, installed("bitpredict"), engine.dialect.name, schema, tables, files)
        about = asdict(made) | {"made_at": now.isoformat()}
        store.write(f"{name}/{_MANIFEST}", json.dumps(about, indent=1).encode())
    except BaseException:
        with suppress(StorageError):
            store.delete_folder(name)
        raise
    return made


def backups(store: Files) -> list[Backup]:
    """The finished backups, the oldest first."""
    return [_read(store, name) for name in store.folders("") if store.exists(f"{name}/{_MANIFEST}")]


def prune_backups(store: Files, keep: int) -> list[str]:
    """Delete all but the newest `keep`, and what was never finished before the newest of them. Returns their names."""
    finished = [backup.name for backup in backups(store)]
    kept = set(finished[-keep:])
    old = [name for name in store.folders("") if name not in kept and finished and name < finished[-1]]
    for name in old:
        if _is_name(name):
            store.delete(f"{name}/{_MANIFEST}")  # first: half deleted, it is no backup any more
            store.delete_folder(name)
    return old


def find_backup(settings: Settings, wanted: str) -> tuple[Files, Backup]:
    """A backup by its name, `latest`, or the folder or URL that it is.

    Raises:
        StorageError: there is none, or it was never finished.
    """
    place, _, name = wanted.rstrip("/").rpartition("/")
    store = backup_store(settings, place)
    if wanted == "latest":
        found = backups(store)
        if not found:
            raise StorageError(f"{store.root} holds no finished backup; materialize database_backup")
        return store, found[-1]
    if not store.exists(f"{name}/{_MANIFEST}"):
        there = ", ".join(backup.name for backup in backups(store)) or "none"
        raise StorageError(f"{store.root}/{name} is no finished backup; there are: {there}")
    return store, _read(store, name)


def verify(store: Files, backup: Backup) -> None:
    """Read all of it.

    Raises:
        StorageError: a file is missing, or its bytes are not those that were saved.
    """
    for path, (size, digest) in backup.files.items():
        found, seen = hashlib.sha256(), 0
        for piece in store.pieces(f"{backup.name}/{path}"):
            found.update(piece)
            seen += len(piece)
        if (seen, found.hexdigest()) != (size, digest):
            raise StorageError(
                f"{store.root}/{backup.name}/{path} is damaged: its checksum is not the saved one; take another backup"
            )


def what_is_there(settings: Settings) -> list[str]:
    """What a restore would replace: the database if it has our tables, and the lake's tables."""
    lake = LakeTables(settings.lake, settings, "BITPREDICT_LAKE_URL")
    there = [f"lake table {name}" for name in lake.tables()]
    engine = open_database(settings)
    try:
        file = Path(engine.url.database) if engine.dialect.name == "sqlite" and engine.url.database else None
        if (file is None or file.exists()) and schema_state(engine).current is not None:
            there.insert(0, f"database {engine.url.render_as_string(hide_password=True)}")
    finally:
        engine.dispose()
    return there


def restore_backup(settings: Settings, store: Files, backup: Backup) -> None:
    """Make the database and the lake what they were: of a backup that `verify` has passed.

    Raises:
        BitPredictError: it is of another kind of database, or of a newer BitPredict.
        StorageError: something cannot be written. What had been done by then is undone.
    """
    engine = open_database(settings)
    try:
        if engine.dialect.name != backup.database:
            raise BitPredictError(
                f"{backup.name} is of a {backup.database} database and BITPREDICT_DATABASE_URL names one of "
                f"{engine.dialect.name}; set it to an empty {backup.database} database"
            )
        if backup.schema not in REVISIONS:
            raise BitPredictError(f"{backup.name} was made by a newer BitPredict ({backup.made_by}): update BitPredict")
        lake = LakeTables(settings.lake, settings, "BITPREDICT_LAKE_URL")
        saved = LakeTables(f"{store.root}/{backup.name}/{_LAKE}", settings, VARIABLE)
        with scratch(settings.home, "restore") as folder, ExitStack() as undo:
            dumped = _fetch_database(store, backup, folder)
            for table in backup.tables:
                paths = [
                    path.removeprefix(f"{_LAKE}/") for path in backup.files if path.startswith(f"{_LAKE}/{table}/")
                ]
                undo.callback(lake.replace(table, saved, paths))
            for table in set(lake.tables()) - backup.tables.keys():
                undo.callback(lake.empty(table))
            load(engine, dumped)  # last: it is one step, and nothing after it can fail
            undo.pop_all()
    finally:
        engine.dispose()


def _save_database(engine: Engine, store: Files, path: str, settings: Settings) -> tuple[int, str]:
    with scratch(settings.home, "backup") as folder:
        dumped = folder / "database"
        dump(engine, dumped)

        def compressed() -> Iterator[bytes]:
            packer = zstandard.ZstdCompressor().compressobj()
            with dumped.open("rb") as file:
                while piece := file.read(_PIECE):
                    yield packer.compress(piece)
            yield packer.flush()

        return _write(store, path, compressed())


def _fetch_database(store: Files, backup: Backup, folder: Path) -> Path:
    target = folder / "database"
    unpacker = zstandard.ZstdDecompressor().decompressobj()
    with target.open("wb") as file:
        for piece in store.pieces(f"{backup.name}/{_DATABASE}"):
            file.write(unpacker.decompress(piece))
    return target


def _write(store: Files, path: str, pieces: Iterator[bytes]) -> tuple[int, str]:
    digest = hashlib.sha256()

    def counted() -> Iterator[bytes]:
        for piece in pieces:
            digest.update(piece)
            yield piece

    return store.copy_in(path, counted()), digest.hexdigest()


def _read(store: Files, name: str) -> Backup:
    try:
        about = json.loads(store.read(f"{name}/{_MANIFEST}"))
        files = {path: (int(size), str(digest)) for path, (size, digest) in about["files"].items()}
        made_at = datetime.fromisoformat(about["made_at"])
        return Backup(**(about | {"name": name, "files": files, "made_at": made_at}))
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{store.root}/{name}/{_MANIFEST} is damaged ({error}); take another backup") from error


def _is_name(name: str) -> bool:
    with suppress(ValueError):
        datetime.strptime(name, _NAME)  # noqa: DTZ007 only its form matters
        return True
    return False
