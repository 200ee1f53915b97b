"""What MySQL and MariaDB do otherwise: upgrades that are broken off, sessions with settings of their own."""

import subprocess
import sys

import pytest
from sqlalchemy import Table, event, inspect, text

from bitpredict.errors import StorageError
from bitpredict.settings import Settings
from bitpredict.storage.database import VERSION_TABLE, open_database, schema_state, upgrade, writing
from bitpredict.storage.ledger import WriteResult, write_forecasts
from bitpredict.storage.schema import metadata
from tests.storage.test_migrations import go_to
from tests.support.made_rows import made_forecasts
from tests.support.processes import ROOT

pytestmark = pytest.mark.slow

KILLED_AT = """
import os, sys
from sqlalchemy import Table, event
from bitpredict.settings import load_settings
from bitpredict.storage.database import open_database, upgrade
event.listen(Table, "before_create", lambda made, *_, **__: made.name == sys.argv[1] and os._exit(9))
upgrade(open_database(load_settings()))
"""


@pytest.fixture
def engine(mariadb_url, monkeypatch):
    monkeypatch.setenv("BITPREDICT_DATABASE_URL", mariadb_url)
    engine = open_database(Settings())
    yield engine
    engine.dispose()


def killed_at(table: str) -> None:
    """Another process that is killed when it is about to make that table."""
    done = subprocess.run([sys.executable, "-c", KILLED_AT, table], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == 9, done.stderr.decode()


def test_an_index_that_an_upgrade_had_changed_before_it_was_killed(engine):
    go_to(engine, "0003_news")
    killed_at("article_sentiment")
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_crypto_news_entry_id ON crypto_news (entry_id)"))
    upgrade(engine)
    assert {index["name"] for index in inspect(engine).get_indexes("crypto_news")} == {
        "ix_crypto_news_entry_id",
        "ix_crypto_news_first_seen_at",
    }


@pytest.mark.parametrize("table", ["scorecard", "article_sentiment"], ids=["first version", "last version"])
def test_an_upgrade_that_was_killed_is_taken_back_and_done_again(engine, table):
    killed_at(table)
    assert "forecasts" in inspect(engine).get_table_names(), "MySQL keeps what was made"
    assert not schema_state(engine).is_current
    upgrade(engine)
    assert schema_state(engine).is_current
    assert set(inspect(engine).get_table_names()) == {*metadata.tables, VERSION_TABLE}
    assert write_forecasts(engine, made_forecasts(1)) == WriteResult(1, 0)


def test_what_others_wrote_since_an_upgrade_was_killed_is_not_taken_back(engine):
    killed_at("scorecard")
    write_forecasts(engine, made_forecasts(2))
    with pytest.raises(StorageError, match=r"an upgrade to schema .* was broken off, and \['forecasts'\] have rows"):
        upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM forecasts")).scalar_one() == 2


def test_an_upgrade_that_fails_leaves_the_version_and_the_rows_before_it(engine):
    upgrade(engine)
    write_forecasts(engine, made_forecasts(2))
    go_to(engine, "0002_markets")

    def fails(made, *_, **__):
        if made.name == "article_sentiment":
            raise RuntimeError("the disk is full")

    event.listen(Table, "before_create", fails)
    try:
        with pytest.raises(RuntimeError):
            upgrade(engine)
    finally:
        event.remove(Table, "before_create", fails)
    assert schema_state(engine).current == "0002_markets"
    assert "crypto_news" not in inspect(engine).get_table_names()
    assert "bitpredict_upgrade" not in inspect(engine).get_table_names()
    upgrade(engine)
    assert schema_state(engine).is_current
    assert write_forecasts(engine, made_forecasts(3)) == WriteResult(1, 2)


def test_the_sessions_settings_are_ours_whatever_the_servers_are(mariadb_server, mariadb_url):
    name = mariadb_url.partition("?")[0].rpartition("/")[2]
    mariadb_server.run("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'")
    mariadb_server.run("SET GLOBAL time_zone = '+05:45'")
    mariadb_server.run(f"ALTER DATABASE {name} CHARACTER SET latin1")
    try:
        engine = open_database(Settings(database_url=mariadb_url))
        upgrade(engine)
        frame = made_forecasts(1, input="back\\slash ' ☃")
        assert write_forecasts(engine, frame) == WriteResult(1, 0)
        with writing(engine) as connection:
            stored, zone, isolation = connection.execute(
                text("SELECT input, @@time_zone, @@tx_isolation FROM forecasts")
            ).one()
        assert (stored, zone, isolation) == ("back\\slash ' ☃", "+00:00", "READ-COMMITTED")
        engine.dispose()
    finally:
        mariadb_server.run("SET GLOBAL sql_mode = DEFAULT")
        mariadb_server.run("SET GLOBAL time_zone = DEFAULT")
