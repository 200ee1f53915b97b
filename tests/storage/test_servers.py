"""Databases on a server: transactions that collide, servers that stop and start, connections that are all in use."""

import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import Engine, make_url, text

from bitpredict.errors import StorageError
from bitpredict.settings import Settings
from bitpredict.storage import database
from bitpredict.storage.database import open_database, reading, upgrade
from bitpredict.storage.ledger import WriteResult, latest_forecasts, read_scored, write_forecasts, write_outcomes
from tests.support.made_rows import made_forecasts, made_outcomes
from tests.support.mariadb import MariaDB
from tests.support.postgres import PostgreSQL

SERVERS = {"postgresql": "postgres_url", "mariadb": "mariadb_url"}
WAITING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}

UNSAID = "a-word-of-passage"

pytestmark = pytest.mark.slow


@pytest.fixture(params=SERVERS)
def server_settings(request: pytest.FixtureRequest) -> Settings:
    url = request.getfixturevalue(SERVERS[request.param])
    if request.param == "postgresql":
        url += "&options=-c%20deadlock_timeout%3D10s"  # time for a test to make one
    return Settings(database_url=url)


@pytest.fixture
def on_server(server_settings: Settings) -> Iterator[Engine]:
    engine = open_database(server_settings)
    upgrade(engine)
    yield engine
    engine.dispose()


def until_waiting(engine: Engine) -> None:
    deadline = time.monotonic() + 120
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(text(WAITING[engine.dialect.name])).scalar_one():
            assert time.monotonic() < deadline
            time.sleep(0.2)  # MariaDB makes this table anew only if nobody asked for a tenth of a second


def collide(engine: Engine, write) -> list[BaseException]:
    """Let `write` take the first row and wait for the last one, whose holder then wants the first: what it raised."""
    frame = made_forecasts(40).sort_values("forecast_id", ignore_index=True)
    write_forecasts(engine, frame)
    write_outcomes(engine, made_outcomes(frame))
    ids = frame["forecast_id"].tolist()
    changed = made_outcomes(frame.iloc[[0, -1]]).assign(qlike=9.0)
    raised = []

    def writing() -> None:
        try:
            write(engine, changed)
        except StorageError as error:
            raised.append(error)

    change = text("UPDATE forecast_outcomes SET pinball = 7 WHERE forecast_id = :id")
    other = threading.Thread(target=writing)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # who looks for a deadlock first is given up
            connection.execute(text("SET LOCAL deadlock_timeout = '100s'"))
        for one in ids[1:]:  # so many that the server gives up the other one
            connection.execute(change, {"id": one})
        other.start()
        until_waiting(engine)
        connection.execute(change, {"id": ids[0]})
    other.join(60)
    return raised


def test_a_transaction_that_the_server_gave_up_is_done_again(on_server):
    assert collide(on_server, write_outcomes) == []
    found = read_scored(on_server, columns=["forecast_id", "qlike", "pinball"]).sort_values("forecast_id")
    assert (found["qlike"] == 9.0).tolist() == [True, *[False] * 38, True]
    assert (found["pinball"] == 7.0).tolist() == [False, *[True] * 38, False], "after the holder's values came ours"


def test_without_that_it_would_have_failed(on_server):
    (error,) = collide(on_server, write_outcomes.__wrapped__)
    assert "it kept colliding with other processes; run it again" in str(error)
    found = read_scored(on_server, columns=["qlike", "pinball"])
    assert (found["qlike"] != 9.0).all()
    assert (found["pinball"] == 7.0).all()


@pytest.fixture(scope="module", params=SERVERS)
def own_server(request: pytest.FixtureRequest):
    with (MariaDB if request.param == "mariadb" else PostgreSQL).serving() as server:
        yield server


@pytest.fixture
def restartable(own_server):
    """A server that is nobody else's, and the URL of an empty database in it."""
    return own_server, own_server.database(f"test_{uuid4().hex[:12]}")


def test_a_server_that_was_started_anew_is_noticed_before_a_connection_is_used(restartable):
    server, url = restartable
    engine = open_database(Settings(database_url=url))
    upgrade(engine)
    frame = made_forecasts(6)
    assert write_forecasts(engine, frame.head(2)) == WriteResult(2, 0)
    server.stop()
    server.start()
    assert write_forecasts(engine, frame.head(4)) == WriteResult(2, 2)
    server.stop()
    for ask in (lambda: latest_forecasts(engine), lambda: write_forecasts(engine, frame)):
        with pytest.raises(StorageError, match="no server answers there; start it or set BITPREDICT_DATABASE_URL"):
            ask()
    server.start()
    assert write_forecasts(engine, frame) == WriteResult(2, 4)
    engine.dispose()


def test_a_server_that_stops_within_a_transaction_leaves_none_of_it(restartable):
    server, url = restartable
    engine = open_database(Settings(database_url=url))
    upgrade(engine)
    write_forecasts(engine, made_forecasts(2))

    def broken_off() -> None:
        with database.writing(engine, alone=True) as connection:
            connection.execute(text("UPDATE forecasts SET q50 = 7"))
            server.stop()
            connection.execute(text("UPDATE forecasts SET q50 = 8"))

    with pytest.raises(StorageError, match="cannot write"):
        broken_off()
    server.start()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM forecasts WHERE q50 > 1")).scalar_one() == 0
    with database.writing(engine, alone=True):
        pass  # the lock went with its connection
    engine.dispose()


def test_when_all_connections_are_in_use_the_setting_is_named(server_settings, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    few = server_settings.model_copy(update={"database_pool_size": 1, "database_pool_overflow": 1})
    engine = open_database(few)
    upgrade(engine)
    with reading(engine), reading(engine):
        with pytest.raises(StorageError, match="all connections of this process are in use; raise BITPREDICT_DATABASE"):
            latest_forecasts(engine)
        with database.explained(engine, "read"):
            assert engine.pool.checkedout() == 2
    assert latest_forecasts(engine).empty
    engine.dispose()


def test_what_was_read_is_one_state_whatever_is_written_meanwhile(on_server):
    counts = []
    with reading(on_server) as connection:
        for size in (2, 4):
            counts.append(connection.execute(text("SELECT count(*) FROM forecasts")).scalar_one())
            write_forecasts(on_server, made_forecasts(size))
    assert counts == [0, 0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda url: url.set(username="nobody", password=UNSAID), "user or password is wrong; set BITPREDICT_DATABASE"),
        (lambda url: url.set(database="elsewhere"), "the server has no database of that name; create it or set"),
    ],
    ids=["user", "database"],
)
def test_who_is_not_let_in_is_told_what_to_set(server_settings, change, says):

    wrong = change(make_url(server_settings.database_url)).render_as_string(hide_password=False)
    with pytest.raises(StorageError, match=says) as caught:
        latest_forecasts(open_database(Settings(database_url=wrong)))
    assert UNSAID not in str(caught.value)
