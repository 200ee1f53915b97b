"""Topics on Kafka: made, changed, deleted and described by its admin API."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaTimeoutError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code
from kafka.protocol.consumer import IsolationLevel
from kafka.structs import TopicPartition

from bitpredict.errors import UnknownTopicError
from bitpredict.streaming.kafka_clients import MAX_MESSAGE_BYTES, PATIENCE_SECONDS
from bitpredict.streaming.log import TopicSpec, TopicState

STATE_SUFFIX = "-state"
"""Of the topic that holds a group's states; it is the log's own."""

_MILLISECOND = timedelta(milliseconds=1)
_STATE_CONFIG = {
    "cleanup.policy": "compact",
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
    "segment.bytes": str(2 * MAX_MESSAGE_BYTES),
}


class Described(NamedTuple):
    """What the metadata say of a topic."""

    incarnation: str
    partitions: int


def describe(admin: KafkaAdminClient, names: Collection[str] | None = None) -> dict[str, Described]:
    """The topics that are there, of those named or of all; without Kafka's own."""
    found = {}
    for topic in admin.describe_topics(None if names is None else list(names)):
        error = for_code(topic["error_code"])
        if error is UnknownTopicOrPartitionError or topic.get("is_internal"):
            continue
        if topic["error_code"]:
            raise error(f"topic {topic['name']}")
        found[topic["name"]] = Described(str(topic["topic_id"]), len(topic["partitions"]))
    return found


def unknown(topic: str) -> UnknownTopicError:
    return UnknownTopicError(f"the event log has no topic {topic}; make it with `bitpredict topics create`")


def create(admin: KafkaAdminClient, topics: Iterable[TopicSpec]) -> None:
    """Make what is missing, and change retention and number of partitions of the rest."""
    specs = {spec.name: spec for spec in topics}
    there = describe(admin, specs)
    for name, spec in specs.items():
        if name not in there:
            _make(admin, name, spec.partitions, _kept(spec))
            continue
        resource = ConfigResource(ConfigResourceType.TOPIC, name, _kept(spec))
        admin.alter_configs([resource])
        if there[name].partitions < spec.partitions:
            admin.create_partitions({name: spec.partitions})
    _until(lambda: all(topic.partitions >= specs[name].partitions for name, topic in describe(admin, specs).items()))


def create_state_topic(admin: KafkaAdminClient, name: str) -> None:
    if not describe(admin, [name]):
        _make(admin, name, 1, _STATE_CONFIG)


def delete(admin: KafkaAdminClient, name: str) -> None:
    if describe(admin, [name]):
        admin.delete_topics([name])
        _until(lambda: not describe(admin, [name]))


def states(admin: KafkaAdminClient, names: Collection[str] | None = None) -> dict[str, TopicState]:
    """What the topics hold; a group's states are no topic."""
    found = describe(admin, names)
    if not found:
        return {}
    configs = _configs(admin, found)
    found = {name: topic for name, topic in found.items() if name in configs}
    wanted = [TopicPartition(name, number) for name, topic in found.items() for number in range(topic.partitions)]
    starts = offsets(admin, wanted, OffsetSpec.EARLIEST)
    ends = offsets(admin, wanted, OffsetSpec.LATEST)
    return {
        name: TopicState(
            name,
            topic.incarnation,
            configs[name],
            {number: starts[TopicPartition(name, number)] for number in range(topic.partitions)},
            {number: ends[TopicPartition(name, number)] for number in range(topic.partitions)},
        )
        for name, topic in found.items()
    }


def offsets(admin: KafkaAdminClient, partitions: Iterable[TopicPartition], at: Any) -> dict[TopicPartition, int]:
    """First (EARLIEST) or next committed (LATEST) offsets, or the first at a moment in milliseconds, -1 without one."""
    wanted = dict.fromkeys(partitions, at)
    if not wanted:
        return {}
    found = admin.list_partition_offsets(wanted, isolation_level=IsolationLevel.READ_COMMITTED)
    return {partition: place.offset for partition, place in found.items()}


def _configs(admin: KafkaAdminClient, names: Iterable[str]) -> Mapping[str, timedelta | None]:
    """Retention by topic, without those that hold states."""
    keys = dict.fromkeys(("cleanup.policy", "retention.ms"))
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, keys) for name in names]
    found: dict[str, timedelta | None] = {}
    for name, config in admin.describe_configs(resources, config_filter="all")["topic"].items():
        if name.endswith(STATE_SUFFIX) and config["cleanup.policy"]["value"] == "compact":
            continue
        kept = int(config["retention.ms"]["value"])
        found[name] = None if kept < 0 else kept * _MILLISECOND
    return found


def _kept(spec: TopicSpec) -> dict[str, str]:
    """Kafka deletes whole segments: a new one begins often enough that little is kept for longer."""
    if spec.retention is None:
        return {"retention.ms": "-1", "segment.ms": str(7 * 86_400_000)}
    kept = max(spec.retention // _MILLISECOND, 1)
    return {"retention.ms": str(kept), "segment.ms": str(min(max(kept // 10, 1000), 86_400_000))}


def _make(admin: KafkaAdminClient, name: str, partitions: int, config: Mapping[str, str]) -> None:
    with suppress(TopicAlreadyExistsError):  # another process was faster
        admin.create_topics({name: {"num_partitions": partitions, "configs": dict(config)}})
    admin.wait_for_topics([name])


def _until(done: Callable[[], bool]) -> None:
    """The controller has decided; brokers learn of it a moment later."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise KafkaTimeoutError("the brokers did not follow their controller")
        time.sleep(0.01)
