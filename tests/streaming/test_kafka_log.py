"""Kafka's own cases: what clients are told, a broker that is away, and topics that change under their readers."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError
from kafka.net.connection import KafkaConnection
from kafka.structs import TopicPartition

from bitpredict.errors import EventLogError, FencedError, SettingsError
from bitpredict.settings import Settings
from bitpredict.streaming import kafka_clients, kafka_topics
from bitpredict.streaming.kafka_clients import KafkaClients, abandon, place, store
from bitpredict.streaming.kafka_log import KafkaLog
from bitpredict.streaming.log import Checkpoint, Message, Partition, TopicSpec
from tests.support.kafka import Broker, new_broker
from tests.support.log_member import Member, messages, poll_until

PASSWORD = "open sesame"  # noqa: S105
CLIENTS = ("KafkaAdminClient", "KafkaConsumer", "KafkaProducer")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict]:
    """What each client was made with; none is made."""
    found: dict[str, dict] = {}
    for client in CLIENTS:
        monkeypatch.setattr(kafka_clients, client, lambda client=client, **told: found.update({client: told}))
    return found


def make_all(settings: Settings) -> None:
    clients = KafkaClients(settings)
    clients.admin(), clients.consumer(), clients.producer()


def test_credentials_and_certificates_reach_every_client(told):
    """Mechanism, name, password and certificate authority, as they were set."""
    make_all(
        Settings(
            event_log_url="kafka://one:9093,two",
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="SCRAM-SHA-512",
            kafka_sasl_username="me",
            kafka_sasl_password=PASSWORD,
            kafka_ssl_cafile="/ca.pem",
        )
    )
    expected = {
        "bootstrap_servers": ["one:9093", "two:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": PASSWORD,
        "ssl_cafile": "/ca.pem",
    }
    assert told.keys() == set(CLIENTS)
    assert all(client.items() >= expected.items() for client in told.values())


@pytest.mark.parametrize(
    ("protocol", "some", "none"), [("SSL", "ssl", "sasl"), ("SASL_PLAINTEXT", "sasl", "ssl"), ("PLAINTEXT", "", "s")]
)
def test_a_protocol_takes_its_own_settings_only(told, protocol, some, none):
    """Credentials without SASL, or a certificate without TLS, are not handed on."""
    make_all(
        Settings(
            event_log_url="kafka://one",
            kafka_security_protocol=protocol,
            kafka_sasl_username="me",
            kafka_sasl_password=PASSWORD,
            kafka_ssl_cafile="/ca.pem",
        )
    )
    for client in told.values():
        assert client["security_protocol"] == protocol
        assert not [key for key in client if key.startswith((f"{none}_", "sasl_", "ssl_")) and not key.startswith(some)]
        assert not some or [key for key in client if key.startswith(f"{some}_")]


@pytest.mark.parametrize(("setting", "told_as"), [("lz4", "lz4"), ("zstd", "zstd"), ("none", None)])
def test_compression_is_the_producers(told, setting, told_as):
    make_all(Settings(event_log_url="kafka://one", kafka_compression=setting))
    assert told["KafkaProducer"]["compression_type"] == told_as


@pytest.mark.parametrize("url", ["kafka://", "kafka://one,,two", "kafka://one:port", "kafka://user@one", "one:9092"])
def test_a_malformed_address_is_named(url):
    with pytest.raises(SettingsError, match=r"BITPREDICT_EVENT_LOG_URL.*kafka://host:9092"):
        KafkaLog(Settings(event_log_url=url))


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    """A broker that these tests may stop."""
    with new_broker() as broker:
        broker.start()
        yield broker


@pytest.fixture
def log(broker: Broker) -> Iterator[KafkaLog]:
    with KafkaLog(Settings(event_log_url=broker.url)) as log:
        yield log


@pytest.fixture
def hasty_log(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaLog]:
    """Waits for two seconds where others wait for fifteen."""
    monkeypatch.setattr(kafka_clients, "_PATIENCE_MS", 2_000)
    with KafkaLog(Settings(event_log_url=broker.url)) as log:
        yield log


def append(log: KafkaLog, topic: str, some: list[Message]) -> None:
    """As a buffer does: again while the broker that has just started is not found again."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return log.append(topic, some)
        except EventLogError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def done(member: Member, partition: Partition) -> int:
    """How many of a partition's messages were copied, by the state."""
    checkpoint = member.owned[partition]
    return int(checkpoint.state) if checkpoint else 0


