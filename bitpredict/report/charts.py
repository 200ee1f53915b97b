"""Charts of prices: forecasts, history, presence. Pure functions of the tables, for report and dashboard; UTC."""

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bitpredict.market.horizons import parse_horizon
from bitpredict.market.symbols import base_currency
from bitpredict.market.time import MINUTE
from bitpredict.report.marks import add_band, add_intervals, instant, instants, name_price, time_axis
from bitpredict.report.series import bars, closes, fan, quantile_prices
from bitpredict.report.style import BLUE, GREY, ORANGE, figure, name_axis, plain

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FAN_CAPTION = (
    "The bars at the target time are the forecast: median, 50 % (thick) and 90 % interval (thin). The shading from the "
    "origin to them widens with the root of time; it is a drawing aid, not a forecast of the path. "
    "What came since was not known to it. The line breaks where minutes are missing or the exchange stood still."
)
TRACK_CAPTION = (
    "At each instant the intervals that were forecast for it one horizon earlier, and the close that came. Dots are "
    "closes outside the 90 % interval: one in ten should be, and neighbours share most of their outcome."
)
GAP_CAPTION = "Share of each UTC day's minutes that have a candle. Missing minutes stay missing."

CANDLE_WIDTH = timedelta(hours=4)
_HISTORY = {"1m": timedelta(minutes=30), "5m": timedelta(hours=1), "1h": timedelta(hours=12), "1d": timedelta(days=7)}
_PRESENCE = (
    # from this share on, colour, name: quiet where nothing is wrong
    (1.0, "rgba(42,127,191,0.45)", "complete"),
    (0.99, "#e8c33a", "99 % or more"),
    (0.9, "#e08214", "90 to 99 %"),
    (1e-9, "#b3400a", "less"),
    (0.0, "#808080", "no candle"),
)


def fan_chart(candles: pd.DataFrame, forecasts: pd.DataFrame) -> "Figure":
    """Recent closes of one symbol and the price quantiles forecast from there.

    Args:
        candles: the symbol's minutes around the origin; those after it are drawn as what happened since.
        forecasts: one row, or one a horizon; the history shown follows from the longest horizon.
    """
    symbol = str(forecasts["symbol"].iloc[0])
    origin = forecasts["origin"].max()
    longest = max(parse_horizon(name) for name in forecasts["horizon"])
    chart = figure(height=340, top=56)
    for _, rows in forecasts.groupby("origin"):
        add_band(chart, fan(rows))
    _add_closes(chart, closes(candles, origin - _HISTORY[longest.name], origin), "close", BLUE, "solid")
    since = candles.loc[candles["open_time"] >= origin, "open_time"]
    if not since.empty:
        until = min(since.max() + MINUTE, origin + longest.length)
        _add_closes(chart, closes(candles, origin, until), "since", ORANGE, "dot")
    add_intervals(chart, forecasts)
    chart.add_vline(x=instant(origin), line={"color": GREY, "width": 1, "dash": "dot"})
    chart.update_layout(legend={"entrywidth": 38})
    name_price(chart, symbol)
    return time_axis(chart)


def track_chart(candles: pd.DataFrame, forecasts: pd.DataFrame) -> "Figure":
    """Past forecasts of one symbol and horizon at their target times, against the closes that came.

    Args:
        candles: the symbol's minutes over the target times; where a target has no close it is not judged.
    """
    import plotly.graph_objects as go

    rows = forecasts.sort_values("target_time")
    price = quantile_prices(rows).assign(time=rows["target_time"])
    symbol = str(rows["symbol"].iloc[0])
    chart = figure(height=340, top=56)
    steps = price["time"].diff()
    breaks = steps > 3 * steps.quantile(0.5)  # the median, without the warning about a single forecast's
    for i, (_, unbroken) in enumerate(price.groupby(breaks.cumsum())):
        add_band(chart, unbroken, named=i == 0)
    first, last = price["time"].iloc[0], price["time"].iloc[-1]
    _add_closes(chart, closes(candles, first - MINUTE, last), "close", BLUE, "solid")
    close = candles.loc[~candles["halted"]].assign(time=candles["open_time"] + MINUTE)[["time", "close"]]
    judged = price.merge(close, on="time")
    missed = judged[(judged["close"] < judged["q05"]) | (judged["close"] > judged["q95"])]
    misses = go.Scatter(
        x=instants(missed["time"]),
        y=missed["close"].to_numpy(),
        mode="markers",
        marker={"color": ORANGE, "size": 5},
        name=f"outside 90 %: {len(missed):,} of {len(judged):,}",
        hovertemplate="%{x|%Y-%m-%d %H:%M}: %{y:,.6~r}<extra></extra>",
    )
    chart.add_trace(misses)
    name_price(chart, symbol)
    return time_axis(chart)


