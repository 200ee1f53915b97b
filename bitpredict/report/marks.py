"""What charts of prices share: bands, intervals, the axes of time and price."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bitpredict.market.symbols import base_currency
from bitpredict.report.series import quantile_prices
from bitpredict.report.style import BLUE, alpha, name_axis, plain
from bitpredict.report.wording import percent_text, price_text, second_text, utc_text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def add_band(chart: "Figure", paths: pd.DataFrame, *, named: bool = True) -> None:
    """The 90 % and the 50 % interval between paths of quantile prices, and their median."""
    import plotly.graph_objects as go

    time = instants(paths["time"])
    for low, high, opacity, name in (("q05", "q95", 0.2, "90 %"), ("q25", "q75", 0.35, "50 %")):
        edge = {"x": time, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        chart.add_trace(go.Scatter(**edge, y=paths[low].to_numpy(), name=low, showlegend=False))
        filled = {"fill": "tonexty", "fillcolor": alpha(BLUE, opacity)}
        chart.add_trace(go.Scatter(**edge, **filled, y=paths[high].to_numpy(), name=name, showlegend=named))
    median = {"color": BLUE, "width": 1, "dash": "dash"}
    chart.add_trace(
        go.Scatter(x=time, y=paths["q50"].to_numpy(), mode="lines", line=median, hoverinfo="skip", showlegend=False)
    )


def add_intervals(chart: "Figure", forecasts: pd.DataFrame) -> None:
    """The forecast itself: at each target time its median with the two intervals as bars."""
    import plotly.graph_objects as go

    price = quantile_prices(forecasts)
    median = price["q50"].to_numpy()
    text = [
        f"{plain(row['symbol'])}, {row['horizon']} ahead, {_moment(row['target_time'])}<br>median {p['q50']}<br>"
        f"50 %: {p['q25']} to {p['q75']}<br>90 %: {p['q05']} to {p['q95']}<br>"
        f"P(up) {percent_text(row['p_up'])}, {plain(row['model'])}"
        for row, p in zip(forecasts.to_dict("records"), price.map(price_text).to_dict("records"), strict=True)
    ]
    for low, high, width in (("q05", "q95", 1.5), ("q25", "q75", 5)):
        bar = go.Scatter(
            x=instants(forecasts["target_time"]),
            y=median,
            mode="markers",
            marker={"color": BLUE, "size": 9, "line": {"width": 1.5, "color": "white"}},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": price[high].to_numpy() - median,
                "arrayminus": median - price[low].to_numpy(),
                "color": BLUE,
                "thickness": width,
                "width": 6 if width < 2 else 0,
            },
            text=text,
            hovertemplate="%{text}<extra></extra>",
            name="forecast",
            showlegend=False,
            cliponaxis=False,
        )
        chart.add_trace(bar)


def instants(times: pd.Series) -> np.ndarray:
    """Plotly draws local wall clocks: it is given UTC without a zone, so that every reader sees the same."""
    values = pd.DatetimeIndex(times)
    return (values.tz_convert("UTC").tz_localize(None) if values.tz else values).to_numpy("datetime64[ms]")


def instant(moment: pd.Timestamp) -> str:
    return str(instants(pd.Series([moment]))[0])


def name_price(chart: "Figure", symbol: str) -> None:
    base = base_currency(symbol)
    chart.update_yaxes(tickformat=",~r", nticks=7, row=1, col=1)
    name_axis(chart, f"{plain(base)} price, {plain(symbol.removeprefix(base))}")


def time_axis(chart: "Figure") -> "Figure":
    chart.update_xaxes(title_text="UTC", hoverformat="%Y-%m-%d %H:%M", nticks=6, tickangle=0)
    return chart


def _moment(target: pd.Timestamp) -> str:
    return second_text(target) if target.second else utc_text(target)