def values(log: KafkaLog, topic: str) -> list[bytes]:
    return sorted(record.value for number in log.topic(topic).end for record in log.read(topic, number, 0))


def expected(*prefixes: str, count: int) -> list[bytes]:
    return sorted(message.value for prefix in prefixes for message in messages(count, prefix))


def test_a_broker_that_is_nowhere_is_one_clear_error(monkeypatch):
    """Where it was looked for and what to do about it, within the time that is waited for an answer."""
    monkeypatch.setattr(kafka_clients, "_PATIENCE_MS", 200)
    with KafkaLog(Settings(event_log_url="kafka://127.0.0.1:1")) as log:
        for ask in (log.topics, lambda: log.append("topic", messages(1)), lambda: log.subscribe("g", ["t"]).poll(0.1)):
            started = time.monotonic()
            with pytest.raises(EventLogError, match=r"127\.0\.0\.1:1 does not answer.*BITPREDICT_EVENT_LOG_URL"):
                ask()
            assert time.monotonic() - started < 5


def test_groups_are_told_when_a_broker_that_has_just_started_knows_them(monkeypatch):
    """It reads them from its disk, and refuses meanwhile."""
    asked = []

    class Starting:
        def list_groups(self) -> list[dict[str, str]]:
            asked.append(len(asked))
            if len(asked) < 3:
                raise CoordinatorLoadInProgressError
            return []

    monkeypatch.setattr(kafka_topics, "describe", lambda *_: {})
    log = KafkaLog(Settings(event_log_url="kafka://127.0.0.1:1"))
    monkeypatch.setattr(log, "admin", Starting)
    assert log.groups("topic") == {}
    assert asked == [0, 1, 2]
    monkeypatch.setattr(kafka_clients, "PATIENCE_SECONDS", 0)
    asked.clear()
    with pytest.raises(EventLogError, match="does not answer or refuses"):
        log.groups("topic")


@pytest.mark.slow
def test_what_failed_while_the_broker_was_away_is_not_stored_later(broker, hasty_log, name):
    """Appending fails in bounded time, and once the broker is back the same log goes on, without what failed."""
    hasty_log.create([TopicSpec(name, 2, None)])
    hasty_log.append(name, messages(20, "before"))
    broker.stop()
    started = time.monotonic()
    with pytest.raises(EventLogError, match="does not answer"):
        hasty_log.append(name, messages(20, "never"))
    assert time.monotonic() - started < 15
    broker.start()
    append(hasty_log, name, messages(20, "after"))
    assert values(hasty_log, name) == expected("before", "after", count=20)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restarted_broker_is_gone_on_with(broker, log, name, end):
    """Between two appends and under a subscription: nothing is lost, nothing doubled, whether it ended well or not."""
    out, group = f"{name}-out", f"{name}-group"
    log.create([TopicSpec(name, 2, None), TopicSpec(out, 1, None)])
    log.append(name, messages(50, "before"))
    member = Member(log, group, name)

    def copy(count: int) -> None:
        deadline = time.monotonic() + 120
        while sum(done(member, p) for p in member.owned) < count:
            assert time.monotonic() < deadline
            for partition, records in member.poll().records.items():
                state = b"%d" % (done(member, partition) + len(records))
                after = Checkpoint(records[-1].offset + 1, state)
                outputs = [(out, Message(r.key, r.value, r.timestamp)) for r in records]
                # The broker may have forgotten its members. Only what was to be stored comes again: what the same poll
                # brought of another partition does not.
                with suppress(FencedError):
                    member.subscription.checkpoint({partition: after}, outputs)
                    member.owned[partition] = after

    copy(50)
    getattr(broker, end)()
    broker.start()
    append(log, name, messages(50, "after"))
    copy(100)
    assert values(log, name) == values(log, out) == expected("before", "after", count=50)


