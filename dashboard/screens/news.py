"""What the feeds tell, what models make of it, how the feeds are, and sentiment beside the price."""

from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from bitpredict.market.symbols import base_currency
from bitpredict.market.time import MINUTE
from bitpredict.report.series import closes
from bitpredict.report.wording import minutes_text, utc_text
from bitpredict.report.world import SENTIMENT_CAPTION, sentiment_chart
from bitpredict.settings import Settings
from dashboard import queries, world_queries
from dashboard.frame import draw, literal, page, show_origin

_NOTHING = (
    "No article is stored here yet. Run `bitpredict demo` for the sample's invented ones, or on an open market (set "
    "`BITPREDICT_MARKET`) start `bitpredict up`, which asks the feeds every fifteen minutes; "
    "`bitpredict sources test news` asks them once and stores nothing."
)
_NO_SENTIMENT = (
    "No sentiment by the hour is stored yet. Materialize `article_sentiment` and `hourly_sentiment` in Dagster "
    "(`bitpredict up`), or run `bitpredict demo`."
)
_NO_POSTS = (
    "No post is stored. The asset `tweets` asks X every fifteen minutes on an open market once `BITPREDICT_X_TOKEN` is "
    "set; X charges for each post."
)
_LONGEST_SILENCE = timedelta(hours=6)
_HOUR = timedelta(hours=1)


def body(settings: Settings) -> None:
    articles, feeds = world_queries.news(settings), world_queries.feeds(settings)
    if articles.empty and feeds.empty:
        st.info(_NOTHING)
        _posts(settings)
        return
    if not articles.empty:
        newest = f"Newest article {utc_text(articles['first_seen_at'].max())}"
        show_origin(articles, newest, "Headlines as the feeds tell them.")
    _headlines(articles)
    st.subheader("Sentiment against price", anchor=False)
    _sentiment(settings)
    st.subheader("Feeds", anchor=False)
    _feeds(feeds, world_queries.market_now(settings))
    _posts(settings)


def _headlines(articles: pd.DataFrame) -> None:
    if articles.empty:
        st.info("The feeds have told nothing yet.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.text_input("Find a word", key="word", width=280)
        chosen = st.multiselect("Feeds", sorted(articles["source"].unique()), placeholder="All", key="feeds", width=420)
        once = st.toggle("Each story once", key="once", help="Leave out what another feed told before.")
    shown = articles
    if wanted and (word := wanted.strip().lower()):
        shown = shown[shown["title"].str.lower().str.contains(word, regex=False)]
    if chosen:
        shown = shown[shown["source"].isin(chosen)]
    if once:
        shown = shown[shown["duplicate_of"].isna()]
    if shown.empty:
        st.info("No headline is like that.")
        return
    columns = st.column_config
    formats = {
        "first seen": columns.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC"),
        "feed": columns.TextColumn(width=130),
        "headline": columns.TextColumn(width="large"),
        "score": columns.NumberColumn(format="%+.2f", help="From -1, all bad, to 1, all good."),
        "model": columns.TextColumn(width="small", help="The first of the chain that found something in the text."),
        "article": columns.LinkColumn(display_text="open", width="small"),
        "published": columns.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC", help="As the feed says."),
    }
    st.dataframe(_rows(shown), hide_index=True, width="stretch", height=420, column_config=formats)
    judged = int(shown["model"].notna().sum())
    st.caption(
        f"{len(shown):,} headlines of the newest {world_queries.NEWS_DAYS} days with any, {judged:,} of them judged by "
        "a model. What a machine makes of a headline is no advice."
    )


def _rows(articles: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "first seen": articles["first_seen_at"],
            "feed": articles["source"],
            "headline": articles["title"],
            "sentiment": articles["label"],
            "score": articles["score"],
            "model": articles["model"],
            "provenance": articles["provenance"],
            "article": articles["url"].where(articles["url"].str.match(r"https?://")),
            "retold": articles["duplicate_of"].notna(),
            "published": articles["published_at"],
        }
    )


def _sentiment(settings: Settings) -> None:
    hourly = world_queries.hourly(settings)
    if hourly.empty:
        st.info(_NO_SENTIMENT)
        return
    symbol = st.segmented_control(
        "Symbol", settings.symbols, default=settings.symbols[0], required=True, key="sentiment beside"
    )
    start, end = hourly["hour"].min().to_pydatetime(), hourly["hour"].max().to_pydatetime() + MINUTE
    candles = queries.candles(settings, symbol, start - _HOUR, end)
    price = closes(candles, start - _HOUR, end)
    price = price[price["time"].dt.minute == 0]
    chart = sentiment_chart(price, hourly, symbol, base_currency(symbol))
    draw(chart, f"Sentiment of the news beside the price of {symbol}", SENTIMENT_CAPTION)
    if price["close"].isna().all():
        st.caption(f"No candle of {literal(symbol)} is stored of these hours: its price is missing above.")
    models = ", ".join(sorted(hourly["model"].unique()))
    st.caption(
        f"Models that spoke most: {literal(models)}. Provenance: {literal(', '.join(hourly['provenance'].unique()))}."
    )


def _feeds(feeds: pd.DataFrame, now: datetime) -> None:
    states = [_state(row, now) for row in feeds.to_dict("records")]
    rows = pd.DataFrame(
        {
            "feed": feeds["source"],
            "state": states,
            "last answer": feeds["answered_at"],
            "last asked": feeds["asked_at"],
            "articles": feeds["articles"],
            "rejected": feeds["rejected"],
            "failures": feeds["failures"],
            "rests until": feeds["resting_until"],
            "problem": feeds["problem"],
            "address": feeds["address"],
        }
    )
    moment = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC")
    formats = {
        **dict.fromkeys(("last answer", "last asked", "rests until"), moment),
        "articles": st.column_config.NumberColumn(help="In the newest answer."),
        "rejected": st.column_config.NumberColumn(help="Entries of it that are no articles."),
        "failures": st.column_config.NumberColumn(help="In a row."),
    }
    st.dataframe(rows, hide_index=True, width="stretch", column_config=formats)
    well = sum(state == "answers" for state in states)
    st.caption(f"{well} of {len(feeds)} feeds answer. One that fails again and again is left alone for a while.")


def _posts(settings: Settings) -> None:
    st.subheader("Posts of X", anchor=False)
    posts = world_queries.posts(settings)
    if posts.empty:
        st.caption(_NO_POSTS)
        return
    moment = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm", timezone="UTC")
    shown = {"first seen": "first_seen_at", "post": "text", "language": "language", "search": "query"}
    rows = pd.DataFrame({name: posts[column] for name, column in shown.items()})
    formats = {"first seen": moment, "post": st.column_config.TextColumn(width="large")}
    st.dataframe(rows, hide_index=True, width="stretch", height=280, column_config=formats)
    st.caption(
        f"{len(posts):,} posts of the newest {world_queries.NEWS_DAYS} days with any, as they were told; no model has "
        "judged them, and no feature reads them. Authors are not kept."
    )


def _state(feed: "dict[str, object]", now: datetime) -> str:
    until, answered = feed["resting_until"], feed["answered_at"]
    if isinstance(until, datetime) and not pd.isna(until) and now < until:
        return f"rests {minutes_text((until - now) // MINUTE)}"
    if feed["failures"]:
        return "fails"
    if not isinstance(answered, datetime) or pd.isna(answered) or answered < now - _LONGEST_SILENCE:
        return "silent"
    return "answers"


page("News", body, badged=False)