def candle_chart(candles: pd.DataFrame, width: timedelta = CANDLE_WIDTH) -> "Figure":
    """One symbol's history as candles of `width`; hollow where minutes of it are missing."""
    import plotly.graph_objects as go

    symbol = str(candles["symbol"].iloc[0])
    table = bars(candles, width)
    expected = width / MINUTE
    chart = figure(height=420, top=56, rows=2, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.1)
    for whole, name in ((True, "complete"), (False, "with missing minutes")):
        part = table[(table["minutes"] == expected) == whole]
        if part.empty:
            continue
        chart.add_trace(
            go.Candlestick(
                x=instants(part["open_time"]),
                **{column: part[column].to_numpy() for column in ("open", "high", "low", "close")},
                increasing={"line": {"color": BLUE, "width": 1}, "fillcolor": BLUE if whole else "rgba(0,0,0,0)"},
                decreasing={"line": {"color": ORANGE, "width": 1}, "fillcolor": ORANGE if whole else "rgba(0,0,0,0)"},
                name=name,
                hovertext=[f"{minutes} of {expected:.0f} minutes" for minutes in part["minutes"]],
            ),
            row=1,
            col=1,
        )
    volume = go.Bar(
        x=instants(table["open_time"]),
        y=table["volume"].to_numpy(),
        marker={"color": GREY, "opacity": 0.6, "line": {"width": 0}},
        name="volume",
        hovertemplate="%{x|%Y-%m-%d %H:%M}: %{y:,.0f}<extra>volume</extra>",
        showlegend=False,
    )
    chart.add_trace(volume, row=2, col=1)
    name_price(chart, symbol)
    chart.update_yaxes(nticks=3, row=2, col=1)
    name_axis(chart, f"traded in {width / timedelta(hours=1):g} h, {plain(base_currency(symbol))}", row=2)
    if (table["minutes"] == expected).all():
        chart.update_layout(showlegend=False, margin={"t": 24})
    chart.update_xaxes(rangeslider_visible=False)
    time_axis(chart)
    chart.update_xaxes(title_text=None, row=1, col=1)
    return chart


def gap_map(presence: pd.DataFrame) -> "Figure":
    """Days across, symbols down: the share of minutes present (the columns of `series.presence`)."""
    import plotly.graph_objects as go

    share = presence.pivot(index="symbol", columns="day", values="share")
    minutes = presence.pivot(index="symbol", columns="day", values="minutes").reindex_like(share)
    expected = presence.pivot(index="symbol", columns="day", values="expected").reindex_like(share)
    floors = [floor for floor, _, _ in _PRESENCE]
    classes = np.array(
        [[next(i for i, floor in enumerate(floors) if cell >= floor) for cell in row] for row in share.to_numpy()]
    )
    scale = [[edge / len(_PRESENCE), colour] for i, (_, colour, _) in enumerate(_PRESENCE) for edge in (i, i + 1)]
    cells = go.Heatmap(
        x=instants(pd.Series(share.columns)),
        y=[plain(symbol) for symbol in share.index],
        z=classes,
        zmin=-0.5,
        zmax=len(_PRESENCE) - 0.5,
        customdata=np.dstack([minutes, expected, 100 * share]),
        hovertemplate="%{y} %{x|%Y-%m-%d}: %{customdata[0]:,d} of %{customdata[1]:,d} minutes "
        "(%{customdata[2]:.2f} %)<extra></extra>",
        colorscale=scale,
        showscale=False,
        xgap=1,
        ygap=3,
    )
    chart = figure(height=140 + 34 * len(share), top=64)
    chart.add_trace(cells)
    for _, colour, name in _PRESENCE:
        swatch = {"symbol": "square", "size": 12, "color": colour}
        chart.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=swatch, name=name))
    chart.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True)
    chart.update_xaxes(showgrid=False)
    return time_axis(chart)


def _add_closes(chart: "Figure", series: pd.DataFrame, name: str, colour: str, dash: str) -> None:
    import plotly.graph_objects as go

    line = go.Scatter(
        x=instants(series["time"]),
        y=series["close"].to_numpy(),
        mode="lines",
        line={"color": colour, "width": 1.6, "dash": dash},
        connectgaps=False,
        name=name,
        showlegend=name != "close",
        hovertemplate="%{x|%Y-%m-%d %H:%M}: %{y:,.6~r}<extra></extra>",
    )
    chart.add_trace(line)
