"""The database's tables, in portable types: prices NUMERIC, instants UTC, numbers double precision."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

Price = Numeric(28, 12)
CoinPrice = Numeric(38, 24)
"""Some coins cost less than a millionth of a dollar, and come with seventeen digits."""
LongText = Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
"""MySQL's TEXT ends at 64 kB."""


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware and in UTC on the Python side, whatever the database can hold."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """MySQL keeps whole seconds unless it is told to keep microseconds, and no zone."""
        return dialect.type_descriptor(mysql.DATETIME(fsp=6) if dialect.name == "mysql" else self.impl_instance)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no timezone; write it in UTC")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


data_gaps = Table(
    "data_gaps",
    metadata,
    Column("symbol", String(20), primary_key=True),
    Column("source", String(40), primary_key=True),
    Column("start", UtcDateTime, primary_key=True),
    Column("end", UtcDateTime, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("status", String(20), nullable=False, comment="open, repaired or unrepairable"),
    Column("repaired_from", String(40)),
    Column("first_seen", UtcDateTime, nullable=False),
)

model_evaluations = Table(
    "model_evaluations",
    metadata,
    Column("month", String(10), primary_key=True, comment="first day of the month that the model serves"),
    Column("symbol", String(20), primary_key=True),
    Column("horizon", String(10), primary_key=True),
    Column("model", String(40), primary_key=True),
    Column("model_version", String(40), nullable=False),
    Column("folds", Integer, nullable=False),
    Column("sample_size", Integer, nullable=False, comment="origins scored over all folds"),
    Column("scored_from", UtcDateTime, nullable=False),
    Column("scored_to", UtcDateTime, nullable=False),
    Column("qlike", Double, nullable=False),
    Column("qlike_without_worst", Double, nullable=False, comment="without the 1 % of origins worst for the baseline"),
    Column("pinball", Double, nullable=False),
    Column("coverage_50", Double, nullable=False),
    Column("coverage_90", Double, nullable=False),
    Column("coverage_90_low", Double, nullable=False, comment="by tercile of the forecast volatility"),
    Column("coverage_90_middle", Double, nullable=False),
    Column("coverage_90_high", Double, nullable=False),
    Column("baseline", String(40), nullable=False),
    Column("skill", Double, nullable=False, comment="1 - qlike / the baseline's qlike on the same origins"),
    Column("dm_statistic", Double, comment="Diebold-Mariano, HAC variance; negative: better than the baseline"),
    Column("p_value", Double, comment="one-sided: the model is better than the baseline"),
    Column("evaluated_at", UtcDateTime, nullable=False),
)

champions = Table(
    "champions",
    metadata,
    Column("month", String(10), primary_key=True),
    Column("symbol", String(20), primary_key=True),
    Column("horizon", String(10), primary_key=True),
    Column("valid_from", UtcDateTime, primary_key=True),
    Column("model", String(40), nullable=False),
    Column("model_version", String(40), nullable=False),
    Column("reason", LongText, nullable=False, comment="what the gate decided, in words"),
    Column("decided_at", UtcDateTime, nullable=False),
)

forecasts = Table(
    "forecasts",
    metadata,
    Column("forecast_id", String(32), primary_key=True),
    Column("kind", String(10), nullable=False, comment="backtest or live"),
    Column("symbol", String(20), nullable=False),
    Column("origin", UtcDateTime, nullable=False),
    Column("horizon", String(10), nullable=False),
    Column("target_time", UtcDateTime, nullable=False),
    Column("reference_price", Price, nullable=False, comment="last close known at the origin"),
    Column("q05", Double, nullable=False, comment="quantiles of the log return from origin to target_time"),
    Column("q10", Double, nullable=False),
    Column("q25", Double, nullable=False),
    Column("q50", Double, nullable=False),
    Column("q75", Double, nullable=False),
    Column("q90", Double, nullable=False),
    Column("q95", Double, nullable=False),
    Column("p_up", Double, nullable=False, comment="probability that the price is higher at target_time"),
    Column("realized_variance", Double, nullable=False, comment="forecast sum of squared one-minute log returns"),
    Column("model", String(40), nullable=False),
    Column("model_version", String(40), nullable=False),
    Column("variant", String(20), nullable=False, comment="champion, baseline or challenger"),
    Column("feature_set_version", String(40), nullable=False),
    Column("input", LongText, nullable=False, comment="table version or topic offsets that it was made from"),
    Column("provenance", String(40), nullable=False, comment="observed, repaired or simulated inputs"),
    Column("skill", Double, comment="over the baseline, on the folds before the model's month"),
    Column("skill_sample_size", Integer),
    Column("written_at", UtcDateTime, nullable=False),
    Index("ix_forecasts_target", "target_time", "symbol"),
    Index("ix_forecasts_latest", "symbol", "horizon", "variant", "origin"),
)

forecast_outcomes = Table(
    "forecast_outcomes",
    metadata,
    Column("forecast_id", String(32), ForeignKey("forecasts.forecast_id"), primary_key=True),
    Column("target_time", UtcDateTime, nullable=False),
    Column("realized_log_return", Double, nullable=False),
    Column("realized_variance", Double, nullable=False),
    Column("inside_50", Boolean, nullable=False),
    Column("inside_90", Boolean, nullable=False),
    Column("qlike", Double, nullable=False),
    Column("pinball", Double, nullable=False, comment="mean over the stored quantile levels"),
    Column("scored_at", UtcDateTime, nullable=False),
    Index("ix_forecast_outcomes_target", "target_time"),
)

scorecard = Table(
    "scorecard",
    metadata,
    Column("kind", String(10), primary_key=True),
    Column("symbol", String(20), primary_key=True),
    Column("horizon", String(10), primary_key=True),
    Column("model", String(40), primary_key=True),
    Column("sample_size", Integer, nullable=False),
    Column("scored_from", UtcDateTime, nullable=False),
    Column("scored_to", UtcDateTime, nullable=False),
    Column("qlike", Double, nullable=False),
    Column("qlike_without_worst", Double, nullable=False),
    Column("pinball", Double, nullable=False),
    Column("coverage_50", Double, nullable=False),
    Column("coverage_90", Double, nullable=False),
    Column("skill", Double, nullable=False, comment="1 - qlike / baseline's qlike on the same origins"),
    Column("pinball_skill", Double, nullable=False),
    Column("p_value", Double),
    Column("champion_share", Double, nullable=False, comment="share of its forecasts that were the served ones"),
    Column("updated_at", UtcDateTime, nullable=False),
)

crypto_assets = Table(
    "crypto_assets",
    metadata,
    Column("coin_id", String(100), primary_key=True, comment="CoinGecko's id; symbols are not unique"),
    Column("symbol", String(40), nullable=False),
    Column("name", String(120), nullable=False),
    Column("market_cap_rank", Integer, comment="in the newest answer that told it"),
    Column("first_seen", UtcDateTime, nullable=False, comment="receipt of the first answer with a believable quote"),
    Column("last_seen", UtcDateTime, nullable=False, comment="receipt of the newest answer with a believable quote"),
)

price_data_real = Table(
    "price_data_real",
    metadata,
    Column("coin_id", String(100), ForeignKey("crypto_assets.coin_id"), primary_key=True),
    Column("observed_at", UtcDateTime, primary_key=True, comment="when the source last updated the quote"),
    Column("price", CoinPrice, nullable=False, comment="US dollars"),
    Column("market_cap", Double, comment="US dollars"),
    Column("total_volume", Double, comment="US dollars in 24 hours"),
    Column("high_24h", CoinPrice, comment="US dollars"),
    Column("low_24h", CoinPrice, comment="US dollars"),
    Column("circulating_supply", Double, comment="coins"),
    Column("market_cap_rank", Integer),
    Column("source", String(40), nullable=False),
    Column("provenance", String(40), nullable=False, comment="observed, repaired or simulated"),
    Column("known_at", UtcDateTime, nullable=False, comment="receipt of the answer; could not be used before"),
)

crypto_news = Table(
    "crypto_news",
    metadata,
    Column("article_id", String(32), primary_key=True, comment="hash of the canonical address"),
    Column("source", String(60), nullable=False, comment="name of the feed that showed it first"),
    Column("entry_id", String(32), nullable=False, comment="hash of what that feed calls it"),
    Column("url", LongText, nullable=False, comment="canonical address"),
    Column("language", String(10), nullable=False, comment="of the feed, as the list of feeds says"),
    Column("title", LongText, nullable=False, comment="plain text"),
    Column("summary", LongText, nullable=False, comment="plain text, may be empty"),
    Column("published_at", UtcDateTime, comment="as the feed says; null where that cannot be true"),
    Column("dated", String(20), nullable=False, comment="said, no zone, missing, unreadable, future or too old"),
    Column("first_seen_at", UtcDateTime, nullable=False, comment="receipt of the feed; could not be used before"),
    Column("duplicate_of", String(32), comment="article of another feed that told the same before"),
    Column("provenance", String(40), nullable=False, comment="observed or simulated"),
    Index("ix_crypto_news_first_seen_at", "first_seen_at"),
    Index("ix_crypto_news_entry_id", "entry_id"),
)

news_feeds = Table(
    "news_feeds",
    metadata,
    Column("source", String(60), primary_key=True, comment="name in the list of feeds"),
    Column("address", LongText, nullable=False, comment="that was asked; with another one the state starts anew"),
    Column("etag", String(300), nullable=False, comment="of the newest answer, may be empty"),
    Column("last_modified", String(100), nullable=False, comment="of the newest answer, may be empty"),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime, comment="newest answer that was a feed, or told that nothing is new"),
    Column("articles", Integer, nullable=False, comment="in the newest answer that was a feed"),
    Column("rejected", Integer, nullable=False, comment="entries of it that are no articles"),
    Column("failures", Integer, nullable=False, comment="in a row"),
    Column("resting_until", UtcDateTime, comment="after many failures it is not asked before"),
    Column("problem", LongText, comment="what was wrong the last time; null where nothing was"),
)

tweets = Table(
    "tweets",
    metadata,
    Column("tweet_id", String(32), primary_key=True, comment="hash of the post's id; authors are not kept"),
    Column("query", String(200), nullable=False, comment="search that found it first"),
    Column("language", String(10), nullable=False, comment="as the source says"),
    Column("text", LongText, nullable=False, comment="plain text"),
    Column("created_at", UtcDateTime, comment="as the source says; null where that cannot be true"),
    Column("first_seen_at", UtcDateTime, nullable=False, comment="receipt; could not be used before"),
    Column("provenance", String(40), nullable=False, comment="observed or simulated"),
    Index("ix_tweets_first_seen_at", "first_seen_at"),
)

article_sentiment = Table(
    "article_sentiment",
    metadata,
    Column("article_id", String(32), ForeignKey("crypto_news.article_id"), primary_key=True),
    Column("model", String(40), primary_key=True, comment="that spoke"),
    Column("model_version", String(64), nullable=False),
    Column("label", String(10), nullable=False, comment="negative, neutral or positive"),
    Column("score", Double, nullable=False, comment="from -1 to 1"),
    Column("negative", Double, nullable=False, comment="probability"),
    Column("neutral", Double, nullable=False, comment="probability"),
    Column("positive", Double, nullable=False, comment="probability"),
    Column("scored_at", UtcDateTime, nullable=False, comment="could not be used before"),
    Index("ix_article_sentiment_scored_at", "scored_at"),
)

ml_features_materialized = Table(
    "ml_features_materialized",
    metadata,
    Column("symbol", String(20), primary_key=True),
    Column("origin", UtcDateTime, nullable=False),
    Column("feature_set_version", String(40), nullable=False),
    Column("reference_price", Price, nullable=False, comment="last close known at the origin"),
    Column("coverage", Double, nullable=False, comment="share of the window's minutes that are there"),
    Column("features", LongText, nullable=False, comment="JSON object: feature -> number or null"),
    Column("provenance", String(40), nullable=False, comment="observed, repaired or simulated inputs"),
    Column("known_at", UtcDateTime, nullable=False),
    Column("written_by", String(40), nullable=False, comment="asset or predictor"),
    Column("written_at", UtcDateTime, nullable=False),
)
