"""`bitpredict replay`: a recording, or the market's own stored candles, into the event log in market time."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


def parse_speed(text: str) -> float | None:
    """How many times faster than it was: `1x`, `10x`; None for `max`.

    Raises:
        typer.BadParameter: it is written otherwise.
    """
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not (text.endswith("x") and 0.0 < speed < float("inf")):
        raise typer.BadParameter(f"{text!r} is no speed; write 1x, 10x or max")
    return speed


@app.command()
def replay(
    file: Annotated[Path | None, typer.Argument(help="A recording of trades, ticks or frames.")] = None,
    candles: Annotated[
        int, typer.Option(help="Instead of a file: this many of the last days of stored candles.", show_default=False)
    ] = 0,
    speed: Annotated[
        str, typer.Option(help="1x keeps the recorded gaps, 10x, 60x shortens them, max knows none.")
    ] = "1x",
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at its end; market time goes on.")] = False,
    port: Annotated[
        int, typer.Option(help="For /healthz, /readyz and /metrics; by default after the collector's.")
    ] = 0,
) -> None:
    """Put recorded messages into the event log, marked as replayed, in market time."""
    from bitpredict.observability import configure_logging
    from bitpredict.settings import load_settings
    from bitpredict.streaming.candle_replay import CandleReplay
    from bitpredict.streaming.open_log import open_event_log
    from bitpredict.streaming.recordings import Recording
    from bitpredict.streaming.replay import Replay
    from bitpredict.streaming.service import Worker, serve
    from bitpredict.streaming.topics import exchange_specs

    pace = parse_speed(speed)
    if (file is None) == (candles <= 0):
        raise typer.BadParameter("name a FILE, or the days of --candles DAYS")
    if candles and loop:
        raise typer.BadParameter("--loop is for a FILE: stored candles must not come again under other times")
    configure_logging()
    settings = load_settings()
    with open_event_log(settings) as log:
        worker: Worker
        if file is None:
            exchange = "binance"
            worker = CandleReplay(settings, log, candles, pace)
        else:
            recording = Recording(file)
            exchange = recording.exchange
            worker = Replay(log, exchange, recording, pace, loop)
        log.create(exchange_specs(settings, exchange))
        typer.echo(serve(worker, port or settings.collector_port + 1))
