"""`bitpredict forecast`: what the champions said last."""

from typing import Annotated

import typer

from bitpredict.cli.options import AsJson

app = typer.Typer()


@app.command()
def forecast(
    symbol: Annotated[str, typer.Argument(help="Trading pair, for example BTCUSDT.", show_default=False)],
    horizon: Annotated[str, typer.Option(help="1m, 5m, 1h or 1d; all of them when left out.", show_default=False)] = "",
    as_json: AsJson = False,
) -> None:
    """Show the newest forecast of a symbol: price with intervals, probability of up, and its measured skill."""
    from bitpredict.cli.output import console, forecast_table, with_prices
    from bitpredict.cli.records import frame_to_json
    from bitpredict.cli.stores import existing_database, nothing_yet
    from bitpredict.market.horizons import parse_horizon
    from bitpredict.market.symbols import parse_symbol, require_known
    from bitpredict.report.tables import in_order
    from bitpredict.settings import load_settings
    from bitpredict.storage.ledger import latest_forecasts

    settings = load_settings()
    symbol = parse_symbol(symbol)
    only = parse_horizon(horizon).name if horizon else ""
    wanted = f"forecast of {symbol}" + (f" for {only}" if only else "")
    with existing_database(settings, wanted) as engine:
        latest = latest_forecasts(engine)
    # A replay's symbols are not among the configured ones.
    require_known(symbol, dict.fromkeys((*settings.symbols, *latest["symbol"])))
    mine = latest[latest["symbol"] == symbol]
    if only:
        mine = mine[mine["horizon"] == only]
    if mine.empty:
        raise nothing_yet(wanted, settings)
    if as_json:
        typer.echo(frame_to_json(with_prices(in_order(mine))))
    else:
        console().print(forecast_table(mine))
