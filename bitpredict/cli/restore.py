"""`bitpredict restore`: database and lake as a backup has them."""

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def restore(
    backup: Annotated[
        str,
        typer.Argument(
            help="A backup's name in BITPREDICT_BACKUP_URL, latest, or its folder or s3:// address.", show_default=False
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Replace what is there.")] = False,
) -> None:
    """Make the database and the lake what they were at a backup. End all other processes of BitPredict before.

    Every file of the backup is read and compared with its checksum first. If anything fails, what is there stays."""
    from bitpredict.errors import BitPredictError
    from bitpredict.settings import load_settings
    from bitpredict.storage.backups import find_backup, restore_backup, verify, what_is_there

    settings = load_settings()
    store, found = find_backup(settings, backup)
    verify(store, found)
    there = what_is_there(settings)
    if there and not yes:
        raise BitPredictError(
            f"{found.name} is whole, and restoring it would replace {', '.join(there)}; add --yes to do that, or set "
            "BITPREDICT_HOME to an empty folder"
        )
    restore_backup(settings, store, found)
    typer.echo(
        f"{found.name} is restored: the {found.database} database of schema {found.schema} and "
        f"{len(found.tables)} tables of the lake"
    )
