"""What a group's member stores goes into Kafka as one transaction: outputs, states and positions."""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, TransactionState
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    ProducerFencedError,
    UnknownMemberIdError,
)
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata, TopicPartition

from bitpredict.errors import FencedError
from bitpredict.streaming import kafka_short_transactions
from bitpredict.streaming.kafka_clients import PATIENCE_SECONDS, KafkaClients, abandon, patiently, place, store
from bitpredict.streaming.log import Checkpoint, Message, Partition

_FENCED = (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    ProducerFencedError,
    UnknownMemberIdError,
)
_OPEN = (
    TransactionState.ONGOING,
    TransactionState.PREPARE_COMMIT,
    TransactionState.PREPARE_ABORT,
    TransactionState.PREPARE_EPOCH_FENCE,
)
_PATIENCE_MS = int(PATIENCE_SECONDS * 1000)


class Mark(NamedTuple):
    """A group's position in a partition as Kafka stores it; `note` says of which topic, and where its state lies."""

    position: int
    note: str


class Transactions:
    """One member's transactions.

    Args:
        admin: gives the admin client.
        name: the member's; it is the transactional id.
        states: topic of the group's states.
    """

    def __init__(self, clients: KafkaClients, admin: Callable[[], KafkaAdminClient], name: str, states: str) -> None:
        self._clients, self._admin, self._name, self._states = clients, admin, name, states
        self._producer: KafkaProducer | None = None
        self._thread: ThreadPoolExecutor | None = None
        self.unsettled = False

    def prepare(self) -> KafkaProducer:
        """Be ready to store; what was left undone by a failure before is undone."""
        if self._producer is None:
            short = kafka_short_transactions.supported(self._admin())
            producer = self._clients.producer(self._name)
            try:
                if short:
                    kafka_short_transactions.shorten(producer)
                producer.init_transactions()
            except KafkaError:
                abandon(producer)
                raise
            self._producer = producer
        return self._producer

    def store(
        self,
        member: ConsumerGroupMetadata,
        checkpoints: Mapping[Partition, tuple[str, Checkpoint]],
        outputs: Sequence[tuple[str, Message]],
        first: Callable[[], None] | None = None,
    ) -> dict[Partition, Mark]:
        """Store (incarnation, checkpoint) by partition and append the outputs.

        Args:
            first: done in another thread while states and outputs are written. It has to be done before the positions
                are sent; the transaction is given up if it raises.

        Raises:
            FencedError: the group has gone on without this member; nothing was stored.
            KafkaError: it failed; `prepare` then undoes what may be left of it.
        """
        producer = self.prepare()
        try:
            producer.begin_transaction()
            with self._beside(first):
                marks = self._write(producer, checkpoints, outputs)
            manager = producer._transaction_manager  # the public methods wait for ever
            if marks:
                # Only now, when states and outputs are written: a successor that finds the group's old positions can
                # be sure that this check fails.
                offsets = {TopicPartition(*p): OffsetAndMetadata(*mark, -1) for p, mark in marks.items()}
                _wait(producer, manager.send_offsets_to_transaction(offsets, member))
            self.unsettled = True
            _wait(producer, manager.begin_commit())
        except BaseException as error:
            self.discard()
            if isinstance(error, _FENCED):
                raise FencedError(f"another member of the group has taken over: {error}") from error
            raise
        return marks

    @contextmanager
    def _beside(self, first: Callable[[], None] | None) -> Iterator[None]:
        """Have it done meanwhile; it has come to its end when the block has, whatever becomes of that."""
        if first is None:
            yield
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "before-the-checkpoint")
        done = self._thread.submit(first)
        try:
            yield
        finally:
            wait([done])
        done.result()

    def _write(
        self,
        producer: KafkaProducer,
        checkpoints: Mapping[Partition, tuple[str, Checkpoint]],
        outputs: Sequence[tuple[str, Message]],
    ) -> dict[Partition, Mark]:
        now = int(time.time() * 1000)
        states = [
            (self._states, Message(f"{partition.topic}/{partition.number}", checkpoint.state, now))
            for partition, (_, checkpoint) in checkpoints.items()
        ]
        placed = place(producer, [*states, *outputs])
        for where in dict.fromkeys(where for where, _ in placed):  # where it has to be told, in one request
            producer._transaction_manager.maybe_add_partition_to_transaction(where)
        offsets = store(producer, placed)
        return {
            partition: Mark(checkpoint.position, f"{incarnation} {offset}")
            for (partition, (incarnation, checkpoint)), offset in zip(checkpoints.items(), offsets, strict=False)
        }

    def discard(self) -> None:
        """Let go of the producer, without waiting."""
        if self._producer is not None:
            abandon(self._producer)
            self._producer = None

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        if self._producer is not None:
            with suppress(KafkaError):
                self._producer.close(timeout=2)
            self._producer = None


def settle(admin: KafkaAdminClient, names: Collection[str]) -> None:
    """Wait until the markers of these members' last transactions are written, so that everybody sees them."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(found.state in _OPEN for found in patiently(lambda: admin.describe_transactions(list(names))).values()):
        if time.monotonic() > deadline:
            raise KafkaTimeoutError("a transaction does not come to its end")
        time.sleep(0.002)


def end_dead(admin: KafkaAdminClient, clients: KafkaClients, group: str) -> None:
    """Abort what dead members of the group left open: it would hide from readers what comes after it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while dead := patiently(lambda: _dead(admin, group)):
        for name, state in dead.items():
            if state is TransactionState.ONGOING:
                producer = clients.producer(name)
                try:
                    producer.init_transactions()
                finally:
                    abandon(producer)
        if time.monotonic() > deadline:
            raise KafkaTimeoutError(f"the transactions of dead members of {group} do not end")
        time.sleep(0.005)


def _dead(admin: KafkaAdminClient, group: str) -> dict[str, TransactionState]:
    """The open transactions of those that are no members any more. Listed before the members: who came meanwhile is
    none of them."""
    name = re.compile(re.escape(group) + r"\.[0-9a-f]{32}")
    states = [state.value for state in _OPEN]  # the members themselves are sent as what Python calls them: none matches
    listed = [t for found in admin.list_transactions(state_filters=states).values() for t in found]
    ours = {t.transactional_id: t.state for t in listed if name.fullmatch(t.transactional_id)}
    if not ours:
        return {}
    members: list[dict[str, Any]] = admin.describe_groups([group])[group]["members"]
    alive = {member["client_id"] for member in members}
    return {name: state for name, state in ours.items() if name not in alive}


def _wait(producer: KafkaProducer, result: Any) -> None:
    producer._sender.wakeup()
    if not result.wait(_PATIENCE_MS):
        raise KafkaTimeoutError("the transaction was not answered")
