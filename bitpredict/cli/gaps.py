"""`bitpredict gaps`: the minutes that are missing, and what became of them."""

from enum import StrEnum
from typing import Annotated

import typer

from bitpredict.cli.options import AsJson

app = typer.Typer()


class Status(StrEnum):
    """What became of a gap."""

    OPEN = "open"
    REPAIRED = "repaired"
    UNREPAIRABLE = "unrepairable"


@app.command()
def gaps(
    symbol: Annotated[str, typer.Argument(help="Only this trading pair.", show_default=False)] = "",
    status: Annotated[Status | None, typer.Option(help="Only gaps of this status.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Show the gap ledger: which minutes are missing from which source, since when, and whether they were repaired."""
    from bitpredict.cli.output import console, gaps_table
    from bitpredict.cli.records import frame_to_json
    from bitpredict.cli.stores import existing_database, nothing_yet
    from bitpredict.market.symbols import require_known
    from bitpredict.settings import load_settings
    from bitpredict.storage.contracts import CANDLES
    from bitpredict.storage.gap_ledger import read_gaps
    from bitpredict.storage.lake import Lake

    settings = load_settings()
    symbol = require_known(symbol, settings.symbols) if symbol else ""
    with existing_database(settings, "candles") as engine:
        ledger = read_gaps(engine, symbol=symbol or None, status=status and status.value)
    if ledger.empty and not Lake.from_settings(settings).days(CANDLES):
        raise nothing_yet("candles", settings)
    if as_json:
        typer.echo(frame_to_json(ledger))
    elif ledger.empty:
        typer.echo(f"no {status.value + ' ' if status else ''}gaps{' of ' + symbol if symbol else ''}")
    else:
        console().print(gaps_table(ledger))