@pytest.mark.slow
def test_a_topic_remade_in_an_instant_is_noticed(log, name):
    """No poll and no refresh saw it missing, and it is shorter than what was read: it is read from its beginning."""
    log.create([TopicSpec(name, 2, None)])
    log.append(name, messages(100, "old"))
    member = Member(log, f"{name}-group", name)
    poll_until(lambda: len(member.values()) == 100, [member])
    member.subscription.checkpoint({p: Checkpoint(member.position(p), b"old") for p in member.records})
    log.delete(name)
    log.create([TopicSpec(name, 2, None)])
    log.append(name, messages(10, "new"))
    poll_until(lambda: len(member.values()) == 10, [member])
    assert sorted(member.values()) == expected("new", count=10)
    assert member.owned == {Partition(name, 0): None, Partition(name, 1): None}


@pytest.mark.slow
@pytest.mark.parametrize("level", [None, 1, 2])
def test_what_the_brokers_can_decides_how_many_requests_a_transaction_takes(log, name, monkeypatch, level):
    """Brokers whose transaction.version is below 2, or that have none, are told first what a transaction will touch."""
    asked: list[str] = []
    send = KafkaConnection._send_request

    def noted(connection: KafkaConnection, request: Any, *args: Any, **more: Any) -> Any:
        asked.append(type(request).__name__)
        return send(connection, request, *args, **more)

    if level != 2:
        features = {} if level is None else {"transaction.version": {"finalized": (level, level)}}
        monkeypatch.setattr(KafkaAdminClient, "describe_features", lambda _: features)
    out = f"{name}-out"
    log.create([TopicSpec(name, 2, None), TopicSpec(out, 1, None)])
    log.append(name, messages(20))
    member = Member(log, f"{name}-group", name)
    poll_until(lambda: len(member.values()) == 20, [member])
    monkeypatch.setattr(KafkaConnection, "_send_request", noted)
    for turn in range(3):
        outputs = [(out, Message("k", b"%d" % turn, 0))] * 2
        member.subscription.checkpoint(
            {p: Checkpoint(member.position(p), b"%d" % turn) for p in member.records}, outputs
        )
    told_first = {"AddPartitionsToTxnRequest", "AddOffsetsToTxnRequest"}
    assert told_first.isdisjoint(asked) if level == 2 else told_first <= set(asked)
    assert asked.count("EndTxnRequest") == asked.count("TxnOffsetCommitRequest") == 3
    monkeypatch.undo()
    assert values(log, out) == [b"0", b"0", b"1", b"1", b"2", b"2"]
    member.subscription.close()
    after = Member(log, f"{name}-group", name)
    poll_until(lambda: len(after.owned) == 2, [after])
    assert {checkpoint.state for checkpoint in after.owned.values() if checkpoint} == {b"2"}


@pytest.mark.slow
def test_what_a_dead_member_left_open_is_ended_by_the_next(broker, log, name, monkeypatch):
    """Nobody waits until the broker gives a transaction up, five minutes here: what comes after it is read at once."""
    group = f"{name}-group"
    log.create([TopicSpec(name, 1, None)])
    with monkeypatch.context() as patient:
        patient.setattr(kafka_clients, "_PATIENCE_MS", 300_000)
        dead = KafkaClients(Settings(event_log_url=broker.url)).producer(f"{group}.{'0' * 32}")
    dead.init_transactions()
    dead.begin_transaction()
    store(dead, place_in_transaction(dead, name, messages(1, "never")))
    abandon(dead)
    log.append(name, messages(1, "after"))
    assert log.topic(name).end == {0: 0}
    member = Member(log, group, name)
    poll_until(lambda: member.values() == expected("after", count=1), [member])


def place_in_transaction(producer: Any, topic: str, some: list[Message]) -> list[tuple[TopicPartition, Message]]:
    placed = place(producer, [(topic, message) for message in some])
    for where, _ in placed:
        producer._transaction_manager.maybe_add_partition_to_transaction(where)
    return placed


@pytest.mark.slow
def test_added_partitions_are_shared(log, name):
    """Two members get three of six, and read all that comes, each message at one of them."""
    log.create([TopicSpec(name, 2, None)])
    both = [Member(log, f"{name}-group", name) for _ in range(2)]
    poll_until(lambda: [len(member.owned) for member in both] == [1, 1], both)
    log.create([TopicSpec(name, 6, None)])
    log.append(name, messages(60, "new"))
    poll_until(lambda: [len(member.owned) for member in both] == [3, 3], both)
    poll_until(lambda: sorted(both[0].values() + both[1].values()) == expected("new", count=60), both)
    assert both[0].owned.keys().isdisjoint(both[1].owned)
