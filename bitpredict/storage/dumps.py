"""The whole database in one file, as it was at one moment, and back: all of it or nothing.

SQLite copies itself while others write. Servers are asked by their own programs, which must be installed.
"""

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Engine, inspect

from bitpredict.errors import StorageError
from bitpredict.storage.database import BUSY_SECONDS, VERSION_TABLE
from bitpredict.storage.schema import metadata

OUR_TABLES = (*sorted(metadata.tables), VERSION_TABLE)
"""Others may keep theirs in the same database: they are neither saved nor touched."""


def dump(engine: Engine, target: Path) -> None:
    """Write our tables into the file `target`.

    Raises:
        StorageError: the database cannot be read, the file not written, or the server's program is not there.
    """
    kind = engine.dialect.name
    if kind == "sqlite":
        _copy_sqlite(_sqlite_file(engine), target)
        return
    present = [name for name in OUR_TABLES if inspect(engine).has_table(name)]
    if kind == "postgresql":
        chosen = [f"--table={name}" for name in present]
        plain = ["--format=plain", "--no-owner", "--no-privileges"]
        command = [_program("pg_dump"), *plain, *chosen, f"--file={target}", _postgres_name(engine.url)]
        _run(command, _postgres_environment(engine.url))
        return
    consistent = ["--single-transaction", "--skip-lock-tables", "--no-tablespaces", "--skip-comments"]
    into = f"--result-file={target}"
    command = [_program("mariadb-dump", "mysqldump"), *_mysql_options(engine.url), *consistent, into]
    _run([*command, engine.url.database or "", *present], _mysql_environment(engine.url))


def load(engine: Engine, dumped: Path) -> None:
    """Replace our tables by those in a file that `dump` wrote for a database of the same kind.

    Raises:
        StorageError: the file is damaged, or the database cannot be written. What was there is still there.
    """
    kind = engine.dialect.name
    engine.dispose()
    if kind == "sqlite":
        _require_whole(dumped)
        _copy_sqlite(dumped, _sqlite_file(engine))
    elif kind == "postgresql":
        _load_postgresql(engine, dumped)
    else:
        _load_mysql(engine, dumped)
    engine.dispose()


def _sqlite_file(engine: Engine) -> Path:
    if not engine.url.database:
        raise StorageError("a database in memory can neither be saved nor restored; set BITPREDICT_DATABASE_URL")
    return Path(engine.url.database)


def _copy_sqlite(source: Path, target: Path) -> None:
    """By SQLite's own means: one transaction on each side, whoever else has the files open."""
    deadline = time.monotonic() + BUSY_SECONDS

    def give_up_in_time(status: int, _remaining: int, _total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise sqlite3.OperationalError("another process held its lock for many seconds; end that process or wait")

    if not source.exists():
        raise StorageError(f"{source} does not exist; there is no database to copy")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
            one.backup(other, progress=give_up_in_time)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"cannot copy {source} to {target}: {error}; make room or change its rights") from error


def _require_whole(file: Path) -> None:
    try:
        with closing(sqlite3.connect(file)) as connection:
            said = connection.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        said = str(error)
    if said != "ok":
        raise StorageError(f"{file} is no whole SQLite database ({said}); take another backup")


def _load_postgresql(engine: Engine, dumped: Path) -> None:
    """Everything in one transaction, which the server takes back if anything of it fails."""
    names = ", ".join(f'"{name}"' for name in OUR_TABLES)
    script = dumped.with_suffix(".restore.sql")
    with script.open("wb") as whole, dumped.open("rb") as body:
        whole.write(f"SET lock_timeout = '{BUSY_SECONDS:.0f}s';\nDROP TABLE IF EXISTS {names} CASCADE;\n".encode())
        shutil.copyfileobj(body, whole)
    strict = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    name = _postgres_name(engine.url)
    _run([_program("psql"), *strict, f"--file={script}", name], _postgres_environment(engine.url))


def _load_mysql(engine: Engine, dumped: Path) -> None:
    """MySQL commits every table by itself: if one fails, what was there is put back."""
    before = dumped.with_suffix(".before.sql")
    dump(engine, before)
    try:
        _replace_mysql(engine, dumped)
    except BaseException as error:
        try:
            _replace_mysql(engine, before)
        except StorageError as again:
            kept = dumped.parent.parent / "database-before-restore.sql"
            shutil.copyfile(before, kept)
            raise StorageError(f"{error}; what was there could not be put back ({again}): it is in {kept}") from error
        raise


def _replace_mysql(engine: Engine, dumped: Path) -> None:
    names = ", ".join(f"`{name}`" for name in OUR_TABLES)
    script = dumped.with_suffix(".restore.sql")
    with script.open("wb") as whole, dumped.open("rb") as body:
        whole.write(f"SET FOREIGN_KEY_CHECKS = 0;\nDROP TABLE IF EXISTS {names};\n".encode())
        shutil.copyfileobj(body, whole)
    command = [_program("mariadb", "mysql"), *_mysql_options(engine.url), "--batch", engine.url.database or ""]
    with script.open("rb") as statements:
        _run(command, _mysql_environment(engine.url), statements.fileno())


def _program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    raise StorageError(
        f"{' or '.join(names)} is not installed, which saves and restores this kind of database; install the server's "
        "client programs (Debian: postgresql-client, mariadb-client)"
    )


def _run(command: Sequence[str], environment: Mapping[str, str], stdin: int = subprocess.DEVNULL) -> None:
    """Run a server's program; the password is in its environment and not among its arguments."""
    done = subprocess.run(  # noqa: S603 the program's own path, and no shell
        command, env={**os.environ, **environment}, stdin=stdin, capture_output=True, check=False
    )
    if done.returncode:
        said = " ".join(done.stderr.decode(errors="replace").split())[-400:]
        raise StorageError(f"{Path(command[0]).name} failed: {said}; check BITPREDICT_DATABASE_URL and the disk")


def _postgres_name(url: URL) -> str:
    plain = url.set(drivername="postgresql", password=None)
    return plain.render_as_string(hide_password=False)


def _postgres_environment(url: URL) -> dict[str, str]:
    return {"PGPASSWORD": str(url.password)} if url.password else {}


def _mysql_options(url: URL) -> list[str]:
    socket = url.query.get("unix_socket")
    options = {"host": url.host, "port": url.port, "user": url.username, "socket": socket}
    return ["--no-defaults", *(f"--{name}={value}" for name, value in options.items() if value)]


def _mysql_environment(url: URL) -> dict[str, str]:
    return {"MYSQL_PWD": str(url.password)} if url.password else {}
