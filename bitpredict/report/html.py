"""The report: one HTML file with everything inside it, opened by a double click, without server or network."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from bitpredict.errors import StorageError
from bitpredict.files import replace_file
from bitpredict.market.time import DAY, MINUTE
from bitpredict.report import charts, score_charts
from bitpredict.report.provenance import Provenance
from bitpredict.report.series import presence
from bitpredict.report.style import CONFIG
from bitpredict.report.tables import (
    Table,
    evaluation_table,
    forecast_table,
    gap_table,
    in_order,
    in_words,
    scorecard_table,
)
from bitpredict.report.wording import utc_text

if TYPE_CHECKING:
    from jinja2 import Environment
    from plotly.graph_objects import Figure

KINDS = {
    "backtest": "Written after their target time, by models trained only on what came before the month they serve.",
    "live": "Written before their target time, by the clock.",
}


@dataclass(frozen=True)
class Chart:
    """A figure as the page embeds it: plotly's JSON, in which no `<` or `/` is left that could end a script."""

    label: str
    caption: str
    json: str
    height: int


@dataclass(frozen=True)
class Section:
    """A table with its charts under a heading."""

    title: str
    note: str
    table: Table
    charts: tuple[Chart, ...] = ()


def write_report(
    path: Path,
    *,
    settings: Mapping[str, str],
    forecasts: pd.DataFrame,
    scorecard: pd.DataFrame,
    evaluations: pd.DataFrame,
    candles: pd.DataFrame,
    gaps: pd.DataFrame,
    provenance: Provenance,
) -> Path:
    """Write the report to `path`, replacing it whole; the same tables give the same bytes.

    Args:
        settings: what to show of how this was made, name to value; nothing secret, no paths: reports are passed on.
        forecasts: newest served forecast of each symbol and horizon, the columns of `schema.forecasts`.
        scorecard, evaluations, gaps: rows of `scorecard`, `model_evaluations` and `data_gaps`.
        candles: minutes of every symbol over the range that the gap map shows, `CANDLES` columns.
        provenance: the badge.

    Returns:
        The path.

    Raises:
        StorageError: the file cannot be written.
    """
    from plotly.offline import get_plotlyjs

    page = _environment().get_template("report.html.j2")
    text = page.render(
        plotly=get_plotlyjs(),
        config=json.dumps(CONFIG),
        provenance=provenance,
        settings=settings,
        span=_span(candles),
        newest=utc_text(forecasts["origin"].max()) if len(forecasts) else "",
        forecasts=forecast_table(forecasts) if len(forecasts) else None,
        proven=int((forecasts["skill"] > 0).sum()),
        fans=_fans(candles, forecasts),
        fan_caption=charts.FAN_CAPTION,
        scores=[_scores(str(kind), rows) for kind, rows in scorecard.groupby("kind")],
        evaluations=[
            Section(f"Models that serve from {month}", "", evaluation_table(rows))
            for month, rows in sorted(evaluations.groupby("month"), reverse=True)
        ],
        data=_data(candles),
        gaps=gap_table(gaps),
    )
    _replace(path, text)
    return path


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("bitpredict.report", ".")
    return Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _fans(candles: pd.DataFrame, forecasts: pd.DataFrame) -> list[tuple[str, Chart]]:
    fans = []
    for i in in_order(forecasts).index:
        row = forecasts.loc[[i]]
        symbol, horizon = str(row["symbol"].iloc[0]), str(row["horizon"].iloc[0])
        minutes = candles[candles["symbol"] == symbol]
        heading = f"{symbol}, {horizon} ahead"
        fans.append((heading, _chart(charts.fan_chart(minutes, row), f"Price fan of {heading}", in_words(row))))
    return fans


def _scores(kind: str, rows: pd.DataFrame) -> Section:
    pair = (
        _chart(score_charts.scorecard_chart(rows), f"Skill by model, {kind}", score_charts.SKILL_CAPTION),
        _chart(score_charts.coverage_chart(rows), f"Interval coverage by model, {kind}", score_charts.COVERAGE_CAPTION),
    )
    return Section(kind, KINDS[kind], scorecard_table(rows), pair)


def _data(candles: pd.DataFrame) -> list[Chart]:
    if candles.empty:
        return []
    symbols = sorted(candles["symbol"].unique())
    first, last = candles["open_time"].min().floor("D"), candles["open_time"].max() + MINUTE
    shares = presence(candles, symbols, first, last)
    made = [_chart(charts.gap_map(shares), "Share of minutes present by day and symbol", charts.GAP_CAPTION)]
    for symbol in symbols:
        minutes = candles[candles["symbol"] == symbol]
        caption = (
            f"{symbol}: candles of {charts.CANDLE_WIDTH / (DAY / 24):.0f} hours, hollow where minutes are missing."
        )
        made.append(_chart(charts.candle_chart(minutes), f"Price history of {symbol}", caption))
    return made


def _chart(chart: "Figure", label: str, caption: str) -> Chart:
    return Chart(label, caption, chart.to_json(), chart.layout.height)


def _span(candles: pd.DataFrame) -> str:
    if candles.empty:
        return "no candles"
    return f"{utc_text(candles['open_time'].min())} to {utc_text(candles['open_time'].max() + MINUTE)}"


def _replace(path: Path, text: str) -> None:
    """A reader sees the old report or the new one, never half of one."""
    try:
        replace_file(path, text.encode(), mode=0o644)
    except OSError as error:
        raise StorageError(
            f"the report cannot be written to {path} ({error.strerror}): choose another place"
        ) from error
