"""Another process that backs up, or restores what the latest backup has, as the environment says:
`python -m tests.support.backup_worker make|restore`. Prints `ready` and waits for a line on standard input first."""

import sys

from bitpredict.cli.main import build
from bitpredict.settings import load_settings
from bitpredict.storage.backups import backup_store, make_backup, prune_backups

KEPT = 2


def main(what: str) -> None:
    settings, command = load_settings(), build()
    print("ready", flush=True)
    sys.stdin.readline()
    if what == "restore":
        command(["restore", "latest", "--yes"])
    else:
        make_backup(settings)  # as the asset does
        prune_backups(backup_store(settings), KEPT)


if __name__ == "__main__":
    main(*sys.argv[1:])
