"""`bitpredict predict`: the process that turns trades into forecasts."""

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def predict(
    port: Annotated[
        int, typer.Option(help="For /healthz, /readyz and /metrics; by default BITPREDICT_PREDICTOR_PORT.")
    ] = 0,
) -> None:
    """Read the market's topics and forecast each second; several of them share the partitions."""
    import os

    # Arrow is used once, for the history: its own allocator would keep tens of megabytes of that for good.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from bitpredict.observability import configure_logging
    from bitpredict.settings import load_settings
    from bitpredict.streaming.open_log import open_event_log
    from bitpredict.streaming.predictor import Predictor
    from bitpredict.streaming.service import serve
    from bitpredict.streaming.topics import topic_specs

    configure_logging()
    settings = load_settings()
    with open_event_log(settings) as log:
        log.create(topic_specs(settings))
        typer.echo(serve(Predictor(settings, log), port or settings.predictor_port))
