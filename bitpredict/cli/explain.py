"""`bitpredict explain`: where one forecast came from."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bitpredict.cli.options import AsJson

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from bitpredict.settings import Settings
    from bitpredict.streaming.log import EventLog

app = typer.Typer()


@app.command()
def explain(
    forecast_id: Annotated[
        str,
        typer.Argument(help="As `forecast --json`, `topics --follow predictions` and the live page show it."),
    ],
    as_json: AsJson = False,
) -> None:
    """Show what one forecast was made from: messages and offsets, bars, features, model and data version."""
    from dataclasses import asdict

    from bitpredict.cli.explained import show
    from bitpredict.cli.output import console
    from bitpredict.cli.records import to_json
    from bitpredict.settings import load_settings
    from bitpredict.streaming.explain import explain as follow_back

    if not (wanted := forecast_id.strip()):
        raise typer.BadParameter(
            "the id is empty; `bitpredict forecast SYMBOL --json` shows ids", param_hint="FORECAST_ID"
        )
    settings = load_settings()
    with _event_log(settings) as log, _ledger(settings) as engine:
        found = follow_back(settings, log, engine, wanted)
    if as_json:
        typer.echo(to_json([asdict(found)]))
    else:
        show(found, console())


@contextmanager
def _event_log(settings: "Settings") -> Iterator["EventLog | None"]:
    """The event log; None where it is a file that nobody has made yet."""
    from bitpredict.cli.stores import sqlite_file
    from bitpredict.streaming.open_log import open_event_log

    file = sqlite_file(settings.event_log)
    if file is not None and not file.exists():
        yield None
        return
    with open_event_log(settings) as log:
        yield log


@contextmanager
def _ledger(settings: "Settings") -> Iterator["Engine | None"]:
    """The ledger's database; None where it is a file that nobody has made yet."""
    from bitpredict.cli.stores import database_file
    from bitpredict.storage.database import connect

    file = database_file(settings)
    if file is not None and not file.exists():
        yield None
        return
    engine = connect(settings)
    try:
        yield engine
    finally:
        engine.dispose()
