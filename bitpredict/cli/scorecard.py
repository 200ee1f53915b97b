"""`bitpredict scorecard`: how the forecasts turned out."""

from enum import StrEnum
from typing import Annotated

import typer

from bitpredict.cli.options import AsJson

app = typer.Typer()


class Kind(StrEnum):
    """When a forecast was written: after or before its target_time."""

    BACKTEST = "backtest"
    LIVE = "live"


@app.command()
def scorecard(
    kind: Annotated[Kind | None, typer.Option(help="Only this scorecard.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Show how past forecasts turned out, each model against the baseline; backtest and live are never mixed."""
    from bitpredict.cli.output import console, scorecard_table
    from bitpredict.cli.records import frame_to_json
    from bitpredict.cli.stores import existing_database, nothing_yet
    from bitpredict.errors import StorageError
    from bitpredict.settings import load_settings
    from bitpredict.storage.evaluations import read_scorecard

    settings = load_settings()
    with existing_database(settings, "scored forecasts") as engine:
        scores = read_scorecard(engine)
    if scores.empty:
        raise nothing_yet("scored forecasts", settings)
    if kind:
        scores = scores[scores["kind"] == kind.value]
    if scores.empty:
        raise StorageError(f"no {kind} forecasts were scored yet; leave out --kind to see the others")
    if as_json:
        typer.echo(frame_to_json(scores))
    else:
        console().print(scorecard_table(scores))
