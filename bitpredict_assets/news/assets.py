"""Articles of the reviewed feeds and posts of X: each once, as it was first seen, and how every feed and search is."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from bitpredict.market.time import DAY
from bitpredict.storage.news_table import read_feeds, read_headlines
from bitpredict.storage.tweet_table import read_tweets
from bitpredict_assets.describe import OWNERS, database_columns, preview
from bitpredict_assets.freshness import news_late
from bitpredict_assets.raw_days import RawDays, tell
from bitpredict_assets.resources import Platform

_HEALTH = ["source", "answered_at", "articles", "rejected", "failures", "resting_until", "problem"]
_SHOWN = ["first_seen_at", "source", "title", "duplicate_of"]


@dg.asset(
    group_name="news",
    pool="crypto_news",
    kinds={"sql", "table"},
    owners=OWNERS,
    tags={"domain": "news", "layer": "raw"},
    freshness_policy=news_late,
    metadata={"dagster/column_schema": database_columns("crypto_news")},
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def crypto_news(context: dg.AssetExecutionContext, config: RawDays, platform: Platform) -> None:
    """Headlines and summaries as plain text, each article once under its canonical address, with when it was first seen
    beside what its feed says of its date. A story that another feed told before is marked. Feeds are asked side by side
    and only for what is new; one that fails is reported, and left alone for a while when it goes on failing. Beside the
    sample's candles: invented feeds, labelled so. Past days come from what was answered then, where the run's
    configuration names them."""
    from bitpredict.sources.feed_addresses import FEEDS_FILE, read_feed_addresses
    from bitpredict.sources.news import FAILED, SOURCE, collect_news, news_client, store_visits
    from bitpredict.sources.rebuilding import rebuild_news
    from bitpredict.sources.sample_world import SAMPLE_FEEDS_FILE, SIMULATED, sample_visits

    settings, engine = platform.settings, platform.engine
    if days := config.days():
        addresses = read_feed_addresses(settings.feeds_file or FEEDS_FILE)
        tell(context, days, rebuild_news(engine, platform.raw, addresses, days))
        platform.cache.invalidate("news")
        return
    if settings.invented_news:
        now = settings.collected_until()
        since = now - DAY
        found = store_visits(engine, sample_visits(read_feed_addresses(SAMPLE_FEEDS_FILE), now), now, SIMULATED)
    else:
        since = now = datetime.now(UTC)
        client = news_client(settings, platform.raw.keeper(SOURCE))
        found = collect_news(engine, client, read_feed_addresses(settings.feeds_file or FEEDS_FILE), now)
    platform.cache.invalidate("news")
    outcomes = Counter(visit.outcome for visit in found.visits)
    problems = {visit.address.name: visit.problem for visit in found.visits if visit.problem}
    if outcomes[FAILED] and outcomes[FAILED] == outcomes.total():
        # A run that reached nobody must not look like one that found nothing new.
        raise dg.Failure(f"none of {outcomes.total()} feeds answered; is the network there? {problems}")
    health = read_feeds(engine)
    context.log.info(f"{found.inserted} new articles; feeds: {dict(outcomes)}")
    context.add_output_metadata(
        {
            "dagster/row_count": found.inserted,
            "feeds": dict(outcomes),
            "problems": problems,
            "already there": found.known,
            "told by another feed before": found.retold,
            "rejected entries": dict(found.rejected),
            "feed health": preview(health[_HEALTH], rows=len(health)),
            "preview": preview(read_headlines(engine, since)[_SHOWN]),
        }
    )


@dg.asset(
    group_name="news",
    pool="tweets",
    kinds={"sql", "table"},
    owners=OWNERS,
    tags={"domain": "news", "layer": "raw"},
    metadata={"dagster/column_schema": database_columns("tweets")},
    backfill_policy=dg.BackfillPolicy.single_run(),
    output_required=False,
    dagster_type=dg.Nothing,
)
def tweets(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[dg.Output[None]]:
    """Posts that X finds for the searches of BITPREDICT_X_QUERIES, as plain text, each once, with when it was first
    seen: neither authors nor the posts' numbers are kept. X charges for every post that it answers with, so that no
    more are read in a month than BITPREDICT_X_POSTS_PER_MONTH. Without BITPREDICT_X_TOKEN, or when the month's posts
    are read, nobody is asked and the step is skipped."""
    from bitpredict.sources.x_posts import CUT_SHORT, NOT_ASKED, READ, collect_posts
    from bitpredict.sources.x_search import XSearch

    settings = platform.settings
    if not settings.x_token.get_secret_value():
        context.log.warning("skipped: there is no BITPREDICT_X_TOKEN; posts of X are not collected")
        return
    now = datetime.now(UTC)
    found = collect_posts(
        platform.engine, XSearch.from_settings(settings), settings.x_queries, settings.x_posts_per_month, now
    )
    platform.cache.invalidate("news")
    problems = {search.query: f"{search.outcome}: {search.problem}" for search in found.searched if search.problem}
    if all(search.outcome == NOT_ASKED for search in found.searched):
        context.log.warning(f"skipped: {found.searched[0].problem}")
        return
    if not any(search.outcome in (READ, CUT_SHORT) for search in found.searched):
        # A run that brought nothing must not look like one that found nothing new.
        raise dg.Failure(f"no search was answered: {problems}")
    inserted = sum(search.inserted for search in found.searched)
    context.log.info(f"{inserted} new posts" + "".join(f"; {query}: {why}" for query, why in problems.items()))
    shown = read_tweets(platform.engine, now, datetime.now(UTC))[["first_seen_at", "query", "text"]]
    yield dg.Output(
        None,
        metadata={
            "dagster/row_count": inserted,
            "searches": dict(Counter(search.outcome for search in found.searched)),
            "problems": problems,
            "read": sum(search.read for search in found.searched),
            "read this month": f"{found.this_month} of {settings.x_posts_per_month}",
            "rejected posts": dict(found.rejected),
            "preview": preview(shown),
        },
    )
