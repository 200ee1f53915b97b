"""What only the SQL log promises: offsets without holes, its own tables, retention in bites, shares by number."""

import itertools
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitpredict.errors import OffsetsLostError, SettingsError
from bitpredict.settings import Settings
from bitpredict.streaming.log import Checkpoint, Message, TopicSpec, partition_of
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.sql_log import SqlLog
from bitpredict.streaming.sql_messages import SWEEP_MESSAGES
from tests.support.log_member import Member, messages, poll_until
from tests.support.processes import ROOT


@pytest.fixture
def log(tmp_path):
    with SqlLog(f"sqlite:///{tmp_path / 'events.db'}") as opened:
        yield opened


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path) -> str:
    return request.getfixturevalue("postgres_url") if request.param != "sqlite" else f"sqlite:///{tmp_path / 'e.db'}"


keys = st.text(st.characters(codec="utf-8"), max_size=5)
appends = st.lists(st.tuples(keys, st.binary(max_size=20), st.integers(0, 50)), max_size=30)
moves = st.lists(st.one_of(appends, st.integers(1, 4), st.just("remake")), max_size=12)


@pytest.mark.slow
@settings(max_examples=60)
@given(moves, st.randoms())
def test_it_is_a_list_of_messages_for_each_partition(tmp_path_factory, moves, random):
    """Whatever is appended, grown and remade: the same as plain lists, by offsets from 0 without a hole."""
    with SqlLog(f"sqlite:///{tmp_path_factory.mktemp('log') / 'events.db'}") as log:
        log.create([TopicSpec("t", 1, None)])
        lists: list[list[Message]] = [[]]
        for move in moves:
            if move == "remake":
                log.delete("t")
                log.create([TopicSpec("t", len(lists), None)])
                lists = [[] for _ in lists]
            elif isinstance(move, int):
                log.create([TopicSpec("t", move, None)])
                lists += [[] for _ in range(move - len(lists))]
            else:
                batch = [Message(*fields) for fields in move]
                log.append("t", batch)
                for message in batch:
                    lists[partition_of(message.key, len(lists))].append(message)
        assert log.topic("t").start == dict.fromkeys(range(len(lists)), 0)
        assert log.topic("t").end == {number: len(held) for number, held in enumerate(lists)}
        for number, held in enumerate(lists):
            start, end, limit = (random.randint(0, len(held) + 2) for _ in range(3))
            found = log.read("t", number, start, end, limit)
            assert [record.offset for record in found] == list(range(len(held)))[start:end][:limit]
            assert [Message(*record[1:]) for record in found] == held[start:end][:limit]
        for second in range(-1, 52):
            found = log.offset_at("t", datetime.fromtimestamp(second / 1000, UTC))
            for number, held in enumerate(lists):
                assert found[number] == next((i for i, m in enumerate(held) if m.timestamp >= second), len(held))


