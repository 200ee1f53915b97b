"""What the news of a day said, as it was known at each full hour: by feed and by coin that is mentioned."""

from datetime import datetime, timedelta

import pandas as pd
import pyarrow as pa

from bitpredict.market.time import DAY
from bitpredict.storage.contracts import HOURLY_SENTIMENT
from bitpredict.text.mentions import Mentions

ALL = "all"
HOUR = timedelta(hours=1)
WINDOW = DAY
"""An article speaks for so long after it was first seen."""

_GROUP = ["source", "coin"]
_KEY = ["hour", *_GROUP]
_AT_ONCE = 24
"""Hours that are grouped together: more need more memory, fewer more time."""


def full_hours(start: datetime, end: datetime, now: datetime) -> list[datetime]:
    """The full hours of [start, end) that are not after `now`; `start` is one."""
    hours = []
    while start < end and start <= now:
        hours.append(start)
        start += HOUR
    return hours


def hourly_sentiment(judged: pd.DataFrame, hours: list[datetime], mentions: Mentions) -> pa.Table:
    """Rows of `HOURLY_SENTIMENT` for the given hours.

    An hour's rows use the articles first seen in the `WINDOW` up to it, that hour included, and what was said of them
    by then: of several judgements the newest. An article counts for its feed and, unless another feed told the same
    before, for `all`; for each coin that title or summary mention and for `all`. What nobody told of has no row.

    Args:
        judged: rows of `sentiment_table.read_judged` that reach back `WINDOW` before the first hour.
    """
    judged = judged.assign(
        known_at=judged["first_seen_at"].where(judged["first_seen_at"] >= judged["scored_at"], judged["scored_at"]),
        is_negative=(judged["label"] == "negative").astype("float64"),
    ).sort_values(["first_seen_at", "article_id", "scored_at", "model"], ignore_index=True)
    groups = _groups(judged.drop_duplicates("article_id"), mentions)
    days = [
        _rows_of(_known(judged, hours[first : first + _AT_ONCE]).merge(groups, on="article_id"))
        for first in range(0, len(hours), _AT_ONCE)
    ]
    if not days:
        return HOURLY_SENTIMENT.empty()
    return HOURLY_SENTIMENT.conform(pa.Table.from_pandas(pd.concat(days), preserve_index=False))


def _known(judged: pd.DataFrame, hours: list[datetime]) -> pd.DataFrame:
    """What was known of articles at each hour: the rows of `judged` with the hour, without their source."""
    parts = []
    for hour in hours:
        known = judged[(judged["first_seen_at"] > hour - WINDOW) & (judged["known_at"] <= hour)]
        parts.append(known.drop_duplicates("article_id", keep="last").assign(hour=pd.Timestamp(hour)))
    return pd.concat(parts).drop(columns="source")


def _groups(articles: pd.DataFrame, mentions: Mentions) -> pd.DataFrame:
    """Each article's groups: article_id, source, coin."""
    rows = []
    texts = articles["title"] + "\n" + articles["summary"]
    first_told = articles["duplicate_of"].isna()
    for article, source, is_first, text in zip(
        articles["article_id"], articles["source"], first_told, texts, strict=True
    ):
        coins = (ALL, *sorted(mentions.of(text)))
        rows += [(article, group, coin) for group in ((ALL, source) if is_first else (source,)) for coin in coins]
    return pd.DataFrame(rows, columns=["article_id", *_GROUP])


def _rows_of(told: pd.DataFrame) -> pd.DataFrame:
    """One row an hour and group of `told`, which has a row for each article in each of its groups."""
    spoke = told.groupby([*_KEY, "model"], as_index=False).size()
    most = spoke.sort_values([*_KEY, "size", "model"], ascending=[True, True, True, False, True])
    return (
        told.groupby(_KEY)
        .agg(
            articles=("score", "size"),
            mean=("score", "mean"),
            dispersion=("score", "std"),
            share_negative=("is_negative", "mean"),
            provenance=("provenance", "max"),  # the worst by its first letter: observed, simulated
            known_at=("known_at", "max"),
        )
        .join(most.drop_duplicates(_KEY).set_index(_KEY)["model"])
        .reset_index()
    )
