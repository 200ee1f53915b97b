"""Ten thousand articles through cleaning, addresses and the search for the same story, against five seconds.

The articles are recorded ones of three newsrooms, in order, and their beginning once more.
"""

import csv
import os
import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.recordings import FOLDER
from bitpredict.text.addresses import article_id, canonical_url
from bitpredict.text.cleaning import clean_summary, clean_title
from bitpredict.text.duplicates import Headline, near_duplicates

RECORDED = FOLDER / "news" / "cryptonews_2021_2022.csv"
ARTICLES = 10_000
LIMIT = 5.0
"""Seconds."""

ROUNDS = 5


def main() -> None:
    """Print the seconds of each step and their sum's share of the limit."""
    if not RECORDED.is_file():
        print(f"articles: skipped, no recordings at {RECORDED}")
        return
    with RECORDED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    articles = sorted((_moment(row["date"]), row["source"], row["title"], row["text"]) for row in rows)
    steps = [_steps((articles * 2)[:ARTICLES]) for _ in range(ROUNDS)]
    cleaning, addresses, comparing = (statistics.median(step) for step in zip(*steps, strict=True))
    whole = cleaning + addresses + comparing
    print(f"{ARTICLES:,} articles, load {os.getloadavg()[0]:.1f}")
    print(f"  cleaning {cleaning:.2f} s, addresses {addresses:.2f} s, the same story {comparing:.2f} s")
    print(f"  together {whole:.2f} s, {whole / LIMIT:.2f} x {LIMIT:g} s")


def _steps(articles: Sequence[tuple[datetime, str, str, str]]) -> tuple[float, float, float]:
    begun = time.perf_counter()
    headlines = [Headline(source, clean_title(f"<b>{title}</b>"), at) for at, source, title, _ in articles]
    for *_, text in articles:
        clean_summary(f"<p>{text}</p>")
    cleaned = time.perf_counter()
    for number in range(len(articles)):
        article_id(canonical_url(f"https://www.example.com/{number}/?utm_source=rss&page=2"))
    addressed = time.perf_counter()
    near_duplicates(headlines)
    return cleaned - begun, addressed - cleaned, time.perf_counter() - addressed


def _moment(text: str) -> datetime:
    form = "%d-%m-%Y %H:%M:%S" if text.count(":") == 2 else "%d-%m-%Y %H:%M"
    return datetime.strptime(text, form).replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
