"""Transactions in three requests instead of five, on brokers whose `transaction.version` is 2 (Kafka 4.0 on).

Such a broker makes a partition, and the group's positions, part of a transaction when something is written there:
nothing has to be said first. It answers a transaction's end with another epoch for the producer, so that a request of
the one before, come late, is refused (KIP-890). kafka-python 3.0.12 knows the messages but not when to send them.
"""

from collections.abc import Mapping
from typing import Any

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import IncompatibleBrokerVersion
from kafka.producer.sender import Sender
from kafka.producer.transaction_manager import (
    EndTxnHandler,
    ProducerIdAndEpoch,
    TransactionManager,
    TxnOffsetCommitHandler,
)
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

_FEATURE, _LEVEL = "transaction.version", 2
_PRODUCE, _COMMIT_OFFSETS, _END = 12, 5, 5  # versions of the requests; they tell the broker what it is to do


def supported(admin: KafkaAdminClient) -> bool:
    """Whether the brokers take such transactions now.

    Raises:
        KafkaError: they do not answer.
    """
    try:
        features = admin.describe_features()
    except IncompatibleBrokerVersion:  # too old to be asked
        return False
    _, level = features.get(_FEATURE, {}).get("finalized", (0, 0))
    return bool(level >= _LEVEL)


def shorten(producer: KafkaProducer) -> None:
    """Give a transactional producer that has not sent anything yet this way; it makes its own and takes no other."""
    producer._transaction_manager.__class__ = _Manager
    producer._sender.__class__ = _Sender


class _Manager(TransactionManager):  # type: ignore[misc]
    def maybe_add_partition_to_transaction(self, topic_partition: TopicPartition) -> None:
        with self._lock:
            self._fail_if_not_ready_for_send()
            self._partitions_in_transaction.add(topic_partition)
            self._transaction_started = True

    def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_metadata: ConsumerGroupMetadata
    ) -> Any:
        with self._lock:
            self._maybe_fail_with_error()
            self._transaction_started = True
            self._pending_txn_offset_commits.update(offsets)
            handler = _CommitOffsets(self, group_metadata, self._pending_txn_offset_commits, None)
            self._enqueue_request(handler)
            return handler.result

    def _begin_completing_transaction(self, committed: bool) -> Any:
        handler = _End(self, committed)
        self._enqueue_request(handler)
        return handler.result

    def next_epoch(self, producer_id: int, epoch: int) -> None:
        """Messages are counted anew with each epoch."""
        with self._lock:
            self.set_producer_id_and_epoch(ProducerIdAndEpoch(producer_id, epoch))
            self._sequence_numbers.clear()
            self._last_acked_offset.clear()


class _CommitOffsets(TxnOffsetCommitHandler):  # type: ignore[misc]
    def _build_request(self) -> Any:
        return _of_version(super()._build_request(), _COMMIT_OFFSETS)


class _End(EndTxnHandler):  # type: ignore[misc]
    def __init__(self, manager: _Manager, committed: bool) -> None:
        super().__init__(manager, committed)
        _of_version(self.request, _END)

    def handle_response(self, response: Any) -> None:
        if response.error_code == 0 and response.producer_id >= 0:
            self.transaction_manager.next_epoch(response.producer_id, response.producer_epoch)
        super().handle_response(response)


class _Sender(Sender):  # type: ignore[misc]
    def _produce_request(self, *batches: Any) -> Any:
        return _of_version(super()._produce_request(*batches), _PRODUCE)


def _of_version(request: Any, version: int) -> Any:
    request._min_version = request._max_version = version
    return request
