"""What the pages of quotes, news and data health read; cached as in `queries`."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st
from sqlalchemy import Engine, func
from sqlalchemy import select as sql_select

from bitpredict.market.time import DAY, MINUTE, utc
from bitpredict.report.world import DAY_AGO_WITHIN, newest_judgement, with_last_day
from bitpredict.settings import Settings
from bitpredict.storage.cache import open_cache
from bitpredict.storage.contracts import HOURLY_SENTIMENT, Contract
from bitpredict.storage.database import reading
from bitpredict.storage.lake import Lake
from bitpredict.storage.market_table import newest_quotes, read_prices
from bitpredict.storage.news_table import read_feeds, read_news
from bitpredict.storage.schema import article_sentiment, crypto_assets, crypto_news, news_feeds, tweets
from bitpredict.storage.sentiment_table import read_judged
from dashboard.queries import HASHED, SECONDS, TABLES, database, forecasts

NEWS_DAYS = 3
HOURS_SHOWN = 7 * DAY

_NEWEST = {
    "price_data_real": crypto_assets.c.last_seen,
    "news_feeds": news_feeds.c.answered_at,
    "crypto_news": crypto_news.c.first_seen_at,
    "article_sentiment": article_sentiment.c.scored_at,
    "tweets": tweets.c.first_seen_at,
}
"""Database table -> the column whose largest value says how new it is."""


def market_now(settings: Settings) -> datetime:
    """Now, or the end of a market whose time has ended."""
    return min(datetime.now(UTC), settings.calendar()[1] or datetime.now(UTC))


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def market(settings: Settings) -> pd.DataFrame:
    """The newest quote of each coin with its last day (`report.world.with_last_day`), the largest coin first."""
    with database(settings) as engine:
        newest = newest_quotes(engine)
        if newest.empty:
            return newest
        start, end = newest["observed_at"].min() - DAY - DAY_AGO_WITHIN, newest["observed_at"].max() + MINUTE
        past = read_prices(engine, list(newest["coin_id"]), start.to_pydatetime(), end.to_pydatetime())
    return with_last_day(newest, past).sort_values("market_cap_rank", kind="stable", ignore_index=True)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def news(settings: Settings) -> pd.DataFrame:
    """Articles of the newest `NEWS_DAYS` days that have any, the newest first, with what a model said of each."""
    with database(settings) as engine:
        newest = _largest(engine, crypto_news.c.first_seen_at)
        end = (newest or datetime.now(UTC)) + MINUTE
        articles = read_news(engine, end - NEWS_DAYS * DAY, end)
        judged = read_judged(engine, end - NEWS_DAYS * DAY, end)
    return newest_judgement(articles, judged).sort_values("first_seen_at", ascending=False, ignore_index=True)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def feeds(settings: Settings) -> pd.DataFrame:
    """How every feed is that was ever asked."""
    with database(settings) as engine:
        return read_feeds(engine)


def hourly(settings: Settings) -> pd.DataFrame:
    """Hourly sentiment of all feeds together, of the newest days that have any; may be empty."""
    return _hourly(settings, Lake.from_settings(settings).version(HOURLY_SENTIMENT))


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def freshness(settings: Settings) -> pd.DataFrame:
    """Of each table of the lake and each one of the database that grows with time: where it is, and newest, the time of
    its newest row (of the lake the newest day); null where it is empty."""
    lake = Lake.from_settings(settings)
    rows = [(contract.table, "lake", _newest_in(lake, contract)) for contract in TABLES]
    with database(settings) as engine:
        rows += [(name, "database", _largest(engine, column)) for name, column in _NEWEST.items()]
    rows.append(("forecasts", "database", forecasts(settings)["origin"].max()))
    found = pd.DataFrame(rows, columns=["table", "store", "newest"])
    return found.assign(newest=pd.to_datetime(found["newest"], utc=True))


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def cache(settings: Settings) -> tuple[str, pd.DataFrame]:
    """Where the cache is, and what each namespace of it holds; no rows where each process has its own."""
    opened = open_cache(settings)
    used = {space.name: opened.usage(space.name) for space in opened.spaces} if settings.redis_url else {}
    rows = [{"namespace": name, **vars(usage)} for name, usage in used.items() if usage is not None]
    return opened.where, pd.DataFrame(rows)


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=HASHED)
def _hourly(settings: Settings, version: int | None) -> pd.DataFrame:
    lake = Lake.from_settings(settings)
    days = lake.days(HOURLY_SENTIMENT) if version is not None else []
    start = utc(days[-1]) + DAY - HOURS_SHOWN if days else None
    rows = (lake.read(HOURLY_SENTIMENT, start) if days else HOURLY_SENTIMENT.empty()).to_pandas()
    return rows[rows["source"] == "all"]


def _newest_in(lake: Lake, contract: Contract) -> datetime | None:
    days = lake.days(contract)
    if not days:
        return None
    moments = lake.read(contract, utc(days[-1]), columns=[contract.time])[contract.time].to_pandas()
    return moments.max().to_pydatetime() if len(moments) else None


def _largest(engine: Engine, column: object) -> datetime | None:
    with reading(engine) as connection:
        found: datetime | None = connection.execute(sql_select(func.max(column))).scalar()
    return found
