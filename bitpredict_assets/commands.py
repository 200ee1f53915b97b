"""The commands that need the orchestrator: demo, backfill, up. Dagster is imported when one of them runs."""

import os
from datetime import date, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bitpredict.errors import BitPredictError
from bitpredict.market.time import DAY
from bitpredict.settings import SAMPLE_END, SAMPLE_START, Settings, load_settings

app = typer.Typer()


@app.command()
def demo() -> None:
    """Run the whole graph on the shipped sample of real candles and show what came out."""
    os.environ["BITPREDICT_MARKET"] = "sample"
    settings = load_settings()
    first, last = SAMPLE_START, SAMPLE_END - DAY
    console = Console()
    console.print(f"Real candles of {', '.join(settings.symbols)}, {first} to {last}, as Binance published them.")
    _run_graph(settings, first, last, console)
    _show_results(settings, console)


@app.command()
def backfill(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="first UTC day")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="last UTC day, included")],
    symbols: Annotated[str, typer.Option(help="pairs to collect, separated by commas; others stay as stored")] = "",
) -> None:
    """Run the whole graph, candles to scores, for a range of days; days already stored are replaced, not doubled."""
    if symbols:
        os.environ["BITPREDICT_SYMBOLS"] = symbols
    settings = load_settings()
    console = Console()
    _run_graph(settings, first.date(), last.date(), console)
    _show_results(settings, console)


@app.command()
def up() -> None:
    """Start Dagster (webserver and daemon, port 3000) and the dashboard (port 8501); Ctrl-C ends them all."""
    from bitpredict_assets.supervisor import supervise

    settings = load_settings()
    supervise(settings)


def _run_graph(settings: Settings, first: date, last: date, console: Console) -> None:
    from bitpredict_assets.instance import prepare_dagster_home

    prepare_dagster_home(settings)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("[dim]{task.fields[now]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        loading = progress.add_task("loading the graph", total=1, now="")
        import dagster as dg

        from bitpredict_assets.graph import run_stage, stages

        plan = stages(first, last)
        progress.update(loading, completed=1)
        with dg.DagsterInstance.get() as instance:
            for stage in plan:
                task = progress.add_task(f"{stage.job} {stage.first} to {stage.last}", total=1, now="")
                run_stage(stage, instance, lambda text, task=task: progress.update(task, now=text[:70]))
                progress.update(task, completed=1, now="")


def _show_results(settings: Settings, console: Console) -> None:
    from bitpredict.cli.output import forecast_table, scorecard_table
    from bitpredict.report.collect import write_report_of
    from bitpredict.storage.database import connect
    from bitpredict.storage.evaluations import read_scorecard
    from bitpredict.storage.ledger import latest_forecasts

    engine = connect(settings)
    latest = latest_forecasts(engine)
    if latest.empty:
        raise BitPredictError(
            "no forecast was made: these days hold no month with history before it; backfill more days"
        )
    console.print(forecast_table(latest))
    console.print(scorecard_table(read_scorecard(engine)))
    path = write_report_of(settings, settings.home / "report.html")
    console.print(f"Report with charts: [bold]{path}[/bold] (opens in a browser, no server needed)")
