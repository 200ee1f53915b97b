"""The chart of the live page: the last prices, the newest forecast from there, and what was forecast for them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bitpredict.market.horizons import parse_horizon
from bitpredict.report.marks import add_band, add_intervals, instants, name_price, time_axis
from bitpredict.report.series import QUANTILES, fan, quantile_prices
from bitpredict.report.style import BLUE, GREY, alpha, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LIVE_CAPTION = (
    "The line is the price. Blue: the newest forecast, its 50 % (dark) and 90 % interval (light); the bars at its end "
    "are the forecast itself. Grey: the 90 % interval that was forecast for each instant one horizon earlier."
)

_SHORTEST = timedelta(minutes=10)
_HOLE = timedelta(seconds=90)


def live_chart(prices: Sequence[tuple[datetime, float]], forecasts: pd.DataFrame) -> "Figure":
    """The last minutes of one symbol and the fan of its newest forecast.

    Args:
        prices: instants of market time, ascending, and prices; may be empty.
        forecasts: of one symbol and horizon, in the order in which they were made; the last is the newest.
    """
    newest = forecasts.iloc[[-1]]
    row = newest.iloc[0]
    start = row["origin"] - max(_SHORTEST, 4 * parse_horizon(row["horizon"]).length)
    chart = figure(height=360, top=56)
    earlier = forecasts[(forecasts["target_time"] > start) & (forecasts["target_time"] <= row["origin"])]
    if len(earlier) > 1:
        _add_earlier(chart, earlier)
    add_band(chart, fan(newest))
    _add_prices(chart, [(time, price) for time, price in prices if time >= start])
    add_intervals(chart, newest)
    chart.add_vline(x=str(instants(newest["origin"])[0]), line={"color": GREY, "width": 1, "dash": "dot"})
    # Who zoomed in stays there when the next second is drawn.
    chart.update_layout(uirevision=f"{row['symbol']} {row['horizon']}", legend={"entrywidth": 90})
    name_price(chart, str(row["symbol"]))
    time_axis(chart)
    chart.update_xaxes(hoverformat="%Y-%m-%d %H:%M:%S")
    return chart


def _add_earlier(chart: "Figure", earlier: pd.DataFrame) -> None:
    import plotly.graph_objects as go

    price = quantile_prices(earlier)
    order = np.argsort(earlier["target_time"].to_numpy(), kind="stable")
    time = instants(earlier["target_time"])[order]
    for name, fill in ((QUANTILES[0], {}), (QUANTILES[-1], {"fill": "tonexty", "fillcolor": alpha(GREY, 0.22)})):
        edge = go.Scatter(
            x=time,
            y=price[name].to_numpy()[order],
            mode="lines",
            line={"width": 0},
            hoverinfo="skip",
            name="90 %, earlier",
            showlegend=bool(fill),
            **fill,
        )
        chart.add_trace(edge)


def _add_prices(chart: "Figure", points: Sequence[tuple[datetime, float]]) -> None:
    import plotly.graph_objects as go

    broken: list[tuple[datetime, float | None]] = []
    for time, price in points:
        if broken and time - broken[-1][0] > _HOLE:
            broken.append((broken[-1][0] + timedelta(seconds=1), None))
        broken.append((time, price))
    line = go.Scatter(
        x=instants(pd.Series([time for time, _ in broken], dtype="datetime64[us, UTC]")),
        y=[price for _, price in broken],
        mode="lines",
        line={"color": BLUE, "width": 1.6},
        connectgaps=False,
        name="price",
        showlegend=False,
        hovertemplate="%{x|%Y-%m-%d %H:%M:%S}: %{y:,.6~r}<extra></extra>",
    )
    chart.add_trace(line)
    if points:
        time, price = points[-1]
        last = {"color": BLUE, "size": 7, "line": {"width": 1.5, "color": "white"}}
        chart.add_trace(
            go.Scatter(
                x=instants(pd.Series([time])),
                y=[price],
                mode="markers",
                marker=last,
                hoverinfo="skip",
                showlegend=False,
            )
        )
