"""Answers as they came: kept whole, given back in order, pruned by day; on a folder and on S3."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from bitpredict.errors import StorageError
from bitpredict.observability import RAW_ANSWERS
from bitpredict.settings import Settings
from bitpredict.storage.raw import RawStore, oldest_kept, without_keys

DAY = date(2024, 3, 5)
NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)
ASKED = "https://e.com/a?ids=x"


@dataclass(frozen=True)
class Sent:
    """An answer as a client has it."""

    received_at: datetime
    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/plain"})
    url: str = "https://e.com/b"


@pytest.fixture
def store(lake_settings: Settings) -> RawStore:
    return RawStore.from_settings(lake_settings)


def test_answers_come_back_bit_for_bit_in_the_order_of_receipt(store):
    body = bytes(range(256)) * 1000 + b"\n\n"
    late, early = Sent(NOON + timedelta(microseconds=1), body), Sent(NOON, b"", status=404)
    for sent in (late, early):
        store.keep("test", ASKED, sent, NOON)
    (_, first), (_, second) = store.answers("test", DAY)
    assert (first.status, first.body, first.received_at) == (404, b"", NOON)
    assert (second.status, second.body, second.received_at) == (200, body, late.received_at)
    assert (second.asked, second.url, second.content_type, second.round) == (ASKED, late.url, "text/plain", NOON)
    assert store.days("test") == [DAY]
    assert list(store.answers("test", DAY + timedelta(days=1))) == []
    assert list(store.answers("other", DAY)) == []
    assert store.days("other") == []


def test_a_day_is_that_of_the_receipt_in_utc(store):
    zone = datetime.fromisoformat("2024-03-06T01:30:00+02:00")
    store.keep("test", ASKED, Sent(zone), NOON)
    assert store.days("test") == [DAY]


def test_what_is_compressed_is_small(store, lake_folder):
    path = store.keep("test", ASKED, Sent(NOON, b'{"id":"bitcoin"}' * 10_000), NOON)
    assert (lake_folder / "raw" / path).stat().st_size < 2_000


def test_the_same_answer_twice_is_kept_once(store):
    for _ in range(2):
        store.keep("test", ASKED, Sent(NOON), NOON)
    assert len(list(store.answers("test", DAY))) == 1


def test_a_keeper_passes_over_what_has_not_changed_and_marks_its_round(store):
    before = datetime.now(UTC)
    keep = store.keeper("test")
    keep(ASKED, Sent(NOON, status=304))
    keep(ASKED, Sent(NOON, b"one"))
    keep(ASKED, Sent(NOON + timedelta(seconds=1), b"two"))
    found = [answer for _, answer in store.answers("test", DAY)]
    assert [answer.body for answer in found] == [b"one", b"two"]
    assert len({answer.round for answer in found}) == 1
    assert before <= found[0].round <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param(lambda content: content[:-1], "cut", id="cut"),
        pytest.param(lambda content: bytes([content[0] ^ 1]) + content[1:], "changed", id="a byte changed"),
        pytest.param(lambda _: b"", "empty", id="empty"),
        pytest.param(lambda _: zstandard.compress(b"no line"), "another", id="another's bytes"),
    ],
)
def test_a_damaged_file_is_told_and_holds_no_other(settings, spoil, why):
    store = RawStore.from_settings(settings)
    path = store.keep("test", ASKED, Sent(NOON, b"one" * 50), NOON)
    store.keep("test", ASKED, Sent(NOON + timedelta(seconds=1), b"two"), NOON)
    file = Path(settings.lake, "raw", path)
    file.write_bytes(spoil(file.read_bytes()))
    (first, none), (_, good) = store.answers("test", DAY)
    assert (first, none, good.body) == (path, None, b"two"), why


def test_what_was_being_written_when_the_process_died_is_never_read(settings):
    store = RawStore.from_settings(settings)
    path = store.keep("test", ASKED, Sent(NOON), NOON)
    file = Path(settings.lake, "raw", path)
    file.with_name(f"{file.name}.0123.part").write_bytes(file.read_bytes()[:10])
    assert [found for found, _ in store.answers("test", DAY)] == [path]
    assert store.prune(DAY + timedelta(days=1)) == {"test": 2}
    assert not file.parent.exists()


def test_pruning_deletes_whole_days_before_the_first_kept(store):
    for days in (0, 1, 2):
        store.keep("one", ASKED, Sent(NOON + timedelta(days=days)), NOON)
    store.keep("two", ASKED, Sent(NOON + timedelta(days=2)), NOON)
    assert store.prune(DAY + timedelta(days=2)) == {"one": 2}
    assert store.days("one") == store.days("two") == [DAY + timedelta(days=2)]
    assert store.prune(DAY + timedelta(days=2)) == {}


def test_a_retention_of_a_day_keeps_yesterday():
    assert oldest_kept(NOON, 1) == DAY - timedelta(days=1)
    assert oldest_kept(datetime(2024, 3, 6, 0, 0, tzinfo=UTC), 2) == date(2024, 3, 4)


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://e.com/a?ids=b%2Cc&x=1", "https://e.com/a?ids=b%2Cc&x=1"),
        ("https://e.com/a?api_key=hush&ids=b%2Cc", "https://e.com/a?api_key=&ids=b%2Cc"),
        ("https://me:hush@e.com:8080/a", "https://e.com:8080/a"),
        ("https://e.com/a?Access-Token=hush", "https://e.com/a?Access-Token="),
    ],
)
def test_keys_are_not_kept(address, kept):
    assert without_keys(address) == kept


def test_keys_are_not_in_the_file(settings):
    store = RawStore.from_settings(settings)
    path = store.keep("test", "https://e.com/?apikey=hush", Sent(NOON, url="https://me:hush@e.com/"), NOON)
    assert b"hush" not in zstandard.decompress(Path(settings.lake, "raw", path).read_bytes())


def test_an_answer_that_cannot_be_kept_is_counted_and_stops_nothing(settings, capsys):
    Path(settings.lake).parent.mkdir()
    Path(settings.lake).write_text("a file where the lake would be")
    store = RawStore.from_settings(settings)
    failed = RAW_ANSWERS.labels("test", "failed")._value
    before = failed.get()
    store.keeper("test")(ASKED, Sent(NOON))
    assert failed.get() == before + 1
    assert "could not be kept" in "".join(capsys.readouterr())
    with pytest.raises(StorageError, match="BITPREDICT_LAKE_URL"):
        store.keep("test", ASKED, Sent(NOON), NOON)
