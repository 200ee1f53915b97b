"""Hourly sentiment against a recomputation in plain Python, and what later articles may change: nothing."""

import random
import statistics
from collections import Counter
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest

from bitpredict.market.coins import read_coins
from bitpredict.storage.contracts import HOURLY_SENTIMENT
from bitpredict.text.hourly import full_hours, hourly_sentiment
from bitpredict.text.mentions import Mentions

DAY = datetime(2026, 2, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = full_hours(DAY, DAY + timedelta(days=1), DAY + timedelta(days=9))
MENTIONS = Mentions(read_coins())
TITLES = {
    "Bitcoin slides": ["BTC"],
    "Ether near a top": ["ETH"],
    "Bitcoin and Solana rally": ["BTC", "SOL"],
    "Optimism returns": [],
}


def judged(name, first_seen_at, *, scored_after=timedelta(minutes=1), **changes) -> dict:
    row = {
        "article_id": name,
        "source": "one",
        "title": "Optimism returns",
        "summary": "",
        "first_seen_at": first_seen_at,
        "duplicate_of": None,
        "provenance": "observed",
        "model": "vader",
        "model_version": "vader-1",
        "label": "positive",
        "score": 0.5,
        "scored_at": first_seen_at + scored_after,
    }
    return row | changes


def frame(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(judged("", DAY)))


def hourly(rows, hours=HOURS) -> pa.Table:
    return hourly_sentiment(frame(rows), hours, MENTIONS)


def by_key(table: pa.Table) -> dict:
    return {(row["hour"], row["source"], row["coin"]): row for row in table.to_pylist()}


def made(seed: int, count: int = 300) -> list[dict]:
    """Articles of three days around the day, some judged late, some twice, some retold."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        seen = DAY + timedelta(minutes=draw.randrange(-36 * 60, 30 * 60))  # some on a full hour
        label = draw.choice(["negative", "neutral", "positive"])
        article = {
            "source": draw.choice(["one", "two", "three"]),
            "title": draw.choice(list(TITLES)),
            "duplicate_of": draw.choice([None, None, None, "x"]),
            "provenance": draw.choice(["observed"] * 30 + ["simulated"]),
        }
        rows += [
            judged(
                f"{number:03}",
                seen,
                scored_after=timedelta(minutes=draw.choice([-5, 0, 1, 1, 1, 90, 600, 3000])),
                **article,
                model=model,
                label=label,
                score=draw.uniform(-1, 1),
            )
            for model in draw.sample(["vader", "linear", "textblob"], draw.choice([1, 1, 1, 2]))
        ]
    draw.shuffle(rows)
    return rows


def expected(rows, hours) -> dict:
    found = {}
    for hour in hours:
        newest: dict[str, dict] = {}
        for row in rows:
            recent = hour - timedelta(hours=24) < row["first_seen_at"] <= hour
            before = newest.get(row["article_id"])
            order = (row["scored_at"], row["model"])
            if recent and row["scored_at"] <= hour and (not before or order > (before["scored_at"], before["model"])):
                newest[row["article_id"]] = row
        groups: dict[tuple, list] = {}
        for row in newest.values():
            for source in [row["source"], *(["all"] if row["duplicate_of"] is None else [])]:
                for coin in ["all", *TITLES[row["title"]]]:
                    groups.setdefault((hour, source, coin), []).append(row)
        for key, members in groups.items():
            scores = [row["score"] for row in members]
            counts = Counter(row["model"] for row in members)
            found[key] = {
                "articles": len(members),
                "mean": statistics.fmean(scores),
                "dispersion": statistics.stdev(scores) if len(scores) > 1 else None,
                "share_negative": sum(row["label"] == "negative" for row in members) / len(members),
                "model": min(counts, key=lambda model: (-counts[model], model)),
                "provenance": "simulated" if any(row["provenance"] == "simulated" for row in members) else "observed",
                "known_at": max(max(row["first_seen_at"], row["scored_at"]) for row in members),
            }
    return found


@pytest.mark.parametrize("seed", range(3))
def test_every_row_is_what_plain_python_makes_of_it(seed):
    rows = made(seed)
    table = hourly(rows)
    assert table.schema == HOURLY_SENTIMENT.schema
    found, wanted = by_key(table), expected(rows, HOURS)
    assert found.keys() == wanted.keys()
    assert len(found) > 200
    for key, row in wanted.items():
        for name, value in row.items():
            close = isinstance(value, float)
            assert found[key][name] == (pytest.approx(value, abs=1e-12) if close else value), (key, name)
        assert found[key]["known_at"] <= key[0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_what_is_seen_or_judged_after_an_hour_changes_no_row_up_to_it(seed):
    rows, more = made(seed), [row | {"article_id": f"later {row['article_id']}"} for row in made(seed + 100)]
    before = hourly(rows)
    for hour in HOURS[::8]:
        late = [row for row in more if max(row["first_seen_at"], row["scored_at"]) > hour]
        assert len(late) > 50
        after = hourly([*rows, *late])
        known = pa.compute.less_equal(before["hour"], pa.scalar(hour, before["hour"].type))
        still = pa.compute.less_equal(after["hour"], pa.scalar(hour, after["hour"].type))
        assert after.filter(still).equals(before.filter(known))
        assert not after.equals(before)


def test_a_row_does_not_depend_on_which_hours_are_asked_for():
    rows = made(5)
    some = HOURS[3::7]
    parts = pa.concat_tables([hourly(rows, [hour]) for hour in some])
    assert HOURLY_SENTIMENT.conform(parts).equals(hourly(rows, some))


def test_an_article_speaks_from_its_judgement_on_for_a_day_since_it_was_seen():
    rows = [judged("a", DAY + HOUR, scored_after=timedelta(hours=2))]
    table = hourly(rows, full_hours(DAY, DAY + timedelta(days=2), DAY + timedelta(days=2)))
    hours = sorted({row["hour"] for row in table.to_pylist()})
    assert (hours[0], hours[-1]) == (DAY + 3 * HOUR, DAY + 24 * HOUR)
    assert len(hours) == 22


def test_a_second_judgement_counts_from_when_it_was_made():
    seen = DAY + timedelta(minutes=10)
    rows = [judged("a", seen, score=0.5), judged("a", seen, score=-1.0, model="linear", scored_after=2 * HOUR)]
    found = by_key(hourly(rows))
    assert [found[DAY + i * HOUR, "all", "all"]["mean"] for i in (1, 2, 3)] == [0.5, 0.5, -1.0]
    assert [found[DAY + i * HOUR, "all", "all"]["model"] for i in (1, 2, 3)] == ["vader", "vader", "linear"]


def test_a_story_that_is_told_again_counts_for_its_feed_alone():
    rows = [judged("a", DAY), judged("b", DAY, source="two", duplicate_of="a", score=-0.5)]
    found = by_key(hourly(rows))
    at = DAY + HOUR
    assert {key[1]: row["articles"] for key, row in found.items() if key[0] == at} == {"all": 1, "one": 1, "two": 1}
    assert (found[at, "all", "all"]["mean"], found[at, "two", "all"]["mean"]) == (0.5, -0.5)


def test_coins_are_found_in_the_summary_too():
    found = by_key(hourly([judged("a", DAY, summary="as $link and BTC fall")]))
    assert {key[2] for key in found} == {"all", "LINK", "BTC"}


def test_no_articles_no_rows():
    assert hourly([]).equals(HOURLY_SENTIMENT.empty())
    assert hourly([judged("a", DAY)], []).equals(HOURLY_SENTIMENT.empty())


def test_hours_that_have_not_come_are_left_out():
    assert full_hours(DAY, DAY + timedelta(days=1), DAY + timedelta(minutes=61)) == [DAY, DAY + HOUR]
    assert full_hours(DAY, DAY + timedelta(days=1), DAY - timedelta(seconds=1)) == []
    assert len(HOURS) == 24
