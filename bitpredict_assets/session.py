"""What `demo` and `backfill` show of a run of the graph: its progress, and what came out of it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bitpredict.cli.output import console, forecast_table, scorecard_table
from bitpredict.settings import Settings
from bitpredict_assets.instance import dagster_instance, prepare_dagster_home


def run_graph(
    settings: Settings, first: date, last: date, *, invented_world: bool = False, serve: bool = False
) -> None:
    """Run every job for the days `first` to `last`.

    Args:
        invented_world: before them those of what the sample has beside its candles: quotes of many coins, news.
        serve: at last write the newest feature row of each symbol; it has to be of these days, or may be too old.

    Raises:
        BitPredictError: days outside the calendar, or a run failed.
        StorageError: Dagster's records cannot be written.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    out = console()
    home = prepare_dagster_home(settings)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # that it makes its tables is no news
    out.print(f"{', '.join(settings.symbols)}, {first} to {last}, market {settings.market}, into {settings.home}")
    from bitpredict_assets.dead_runs import end_dead_runs, living
    from bitpredict_assets.graph import INVENTED_WORLD, Stage, run_stage, stages

    plan, log = stages(first, last), settings.home / "logs" / "libraries.log"
    if invented_world:
        plan = [*INVENTED_WORLD, *plan]
    if serve:
        plan.append(Stage("serving"))
    with dagster_instance(home) as instance, living(home) as tags, _interruption_told(), _native_noise_into(log):
        for run_id in end_dead_runs(instance):
            out.print(f"run {run_id} was killed before it ended; it is marked as failed now")
        for number, stage in enumerate(plan, start=1):
            title = f"{number}/{len(plan)} {stage.title}"
            with _progress(out) as progress:
                task = progress.add_task(title, total=None, now="")
                seconds = run_stage(stage, instance, tags, lambda text, t=task: progress.update(t, now=text[:60]))
            out.print(f"[green]✓[/green] {title} [dim]{seconds:.0f} s[/dim]")


@contextmanager
def _interruption_told() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted: what is stored stays whole; the same command goes on from there", err=True)
        raise


@contextmanager
def _native_noise_into(log: Path) -> Iterator[None]:
    """What libraries write past Python to standard error, such as Delta's panics on a full disk, goes to `log`."""
    if sys.stderr is not sys.__stderr__:  # somebody listens already
        yield
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    shown = os.dup(2)
    with log.open("ab") as file:
        ours = os.fdopen(os.dup(2), "w", buffering=1)
        os.dup2(file.fileno(), 2)
        sys.stderr = ours
        try:
            yield
        finally:
            sys.stderr = sys.__stderr__
            os.dup2(shown, 2)
            os.close(shown)
            with suppress(OSError):  # a run that broke off leaves it Dagster's: a file, and its disk may be full
                ours.close()


def _progress(out: Console) -> Progress:
    """What moves while a stage runs; it leaves no trace, and is not drawn where no terminal is."""
    now = TextColumn("[dim]{task.fields[now]}")
    description = TextColumn("{task.description}")
    return Progress(
        SpinnerColumn(), description, now, TimeElapsedColumn(), console=out, transient=True, disable=not out.is_terminal
    )


def show_results(settings: Settings) -> None:
    """Print the newest forecasts and the scorecard, and write the report."""
    from bitpredict.report.collect import write_report_of
    from bitpredict.storage.database import connect
    from bitpredict.storage.evaluations import read_scorecard
    from bitpredict.storage.ledger import latest_forecasts

    out, engine = console(), connect(settings)
    latest = latest_forecasts(engine)
    if latest.empty:
        out.print("No forecasts yet: a month is forecast by models of the months before it, so backfill further.")
        return
    out.print(forecast_table(latest))
    out.print(scorecard_table(read_scorecard(engine)))
    path = write_report_of(settings, settings.home / "report.html")
    out.print(f"Report with charts, opens without a server: [bold]{path}[/bold]", soft_wrap=True)
