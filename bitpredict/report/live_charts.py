"""The chart of the live page: the last prices, the newest forecast from there, and what was forecast for them.

It is Vega-Lite, the other charts are plotly: Streamlit mounts a plotly chart anew whenever a number in it changes,
and keeps a Vega-Lite chart whose specification stays, putting new rows into its datasets.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from bitpredict.market.horizons import parse_horizon
from bitpredict.market.symbols import base_currency
from bitpredict.report.series import QUANTILES, fan, quantile_prices
from bitpredict.report.style import BLUE, GREY, alpha
from bitpredict.report.wording import percent_text, price_text, second_text

LIVE_CAPTION = (
    "The line is the price. Blue: the newest forecast, its 50 % (dark) and 90 % interval (light); the bars at its end "
    "are the forecast itself. Grey: the 90 % interval that was forecast for each instant one horizon earlier."
)

_SHORTEST = timedelta(minutes=10)
_HOLE = timedelta(seconds=90)
_BANDS = {"90 %, earlier": alpha(GREY, 0.22), "90 %": alpha(BLUE, 0.2), "50 %": alpha(BLUE, 0.35)}
_TOLD = ("forecast", "median", "50 % interval", "90 % interval", "P(up)", "model")
# The date stands below the first label and below midnight, seconds only where a label is not at a full minute.
_CLOCK = (
    "[utcFormat(datum.value, utcseconds(datum.value) ? '%H:%M:%S' : '%H:%M'), "
    "datum.index === 0 || (utchours(datum.value) === 0 && utcminutes(datum.value) === 0) "
    "? utcFormat(datum.value, '%b %d, %Y') : '']"
)


def live_chart(
    prices: Sequence[tuple[datetime, float]], forecasts: pd.DataFrame, *, zoomable: bool = False
) -> dict[str, Any]:
    """The last minutes of one symbol and the fan of its newest forecast, as a Vega-Lite specification.

    Args:
        prices: instants of market time, ascending, and prices; may be empty.
        forecasts: of one symbol and horizon, in the order in which they were made; the last is the newest.
        zoomable: whether wheel and drag choose the part that is shown; new rows would undo it.

    Returns:
        All that changes from second to second is in `datasets`, name -> rows.
    """
    newest = forecasts.iloc[[-1]]
    row = newest.iloc[0]
    start = row["origin"] - max(_SHORTEST, 4 * parse_horizon(row["horizon"]).length)
    points = [(time, price) for time, price in prices if time >= start]
    due = (forecasts["target_time"] > start) & (forecasts["target_time"] <= row["origin"])
    datasets = {
        "earlier": _earlier(forecasts[due]),
        "fan": fan(newest),
        "price": _frame(_broken(points)),
        "last": _frame(points[-1:]),
        "forecast": _told(newest),
    }
    return {**_specification(str(row["symbol"]), zoomable=zoomable), "datasets": datasets}


def _earlier(due: pd.DataFrame) -> pd.DataFrame:
    """The outer quantiles at the instants that they were forecast for; one alone has no width."""
    price = quantile_prices(due)
    rows = pd.DataFrame({"time": due["target_time"], "q05": price["q05"], "q95": price["q95"]})
    return rows.sort_values("time", kind="stable", ignore_index=True) if len(rows) > 1 else rows.iloc[:0]


def _broken(points: Sequence[tuple[datetime, float]]) -> list[tuple[datetime, float | None]]:
    """The points, with one without a price where the line is to break."""
    broken: list[tuple[datetime, float | None]] = []
    for time, price in points:
        if broken and time - broken[-1][0] > _HOLE:
            broken.append((broken[-1][0] + timedelta(seconds=1), None))
        broken.append((time, price))
    return broken


def _frame(points: Sequence[tuple[datetime, float | None]]) -> pd.DataFrame:
    time = pd.Series([time for time, _ in points], dtype="datetime64[us, UTC]")
    return pd.DataFrame({"time": time, "price": pd.Series([price for _, price in points], dtype=float)})


def _told(newest: pd.DataFrame) -> pd.DataFrame:
    """The newest forecast, one row: where its marks are, and what they say under the pointer."""
    row, price = newest.iloc[0], quantile_prices(newest)
    text = price.map(price_text).iloc[0]
    words = (
        f"{row['symbol']}, {row['horizon']} ahead, {second_text(row['target_time'])} UTC",
        text["q50"],
        f"{text['q25']} to {text['q75']}",
        f"{text['q05']} to {text['q95']}",
        percent_text(row["p_up"]),
        str(row["model"]),
    )
    times = newest[["origin", "target_time"]].reset_index(drop=True)
    told = pd.DataFrame([dict(zip(_TOLD, words, strict=True))])
    return pd.concat([times, price[list(QUANTILES)].reset_index(drop=True), told], axis=1)


def _specification(symbol: str, *, zoomable: bool) -> dict[str, Any]:
    base = base_currency(symbol)
    x_axis = {"title": "UTC", "labelExpr": _CLOCK, "tickCount": 6, "grid": False}
    above = {"titleAngle": 0, "titleAlign": "left", "titleAnchor": "end", "titleBaseline": "bottom"}
    y_axis = {"title": f"{base} price, {symbol.removeprefix(base)}", "tickCount": 7, **above, "titleX": 0, "titleY": -8}
    layers = [
        _area("earlier", "90 %, earlier", "q05", "q95"),
        _area("fan", "90 %", "q05", "q95"),
        _area("fan", "50 %", "q25", "q75"),
        _layer("fan", {"type": "line", "color": BLUE, "strokeWidth": 1, "strokeDash": [6, 4]}, "time", "q50"),
        _layer("price", {"type": "line", "color": BLUE, "strokeWidth": 1.6}, "time", "price"),
        _layer("last", _dot(40), "time", "price"),
        # Seen by the pointer alone: a line answers for the whole of it, not for the instant below.
        _priced(_layer("price", {"type": "point", "filled": True, "size": 150, "opacity": 0}, "time", "price")),
        {
            "data": {"name": "forecast"},
            "mark": {"type": "rule", "color": GREY, "strokeDash": [2, 3]},
            "encoding": {"x": _time("origin")},
        },
        *(_bar(low, high, width) for low, high, width in (("q05", "q95", 1.5), ("q25", "q75", 5))),
        *(_cap(name) for name in ("q05", "q95")),
        _forecast(_layer("forecast", _dot(64), "target_time", "q50")),
    ]
    if zoomable:
        layers[0]["params"] = [{"name": "zoom", "select": "interval", "bind": "scales"}]
    legend = {"orient": "top", "title": "", "symbolType": "square", "symbolStrokeWidth": 0}
    colour = {"scale": {"domain": list(_BANDS), "range": list(_BANDS.values())}, "legend": legend}
    for layer in layers[:3]:
        layer["encoding"]["color"] |= colour
    layers[0]["encoding"]["x"]["axis"] = x_axis
    layers[0]["encoding"]["y"]["axis"] = y_axis
    return {
        "height": 360,
        "layer": layers,
        # Both said, as Streamlit else chooses them by the number of rows and mounts the chart anew.
        "usermeta": {"embedOptions": {"renderer": "canvas"}},
        # No tooltips but those that the layers name: Streamlit's own would show the raw fields.
        "config": {"mark": {"aria": False, "tooltip": None}},
    }


def _time(field: str) -> dict[str, Any]:
    return {"field": field, "type": "temporal", "scale": {"type": "utc", "nice": False, "padding": 8}}


def _price(field: str) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "scale": {"zero": False}}


def _layer(data: str, mark: dict[str, Any], x: str, y: str) -> dict[str, Any]:
    return {"data": {"name": data}, "mark": mark, "encoding": {"x": _time(x), "y": _price(y)}}


def _area(data: str, name: str, low: str, high: str) -> dict[str, Any]:
    layer = _layer(data, {"type": "area", "opacity": 1}, "time", low)
    layer["encoding"] |= {"y2": {"field": high}, "color": {"datum": name, "type": "nominal"}}
    return layer


def _bar(low: str, high: str, width: float) -> dict[str, Any]:
    layer = _layer("forecast", {"type": "rule", "color": BLUE, "strokeWidth": width}, "target_time", low)
    layer["encoding"]["y2"] = {"field": high}
    return _forecast(layer)


def _cap(name: str) -> dict[str, Any]:
    mark = {"type": "tick", "orient": "horizontal", "color": BLUE, "size": 12, "thickness": 1.5}
    return _layer("forecast", mark, "target_time", name)


def _dot(size: float) -> dict[str, Any]:
    return {
        "type": "point",
        "filled": True,
        "fill": BLUE,
        "stroke": "white",
        "strokeWidth": 1.5,
        "size": size,
        "opacity": 1,
    }


def _forecast(layer: dict[str, Any]) -> dict[str, Any]:
    layer["encoding"]["tooltip"] = [{"field": name, "type": "nominal"} for name in _TOLD]
    return layer


def _priced(layer: dict[str, Any]) -> dict[str, Any]:
    told = "utcFormat(datum.time, '%Y-%m-%d %H:%M:%S') + ': ' + format(datum.price, ',.6~r')"
    layer["transform"] = [{"filter": "isValid(datum.price)"}, {"calculate": told, "as": "told"}]
    layer["encoding"]["tooltip"] = {"field": "told", "type": "nominal"}
    return layer
