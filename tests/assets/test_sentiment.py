"""`article_sentiment`, `hourly_sentiment`, `sentiment_model` and their checks, on articles that were put there."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bitpredict.storage.contracts import HOURLY_SENTIMENT
from bitpredict.storage.news_table import write_news
from bitpredict.storage.schema import article_sentiment, crypto_news, news_feeds
from bitpredict.storage.sentiment_table import read_judged, write_sentiment
from bitpredict.text.linear import load
from bitpredict.text.opening import MODELS, open_models
from tests.support.graph import QUIET, Ran, check_alone, defs, run_job, shared_instance

NO_FEEDS = pd.DataFrame(columns=[column.name for column in news_feeds.columns])
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
"""Runs judge by the clock; should midnight pass meanwhile, today is still this day."""
YESTERDAY = TODAY - timedelta(days=1)
PAST = datetime(2024, 3, 5, tzinfo=UTC)
EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
HEADLINES = ("Bitcoin crashes as hackers steal millions", "Solana soars to a great new high", "Report of the week")


def articles(first_seen: datetime, *titles: str, **changes) -> pd.DataFrame:
    rows = [
        {
            "article_id": f"{abs(hash((first_seen, title))):032x}"[-32:],
            "source": "one",
            "entry_id": f"{abs(hash((title, first_seen))):032x}"[-32:],
            "url": "https://example.com",
            "language": "en",
            "title": title,
            "summary": "",
            "published_at": None,
            "dated": "missing",
            "first_seen_at": first_seen,
            "duplicate_of": None,
            "provenance": "observed",
            **changes,
        }
        for title in titles
    ]
    return pd.DataFrame(rows, columns=[column.name for column in crypto_news.columns])


def put(engine, first_seen: datetime, *titles: str, **changes) -> pd.DataFrame:
    rows = articles(first_seen, *titles, **changes)
    write_news(engine, rows, NO_FEEDS)
    return rows


def judged(engine, rows: pd.DataFrame, scored_at: datetime, score: float = 0.5) -> None:
    """As if a run had judged them then."""
    said = rows[["article_id"]].assign(
        model="vader",
        model_version="vader-1",
        label="positive" if score > 0 else "negative",
        score=score,
        negative=max(-score, 0.0),
        neutral=1 - abs(score),
        positive=max(score, 0.0),
        scored_at=scored_at,
    )
    write_sentiment(engine, said[[column.name for column in article_sentiment.columns]])


def day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


@pytest.mark.slow
def test_the_days_rounds_go_from_news_to_hours():
    """Beside the sample the news are invented ones of its last days."""
    ran = run_job("news_today", "2023-12-30", "2023-12-31")
    assert ran.success, ran.failures
    assert ran.metadata("article_sentiment")["new"] > 10
    assert ran.metadata("hourly_sentiment")["rows of the run"] > 100
    assert ran.materialized["crypto_news"]
    assert ran.check("every_article_judged").passed


@pytest.mark.slow
def test_the_articles_of_a_day_are_judged_once(engine, settings):
    put(engine, TODAY, *HEADLINES)
    put(engine, YESTERDAY, "Ether of yesterday")
    before = datetime.now(UTC)
    ran = run_job("sentiment", day(TODAY))
    assert ran.success, ran.failures
    stored = read_judged(engine, *EVER)
    assert sorted(stored["title"]) == sorted(HEADLINES)
    expected = open_models(settings).chain().score(stored["title"].tolist())
    assert stored["model"].tolist() == expected.model.tolist()
    assert stored["model_version"].tolist() == expected.version.tolist()
    np.testing.assert_allclose(stored["score"], expected.score)
    assert dict(zip(stored["title"], stored["label"], strict=True)) == dict(
        zip(HEADLINES, ["negative", "positive", "neutral"], strict=True)
    )
    assert stored["scored_at"].between(before, datetime.now(UTC)).all()
    said = ran.metadata("article_sentiment")
    assert (said["new"], said["by label"]) == (3, {"negative": 1, "neutral": 1, "positive": 1})
    assert said["by model"] == stored["model"].value_counts().to_dict()
    assert list(said["absent models"]) == ["linear", "finbert"]
    assert "Bitcoin crashes" in said["preview"]
    assert ran.row_counts("article_sentiment") == {day(TODAY): 3}
    assert ran.check("every_article_judged").passed
    assert ran.check("fallback_seldom").passed
    again = run_job("sentiment", day(TODAY))
    assert again.success
    assert again.metadata("article_sentiment")["new"] == 0
    assert again.row_counts("article_sentiment") == {day(TODAY): 3}
    pd.testing.assert_frame_equal(read_judged(engine, *EVER), stored)


@pytest.mark.slow
def test_a_past_day_is_what_was_known_then(engine, lake):
    """Whenever it runs, and whatever is judged only now."""
    early, late = put(engine, PAST + timedelta(hours=9), HEADLINES[0]), put(engine, PAST + timedelta(hours=9), "ETH up")
    before = put(engine, PAST - timedelta(hours=2), HEADLINES[1], source="two")
    judged(engine, early, PAST + timedelta(hours=9, minutes=1), -0.5)
    judged(engine, before, PAST - timedelta(hours=1))
    judged(engine, late, PAST + timedelta(hours=12), 0.25)
    put(engine, PAST + timedelta(hours=3), "Never judged until now")
    ran = run_job("sentiment", day(PAST - timedelta(days=1)), day(PAST))
    assert ran.success, ran.failures
    assert ran.metadata("article_sentiment")["new"] == 1
    frame = lake.read(HOURLY_SENTIMENT).to_pandas()
    everything = frame[(frame["source"] == "all") & (frame["coin"] == "all")].set_index("hour")
    assert len(everything) == 1 + 24
    hours = [PAST + timedelta(hours=hour) for hour in (-1, 9, 10, 12, 22, 23)]
    assert everything.loc[hours, "articles"].tolist() == [1, 1, 2, 3, 2, 2]
    assert everything.loc[hours, "mean"].tolist() == pytest.approx([0.5, 0.5, 0.0, 0.25 / 3, -0.125, -0.125])
    assert set(frame["coin"]) == {"all", "BTC", "SOL", "ETH"}
    assert (frame["known_at"] <= frame["hour"]).all()
    assert ran.check("hours_consistent").passed
    assert ran.row_counts("hourly_sentiment") == {
        day(PAST - timedelta(days=1)): int((frame["hour"] < PAST).sum()),
        day(PAST): int((frame["hour"] >= PAST).sum()),
    }
    assert ran.metadata("hourly_sentiment")["coins"] == 3
    assert "data:image/png" in ran.metadata("hourly_sentiment")["mean of all"]
    version = lake.version(HOURLY_SENTIMENT)
    assert run_job("sentiment", day(PAST)).success
    assert lake.version(HOURLY_SENTIMENT) == version + 1
    pd.testing.assert_frame_equal(lake.read(HOURLY_SENTIMENT).to_pandas(), frame)


@pytest.mark.slow
def test_hours_that_have_not_come_have_no_rows(engine, lake):
    now = datetime.now(UTC)
    judged(engine, put(engine, now - timedelta(hours=3), HEADLINES[0]), now - timedelta(hours=3))
    assert run_job("sentiment", day(now - timedelta(hours=3)), day(now)).success
    hours = sorted(lake.read(HOURLY_SENTIMENT)["hour"].unique().to_pylist())
    assert len(hours) in (3, 4)  # the clock may have struck meanwhile
    assert now - timedelta(hours=3) <= hours[0]
    assert hours[-1] <= datetime.now(UTC)


@pytest.mark.slow
def test_invented_articles_count_as_judged_when_they_were_seen(engine, lake):
    put(engine, PAST + timedelta(hours=5), HEADLINES[0], provenance="simulated")
    assert run_job("sentiment", day(PAST)).success
    frame = lake.read(HOURLY_SENTIMENT).to_pandas()
    assert frame["hour"].min() == pd.Timestamp(PAST + timedelta(hours=5))
    assert set(frame["provenance"]) == {"simulated"}


@pytest.mark.slow
def test_a_new_model_speaks_of_what_no_model_of_the_chain_has_judged(engine, monkeypatch):
    put(engine, TODAY, *HEADLINES)
    assert run_job("sentiment", day(TODAY)).success
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "vader-plain")
    ran = run_job("sentiment", day(TODAY), assets=["article_sentiment"])
    assert ran.metadata("article_sentiment")["by model"] == {"vader-plain": 3}
    assert len(read_judged(engine, *EVER)) == 6


@pytest.mark.slow
def test_the_checks_see_what_waits_and_who_speaks_too_often(engine, monkeypatch):
    put(engine, TODAY, *HEADLINES)
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "linear,vader")
    assert run_job("sentiment", day(TODAY)).success
    put(engine, TODAY, "One more")
    monkeypatch.setenv("BITPREDICT_MARKET", "binance")
    checked = check_alone("article_sentiment")
    assert not checked.check("every_article_judged").passed
    assert checked.check_metadata("every_article_judged")["first of them"] == ["One more"]
    assert not checked.check("fallback_seldom").passed
    assert checked.check_metadata("fallback_seldom")["share"] == 1.0


@pytest.mark.slow
def test_the_check_of_hours_sees_what_cannot_be(engine, lake):
    judged(engine, put(engine, PAST, HEADLINES[0]), PAST)
    assert run_job("sentiment", day(PAST)).success
    frame = lake.read(HOURLY_SENTIMENT).to_pandas()
    bad = frame.assign(
        hour=frame["hour"] + pd.Timedelta(minutes=1), known_at=frame["hour"] + pd.Timedelta(hours=1), mean=1.5
    )
    table = pa.Table.from_pandas(bad, preserve_index=False)
    lake.replace(HOURLY_SENTIMENT, table, PAST, PAST + timedelta(days=1))
    checked = check_alone("hourly_sentiment")
    assert not checked.check("hours_consistent").passed
    found = checked.check_metadata("hours_consistent")
    assert {name: count == len(bad) for name, count in found.items() if name != "rows"} == {
        "doubled": False,
        "not at a full hour": True,
        "known after their hour": True,
        "mean outside [-1, 1]": True,
        "share outside [0, 1]": False,
    }


def test_a_chain_of_models_that_are_not_there_says_what_would_bring_them(engine, monkeypatch):
    put(engine, TODAY, *HEADLINES)
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "linear")
    ran = run_job("sentiment", day(TODAY))
    assert "bitpredict sentiment train" in ran.failures["article_sentiment"]
    assert read_judged(engine, *EVER).empty


def train() -> Ran:
    """`sentiment_model` by itself, as `Materialize` does in the UI."""
    job = dg.define_asset_job("train", selection=dg.AssetSelection.assets("sentiment_model"))
    definition = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def(job.name)
    return Ran.of(definition.execute_in_process(run_config=QUIET, instance=shared_instance(), raise_on_error=False))


def labels(tmp_path, each: int = 12) -> str:
    kinds = {"negative": "blick nr{} gnarls", "neutral": "meh nr{} quux", "1": "zorp nr{} frobs"}
    rows = [f"{text.format(number)},{label}" for number in range(each) for label, text in kinds.items()]
    (tmp_path / "labels.csv").write_text("\n".join(["text,label", *rows]))
    return str(tmp_path / "labels.csv")


@pytest.mark.slow
def test_the_classifier_is_trained_on_the_users_labels(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("BITPREDICT_SENTIMENT_LABELS", labels(tmp_path))
    ran = train()
    assert ran.success, ran.failures
    model = load(settings.linear_sentiment)
    said = ran.metadata("sentiment_model")
    assert (said["version"], said["texts"]) == (model.version, 36)
    assert 0.9 < said["macro-F1 on unseen folds"] <= 1.0
    assert len(said["macro-F1 of each fold"]) == 5
    assert set(said["recall on unseen folds"]) == {"negative", "neutral", "positive"}
    assert "people said" in said["confusion on unseen folds"]
    assert MODELS["linear"](settings).score(["zorp frobs"]).label.tolist() == [1]


@pytest.mark.slow
def test_without_labels_nothing_is_trained_and_what_is_there_stays(settings, tmp_path, monkeypatch):
    ran = train()
    assert ran.success
    assert ran.materialized == {}
    assert not settings.linear_sentiment.exists()
    monkeypatch.setenv("BITPREDICT_SENTIMENT_LABELS", labels(tmp_path))
    assert train().success
    stored = settings.linear_sentiment.read_bytes()
    for told, wrong in ((None, ""), ("too few", labels(tmp_path, 2)), ("none.csv", str(tmp_path / "none.csv"))):
        if wrong:
            monkeypatch.setenv("BITPREDICT_SENTIMENT_LABELS", wrong)
        else:
            monkeypatch.delenv("BITPREDICT_SENTIMENT_LABELS")
        ran = train()
        assert ran.materialized == {}
        assert ran.success == (told is None)
        assert told is None or told in ran.failures["trained_sentiment_model"]
        assert settings.linear_sentiment.read_bytes() == stored
