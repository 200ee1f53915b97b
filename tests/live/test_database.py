"""A ledger that another process locks, and a PostgreSQL that stops and comes back, under predictor and replay."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from bitpredict.storage.database import open_database, upgrade
from bitpredict.streaming.open_log import open_event_log
from tests.live.conftest import SYMBOLS
from tests.support.live_checks import assert_is_the_recording, assert_is_undisturbed
from tests.support.live_content import caught_up, enough
from tests.support.live_processes import USED, processes, until
from tests.support.postgres import PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PREDICTOR_WAITS = "waiting, then going on from the last checkpoint"
FEEDER_WAITS = "the event log cannot be used; trying again"


@pytest.fixture
def postgres() -> Iterator[PostgreSQL]:
    with PostgreSQL.serving() as server:
        yield server


def test_a_locked_ledger_is_waited_for(on_sqlite: Settings, tmp_path: Path, sample: Path) -> None:
    """The predictor says so, goes on when it is free, and ends in time even while it waits."""
    with open_event_log(on_sqlite) as log, processes(on_sqlite, tmp_path) as lane:
        replay = lane.start("replay", sample / "coinbase_ticks.csv", "--loop", "--speed", "20x")
        predictor = lane.start("predict")
        until(lambda: predictor.metric(USED) > 0, replay, predictor)
        with closing(sqlite3.connect(on_sqlite.home / "bitpredict.db", isolation_level=None, timeout=30)) as other:
            other.execute("BEGIN IMMEDIATE")
            until(lambda: PREDICTOR_WAITS in predictor.said and not predictor.ready(), replay, predictor)
            assert "locked" in predictor.said
            other.execute("ROLLBACK")
            until(predictor.ready, replay, predictor)
            other.execute("BEGIN IMMEDIATE")
            until(lambda: not predictor.ready(), replay, predictor)
            predictor.end()
            other.execute("ROLLBACK")
        predictor = lane.start("predict")
        until(enough(log, "coinbase"), replay)
        replay.end()
        until(caught_up(log, "coinbase"), predictor)
        predictor.end()
        assert_is_undisturbed(log, on_sqlite, tmp_path)


def test_postgresql_stopped_and_started_again(tmp_path: Path, sample: Path, postgres: PostgreSQL) -> None:
    """It holds the event log and the ledger: nothing is lost, nothing doubled, and everything goes on."""
    settings = Settings(
        home=tmp_path / "home",
        market="coinbase",
        symbols=SYMBOLS,
        event_log_url=postgres.database("events"),
        database_url=postgres.database("ledger"),
    )
    upgrade(open_database(settings))
    with open_event_log(settings) as log, processes(settings, tmp_path) as lane:
        replay = lane.start("replay", sample / "coinbase_ticks.csv", "--loop", "--speed", "20x")
        predictor = lane.start("predict")
        until(lambda: predictor.metric(USED) > 0, replay, predictor)
        postgres.stop()
        until(lambda: not replay.ready() and FEEDER_WAITS in replay.said, replay, predictor)
        until(lambda: not predictor.ready() and PREDICTOR_WAITS in predictor.said, replay, predictor)
        postgres.start()
        until(lambda: replay.ready() and predictor.ready(), replay, predictor)
        before = log.topic("coinbase-trades").end
        until(lambda: all(log.topic("coinbase-trades").end[n] > end for n, end in before.items()), replay, predictor)
        until(enough(log, "coinbase"), replay)
        replay.end()
        until(caught_up(log, "coinbase"), predictor)
        predictor.end()
        assert_is_the_recording(log, sample / "coinbase_ticks.csv")
        assert_is_undisturbed(log, settings, tmp_path)
