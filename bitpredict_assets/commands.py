"""The commands that need the orchestrator: demo, backfill, up. What they import, they import when they run."""

from datetime import date
from importlib.util import find_spec
from typing import Annotated

import typer

from bitpredict.cli.options import check_order, day_option

if find_spec("dagster") is None:  # the command line then leaves these commands out and says how to get them
    raise ModuleNotFoundError("No module named 'dagster'", name="dagster")

app = typer.Typer()


@app.command()
def demo() -> None:
    """Run the whole graph on the shipped sample (real candles, invented news and quotes) and show what came out."""
    import os

    from bitpredict.market.time import DAY
    from bitpredict.settings import SAMPLE_END, SAMPLE_START, load_settings
    from bitpredict_assets.session import run_graph, show_results

    os.environ["BITPREDICT_MARKET"] = "sample"
    settings = load_settings()
    invented = settings.invented_quotes and settings.invented_news  # otherwise the named sources would be asked
    run_graph(settings, SAMPLE_START, SAMPLE_END - DAY, invented_world=invented, serve=True)
    show_results(settings)


@app.command()
def backfill(
    first: Annotated[date, day_option("--from", help_="First UTC day.")],
    last: Annotated[date, day_option("--to", help_="Last UTC day, included.")],
    symbols: Annotated[
        str, typer.Option(help="Pairs to collect, separated by commas; what is stored of others stays.")
    ] = "",
) -> None:
    """Run the whole graph, candles to scores, for a range of days; days already stored are replaced, not doubled."""
    import os

    from bitpredict.settings import load_settings
    from bitpredict_assets.session import run_graph, show_results

    check_order(first, last, "--from", "--to")
    if symbols:
        os.environ["BITPREDICT_SYMBOLS"] = symbols
    settings = load_settings()
    run_graph(settings, first, last)
    show_results(settings)


@app.command()
def up() -> None:
    """Start Dagster (webserver and daemon, port 3000) and the dashboard (port 8501); Ctrl-C ends them all."""
    from bitpredict.settings import load_settings
    from bitpredict_assets.supervisor import supervise

    supervise(load_settings())
