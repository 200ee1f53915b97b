"""Articles that no model of the chain has judged yet are judged: each once, by the first that finds something in it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from sqlalchemy import Engine

from bitpredict.storage.schema import article_sentiment
from bitpredict.storage.sentiment_table import unjudged_articles, write_sentiment
from bitpredict.text.model import CLASSES, Sentiments
from bitpredict.text.opening import Opened

AT_ONCE = 500
"""Articles that are judged and written together: what a stopped run has judged stays."""

_SIMULATED = "simulated"


def judge_articles(engine: Engine, opened: Opened, start: datetime, end: datetime) -> pd.DataFrame:
    """Judge the headlines of articles first seen in [start, end) of which no model of the chain has spoken, and write
    what it says. Headlines, because that is what models are trained and measured on.

    A model that has learnt anew speaks of new articles alone: what was said of the others features have used.

    Returns:
        The rows that were written, of `schema.article_sentiment`.

    Raises:
        ModelError: every model failed, or there is none. Earlier parts are written.
        StorageError: the database cannot be read or written. Earlier parts are written.
    """
    chain = opened.chain()
    waiting = unjudged_articles(engine, start, end, [model.name for model in opened.models])
    written = [pd.DataFrame(columns=[column.name for column in article_sentiment.columns])]
    for part in _parts(waiting):
        rows = judgements(part, chain.score(part["title"].tolist()), datetime.now(UTC))
        write_sentiment(engine, rows)
        written.append(rows)
    return pd.concat(written[1:] or written, ignore_index=True)


def judgements(articles: pd.DataFrame, said: Sentiments, now: datetime) -> pd.DataFrame:
    """What was said of articles as rows of `schema.article_sentiment`. An invented article never happened: it counts as
    judged when it is said to have been seen."""
    invented = articles["provenance"] == _SIMULATED
    return pd.DataFrame(
        {
            "article_id": articles["article_id"],
            "model": said.model,
            "model_version": said.version,
            "label": np.array(CLASSES, object)[said.label + 1],
            "score": said.score,
            **dict(zip(CLASSES, said.probabilities.T, strict=True)),
            "scored_at": articles["first_seen_at"].where(invented, pd.Timestamp(now)),
        },
        index=articles.index,
    )


def _parts(articles: pd.DataFrame) -> Iterator[pd.DataFrame]:
    return (articles.iloc[first : first + AT_ONCE] for first in range(0, len(articles), AT_ONCE))
