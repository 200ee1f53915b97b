"""Series of what others publish, as pages show them: quotes of many coins, headlines and what they say."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bitpredict.market.time import DAY
from bitpredict.report.marks import instants, time_axis
from bitpredict.report.style import BLUE, GREY, ORANGE, figure, name_axis, plain

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SPARK_STEP = pd.Timedelta(minutes=30)
DAY_AGO_WITHIN = pd.Timedelta(hours=1)
"""A quote of a day ago may be so much older; without one there is no change to tell."""

SENTIMENT_CAPTION = (
    "Above, the close of each hour. Below, the mean score of the articles of the last 24 hours, as known at each full "
    "hour: from -1, all bad, to 1, all good. A line breaks where nobody told anything. That they move together, "
    "where they do, says nothing about which moves first."
)


def with_last_day(newest: pd.DataFrame, past: pd.DataFrame) -> pd.DataFrame:
    """Quotes with what came before.

    Args:
        newest: a row a coin; columns coin_id, observed_at, price.
        past: columns coin_id, observed_at, price, of the last day and a bit.

    Returns:
        `newest` with change_24h (share, NaN where nothing is known of a day ago) and last_day (list of prices, one a
        half hour at most, oldest first).
    """
    past = past.sort_values("observed_at", kind="stable")
    moments = newest[["coin_id", "observed_at"]].assign(wanted=newest["observed_at"] - DAY).sort_values("wanted")
    before = pd.merge_asof(
        moments,
        past[["coin_id", "observed_at", "price"]].rename(columns={"observed_at": "at", "price": "before"}),
        left_on="wanted",
        right_on="at",
        by="coin_id",
        tolerance=DAY_AGO_WITHIN,
    ).set_index("coin_id")["before"]
    recent = past.merge(moments[["coin_id", "wanted"]], on="coin_id")
    recent = recent[recent["observed_at"] > recent["wanted"]]
    steps = recent.groupby(["coin_id", recent["observed_at"].dt.floor(SPARK_STEP)])["price"].last()
    lines = {coin: prices.tolist() for coin, prices in steps.groupby(level="coin_id")}
    ids = newest["coin_id"]
    return newest.assign(
        change_24h=newest["price"].to_numpy() / before.reindex(ids).to_numpy(float) - 1,
        last_day=pd.Series([lines.get(coin, []) for coin in ids], newest.index, dtype="object"),
    )


def newest_judgement(articles: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """Articles with the newest of what models said of each: label, score and model, null where none spoke."""
    newest = judged.sort_values(["scored_at", "model"], kind="stable").drop_duplicates("article_id", keep="last")
    return articles.merge(newest[["article_id", "label", "score", "model"]], on="article_id", how="left")


def sentiment_chart(closes: pd.DataFrame, hourly: pd.DataFrame, symbol: str, coin: str) -> "Figure":
    """Price above, mean sentiment below, over the same hours.

    Args:
        closes: columns time and close; NaN breaks the line.
        hourly: rows of `HOURLY_SENTIMENT` of source `all`, of the coins `all` and `coin`.
    """
    import plotly.graph_objects as go

    chart = figure(height=420, top=56, rows=2, shared_xaxes=True, row_heights=[0.55, 0.45], vertical_spacing=0.12)
    price = go.Scatter(
        x=instants(closes["time"]),
        y=closes["close"].to_numpy(),
        mode="lines",
        line={"color": BLUE, "width": 1.6},
        connectgaps=False,
        showlegend=False,
        hovertemplate="%{x|%Y-%m-%d %H:%M}: %{y:,.6~r}<extra></extra>",
    )
    chart.add_trace(price, row=1, col=1)
    lines = (("all", "all news", GREY), (coin, f"news that mention {plain(coin)}", ORANGE))
    for name, title, colour in lines:
        rows = _by_hour(hourly[hourly["coin"] == name])
        mean = go.Scatter(
            x=instants(rows["hour"]),
            y=rows["mean"].to_numpy(float),
            customdata=rows["articles"].to_numpy(float),
            mode="lines+markers",
            line={"color": colour, "width": 1.6, "shape": "hv"},
            marker={"size": 4},
            connectgaps=False,
            name=title,
            hovertemplate="%{x|%Y-%m-%d %H:%M}: %{y:+.2f} of %{customdata:.0f} articles<extra></extra>",
        )
        chart.add_trace(mean, row=2, col=1)
    chart.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dot"}, row=2, col=1)
    chart.update_yaxes(tickformat=",~r", nticks=5, row=1, col=1)
    chart.update_yaxes(tickformat="+.1f", nticks=5, row=2, col=1)
    name_axis(chart, f"{plain(symbol)} close")
    name_axis(chart, "mean score", row=2)
    time_axis(chart)
    chart.update_xaxes(title_text=None, row=1, col=1)
    return chart


def _by_hour(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an hour, null where there is none, so that the line breaks there."""
    if rows.empty:
        return rows.assign(mean=np.nan)
    hours = pd.date_range(rows["hour"].min(), rows["hour"].max(), freq="h", unit="us", name="hour")
    return rows.set_index("hour")[["mean", "articles"]].reindex(hours).reset_index()
