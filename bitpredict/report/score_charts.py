"""Charts of how good the forecasts were. Pure functions of the tables, for report and dashboard."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bitpredict.market.horizons import parse_horizon
from bitpredict.report.series import calibration
from bitpredict.report.style import GREY, SERIES, alpha, figure, name_axis, plain
from bitpredict.report.wording import percent_text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SKILL_CAPTION = (
    "Skill is 1 - QLIKE / the baseline's QLIKE on the same origins: right of 0 is better than the baseline, left is "
    "worse. Filled: better with p < 0.05 (Diebold-Mariano, one-sided). Points beyond the axis are named at its edge."
)
COVERAGE_CAPTION = (
    "Share of outcomes inside the 50 % and the 90 % interval. On the dashed lines the intervals mean what they say; "
    "left of them they are too narrow."
)
CALIBRATION_CAPTION = (
    "Share of outcomes below each stored quantile. On the diagonal the distribution is right. The shading is what "
    "chance alone does to as many forecasts as do not overlap."
)
_SKILL_FLOOR = -0.4


def scorecard_chart(scorecard: pd.DataFrame) -> "Figure":
    """QLIKE skill of every model over the baseline at 0, one row of the chart a horizon, one marker a symbol."""
    import plotly.graph_objects as go

    facets = _Facets(scorecard)
    floor = 100 * max(_SKILL_FLOOR, min(0.0, scorecard["skill"].min()) - 0.04)
    ceiling = 100 * max(0.1, scorecard["skill"].max() + 0.04)
    for row, part, y, look in facets.parts():
        skill = 100 * part["skill"].to_numpy(float)
        proven = (part["p_value"].astype(float) < 0.05).to_numpy()
        points = go.Scatter(
            x=skill,
            y=y,
            mode="markers",
            marker={
                "color": look["colour"],
                "size": 10,
                "symbol": np.where(proven, look["marker"], look["marker"] + "-open"),
                "line": {"width": 2, "color": look["colour"]},
            },
            name=look["name"],
            legendgroup=look["name"],
            showlegend=row == 1,
            text=[plain(model) for model in part["model"]],
            customdata=np.column_stack([part["sample_size"], part["p_value"].astype(float)]),
            hovertemplate="%{text}: %{x:+.1f} %, p = %{customdata[1]:.3f}, n = %{customdata[0]:,d}",
        )
        facets.chart.add_trace(points, row=row, col=1)
        beyond = skill < floor
        edge = go.Scatter(
            x=np.full(beyond.sum(), floor + 0.02 * (ceiling - floor)),
            y=y[beyond],
            mode="markers+text",
            marker={"color": look["colour"], "size": 9, "symbol": "triangle-left"},
            text=[percent_text(value / 100, digits=0, signed=True) for value in skill[beyond]],
            textposition="middle right",
            textfont={"size": 11},
            hoverinfo="skip",
            legendgroup=look["name"],
            showlegend=False,
        )
        if beyond.any():
            facets.chart.add_trace(edge, row=row, col=1)
    facets.chart.add_vline(x=0, line={"color": GREY, "width": 1.5})
    facets.chart.update_xaxes(range=[floor, ceiling], ticksuffix=" %", nticks=7)
    return facets.titled("QLIKE skill over the baseline")


def coverage_chart(scorecard: pd.DataFrame) -> "Figure":
    """Observed coverage of the 50 % and 90 % intervals against what they promise, in the scorecard chart's rows."""
    import plotly.graph_objects as go

    facets = _Facets(scorecard)
    for row, part, y, look in facets.parts():
        for column, nominal in (("coverage_50", 50), ("coverage_90", 90)):
            points = go.Scatter(
                x=100 * part[column].to_numpy(float),
                y=y,
                mode="markers",
                marker={"color": look["colour"], "size": 9, "symbol": look["marker"]},
                name=look["name"],
                legendgroup=look["name"],
                showlegend=row == 1 and nominal == 50,
                text=[plain(model) for model in part["model"]],
                hovertemplate=f"%{{text}}: %{{x:.1f}} % inside the {nominal} % interval",
            )
            facets.chart.add_trace(points, row=row, col=1)
    for nominal in (50, 90):
        facets.chart.add_vline(x=nominal, line={"color": GREY, "width": 1.5, "dash": "dash"})
    facets.chart.update_xaxes(range=[0, 101], tickvals=[0, 25, 50, 75, 90])
    return facets.titled("outcomes inside the interval, %")