def test_threads_share_one_log(url):
    """A collector appends from several threads: no offset is missing or taken twice."""
    with SqlLog(url) as log:
        log.create([TopicSpec("t", 2, None)])
        threads = [
            threading.Thread(target=lambda n=n: [log.append("t", messages(7, f"{n}-{i}-")) for i in range(30)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = [log.read("t", number, 0) for number in (0, 1)]
        for records in found:
            assert [record.offset for record in records] == list(range(len(records)))
        assert len({record.value for records in found for record in records}) == 4 * 30 * 7


def test_retention_takes_bounded_bites(log):
    """An append never waits for more than one bite; the topic shrinks with each, and no message in between is lost."""
    log.create([TopicSpec("t", 1, timedelta(seconds=1)), TopicSpec("kept", 1, None)])
    count = 5 * SWEEP_MESSAGES
    log.append("t", [Message("k", b"old", 1)] * count)
    log.append("kept", [Message("k", b"old", 1)])
    starts = [log.topic("t").start[0]]
    deadline = time.monotonic() + 120
    while starts[-1] < count:
        assert time.monotonic() < deadline
        log.append("t", [Message("k", b"new", int(time.time() * 1000) + 60_000)])
        starts.append(log.topic("t").start[0])
        time.sleep(0.01)
    assert {b - a for a, b in itertools.pairwise(starts)} - {0} == {SWEEP_MESSAGES}
    assert {record.value for record in log.read("t", 0, count)} == {b"new"}
    assert len(log.read("kept", 0, 0)) == 1
    with pytest.raises(OffsetsLostError, match=rf"t/0: offset 3 was deleted by retention; the first is {count}"):
        log.read("t", 0, 3)


@pytest.mark.slow
def test_the_file_does_not_grow_for_ever(log, tmp_path):
    """What retention frees is used again: a day of messages needs the room of what is kept."""
    log.create([TopicSpec("t", 1, timedelta(milliseconds=1))])
    sizes = []
    for _ in range(30):
        log.append("t", [Message("k", b"x" * 200, 1)] * SWEEP_MESSAGES)
        log._sweep_due = 0.0
        log.append("t", messages(1))
        sizes.append((tmp_path / "events.db").stat().st_size)
    assert sizes[-1] <= 1.1 * sizes[5]


def test_partitions_of_one_number_go_together(url):
    """A symbol's messages in two topics meet in one member, which a predictor needs."""
    with SqlLog(url) as log:
        log.create([TopicSpec("a", 3, None), TopicSpec("b", 3, None)])
        pair = [Member(log, "g", "a", "b"), Member(log, "g", "b", "a")]
        poll_until(lambda: sorted(len(member.owned) for member in pair) == [2, 4], pair)
        for member in pair:
            numbers = {topic: {p.number for p in member.owned if p.topic == topic} for topic in "ab"}
            assert numbers["a"] == numbers["b"]


@pytest.mark.slow
def test_a_wall_clock_that_is_set_back_takes_nothing_from_a_member(url, monkeypatch):
    """Leases are counted, not dated: with the clock an hour back and forth, both keep what they own."""
    with SqlLog(url) as log:
        log.create([TopicSpec("t", 2, None)])
        pair = [Member(log, "g", "t"), Member(log, "g", "t")]
        poll_until(lambda: all(len(member.owned) == 1 for member in pair), pair)
        owned = [set(member.owned) for member in pair]
        before = [len(member.revoked) for member in pair]
        real = time.time
        for shift in (-3600, 3600, -7200):
            monkeypatch.setattr(time, "time", lambda shift=shift: real() + shift)
            until = time.monotonic() + 1.5
            poll_until(lambda until=until: time.monotonic() > until, pair)
            log.append("t", messages(8))
        assert [set(member.owned) for member in pair] == owned
        assert [len(member.revoked) for member in pair] == before
        for member in pair:
            poll_until(lambda member=member: bool(member.values()), pair)
            member.subscription.checkpoint({p: Checkpoint(member.position(p), b"") for p in member.owned})


def test_a_deleted_topic_leaves_nothing(log, tmp_path):
    log.create([TopicSpec("t", 2, None)])
    log.append("t", messages(2 * SWEEP_MESSAGES + 5))
    member = Member(log, "g", "t")
    poll_until(lambda: bool(member.values()), [member])
    member.subscription.checkpoint({p: Checkpoint(1, b"") for p in member.owned})
    log.delete("t")
    with sqlite3.connect(tmp_path / "events.db") as raw:
        for table in ("topics", "partitions", "messages", "claims"):
            assert raw.execute(f"SELECT count(*) FROM event_log_{table}").fetchone() == (0,)  # noqa: S608


@pytest.mark.slow
def test_several_processes_make_the_tables_at_once(url, monkeypatch):
    monkeypatch.setenv("BITPREDICT_EVENT_LOG_URL", url)
    code = (
        "from bitpredict.settings import load_settings; from bitpredict.streaming.open_log import open_event_log; "
        "print(dict(open_event_log(load_settings()).topics()))"
    )
    openers = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [opener.communicate(timeout=120)[0] for opener in openers] == ["{}\n"] * 3


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("mysql://host/name", r"mysql is not supported; write sqlite:///file"),
        ("nonsense", r"nonsense is not supported"),
        ("postgresql://user:secret@host:port/name", r"BITPREDICT_EVENT_LOG_URL is not usable"),
    ],
)
def test_another_url_is_refused_without_its_password(address, says):
    with pytest.raises(SettingsError, match=says) as refused:
        open_event_log(Settings(event_log_url=address))
    assert "secret" not in str(refused.value)


def test_the_default_is_a_file_below_home(settings: Settings):
    with open_event_log(settings) as log:
        log.create([TopicSpec("t", 1, None)])
    assert Path(settings.home / "events.db").is_file()
