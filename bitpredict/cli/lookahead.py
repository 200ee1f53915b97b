"""`bitpredict lookahead`: does any feature see the future?"""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitpredict.cli.options import AsJson, day_option

if TYPE_CHECKING:
    import pyarrow as pa

    from bitpredict.features.lookahead import PrefixResult
    from bitpredict.settings import Settings

app = typer.Typer()


@app.command()
def lookahead(
    symbol: Annotated[str, typer.Option(help="Only this trading pair; all of them when left out.")] = "",
    day: Annotated[
        date | None, day_option("--day", help_="The UTC day to look at; the newest with candles when left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for features that see the future: those that change when all later is cut off; exit with 1 for any."""
    from bitpredict.cli.output import console, lookahead_table, progress_console
    from bitpredict.cli.records import to_json
    from bitpredict.errors import BitPredictError
    from bitpredict.market.symbols import require_known
    from bitpredict.settings import load_settings

    settings = load_settings()
    symbol = require_known(symbol, settings.symbols) if symbol else ""
    with progress_console().status("computing the day's features again, with the future cut off"):
        looked_at, results = _look(settings, symbol, day)
    if as_json:
        typer.echo(to_json(map(_record, results)))
    else:
        console().print(lookahead_table(results))
        typer.echo(f"{len(results)} columns of the feature table of {symbol or 'every symbol'} on {looked_at}")
    if not all(result.rows_compared for result in results):
        raise BitPredictError(f"no origin of {looked_at} has features to compare; choose another --day")
    if leaking := [result.feature for result in results if not result.passed]:
        raise BitPredictError(f"{', '.join(leaking)} used what came after the origin; train nothing on them")


def _look(settings: "Settings", symbol: str, day: date | None) -> "tuple[date, tuple[PrefixResult, ...]]":
    import pyarrow.compute as pc

    from bitpredict.cli.stores import nothing_yet
    from bitpredict.errors import StorageError
    from bitpredict.features.catalog import LOOKBACK
    from bitpredict.features.lookahead import prefix_invariance
    from bitpredict.features.others import OTHERS_WITHIN
    from bitpredict.features.outside import Outside
    from bitpredict.features.table import features_between
    from bitpredict.market.time import DAY, utc
    from bitpredict.storage.contracts import CANDLES
    from bitpredict.storage.lake import Lake

    lake = Lake.from_settings(settings)
    if not (days := lake.days(CANDLES)):
        raise nothing_yet("candles", settings)
    day = day or days[-1]
    if day not in days:
        raise StorageError(f"no candles on {day}; there are some from {days[0]} to {days[-1]}")
    start = utc(day)
    candles = lake.read(CANDLES, start - LOOKBACK - OTHERS_WITHIN, start + DAY)

    def compute(candles: "pa.Table", first: datetime, end: datetime, outside: Outside) -> "pa.Table":
        table = features_between(candles, first, end, outside)
        return table.filter(pc.equal(table["symbol"], symbol)) if symbol else table

    outside = Outside.read(lake, start, start + DAY)
    return day, prefix_invariance(compute, candles, start, start + DAY, outside=outside)


def _record(result: "PrefixResult") -> dict[str, Any]:
    found = result.first_difference
    return {
        "feature": result.feature,
        "rows_compared": result.rows_compared,
        "differing_rows": result.differing_rows,
        "passed": result.passed,
        "symbol": found and found.symbol,
        "origin": found and found.origin,
        "with_future": found and found.with_future,
        "without_future": found and found.without_future,
    }
