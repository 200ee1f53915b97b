"""The SQL log when its file is locked, read-only, damaged or newer, its disk full, or its server away."""

import sqlite3

import pytest
from sqlalchemy import create_engine, text

from bitpredict.errors import EventLogError
from bitpredict.settings import Settings
from bitpredict.streaming import sql_schema
from bitpredict.streaming.log import Checkpoint, Message, Partition, TopicSpec
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.sql_log import SqlLog
from tests.support.disks import open_folder, small_disk, unwritable
from tests.support.log_member import Member, messages, poll_until


@pytest.fixture
def log(tmp_path):
    with SqlLog(f"sqlite:///{tmp_path / 'events.db'}") as opened:
        yield opened


def test_another_schema_is_refused(log, tmp_path):
    log.topics()
    with sqlite3.connect(tmp_path / "events.db") as raw:
        raw.execute("UPDATE event_log_version SET version = 99")
    with SqlLog(f"sqlite:///{tmp_path / 'events.db'}") as again, pytest.raises(EventLogError, match=r"has schema 99"):
        again.topics()


def test_a_locked_file_says_so_and_is_used_again(log, tmp_path, monkeypatch):
    log.create([TopicSpec("t", 1, None)])
    monkeypatch.setattr(sql_schema, "BUSY_SECONDS", 0.2)
    with SqlLog(f"sqlite:///{tmp_path / 'events.db'}") as hurried:
        other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EventLogError, match=r"another process held its lock.*database is locked"):
            hurried.append("t", messages(1))
        assert hurried.read("t", 0, 0) == []
        other.execute("ROLLBACK")
        hurried.append("t", messages(1))
        other.close()
    assert len(log.read("t", 0, 0)) == 1


@pytest.mark.slow
def test_a_full_disk_says_so_and_nothing_is_half_stored():
    """What was appended before is there, and nothing of the batch that failed."""
    with small_disk(4096) as folder, SqlLog(f"sqlite:///{folder / 'events.db'}") as log:
        log.create([TopicSpec("t", 1, None)])
        appended = 0
        with pytest.raises(EventLogError, match=r"the disk is full"):  # noqa: PT012
            while appended < 10_000:
                log.append("t", [Message("k", b"x" * 10_000, 1)] * 10)
                appended += 10
        assert 0 < appended < 10_000
        assert len(log.read("t", 0, 0)) == appended == log.topic("t").end[0]


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_names_the_setting():
    refused = pytest.raises(EventLogError, match=r"BITPREDICT_(EVENT_LOG_URL|HOME)")
    with open_folder() as folder, unwritable(folder), refused:
        SqlLog(f"sqlite:///{folder / 'events.db'}").create([TopicSpec("t", 1, None)])


@pytest.mark.slow
def test_a_file_that_turned_read_only_says_so():
    """Appending says what to do; nothing that is there is harmed."""
    with open_folder() as folder:
        url = f"sqlite:///{folder / 'events.db'}"
        with SqlLog(url) as log:
            log.create([TopicSpec("t", 1, None)])
            log.append("t", messages(3))
        with unwritable(folder), pytest.raises(EventLogError, match=r"BITPREDICT_(EVENT_LOG_URL|HOME)"):
            SqlLog(url).append("t", messages(1))
        with SqlLog(url) as log:
            assert len(log.read("t", 0, 0)) == 3


@pytest.mark.slow
def test_connections_that_the_server_ended_are_made_anew(postgres_url):
    """As after its restart: whoever appends or polls goes on, and keeps its partitions."""
    with SqlLog(postgres_url) as log:
        log.create([TopicSpec("t", 1, None)])
        member = Member(log, "g", "t")
        poll_until(lambda: len(member.owned) == 1, [member])
        killer = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg2:"))
        with killer.connect() as connection:
            others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            ended = connection.execute(text(f"{others} AND datname = current_database()")).scalar_one()
        killer.dispose()
        assert ended > 0
        log.append("t", messages(4))
        poll_until(lambda: len(member.values()) == 4, [member])
        member.subscription.checkpoint({Partition("t", 0): Checkpoint(4, b"")})
        assert not member.revoked


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    (tmp_path / "events.db").write_bytes(b"something else entirely" * 100)
    with pytest.raises(
        EventLogError, match=r"the file is something else; move it away or set BITPREDICT_EVENT_LOG_URL"
    ):
        SqlLog(f"sqlite:///{tmp_path / 'events.db'}").topics()
    assert (tmp_path / "events.db").read_bytes() == b"something else entirely" * 100


def test_a_server_that_is_away_is_named_when_it_is_needed():
    log = open_event_log(Settings(event_log_url="postgresql://user:secret@127.0.0.1:9/name"))
    with pytest.raises(
        EventLogError, match=r"no server answers there; start it or set BITPREDICT_EVENT_LOG_URL"
    ) as away:
        log.topics()
    assert "secret" not in str(away.value)


def test_a_failed_checkpoint_is_looked_up_again(log, tmp_path, monkeypatch):
    """After an error nobody knows what was stored: the partition comes back with what is."""
    log.create([TopicSpec("t", 1, None)])
    log.append("t", messages(8))
    monkeypatch.setattr(sql_schema, "BUSY_SECONDS", 0.2)
    with SqlLog(f"sqlite:///{tmp_path / 'events.db'}") as hurried:
        member, partition = Member(hurried, "g", "t"), Partition("t", 0)
        poll_until(lambda: len(member.values()) == 8, [member])
        member.subscription.checkpoint({partition: Checkpoint(5, b"five")})
        other = sqlite3.connect(tmp_path / "events.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(EventLogError):
            member.subscription.checkpoint({partition: Checkpoint(8, b"eight")})
        other.execute("ROLLBACK")
        other.close()
        poll_until(lambda: len(member.values()) == 3, [member])
        assert (member.revoked, member.owned) == ([partition], {partition: Checkpoint(5, b"five")})
