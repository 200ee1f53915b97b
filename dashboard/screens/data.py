"""What is stored: how complete the candles are, what is missing, and which version each table has."""

import streamlit as st

from bitpredict.market.time import DAY, utc
from bitpredict.report import charts
from bitpredict.settings import Settings
from dashboard import queries
from dashboard.frame import NO_DATA, draw, literal, page, table

_HISTORY = 62 * DAY


def body(settings: Settings) -> None:
    presence = queries.presence_by_day(settings)
    if presence.empty:
        st.info(NO_DATA)
        return
    st.subheader("Minutes present", anchor=False)
    draw(charts.gap_map(presence), "Share of minutes present by day and symbol", charts.GAP_CAPTION)
    st.subheader("Gap ledger", anchor=False)
    gaps = queries.gaps(settings)
    if gaps.empty:
        st.success("No minute is missing.", icon=":material/check:")
    else:
        still = gaps[gaps["status"] == "open"]
        st.caption(f"Open gaps: {len(still)}, with {still['minutes'].sum():,} minutes. Gaps in all: {len(gaps)}.")
        table(gaps.sort_values("start", ascending=False))
    st.subheader("Price history", anchor=False)
    symbols = sorted(presence.loc[presence["minutes"] > 0, "symbol"].unique())
    symbol = st.segmented_control("Symbol", symbols, default=symbols[0], required=True, key="history of")
    end = utc(presence["day"].max().to_pydatetime()) + DAY
    candles = queries.candles(settings, symbol, end - _HISTORY, end)
    if candles.empty:
        st.info(f"No candle of {literal(symbol)} in the last {_HISTORY.days} stored days.")
    else:
        hours = charts.CANDLE_WIDTH.total_seconds() / 3600
        caption = f"Candles of {hours:.0f} hours, hollow where minutes are missing."
        draw(charts.candle_chart(candles), f"Price history of {symbol}", caption)
    st.subheader("Tables", anchor=False)
    table(queries.tables(settings))


page("Data", body)
