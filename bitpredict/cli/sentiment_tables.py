"""Sentiments and their evaluations as people and scripts see them."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from bitpredict.report.wording import count_text, percent_text
from bitpredict.text.evaluation import Evaluation
from bitpredict.text.model import CLASSES, Sentiments, readable

STYLES = {"negative": "red", "neutral": "", "positive": "green"}
SHOWN = 200
"""Characters of a text that a table repeats."""


def sentiment_records(texts: Sequence[str], said: Sentiments) -> list[dict[str, Any]]:
    """One record a text: the text as models read it, and every column of what was said of it."""
    return [
        {
            "text": readable(text),
            "label": CLASSES[label + 1],
            "score": score,
            **dict(zip(CLASSES, probabilities, strict=True)),
            "found": found,
            "model": model,
            "version": version,
        }
        for text, (label, score, probabilities, found, model, version) in zip(texts, said.rows(), strict=True)
    ]


def sentiments_table(texts: Sequence[str], said: Sentiments) -> Table:
    """What each text says, and who said so."""
    table = _table("text", "says", ">score", ">negative", ">neutral", ">positive", "model", "version")
    for row in sentiment_records(texts, said):
        table.add_row(
            Text(row["text"][:SHOWN]),
            Text(row["label"], style=STYLES[row["label"]]),
            f"{row['score']:+.3f}",
            *(percent_text(row[name], digits=0) for name in CLASSES),
            row["model"] if row["found"] else f"none (asked last: {row['model']})",
            row["version"],
        )
    return table


def evaluation_records(results: Iterable[Evaluation]) -> list[dict[str, Any]]:
    """One record a model; `confusion` has a row for each class as people judged it."""
    return [
        {
            "model": result.model,
            "version": result.version,
            "texts": result.texts,
            "macro_f1": result.macro_f1,
            "accuracy": result.accuracy,
            **{f"recall_{name}": share for name, share in zip(CLASSES, result.recall.tolist(), strict=True)},
            "confusion": result.confusion.tolist(),
            "folds": list(result.folds),
        }
        for result in results
    ]


def evaluations_table(results: Iterable[Evaluation]) -> Table:
    """Each model's agreement with people; confusion: a line for each class as people judged it."""
    table = _table(
        *("model", ">texts", ">macro-F1", ">accuracy", ">recall\nnegative\nneutral\npositive"),
        *(f">judged\n{name}" for name in CLASSES),
        "measured",
    )
    for result in results:
        folds = " ".join(f"{fold:.2f}" for fold in result.folds)
        table.add_row(
            result.model,
            count_text(result.texts),
            f"{result.macro_f1:.3f}",
            percent_text(result.accuracy),
            "\n".join(percent_text(share) for share in result.recall.tolist()),
            *("\n".join(count_text(count) for count in column) for column in result.confusion.T.tolist()),
            f"on unseen folds:\n{folds}" if folds else result.version,
        )
        table.add_section()
    return table


def _table(*headers: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for header in headers:
        table.add_column(
            header.removeprefix(">"), justify="right" if header.startswith(">") else "left", overflow="fold"
        )
    return table
