"""The partitions that one predictor holds, each exchange's trades and candles of one number in one engine."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bitpredict.errors import EventLogError
from bitpredict.streaming.engine import Outputs, PartitionEngine
from bitpredict.streaming.log import Checkpoint, EventLog, Partition, Polled, Record
from bitpredict.streaming.metrics import RESTORED
from bitpredict.streaming.models_in_force import ModelsInForce
from bitpredict.streaming.reading_back import minutes_before
from bitpredict.streaming.topics import candles_topic, exchange_of, trades_topic

Place = tuple[str, int]
"""Exchange and partition number."""


@dataclass(eq=False)
class _Held:
    """What is held of a place.

    Attributes:
        checkpoints: of its partitions as they were assigned.
        positions: of the next offset.
        waiting: records that came before the other topic's partition did.
        engine: None until every partition of the place is here.
        dirty: records were read since the last checkpoint.
        outputs: what they came to.
    """

    checkpoints: dict[Partition, Checkpoint | None] = field(default_factory=dict)
    positions: dict[Partition, int] = field(default_factory=dict)
    waiting: list[tuple[Partition, Sequence[Record]]] = field(default_factory=list)
    engine: PartitionEngine | None = None
    dirty: int = 0
    outputs: Outputs = field(default_factory=Outputs)


class Holdings:
    """Follows a subscription's assignments.

    Args:
        make: an engine for a place, without a state.
    """

    def __init__(self, log: EventLog, make: Callable[[str, int], PartitionEngine]) -> None:
        self._log = log
        self._make = make
        self._held: dict[Place, _Held] = {}

    @property
    def unsaved(self) -> int:
        """Records read since the last checkpoint."""
        return sum(held.dirty for held in self._held.values())

    def follow(self, polled: Polled) -> None:
        """Let go of what was revoked and take up what was assigned.

        Raises:
            EventLogError: the log cannot be reached, or a checkpoint cannot be read.
            StorageError: the lake cannot be read.
        """
        self.drop(polled.revoked)
        if torn := [place for place in map(_place, polled.revoked) if place in self._held]:
            raise EventLogError(f"only part of {torn[0][0]}'s partitions {torn[0][1]} was revoked: subscribing again")
        for partition, checkpoint in polled.assigned.items():
            held = self._held.setdefault(_place(partition), _Held())
            held.checkpoints[partition] = checkpoint
            held.positions[partition] = checkpoint.position if checkpoint else self._start(partition)
        for place in {_place(partition) for partition in polled.assigned}:
            held = self._held[place]
            if held.engine is None and held.checkpoints.keys() >= self._all_of(place):
                held.engine = self._take_up(place, held)

    @property
    def outputs(self) -> Outputs:
        """What the records read since the last checkpoint came to."""
        together = Outputs()
        for held in self._held.values():
            if held.dirty:
                together.add(held.outputs)
        return together

    def process(self, polled: Polled) -> None:
        """Take in what a poll brought, after `follow`."""
        for partition, (_, after) in polled.lost.items():
            held = self._held[_place(partition)]
            held.positions[partition] = after
            if held.engine is not None:
                held.engine.lost(partition.topic)
        for partition, records in polled.records.items():
            held = self._held[_place(partition)]
            held.waiting.append((partition, records))
        for held in self._held.values():
            if held.engine is None:
                continue
            for partition, records in held.waiting:
                held.engine.process(partition.topic, records, held.outputs)
                held.positions[partition] = records[-1].offset + 1
                held.dirty += len(records)
            held.waiting.clear()

    def swap(self, models: ModelsInForce) -> None:
        """From the next record on, these models forecast."""
        for held in self._held.values():
            if held.engine is not None:
                held.engine.models = models

    def checkpoints(self) -> dict[Partition, Checkpoint]:
        """Positions and states of what was read since the last checkpoint; the state is with the first topic."""
        found = {}
        for place, held in self._held.items():
            if held.engine is not None and held.dirty:
                keeper = _keeper(place, held.positions)
                state = held.engine.snapshot()
                for partition, position in held.positions.items():
                    found[partition] = Checkpoint(position, state if partition == keeper else b"")
        return found

    def saved(self) -> None:
        """Everything so far is in a checkpoint."""
        for held in self._held.values():
            if held.dirty:
                held.dirty, held.outputs = 0, Outputs()

    def drop(self, partitions: Iterable[Partition]) -> None:
        """What was made of these places since their last checkpoint is void; it is taken up when they come again."""
        for partition in partitions:
            held = self._held.get(_place(partition))
            if held is None:
                continue
            held.engine, held.dirty, held.outputs = None, 0, Outputs()
            held.waiting = [(other, records) for other, records in held.waiting if other != partition]
            held.checkpoints.pop(partition, None)
            held.positions.pop(partition, None)
            if not held.checkpoints:
                del self._held[_place(partition)]

    def _take_up(self, place: Place, held: _Held) -> PartitionEngine:
        engine = self._make(*place)
        keeper = _keeper(place, held.positions)
        checkpoint = held.checkpoints[keeper]
        candles = Partition(candles_topic(place[0]), place[1])
        before = held.checkpoints.get(candles)
        minutes = minutes_before(self._log, candles, before.position) if before else []
        if checkpoint is not None or minutes:
            engine.restore(checkpoint.state if checkpoint else None, minutes)
            RESTORED.inc()
        return engine

    def _start(self, partition: Partition) -> int:
        return self._log.topic(partition.topic).start[partition.number]

    def _all_of(self, place: Place) -> set[Partition]:
        exchange, number = place
        there = self._log.topics()
        topics = (name for name in (trades_topic(exchange), candles_topic(exchange)) if name in there)
        return {Partition(name, number) for name in topics if number in there[name].end}


def _place(partition: Partition) -> Place:
    return exchange_of(partition.topic), partition.number


def _keeper(place: Place, positions: Mapping[Partition, int]) -> Partition:
    """Which partition's checkpoint carries the state."""
    trades = Partition(trades_topic(place[0]), place[1])
    return trades if trades in positions else min(positions)
