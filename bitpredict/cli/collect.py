"""`bitpredict collect`: the process that listens to the market's exchange."""

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def collect(
    port: Annotated[
        int, typer.Option(help="For /healthz, /readyz and /metrics; by default BITPREDICT_COLLECTOR_PORT.")
    ] = 0,
) -> None:
    """Put what the market's exchange sends into the event log."""
    from bitpredict.observability import configure_logging
    from bitpredict.settings import load_settings
    from bitpredict.streaming.collector import choose_collector
    from bitpredict.streaming.open_log import open_event_log
    from bitpredict.streaming.service import serve
    from bitpredict.streaming.topics import topic_specs

    configure_logging()
    settings = load_settings()
    with open_event_log(settings) as log:
        worker = choose_collector(settings, log)
        log.create(topic_specs(settings))
        typer.echo(serve(worker, port or settings.collector_port))
