"""What must hold for sentiment: nothing waits to be judged, word lists are no rule, no hour knows what came later."""

from collections.abc import Iterable

import dagster as dg

from bitpredict.storage.contracts import HOURLY_SENTIMENT
from bitpredict.storage.sentiment_table import read_judged, unjudged_articles
from bitpredict_assets.checking import checked_days, checked_window
from bitpredict_assets.resources import Platform
from bitpredict_assets.sentiment.assets import article_sentiment, hourly_sentiment

MOST_BY_FALLBACK = 0.5


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "every_article_judged",
            asset=article_sentiment,
            description="of each article of the days a model of the chain has spoken",
        ),
        dg.AssetCheckSpec(
            "fallback_seldom",
            asset=article_sentiment,
            description="of at most half of the articles the last model of the chain spoke, because the others found "
            "nothing or failed",
        ),
    ]
)
def article_sentiment_checks(
    context: dg.AssetCheckExecutionContext, platform: Platform
) -> Iterable[dg.AssetCheckResult]:
    """By what is stored, so that articles which a run passed over are seen too."""
    start, end = checked_days(context, platform.settings)
    names = platform.settings.sentiment_models
    waiting = unjudged_articles(platform.engine, start, end, names)
    judged = read_judged(platform.engine, start, end)
    yield dg.AssetCheckResult(
        check_name="every_article_judged",
        passed=waiting.empty,
        metadata={"waiting": len(waiting), "first of them": waiting["title"].head(5).tolist()},
    )
    newest = judged.sort_values("scored_at", kind="stable").drop_duplicates("article_id", keep="last")
    by_last = int((newest["model"] == names[-1]).sum())
    share = by_last / len(newest) if len(newest) else 0.0
    yield dg.AssetCheckResult(
        check_name="fallback_seldom",
        passed=share <= MOST_BY_FALLBACK or len(names) == 1,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"share": round(share, 4), "model": names[-1], "articles": len(newest)},
    )


@dg.asset_check(
    asset=hourly_sentiment,
    description="each hour, feed and coin is there once, at a full hour, and knows nothing that came after it",
)
def hours_consistent(context: dg.AssetCheckExecutionContext, platform: Platform) -> dg.AssetCheckResult:
    """Also that shares and means lie where they can."""
    frame = platform.lake.read(HOURLY_SENTIMENT, *checked_window(context, platform.lake, HOURLY_SENTIMENT)).to_pandas()
    faults = {
        "doubled": int(frame.duplicated(list(HOURLY_SENTIMENT.key)).sum()),
        "not at a full hour": int((frame["hour"] != frame["hour"].dt.floor("h")).sum()),
        "known after their hour": int((frame["known_at"] > frame["hour"]).sum()),
        "mean outside [-1, 1]": int((frame["mean"].abs() > 1).sum()),
        "share outside [0, 1]": int((~frame["share_negative"].between(0, 1)).sum()),
    }
    return dg.AssetCheckResult(passed=not any(faults.values()), metadata={"rows": len(frame), **faults})
