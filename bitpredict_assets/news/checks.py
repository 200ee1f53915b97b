"""What must hold for news: most feeds answer, and no article is known before it came."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd

from bitpredict.market.time import DAY
from bitpredict.sources.feed_addresses import FEEDS_FILE, read_feed_addresses
from bitpredict.sources.sample_world import SAMPLE_FEEDS_FILE
from bitpredict.storage.news_table import read_feeds, read_news
from bitpredict.storage.tweet_table import read_tweets
from bitpredict_assets.news.assets import crypto_news, tweets
from bitpredict_assets.resources import Platform

SILENT_AFTER = timedelta(hours=6)
AHEAD = timedelta(minutes=10)


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "feeds_answer",
            asset=crypto_news,
            description=f"every enabled feed answered within {SILENT_AFTER // timedelta(hours=1)} hours",
        ),
        dg.AssetCheckSpec(
            "articles_consistent",
            asset=crypto_news,
            description="the last day's articles have a title, no date after their receipt, an original that is none",
        ),
    ]
)
def crypto_news_checks(platform: Platform) -> Iterable[dg.AssetCheckResult]:
    """By what is stored, so that a feed that has fallen silent is seen too."""
    settings = platform.settings
    now = settings.collected_until() if settings.invented_news else datetime.now(UTC)
    addresses = read_feed_addresses(SAMPLE_FEEDS_FILE if settings.invented_news else settings.feeds_file or FEEDS_FILE)
    enabled = [address.name for address in addresses if address.enabled]
    states = read_feeds(platform.engine).set_index("source").reindex(enabled)
    silent = states[~(states["answered_at"] >= pd.Timestamp(now - SILENT_AFTER))]
    yield dg.AssetCheckResult(
        check_name="feeds_answer",
        passed=silent.empty,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "feeds": f"{len(enabled) - len(silent)} of {len(enabled)}",
            "silent": {str(source): str(row["problem"] or "never asked") for source, row in silent.iterrows()},
        },
    )
    articles = read_news(platform.engine, now - DAY, now + DAY)
    originals = articles[articles["article_id"].isin(articles["duplicate_of"].dropna())]
    faults = {
        "without a title": int((articles["title"] == "").sum()),
        "dated after their receipt": int((articles["published_at"] > articles["first_seen_at"] + AHEAD).sum()),
        "originals that are duplicates": int(originals["duplicate_of"].notna().sum()),
    }
    yield dg.AssetCheckResult(
        check_name="articles_consistent",
        passed=not any(faults.values()),
        metadata={"articles of the last day": len(articles), **faults},
    )


@dg.asset_check(asset=tweets, description="the last day's posts have a text without names of accounts, none of later")
def posts_consistent(platform: Platform) -> dg.AssetCheckResult:
    """By what is stored."""
    now = datetime.now(UTC)
    posts = read_tweets(platform.engine, now - DAY, now + DAY)
    faults = {
        "without a text": int((posts["text"] == "").sum()),
        "with a name": int(posts["text"].str.contains(r"(?<![\w@])@(?!user\b)\w", regex=True).sum()),
        "dated after their receipt": int((posts["created_at"] > posts["first_seen_at"] + AHEAD).sum()),
    }
    return dg.AssetCheckResult(
        passed=not any(faults.values()), metadata={"posts of the last day": len(posts), **faults}
    )
