"""Past days of `coin_markets` and `crypto_news` made again by a run of the graph."""

import json
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

from bitpredict.storage.market_table import read_quotes
from bitpredict.storage.news_table import read_news
from bitpredict.storage.raw import RawStore
from tests.support.graph import QUIET, Ran, defs, run_job, shared_instance

NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
EVER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def answered(settings, source: str, asked: str, body: bytes, at: datetime) -> None:
    sent = SimpleNamespace(status=200, headers={}, body=body, received_at=at, url=asked)
    RawStore.from_settings(settings).keep(source, asked, sent, at)


def rebuild(job: str, asset: str, first: str, last: str = "") -> Ran:
    config = QUIET | {"ops": {asset: {"config": {"rebuild_from": first, "rebuild_to": last}}}}
    definition = defs.resolve_job_def(job)
    return Ran.of(definition.execute_in_process(run_config=config, instance=shared_instance(), raise_on_error=False))


def test_quotes_of_past_days_come_from_what_was_answered(settings, engine):
    for days in range(3):
        at = NOON + timedelta(days=days)
        row = {"id": "bitcoin", "current_price": 100.0 + days, "last_updated": at.isoformat()}
        answered(
            settings, "coingecko", "https://e.com/api/v3/coins/markets?ids=bitcoin", json.dumps([row]).encode(), at
        )
    ran = rebuild("markets", "coin_markets", "2026-02-04", "2026-02-05")
    assert ran.success, ran.failures
    said = ran.metadata("coin_markets")
    assert (said["kept answers"], said["new"], said["left out"]) == (2, 2, {})
    stored = read_quotes(engine, "bitcoin", *EVER)
    assert stored["price"].tolist() == [101, 102]
    assert stored["known_at"].tolist() == [NOON + timedelta(days=1), NOON + timedelta(days=2)]


def test_news_of_a_past_day_come_from_what_was_answered(settings, engine, tmp_path, monkeypatch):
    (tmp_path / "feeds.csv").write_text("name,address,language,interval_minutes,enabled\na,https://e.com/rss,en,15,yes")
    monkeypatch.setenv("BITPREDICT_FEEDS_FILE", str(tmp_path / "feeds.csv"))
    body = b"<rss version='2.0'><channel><item><title>Bitcoin rises</title><link>/1</link></item></channel></rss>"
    answered(settings, "news", "https://e.com/rss", body, NOON)
    ran = rebuild("news", "crypto_news", "2026-02-03")
    assert ran.success, ran.failures
    assert read_news(engine, *EVER)["first_seen_at"].tolist() == [NOON]


def test_a_day_that_is_not_over_is_refused():
    today = f"{datetime.now(UTC).date()}"
    ran = rebuild("markets", "coin_markets", today)
    assert "cannot be made again: name past days" in ran.failures["coin_markets"]
    assert "Invalid isoformat" in rebuild("markets", "coin_markets", "yesterday").failures["coin_markets"]


def test_maintenance_deletes_answers_older_than_they_are_kept(settings, monkeypatch):
    monkeypatch.setenv("BITPREDICT_RAW_RETENTION_DAYS", "2")
    now = datetime.now(UTC)
    for days in (0, 1, 5):
        answered(settings, "news", "https://e.com/rss", b"", now - timedelta(days=days))
    said = run_job("maintenance", assets=["lake_maintenance"]).metadata("lake_maintenance")
    assert said["raw answers deleted"] == {"news": 1}
    kept: list[date] = RawStore.from_settings(settings).days("news")
    assert kept == [(now - timedelta(days=days)).date() for days in (1, 0)]
