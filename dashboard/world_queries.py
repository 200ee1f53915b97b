"""What the pages of quotes, news and data health read: from the cache that processes share (`storage/cache.py`) until
whoever writes newer rows tells of them; the rest as in `queries`."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st
from sqlalchemy import Engine, func
from sqlalchemy import select as sql_select

from bitpredict.market.time import DAY, MINUTE, utc
from bitpredict.masking import masked
from bitpredict.report.world import DAY_AGO_WITHIN, newest_judgement, with_last_day
from bitpredict.settings import Settings
from bitpredict.sources.circuits import host_states
from bitpredict.storage.cache import Cache, open_cache
from bitpredict.storage.cache_frames import FRAMES
from bitpredict.storage.contracts import HOURLY_SENTIMENT, Contract
from bitpredict.storage.database import reading
from bitpredict.storage.lake import Lake
from bitpredict.storage.market_table import newest_quotes, read_prices
from bitpredict.storage.news_table import read_feeds, read_news
from bitpredict.storage.schema import article_sentiment, crypto_assets, crypto_news, news_feeds, tweets
from bitpredict.storage.sentiment_table import read_judged
from bitpredict.storage.tweet_table import read_tweets
from dashboard.queries import HASHED, SECONDS, TABLES, database, forecasts

NEWS_DAYS = 3
HOURS_SHOWN = 7 * DAY
_MOMENTS = ("rests until", "last success")

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


def market(settings: Settings) -> pd.DataFrame:
    """The newest quote of each coin with its last day (`report.world.with_last_day`), the largest coin first."""
    return _cache(settings).value("price", "market", lambda: _market(settings), FRAMES)


def news(settings: Settings) -> pd.DataFrame:
    """Articles of the newest `NEWS_DAYS` days that have any, the newest first, with what a model said of each."""
    return _cache(settings).value("news", "news", lambda: _news(settings), FRAMES)


def feeds(settings: Settings) -> pd.DataFrame:
    """How every feed is that was ever asked."""
    return _cache(settings).value("news", "feeds", lambda: _feeds(settings), FRAMES)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def posts(settings: Settings) -> pd.DataFrame:
    """Posts of the newest `NEWS_DAYS` days that have any, the newest first; may be empty."""
    with database(settings) as engine:
        newest = _largest(engine, tweets.c.first_seen_at)
        end = (newest or datetime.now(UTC)) + MINUTE
        found = read_tweets(engine, end - NEWS_DAYS * DAY, end)
    return found.sort_values("first_seen_at", ascending=False, ignore_index=True)


def _market(settings: Settings) -> pd.DataFrame:
    with database(settings) as engine:
        newest = newest_quotes(engine)
        if newest.empty:
            return newest
        start, end = newest["observed_at"].min() - DAY - DAY_AGO_WITHIN, newest["observed_at"].max() + MINUTE
        past = read_prices(engine, list(newest["coin_id"]), start.to_pydatetime(), end.to_pydatetime())
    return with_last_day(newest, past).sort_values("market_cap_rank", kind="stable", ignore_index=True)


def _news(settings: Settings) -> pd.DataFrame:
    with database(settings) as engine:
        newest = _largest(engine, crypto_news.c.first_seen_at)
        end = (newest or datetime.now(UTC)) + MINUTE
        articles = read_news(engine, end - NEWS_DAYS * DAY, end)
        judged = read_judged(engine, end - NEWS_DAYS * DAY, end)
    return newest_judgement(articles, judged).sort_values("first_seen_at", ascending=False, ignore_index=True)


def _feeds(settings: Settings) -> pd.DataFrame:
    with database(settings) as engine:
        found = read_feeds(engine)
    shown = {name: found[name].map(masked, na_action="ignore") for name in ("address", "problem")}
    return found.assign(**shown)  # an older version stored them as they were


def hosts(settings: Settings) -> pd.DataFrame:
    """How every host is that any outside source asked, and whether it is left alone; problems without passwords."""
    now = datetime.now(UTC)
    rows = [
        {
            "source": each.source,
            "host": each.host,
            "circuit": each.state(now).name.lower().replace("_", " "),
            "failures in a row": each.failures,
            "rests until": each.resting_until,
            "last success": each.last_success,
            "requests": each.requests,
            "failed": each.errors,
            "problem": masked(each.problem),
        }
        for each in host_states(settings.home)
    ]
    found = pd.DataFrame(rows)
    return found.assign(**{name: pd.to_datetime(found[name], utc=True) for name in _MOMENTS}) if rows else found


def hourly(settings: Settings) -> pd.DataFrame:
    """Hourly sentiment of all feeds together, of the newest days that have any; may be empty."""
    version = Lake.from_settings(settings).version(HOURLY_SENTIMENT)
    key = f"hourly {settings.lake} {version}"  # what was read stays true until the table changes
    return _cache(settings).value("sentiment", key, lambda: _hourly(settings, version), FRAMES)


@st.cache_data(ttl=SECONDS, show_spinner=False, hash_funcs=HASHED)
def freshness(settings: Settings) -> pd.DataFrame:
    """Of each table of the lake and each one of the database that grows with time: where it is, and newest, the time of
    its newest row (of the lake the newest day); null where it is empty. What was `replayed` does not count."""
    lake = Lake.from_settings(settings)
    rows = [(contract.table, "lake", _newest_in(lake, contract)) for contract in TABLES]
    with database(settings) as engine:
        rows += [(name, "database", _largest(engine, column)) for name, column in _NEWEST.items()]
    origins = forecasts(settings)["origin"]
    rows.append(("forecasts", "database", origins[origins <= market_now(settings)].max()))
    found = pd.DataFrame(rows, columns=["table", "store", "newest"])
    return found.assign(newest=pd.to_datetime(found["newest"], utc=True))


def replayed(settings: Settings) -> list[str]:
    """The symbols whose newest forecasts are of a time that the market has not come to: a replay has its own."""
    found = forecasts(settings)
    return sorted(found.loc[found["origin"] > market_now(settings), "symbol"].unique())


def cache(settings: Settings) -> tuple[str, pd.DataFrame]:
    """Where the cache is, and what each namespace of it holds and came to; no rows while it is away."""
    opened = _cache(settings)
    used = {space.name: opened.usage(space.name) for space in opened.spaces}
    rows = [{"namespace": name, **vars(usage)} for name, usage in used.items() if usage is not None]
    return opened.where, pd.DataFrame(rows)


@st.cache_resource(show_spinner=False, hash_funcs=HASHED)
def _cache(settings: Settings) -> Cache:
    """One for all sessions of this server."""
    return open_cache(settings)


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
