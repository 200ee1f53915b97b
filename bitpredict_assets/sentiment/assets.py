"""Sentiment of articles, how it stood at each hour, and the classifier that learns it from the user's labels."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pandas as pd
import pyarrow as pa

from bitpredict.market.coins import read_coins
from bitpredict.storage.contracts import HOURLY_SENTIMENT
from bitpredict.storage.sentiment_table import read_judged
from bitpredict_assets.describe import (
    OWNERS,
    count_rows_by_day,
    database_columns,
    lake_columns,
    last_rows,
    line_plot,
    preview,
    show,
    summary,
)
from bitpredict_assets.freshness import news_late
from bitpredict_assets.partitions import reaching_back, told
from bitpredict_assets.resources import Platform

_SHOWN = ["first_seen_at", "source", "title", "label", "score", "model"]


@dg.asset(
    group_name="sentiment",
    partitions_def=told,
    deps=["crypto_news", "sentiment_model"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="article_sentiment",
    kinds={"sql", "table"},
    owners=OWNERS,
    tags={"domain": "sentiment"},
    metadata={"dagster/column_schema": database_columns("article_sentiment")},
)
def article_sentiment(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """What each article says by its headline, for the days on which articles were first seen: label, score,
    probabilities, and which model of the chain spoke. Only articles are judged of which the chain has not spoken yet;
    what was said stays, with when it was said."""
    from bitpredict.text.judging import judge_articles
    from bitpredict.text.opening import open_models

    window = context.partition_time_window
    opened = open_models(platform.settings)
    new = judge_articles(platform.engine, opened, window.start, window.end)
    platform.cache.invalidate("news")  # headlines are shown with what was said of them
    stored = read_judged(platform.engine, window.start, window.end)
    context.log.info(f"{len(new)} articles judged")
    count_rows_by_day(context, pa.array(stored["first_seen_at"]))
    show(context, {"preview": preview(stored[_SHOWN])})
    context.add_output_metadata(
        {
            "rows of the run": len(stored),
            "new": len(new),
            "by model": _counts(new["model"]),
            "by label": _counts(new["label"]),
            "models": {model.name: model.version for model in opened.models},
            "absent models": dict(opened.absent),
        }
    )


@dg.asset(
    group_name="sentiment",
    partitions_def=told,
    deps=[dg.AssetDep("article_sentiment", partition_mapping=reaching_back(1))],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="hourly_sentiment",
    kinds={"deltalake", "pandas"},
    owners=OWNERS,
    tags={"domain": "sentiment"},
    freshness_policy=news_late,
    metadata={"dagster/column_schema": lake_columns(HOURLY_SENTIMENT)},
    io_manager_key="lake",
)
def hourly_sentiment(context: dg.AssetExecutionContext, platform: Platform) -> pa.Table:
    """How many articles of the last 24 hours were known at each full hour and what they said, by feed and by coin that
    they mention. An article that was seen or judged later is not in the hours before, whenever this runs."""
    from bitpredict.text.hourly import ALL, WINDOW, full_hours
    from bitpredict.text.hourly import hourly_sentiment as by_hour
    from bitpredict.text.mentions import Mentions

    now = datetime.now(UTC)  # before reading: an hour that comes meanwhile may have more than was read
    window = context.partition_time_window
    judged = read_judged(platform.engine, window.start - WINDOW, window.end)
    mentions = Mentions(read_coins(platform.settings.coins_file))
    table = by_hour(judged, full_hours(window.start, window.end, now), mentions)
    count_rows_by_day(context, table["hour"])
    shown = {"preview": last_rows(table)}
    if table.num_rows:
        frame = table.to_pandas()
        everything = frame[(frame["source"] == ALL) & (frame["coin"] == ALL)].set_index("hour")
        shown["mean of all"] = line_plot({"all": everything["mean"]}, "from -1 to 1")
    show(context, shown)
    described = {"feeds": _groups(table["source"]), "coins": _groups(table["coin"])}
    context.add_output_metadata({**summary(table, HOURLY_SENTIMENT), **described})
    return table


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "sentiment_model",
            description="The sentiment classifier, trained on the labelled file that BITPREDICT_SENTIMENT_LABELS names "
            "and measured on folds that it has not seen. Without a file nothing is trained and what is there stays.",
            group_name="sentiment",
            kinds={"numpy", "scikitlearn"},
            owners=OWNERS,
            tags={"domain": "sentiment"},
            skippable=True,
        )
    ],
    pool="sentiment_model",
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def trained_sentiment_model(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[dg.MaterializeResult]:
    """By hand: no schedule asks for it."""
    from bitpredict.text.labelled import read_labelled
    from bitpredict.text.linear_training import train_and_store
    from bitpredict.text.model import CLASSES

    file, stored = platform.settings.sentiment_labels, platform.settings.linear_sentiment
    if file is None:
        there = "the classifier that is there stays" if stored.is_file() else "there is no classifier yet"
        context.log.warning(
            f"nothing to learn from: name a CSV file with the columns text and label in BITPREDICT_SENTIMENT_LABELS; "
            f"{there} ({stored})"
        )
        return
    model, result = train_and_store(read_labelled(file), stored)
    context.log.info(f"{model.version} learnt from {result.texts} texts of {file}")
    confusion = pd.DataFrame(result.confusion, columns=[f"judged {name}" for name in CLASSES])
    confusion.insert(0, "people said", CLASSES)
    yield dg.MaterializeResult(
        metadata={
            "version": model.version,
            "labels": dg.MetadataValue.path(str(file)),
            "stored": dg.MetadataValue.path(str(stored)),
            "texts": result.texts,
            "macro-F1 on unseen folds": result.macro_f1,
            "macro-F1 of each fold": list(result.folds),
            "accuracy on unseen folds": result.accuracy,
            "recall on unseen folds": dict(zip(CLASSES, result.recall.tolist(), strict=True)),
            "confusion on unseen folds": preview(confusion),
        }
    )


def _counts(values: "pd.Series[str]") -> dict[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().sort_index().items()}


def _groups(names: pa.ChunkedArray) -> int:
    """How many feeds or coins there are beside `all`."""
    return len(set(names.unique().to_pylist()) - {"all"})
