"""Which offsets come next: the cursor's arithmetic, without a log and without Dagster.

Of each topic a cursor knows the incarnation that was read and, for each partition, the next offset. What successive
ticks take is adjacent: nothing is taken twice, and nothing is left out that is not reported as lost.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import msgspec

from bitpredict.errors import BitPredictError
from bitpredict.streaming.log import TopicState
from bitpredict.streaming.ranges import Range

Kind = TypeVar("Kind")
Offset = Annotated[int, msgspec.Meta(ge=0)]


class CursorError(BitPredictError, ValueError):
    """A sensor's cursor is not one of ours."""


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a topic was taken.

    Attributes:
        incarnation: of the topic that the offsets belong to.
        partitions: partition number -> the next offset.
        times: partition number -> timestamp (milliseconds) of the last message taken, where there was one.
    """

    incarnation: str
    partitions: dict[int, Offset]
    times: dict[int, int] = {}


Cursor = Mapping[str, Position]
"""Topic -> how far it was taken."""


@dataclass(frozen=True)
class Limits:
    """When messages are worth a run, and how many one tick takes.

    Attributes:
        min_messages: so many at least, or
        max_age: the oldest of them has waited so long.
        bite: so many offsets at most.
    """

    min_messages: int
    max_age: timedelta
    bite: int


@dataclass(frozen=True)
class Placed:
    """A cursor that fits the topics as they are now, and what had to be done for it.

    Attributes:
        lost: offsets that retention deleted before they were taken.
        remade: topics that were deleted and made again: read from their start.
        added: partitions that were not there at the last tick, as (topic, number): read from their start.
        rewound: offsets that were taken and that the log has no more at its end (it lost its newest messages): what
            comes in their place is read.
    """

    cursor: Cursor
    lost: tuple[Range, ...] = ()
    remade: tuple[str, ...] = ()
    added: tuple[tuple[str, int], ...] = ()
    rewound: tuple[Range, ...] = ()


def parse(text: str | None) -> Cursor:
    """The cursor that `dump` wrote; None is one that took nothing.

    Raises:
        CursorError: the text is no such cursor.
    """
    return decoded(text, dict[str, Position], empty={})


def decoded(text: str | None, kind: type[Kind], empty: Kind) -> Kind:
    """A sensor's cursor of any kind; `empty` where there is none yet. Raises CursorError."""
    if not text:
        return empty
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise CursorError(
            f"the cursor {text[:200]!r} is malformed ({error}); reset the sensor's cursor on its page in Dagster: what "
            "the log still has is then taken again, which changes nothing in the tables"
        ) from error


def dump(cursor: object) -> str:
    """A cursor as JSON: the same text for the same cursor."""
    return json.dumps(msgspec.to_builtins(cursor, str_keys=True), sort_keys=True, separators=(",", ":"))


def place(cursor: Cursor, states: Iterable[TopicState]) -> Placed:
    """Fit a cursor to the topics. A topic that is not there keeps its place for when it comes back."""
    topics = dict(cursor)
    lost: list[Range] = []
    remade: list[str] = []
    added: list[tuple[str, int]] = []
    rewound: list[Range] = []
    for state in sorted(states, key=lambda state: state.name):
        before = topics.get(state.name)
        if before is None or before.incarnation != state.incarnation:
            if before is not None:
                remade.append(state.name)
            topics[state.name] = Position(state.incarnation, dict(state.start))
            continue
        partitions = dict(before.partitions)
        for number, start in sorted(state.start.items()):
            end, position = state.end[number], partitions.get(number)
            if position is None:
                added.append((state.name, number))
                partitions[number] = start
            elif position < start:
                lost.append(Range(state.name, number, position, start))
                partitions[number] = start
            elif position > end:
                rewound.append(Range(state.name, number, end, position))
                partitions[number] = end
        topics[state.name] = Position(state.incarnation, partitions, before.times)
    return Placed(topics, tuple(lost), tuple(remade), tuple(added), tuple(rewound))


def waiting(cursor: Cursor, states: Iterable[TopicState]) -> tuple[Range, ...]:
    """What was not taken yet, by topic and partition; `cursor` fits the states (see `place`)."""
    return tuple(
        Range(state.name, number, position, state.end[number])
        for state in sorted(states, key=lambda state: state.name)
        for number, position in sorted(cursor[state.name].partitions.items())
        if number in state.end and position < state.end[number]
    )


def bite(ranges: Sequence[Range], size: int) -> tuple[Range, ...]:
    """The beginnings of `ranges`, together at most `size` offsets: what one does not need is shared by the others."""
    left = size
    taken = []
    shortest_first = sorted(ranges, key=lambda each: (each.end - each.start, each))
    for index, each in enumerate(shortest_first):
        # Rounded up, so that every partition with messages gets one as long as any is left.
        share = min(each.end - each.start, -(-left // (len(shortest_first) - index)))
        if share:
            taken.append(each._replace(end=each.start + share))
            left -= share
    return tuple(sorted(taken))


def why_wait(ranges: Sequence[Range], oldest: datetime | None, limits: Limits, now: datetime) -> str | None:
    """Why the ranges are not worth a run yet; None when they are.

    Args:
        oldest: when the first message of them was received; None where there is none.
    """
    count = sum(each.end - each.start for each in ranges)
    if count == 0 or oldest is None:
        return "nothing new"
    # One from further ahead than that was received before this machine's clock stepped back: nobody knows its age.
    if count >= limits.min_messages or abs(now - oldest) >= limits.max_age:
        return None
    waited = max(0, round((now - oldest).total_seconds()))
    return (
        f"{count} new messages, the oldest {waited} s old: a run begins at {limits.min_messages} messages or "
        f"{limits.max_age.total_seconds():g} s"
    )


def advanced(cursor: Cursor, taken: Iterable[Range], times: Mapping[tuple[str, int], int] | None = None) -> Cursor:
    """The cursor behind ranges that begin where it stands.

    Args:
        times: (topic, partition) -> timestamp of the last message taken, where there was one.

    Raises:
        ValueError: a range does not begin at the cursor's offset, so that messages would be lost or taken twice.
    """
    topics = dict(cursor)
    for each in taken:
        before = topics[each.topic]
        if before.partitions[each.partition] != each.start:
            raise ValueError(f"{each} does not begin at offset {before.partitions[each.partition]}")
        known = dict(before.times)
        if times and (each.topic, each.partition) in times:
            known[each.partition] = times[each.topic, each.partition]
        topics[each.topic] = Position(before.incarnation, {**before.partitions, each.partition: each.end}, known)
    return topics