def calibration_chart(scored: pd.DataFrame) -> "Figure":
    """Observed against nominal level of every stored quantile, one line a horizon."""
    import plotly.graph_objects as go

    chart = figure(height=420, top=80)
    table = calibration(scored)
    for (horizon, part), (colour, marker) in zip(table.groupby("horizon", sort=False), SERIES, strict=False):
        level = 100 * part["level"].to_numpy()
        band = go.Scatter(
            x=np.concatenate([level, level[::-1]]),
            y=100 * np.concatenate([part["high"], part["low"][::-1]]),
            mode="lines",
            fill="toself",
            fillcolor=alpha(colour, 0.13),
            line={"width": 0},
            hoverinfo="skip",
            legendgroup=horizon,
            showlegend=False,
        )
        line = go.Scatter(
            x=level,
            y=100 * part["observed"].to_numpy(),
            mode="lines+markers",
            line={"color": colour, "width": 1.5},
            marker={"symbol": marker, "size": 9},
            name=f"{horizon} (n = {part['sample_size'].iloc[0]:,}, {part['independent'].iloc[0]:,} apart)",
            legendgroup=horizon,
            hovertemplate="%{y:.1f} % of outcomes below the %{x:.0f} % quantile<extra>" + str(horizon) + "</extra>",
        )
        chart.add_traces([band, line])
    chart.add_shape(type="line", x0=0, y0=0, x1=100, y1=100, line={"color": GREY, "width": 1, "dash": "dash"})
    chart.update_xaxes(range=[0, 100], ticksuffix=" %", title_text="nominal level of the quantile")
    chart.update_yaxes(range=[0, 100], ticksuffix=" %", nticks=6)
    name_axis(chart, "outcomes below it")
    return chart


class _Facets:
    """One row of the chart a horizon, from short to long; in it one line a model, the best median skill on top."""

    def __init__(self, scorecard: pd.DataFrame) -> None:
        if scorecard["kind"].nunique() > 1:
            raise ValueError("a scorecard chart shows one kind: backtest and live are never mixed")
        self._scorecard = scorecard
        self._horizons = [horizon.name for horizon in sorted({parse_horizon(name) for name in scorecard["horizon"]})]
        models = list(scorecard.groupby("model")["skill"].median().sort_values().index)
        self._lines = {model: line for line, model in enumerate(models)}
        height = 100 + len(self._horizons) * (48 + 34 * len(models))
        spacing = 64 / (height - 100) if len(self._horizons) > 1 else 0.0
        titles = [f"{horizon} ahead" for horizon in self._horizons]
        self.chart = figure(height=height, rows=len(titles), titles=titles, vertical_spacing=spacing, top=64)
        self.chart.update_annotations(font={"size": 13}, xanchor="left", x=0)
        self.chart.update_yaxes(
            tickvals=list(self._lines.values()),
            ticktext=[plain(model) for model in models],
            range=[-0.6, len(models) - 0.4],
            fixedrange=True,
            zeroline=False,
        )

    def parts(self) -> Iterator[tuple[int, pd.DataFrame, Any, dict[str, str]]]:
        """Each symbol's rows of each horizon: the chart's row, the rows, their heights (symbols side by side), look."""
        symbols = sorted(self._scorecard["symbol"].unique())
        for row, horizon in enumerate(self._horizons, 1):
            here = self._scorecard[self._scorecard["horizon"] == horizon]
            for i, symbol in enumerate(symbols):
                colour, marker = SERIES[i % len(SERIES)]
                part = here[here["symbol"] == symbol]
                aside = 0.4 * (0.5 - (i + 0.5) / len(symbols)) * 2
                y = part["model"].map(self._lines).to_numpy(float) + aside
                yield row, part, y, {"name": plain(symbol), "colour": colour, "marker": marker}

    def titled(self, title: str) -> "Figure":
        return self.chart.update_xaxes(title_text=title, row=len(self._horizons), col=1)
