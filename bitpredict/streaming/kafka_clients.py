"""How Kafka is reached: what every client is told, and its errors in our words."""

import logging
import re
import selectors
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, KafkaError
from kafka.structs import TopicPartition

from bitpredict.errors import EventLogError, SettingsError
from bitpredict.settings import Settings
from bitpredict.streaming.log import Message, Record, partition_of

PATIENCE_SECONDS = 15.0
"""How long an answer is waited for; a broker's restart takes less."""
MAX_MESSAGE_BYTES = 16 * 2**20
"""Of a group's state."""

_PATIENCE_MS = int(PATIENCE_SECONDS * 1000)
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_T = TypeVar("_T")

# What it logs is also raised; connections refused while a broker restarts would fill the terminal.
logging.getLogger("kafka").setLevel(logging.CRITICAL)


class _Selector(selectors.DefaultSelector):
    """kafka-python asks before each write whether the connection is waited for. The usual no is an error that spells
    out both ends of the connection, which the system is asked for: a tenth of what a request costs."""

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        found: selectors.SelectorKey = self._fd_to_key[self._fileobj_lookup(fileobj)]  # type: ignore[attr-defined]
        return found


class KafkaClients:
    """Makes clients from the settings.

    Attributes:
        addresses: `host:port`, one or several.
        common: what every client takes.

    Raises:
        SettingsError: BITPREDICT_EVENT_LOG_URL is not `kafka://host:port[,host:port]`.
    """

    def __init__(self, settings: Settings) -> None:
        self.addresses = _addresses(settings.event_log)
        self._compression = None if settings.kafka_compression == "none" else settings.kafka_compression
        self.common: dict[str, Any] = {
            "bootstrap_servers": list(self.addresses),
            "security_protocol": settings.kafka_security_protocol,
            "request_timeout_ms": _PATIENCE_MS,
            "bootstrap_timeout_ms": _PATIENCE_MS,
            "reconnect_backoff_max_ms": 500,
            "selector": _Selector,
        }
        if "SASL" in settings.kafka_security_protocol:
            self.common |= {
                "sasl_mechanism": settings.kafka_sasl_mechanism,
                "sasl_plain_username": settings.kafka_sasl_username,
                "sasl_plain_password": settings.kafka_sasl_password.get_secret_value(),
            }
        if "SSL" in settings.kafka_security_protocol and settings.kafka_ssl_cafile:
            self.common["ssl_cafile"] = settings.kafka_ssl_cafile

    def admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(**self.common)

    def producer(self, transactional_id: str | None = None) -> KafkaProducer:
        """It lingers until it is flushed: what is appended at once goes out in as few batches as possible."""
        return KafkaProducer(
            **self.common,
            transactional_id=transactional_id,
            transaction_timeout_ms=_PATIENCE_MS,
            acks="all",
            enable_idempotence=True,
            compression_type=self._compression,
            batch_size=256 * 2**10,
            max_request_size=MAX_MESSAGE_BYTES,
            linger_ms=1000,
            delivery_timeout_ms=_PATIENCE_MS + 2000,
            max_block_ms=_PATIENCE_MS,
            retry_backoff_ms=3,  # a transaction that follows at once waits for the markers of the one before
            metadata_max_age_ms=5_000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
        )

    def consumer(self, **more: Any) -> KafkaConsumer:
        return KafkaConsumer(
            **self.common,
            isolation_level="read_committed",
            auto_offset_reset="none",
            enable_auto_commit=False,
            max_partition_fetch_bytes=4 * 2**20,
            allow_auto_create_topics=False,
            metrics_enabled=False,
            **more,
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Kafka's errors as EventLogError."""
        try:
            yield
        except KafkaError as error:
            raise self.unreachable(error) from error

    def unreachable(self, error: object) -> EventLogError:
        return EventLogError(
            f"Kafka at {','.join(self.addresses)} does not answer or refuses: {error or type(error).__name__}; "
            "see whether it runs (make kafka starts one) and whether BITPREDICT_EVENT_LOG_URL names it"
        )


def patiently(ask: Callable[[], _T]) -> _T:
    """Ask again while a broker that has just started reads what its groups and transactions stored."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def place(producer: KafkaProducer, messages: Iterable[tuple[str, Message]]) -> list[tuple[TopicPartition, Message]]:
    """Where each of (topic, message) goes."""
    counts: dict[str, int] = {}
    placed = []
    for topic, message in messages:
        if topic not in counts:
            counts[topic] = len(producer.partitions_for(topic))
        placed.append((TopicPartition(topic, partition_of(message.key, counts[topic])), message))
    return placed


def store(producer: KafkaProducer, placed: Iterable[tuple[TopicPartition, Message]]) -> list[int]:
    """Append in order and wait until all are stored, at these offsets.

    Raises:
        KafkaError: one of them was not.
    """
    append = producer._accumulator.append  # `send` finds out again for each message what `place` knows: twice the time
    futures = []
    for where, (key, value, timestamp) in placed:
        future, full, *_ = append(where, timestamp, key.encode(), value, [])
        futures.append(future)
        if full:
            producer._sender.wakeup()
    producer.flush(timeout=PATIENCE_SECONDS + 5)
    return [future.get(timeout=PATIENCE_SECONDS).offset for future in futures]


def abandon(producer: KafkaProducer) -> None:
    """Close it without waiting; what it still holds is not sent any more."""
    producer._sender.force_close()  # close alone gives up when it cannot flush, and leaves its thread trying
    with suppress(KafkaError):
        producer.close(timeout=0)


def record_of(record: Any) -> Record:
    """Of a consumer's record; what others append may lack a key."""
    key = record.key.decode(errors="replace") if record.key else ""
    return Record(record.offset, key, record.value or b"", record.timestamp)


def _addresses(url: str) -> tuple[str, ...]:
    hosts = url.removeprefix("kafka://").rstrip("/").split(",")
    if not url.startswith("kafka://") or not all(_HOST.fullmatch(host) for host in hosts):
        raise SettingsError(f"BITPREDICT_EVENT_LOG_URL={url!r} is malformed: write kafka://host:9092[,host:9092]")
    return tuple(host if re.search(r":[0-9]+$", host) else f"{host}:9092" for host in hosts)
