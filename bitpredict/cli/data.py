"""`bitpredict data`: versions of the lake's tables, and tables made again from what the sources answered."""

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from bitpredict.cli.options import AsJson, day_option

if TYPE_CHECKING:
    from bitpredict.storage.contracts import Contract
    from bitpredict.storage.lake import Lake

app = typer.Typer()
_data = typer.Typer(no_args_is_help=True, help="Versions of the lake's tables; tables made again from raw answers.")
app.add_typer(_data, name="data")

LakeTable = Annotated[str, typer.Argument(help="A table of the lake, for example feature_table.", show_default=False)]


@_data.command("versions")
def versions_command(
    table: LakeTable,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what made each version of a table, the newest first, and which can still be read."""
    from dataclasses import asdict

    from bitpredict.cli.output import console, versions_table
    from bitpredict.cli.records import to_json
    from bitpredict.storage.versions import versions

    lake, contract = _lake_table(table)
    rows = [asdict(version) for version in versions(lake, contract, limit)]
    if as_json:
        typer.echo(to_json(rows))
    else:
        console().print(versions_table(rows))


@_data.command("diff")
def diff_command(
    table: LakeTable,
    earlier: Annotated[int, typer.Argument(metavar="A", help="A version.", show_default=False)],
    later: Annotated[int, typer.Argument(metavar="B", help="Another version.", show_default=False)],
    by_day: Annotated[bool, typer.Option("--days", help="Show each day that differs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the rows that version B has and A has not, that A has and B has not, and that say something else."""
    from dataclasses import asdict

    from bitpredict.cli.records import to_json
    from bitpredict.storage.versions import differences

    lake, contract = _lake_table(table)
    found = list(differences(lake, contract, earlier, later))
    if as_json:
        typer.echo(to_json(asdict(day) for day in found))
        return
    if by_day:
        for day in found:
            typer.echo(f"{day.day}  {day.added:,} added, {day.removed:,} removed, {day.changed:,} changed")
    added, removed, changed = (sum(getattr(day, name) for day in found) for name in ("added", "removed", "changed"))
    days = f"on {len(found)} days" if len(found) != 1 else f"on {found[0].day}"
    typer.echo(f"{table} {earlier} to {later}: {added:,} rows added, {removed:,} removed, {changed:,} changed, {days}")


@_data.command("restore")
def restore_command(
    table: LakeTable, version: Annotated[int, typer.Argument(help="The version to go back to.", show_default=False)]
) -> None:
    """Make a table what it was at a version. That is a new version, from which one can go back again."""
    from bitpredict.storage.versions import restore

    lake, contract = _lake_table(table)
    before = lake.version(contract)
    now = restore(lake, contract, version)
    typer.echo(f"{table} is what it was at version {version}; that is version {now}, the one before is {before}")


@_data.command("rebuild")
def rebuild_command(
    asset: Annotated[
        str, typer.Argument(help="coin_markets, crypto_news or cryptocompare_candles.", show_default=False)
    ],
    first: Annotated[date, day_option("--from", help_="First UTC day: of receipt; of the minutes for candles.")],
    last: Annotated[date, day_option("--to", help_="Last UTC day, included; it must be over.")],
) -> None:
    """Make an asset's past days again from what its sources answered then; nobody is asked, and what is there stays."""
    from bitpredict.errors import BitPredictError
    from bitpredict.market.coins import read_coins
    from bitpredict.settings import load_settings
    from bitpredict.sources.feed_addresses import FEEDS_FILE, read_feed_addresses
    from bitpredict.sources.rebuilding import past_days, rebuild_news, rebuild_quotes
    from bitpredict.sources.rebuilding_minutes import rebuild_minutes
    from bitpredict.storage.database import connect
    from bitpredict.storage.lake import Lake
    from bitpredict.storage.raw import RawStore

    if asset not in ("coin_markets", "crypto_news", "cryptocompare_candles"):
        raise BitPredictError(
            f"{asset!r} cannot be made again from raw; choose coin_markets, crypto_news or cryptocompare_candles"
        )
    settings, days = load_settings(), past_days(first, last)
    raw, engine = RawStore.from_settings(settings), connect(settings)
    try:
        if asset == "coin_markets":
            made = rebuild_quotes(engine, raw, read_coins(settings.coins_file), days)
        elif asset == "cryptocompare_candles":
            made = rebuild_minutes(Lake.from_settings(settings), raw, days)
        else:
            made = rebuild_news(engine, raw, read_feed_addresses(settings.feeds_file or FEEDS_FILE), days)
    finally:
        engine.dispose()
    if not made.answers:
        raise BitPredictError(
            f"nothing is kept of what {asset}'s sources answered from {first} to {last}; raw answers are kept for "
            "BITPREDICT_RAW_RETENTION_DAYS"
        )
    there = made.rows - made.inserted
    typer.echo(f"{made.inserted:,} rows came back from {made.answers:,} answers; {there:,} were there already")
    for why, times in made.left_out.items():
        typer.echo(f"left out: {why} ({times:,})")


def _lake_table(name: str) -> "tuple[Lake, Contract]":
    """The lake and its table of that name.

    Raises:
        BitPredictError: there is no such table; the message lists them.
        StorageError: nothing was ever written to it.
    """
    from bitpredict.cli.rows import LAKE_TABLES
    from bitpredict.cli.stores import nothing_yet
    from bitpredict.errors import BitPredictError
    from bitpredict.settings import load_settings
    from bitpredict.storage.lake import Lake

    if name not in LAKE_TABLES:
        raise BitPredictError(f"{name!r} is no table of the lake; choose one of {', '.join(LAKE_TABLES)}")
    settings = load_settings()
    lake = Lake.from_settings(settings)
    if lake.version(LAKE_TABLES[name]) is None:
        raise nothing_yet(f"rows of {name}", settings)
    return lake, LAKE_TABLES[name]
