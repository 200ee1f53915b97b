"""The same story is found in other feeds; another day's story in the same words is not taken for it."""

import csv
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpredict.text.duplicates import FEWEST_WORDS, WINDOW, Headline, near_duplicates, tell_the_same, words_of

NOON = datetime(2026, 2, 6, 12, tzinfo=UTC)
TITLE = "SEC approves first spot Bitcoin ETF in historic decision"


def seen(title: str, source: str = "one", hours: float = 0) -> Headline:
    return Headline(source, title, NOON + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (TITLE, True),
        (TITLE.upper(), True),
        ("SEC approves the first spot Bitcoin ETF in a historic decision", True),
        ("SEC Approves First Spot Bitcoin ETF in Historic Decision | Example News", True),
        ("SEC rejects first spot Bitcoin ETF in historic decision", True),  # what words alone cannot tell
        ("SEC delays decision on Bitcoin ETF", False),
        ("Ether falls", False),
        ("", False),
    ],
)
def test_headlines_that_share_most_words_tell_the_same(other, same):
    assert tell_the_same(words_of(TITLE), words_of(other)) == same


def test_other_numbers_are_another_story():
    assert not tell_the_same(
        words_of("Bitcoin price falls below $20,000 for the first time since December"),
        words_of("Bitcoin price falls below $19,000 for the first time since December"),
    )


def test_the_first_that_told_it_is_the_original():
    found = near_duplicates(
        [seen(TITLE), seen("Ether falls as markets wait", "two"), seen(TITLE, "two"), seen(TITLE, "three")]
    )
    assert found == [None, None, 0, 0]


def test_a_feed_does_not_duplicate_itself():
    assert near_duplicates([seen(TITLE), seen(TITLE)]) == [None, None]
    assert near_duplicates([seen(TITLE), seen(TITLE, "two"), seen(TITLE)]) == [None, 0, 0]


def test_the_same_words_long_after_are_another_story():
    hours = WINDOW.total_seconds() / 3600
    assert near_duplicates([seen(TITLE), seen(TITLE, "two", hours)]) == [None, 0]
    assert near_duplicates([seen(TITLE), seen(TITLE, "two", hours + 1)]) == [None, None]


def test_a_headline_of_few_words_is_not_compared():
    short = "Market update today"
    assert len(words_of(short)) < FEWEST_WORDS
    assert near_duplicates([seen(short), seen(short, "two")]) == [None, None]


WORDS = st.sampled_from(["bitcoin", "ether", "sec", "etf", "falls", "rises", "bank", "10", "20", "the"])
HEADLINES = st.lists(st.tuples(st.lists(WORDS, min_size=3, max_size=8), st.sampled_from("abc")), max_size=25)


@given(HEADLINES)
def test_it_finds_what_comparing_all_pairs_finds(made):
    headlines = [seen(" ".join(words), source, i) for i, (words, source) in enumerate(made)]
    expected: list[int | None] = [None] * len(headlines)
    for j, i in sorted(combinations(range(len(headlines)), 2), key=lambda pair: (pair[1], pair[0])):
        one, other = (set(headlines[k].title.split()) - {"the"} for k in (j, i))
        if headlines[j].source == headlines[i].source or min(len(one), len(other)) < FEWEST_WORDS:
            continue
        alike = len(one & other) / len(one | other) >= 0.6 and not (one ^ other) & {"10", "20"}
        if alike and expected[i] is None:
            expected[i] = j if expected[j] is None else expected[j]
    assert near_duplicates(headlines) == expected


def recorded(recordings) -> list[Headline]:
    with (recordings / "news" / "cryptonews_2021_2022.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    found = []
    for row in rows:
        for form in ("%d-%m-%Y %H:%M", "%d-%m-%Y %H:%M:%S"):
            try:
                at = datetime.strptime(row["date"], form).replace(tzinfo=UTC)
            except ValueError:
                continue
            found.append(Headline(row["source"], row["title"], at))
    return sorted(found, key=lambda each: each.first_seen_at)


@pytest.mark.slow
def test_recorded_headlines(recordings):
    headlines = recorded(recordings)
    assert len(headlines) > 7_000
    found = near_duplicates(headlines)
    pairs = [(headlines[i], headlines[j]) for i, j in enumerate(found) if j is not None]
    assert all(one.source != other.source for one, other in pairs)
    assert len(pairs) == 20
