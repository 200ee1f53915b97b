"""The newest quote of every coin, with its last day and how old it is."""

import pandas as pd
import streamlit as st

from bitpredict.market.time import MINUTE
from bitpredict.report.wording import count_text, minutes_text, percent_text, utc_text
from bitpredict.settings import Settings
from dashboard import world_queries
from dashboard.frame import page, show_origin

_ALL, _RISING, _FALLING, _STALE = "All", "Rising", "Falling", "Stale"
_STALE_AFTER = 15  # minutes: three ticks of the schedule

_NOTHING = (
    "No quote is stored here yet. Run `bitpredict demo` for the sample's invented ones, or on an open market (set "
    "`BITPREDICT_MARKET`) start `bitpredict up`, which asks for those of every coin of the list every five minutes; "
    "`bitpredict coins list` shows the list."
)


def body(settings: Settings) -> None:
    quotes = world_queries.market(settings)
    if quotes.empty:
        st.info(_NOTHING)
        return
    newest = f"Newest quote {utc_text(quotes['observed_at'].max())}"
    show_origin(quotes, newest, "Quotes as CoinGecko tells them.")
    now = world_queries.market_now(settings)
    quotes = quotes.assign(age=[max(0, (now - moment) // MINUTE) for moment in quotes["observed_at"]])
    _numbers(quotes)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input("Find a coin", placeholder="Symbol, name or id", key="coin", width=280)
        kind = st.segmented_control(
            "Show", (_ALL, _RISING, _FALLING, _STALE), default=_ALL, required=True, key="coins shown"
        )
    shown = _chosen(quotes, wanted, kind)
    if shown.empty:
        st.info("No coin is like that.")
        return
    _table(shown)
    st.caption(
        f"{len(shown)} of {len(quotes)} coins, in US dollars. Without a quote of a day before, no change is told. "
        "Click a column's head to sort."
    )


def _numbers(quotes: pd.DataFrame) -> None:
    change = quotes["change_24h"].dropna()
    cells = (
        ("Coins", count_text(len(quotes)), "With a quote; the list may have more."),
        ("Rising in 24 h", percent_text((change > 0).mean(), 0), "Share of the coins with a quote of a day before."),
        ("Median change in 24 h", percent_text(change.median(), signed=True), None),
        ("Oldest quote", f"{minutes_text(quotes['age'].max())}", "Time since the source last updated it."),
        (
            "Stale",
            count_text((quotes["age"] > _STALE_AFTER).sum()),
            f"Not updated for more than {_STALE_AFTER} minutes.",
        ),
    )
    with st.container(horizontal=True):
        for label, value, meaning in cells:
            st.metric(label, value, help=meaning, width="content")


def _chosen(quotes: pd.DataFrame, wanted: str | None, kind: str | None) -> pd.DataFrame:
    by_kind = {
        _RISING: quotes["change_24h"] > 0,
        _FALLING: quotes["change_24h"] < 0,
        _STALE: quotes["age"] > _STALE_AFTER,
    }
    if kind in by_kind:
        quotes = quotes[by_kind[kind]]
    if wanted and (part := wanted.strip().lower()):
        names = (quotes[name].str.lower().str.contains(part, regex=False) for name in ("symbol", "name", "coin_id"))
        quotes = quotes[pd.concat(names, axis=1).any(axis=1)]
    return quotes


def _table(quotes: pd.DataFrame) -> None:
    columns = st.column_config
    rows = pd.DataFrame(
        {
            "rank": quotes["market_cap_rank"],
            "symbol": quotes["symbol"],
            "name": quotes["name"],
            "price": quotes["price"],
            "24 h": 100 * quotes["change_24h"],
            "last 24 hours": quotes["last_day"],
            "market cap": quotes["market_cap"],
            "volume": quotes["total_volume"],
            "freshness": [f"{minutes_text(age)}{', stale' if age > _STALE_AFTER else ''}" for age in quotes["age"]],
            "observed at": quotes["observed_at"],
            "provenance": quotes["provenance"],
        }
    )
    formats = {
        "rank": columns.NumberColumn(width="small", help="By market capitalization, as the source says."),
        "symbol": columns.TextColumn(width="small"),
        "name": columns.TextColumn(width="medium"),
        "price": columns.NumberColumn(format="%.6g", help="US dollars"),
        "24 h": columns.NumberColumn(format="%+.2f %%", help="Against the quote of a day before."),
        "last 24 hours": columns.LineChartColumn(width="medium"),
        "market cap": columns.NumberColumn(format="compact", help="US dollars"),
        "volume": columns.NumberColumn(format="compact", help="US dollars in 24 hours"),
        "freshness": columns.TextColumn(width="small", help="Time since the source last updated the quote."),
        "observed at": columns.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC"),
    }
    st.dataframe(rows, hide_index=True, width="stretch", height=640, column_config=formats)


page("Market", body, badged=False)
