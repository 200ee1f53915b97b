"""A database driver's errors in our words: what to do about them, and which of them pass by trying again."""

from sqlalchemy.exc import DBAPIError

_LOCKED = "another process held its lock for many seconds; end that process or wait"
_DISK_FULL = "the disk is full; free some space and run it again"
_NO_SERVER = "no server answers there; start it or set {variable}"
_NO_DATABASE = "the server has no database of that name; create it or set {variable}"
_REFUSED = "user or password is wrong; set {variable}"

_REMEDIES = (
    ("database is locked", _LOCKED),
    ("lock timeout", _LOCKED),
    ("lock wait timeout", _LOCKED),
    ("deadlock", "it kept colliding with other processes; run it again"),
    ("disk is full", _DISK_FULL),
    ("disk full", _DISK_FULL),
    ("no space left", _DISK_FULL),
    ("disk i/o error", "the disk is full or fails; check it and run it again"),
    ("readonly database", "it is read-only; make the file and its folder writable or set {variable}"),
    ("unable to open database file", "the file cannot be opened; check the folder's rights or set BITPREDICT_HOME"),
    ("not a database", "the file is something else; move it away or set {variable}"),
    ("malformed", "the file is damaged; restore it from a backup"),
    (
        "already exists",
        "it holds tables of these names that are not BitPredict's; give BitPredict a database of its own",
    ),
    ("connection refused", _NO_SERVER),
    ("can't connect to mysql server", _NO_SERVER),
    ("is the server running", _NO_SERVER),
    ("unknown database", _NO_DATABASE),
    ('fatal: database "', _NO_DATABASE),
    ('fatal: role "', _REFUSED),
    ("password authentication failed", _REFUSED),
    ("access denied for user", _REFUSED),
)

_POSTGRESQL_COLLISIONS = ("40001", "40P01")
"""Serialization failure, deadlock."""
_MYSQL_COLLISIONS = (1020, 1205, 1213)
"""The row was changed since it was read, the lock was not given in time, deadlock."""


def remedy(error: DBAPIError, variable: str) -> str:
    """What to do about a driver's error, followed by its own words on one line; `variable` is the setting to change."""
    reason = " ".join(str(error.orig).split())[:300]
    for sign, what in _REMEDIES:
        if sign in reason.lower():
            return f"{what.format(variable=variable)} ({reason})"
    return reason


def is_collision(error: DBAPIError) -> bool:
    """Whether a server gave up this transaction for another's: done again, it may well succeed."""
    if (state := getattr(error.orig, "pgcode", None)) is not None:
        return state in _POSTGRESQL_COLLISIONS
    numbers: tuple[object, ...] = getattr(error.orig, "args", ())
    return bool(numbers) and numbers[0] in _MYSQL_COLLISIONS
