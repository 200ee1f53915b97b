"""The report of what the stores hold now."""

from pathlib import Path

import pandas as pd

from bitpredict.market.time import DAY, utc
from bitpredict.report.html import write_report
from bitpredict.report.provenance import badge
from bitpredict.settings import Settings
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.evaluations import read_evaluations, read_scorecard
from bitpredict.storage.gap_ledger import read_gaps
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import latest_forecasts

DAYS_SHOWN = 62
"""How far back gap map and price history reach: two months, the whole sample."""


def write_report_of(settings: Settings, path: Path) -> Path:
    """Read everything that the report shows and write it to `path`.

    Raises:
        StorageError: a store cannot be read, or the file cannot be written.
    """
    lake, engine = Lake.from_settings(settings), connect(settings)
    try:
        days = lake.days(CANDLES)
        start = utc(days[-1]) - (DAYS_SHOWN - 1) * DAY if days else None
        candles = lake.read(CANDLES, start, symbols=settings.symbols).to_pandas()
        forecasts = latest_forecasts(engine)
        return write_report(
            path,
            settings=_summary(settings, lake, forecasts),
            forecasts=forecasts,
            scorecard=read_scorecard(engine),
            evaluations=read_evaluations(engine),
            candles=candles,
            gaps=read_gaps(engine),
            provenance=badge(settings.market, candles["provenance"].unique()),
        )
    finally:
        engine.dispose()


def _summary(settings: Settings, lake: Lake, forecasts: pd.DataFrame) -> dict[str, str]:
    start, end = settings.calendar()
    return {
        "Market": settings.market,
        "Symbols": ", ".join(settings.symbols),
        "Calendar": f"from {start:%Y-%m-%d}" + (f" to before {end:%Y-%m-%d}" if end else ", open"),
        "Candles table": f"version {lake.version(CANDLES)}",
        "Forecast inputs": ", ".join(sorted(forecasts["input"].unique())),
        "Feature set": ", ".join(sorted(forecasts["feature_set_version"].unique())),
        "Model versions": ", ".join(sorted(forecasts["model_version"].unique())),
    }
