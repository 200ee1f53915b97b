"""How fresh every table is, what is missing, which feeds rest, and what the cache holds."""

from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from bitpredict.market.time import MINUTE
from bitpredict.report.wording import NOTHING, minutes_text
from bitpredict.settings import Settings
from dashboard import queries, world_queries
from dashboard.frame import NO_DATA, literal, page, table

# How old a table's newest row may be while the market is open. Newsrooms sleep: of news it is the answers that count.
_EXPECTED = {
    "price_data_real": timedelta(minutes=15),
    "news_feeds": timedelta(minutes=45),
    "crypto_news": timedelta(hours=6),
    "article_sentiment": timedelta(hours=6),
    "hourly_sentiment": timedelta(hours=3),
    **dict.fromkeys(
        ("binance_candles", "candles", "price_features", "market_breadth", "feature_table"), timedelta(hours=3)
    ),
    "forecasts": timedelta(hours=3),
}


def body(settings: Settings) -> None:
    fresh = world_queries.freshness(settings)
    if fresh["newest"].isna().all():
        st.info(NO_DATA)
        return
    ended = settings.calendar()[1] is not None
    st.subheader("Freshness", anchor=False)
    st.dataframe(
        _freshness(fresh, world_queries.market_now(settings), ended),
        hide_index=True,
        width="stretch",
        height="content",
        column_config={"newest row": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC")},
    )
    if ended:
        st.caption("The market's calendar has ended: ages are counted to its end, and nothing is late.")
    if replayed := world_queries.replayed(settings):
        st.caption(
            f"Forecasts of {literal(', '.join(replayed))} are a replay's, in its own later time: they do not count."
        )
    if settings.invented_quotes or settings.invented_news:
        st.caption("Quotes, news and what follows from them are simulated: invented for the demonstration.")
    st.subheader("Open gaps", anchor=False)
    gaps = queries.gaps(settings)
    still = gaps[gaps["status"] == "open"]
    if still.empty:
        st.success("No gap is open.", icon=":material/check:")
    else:
        st.caption(f"{len(still)} open, with {still['minutes'].sum():,} minutes. The newest first.")
        table(still.sort_values("start", ascending=False).head(100))
    st.subheader("Feeds that fail or rest", anchor=False)
    _feeds(world_queries.feeds(settings))
    st.subheader("Outside hosts", anchor=False)
    hosts = world_queries.hosts(settings)
    if hosts.empty:
        st.info("No outside source was asked yet.")
    else:
        table(hosts)
        resting = int((hosts["circuit"] == "open").sum())
        st.caption(f"{len(hosts)} hosts, {resting} of them left alone: an open circuit lets no question through.")
    st.subheader("Cache", anchor=False)
    where, used = world_queries.cache(settings)
    st.caption(f"Values are kept {literal(where)}.")
    if not used.empty:
        st.dataframe(used, hide_index=True, width="stretch")


def _freshness(fresh: pd.DataFrame, now: datetime, ended: bool) -> pd.DataFrame:
    rows = []
    for name, store, newest in fresh.itertuples(index=False):
        allowed = _EXPECTED.get(name)
        age = None if pd.isna(newest) else max(0, (now - newest) // MINUTE)
        if age is None:
            state = "empty"
        elif not ended and allowed and age * MINUTE > allowed:
            state = "late"
        else:
            state = "fresh" if allowed else "there"
        rows.append(
            {
                "table": name,
                "store": store,
                "state": state,
                "newest row": newest,
                "age": NOTHING if age is None else minutes_text(age),
                "late after": minutes_text(allowed // MINUTE) if allowed else NOTHING,
            }
        )
    return pd.DataFrame(rows)


def _feeds(feeds: pd.DataFrame) -> None:
    failing = feeds[feeds["failures"] > 0]
    if feeds.empty:
        st.info("No feed was asked yet.")
    elif failing.empty:
        st.success(f"All {len(feeds)} feeds answered when they were last asked.", icon=":material/check:")
    else:
        table(failing[["source", "failures", "resting_until", "answered_at", "problem"]])


page("Data health", body)
