"""`bitpredict export`: any table into a file that other tools read."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitpredict.cli.options import check_order, coin_list, day_option, symbol_list

if TYPE_CHECKING:
    import pyarrow as pa

app = typer.Typer()


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="A table of the lake or the database.", show_default=False)],
    to: Annotated[Path, typer.Option(help="The file to write: .parquet or .csv.", show_default=False)],
    symbols: Annotated[
        str, typer.Option(help="Only these pairs, or coins (BTC), separated by commas.", show_default=False)
    ] = "",
    first: Annotated[date | None, day_option("--from", help_="First UTC day.")] = None,
    last: Annotated[date | None, day_option("--to-day", help_="Last UTC day, included.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a table, or some days and symbols of it, to one Parquet or CSV file."""
    from bitpredict.cli.files import SUFFIXES, write_file
    from bitpredict.cli.rows import Selection, database_rows, database_schema, has_coins, lake_rows, require_table
    from bitpredict.cli.stores import existing_database, nothing_yet
    from bitpredict.errors import BitPredictError, StorageError
    from bitpredict.settings import load_settings
    from bitpredict.storage.contracts import Contract
    from bitpredict.storage.lake import Lake

    check_order(first, last, "--from", "--to-day")
    if to.suffix.lower() not in SUFFIXES:
        raise typer.BadParameter(
            f"{to} ends neither in .parquet nor in .csv, which names the format", param_hint="--to"
        )
    found = require_table(table)
    settings = load_settings()
    named = coin_list(symbols) if has_coins(found) else symbol_list(symbols)
    wanted = Selection(named if symbols else None, first, last)
    # A replay's symbols are not among the configured ones.
    foreign = set() if has_coins(found) else set(named) - set(settings.symbols)
    if to.is_dir():
        raise BitPredictError(f"{to} is a folder; name a file in it")
    if to.exists() and not force:
        raise BitPredictError(f"{to} exists already; add --force to replace it")
    if isinstance(found, Contract):
        lake = Lake.from_settings(settings)
        if not (days := lake.days(found)):
            raise nothing_yet(f"rows of {table}", settings)
        rows = write_file(found.schema, _counted(_having(foreign, lake_rows(lake, found, wanted))), to)
        there = f"; it has {days[0]} to {days[-1]}"
    else:
        with existing_database(settings, f"rows of {table}") as engine:
            tables = _having(foreign, database_rows(engine, found, wanted))
            rows = write_file(database_schema(found), _counted(tables), to)
        there = ""
    if not rows and wanted == Selection():
        raise nothing_yet(f"rows of {table}", settings)
    if not rows:
        raise StorageError(f"no rows of {table} match --symbols, --from and --to-day{there}; nothing was written")
    typer.echo(f"{rows:,} rows of {table} written to {to}")


def _having(symbols: set[str], tables: "Iterator[pa.Table]") -> "Iterator[pa.Table]":
    """Pass the tables on, in which each of the symbols must be.

    Raises:
        UnknownSymbolError: one was in none of them.
    """
    from bitpredict.errors import UnknownSymbolError

    unseen = symbols
    for table in tables:
        if unseen:
            unseen = unseen - set(table["symbol"].unique().to_pylist())
        yield table
    if unseen:
        raise UnknownSymbolError(
            f"{', '.join(sorted(unseen))} is not collected here (setting BITPREDICT_SYMBOLS), nor is it in these rows"
        )


def _counted(tables: "Iterator[pa.Table]") -> "Iterator[pa.Table]":
    """Pass the tables on, with the rows so far on stderr."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from bitpredict.cli.output import progress_console

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} rows"), TimeElapsedColumn())
    with Progress(*columns, console=progress_console(), transient=True) as progress:
        task = progress.add_task("export", total=None)
        for table in tables:
            yield table
            progress.update(task, advance=table.num_rows)
