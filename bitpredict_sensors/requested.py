"""The runs that a sensor asked for and that have not succeeded: none of their ranges is forgotten.

A cursor moves on when a run is asked for; the run can still fail, or die with its machine. So the cursor keeps it
until it succeeded, and asks again, later each time.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import Enum
from typing import NamedTuple

import msgspec

from bitpredict.streaming.ranges import Range
from bitpredict_sensors.offsets import Position

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)


class Requested(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of one day.

    Attributes:
        incarnations: topic -> the one that the offsets belong to.
        attempt: how often it failed before.
    """

    day: date
    ranges: tuple[Range, ...]
    incarnations: dict[str, str]
    attempt: int = 0

    @property
    def run_key(self) -> str:
        """The same for the same day, offsets and attempt; a remade topic's offsets are others."""
        ranges = " ".join(f"{each}@{self.incarnations[each.topic]}" for each in sorted(self.ranges))
        return f"{self.day} {ranges}" + (f" attempt {self.attempt + 1}" if self.attempt else "")


class TradesCursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the topics were taken, and the runs that have to succeed for it."""

    topics: dict[str, Position] = {}
    runs: tuple[Requested, ...] = ()


class State(Enum):
    """What became of a run: also `ABSENT`, when it was never made or was deleted."""

    ABSENT, UNDER_WAY, SUCCEEDED, FAILED = range(4)


class Found(NamedTuple):
    """A run as it stands; `since` is when it ended."""

    state: State
    since: datetime | None = None


def review(
    runs: Sequence[Requested], found: Mapping[str, Found], now: datetime
) -> tuple[tuple[Requested, ...], tuple[Requested, ...]]:
    """The runs to keep in the cursor, and those of them to ask for now.

    Args:
        found: run key -> how the run stands.
    """
    kept, again = [], []
    for run in runs:
        state, since = found[run.run_key]
        if state is State.SUCCEEDED:
            continue
        waited = now - (since or now) >= min(FIRST_PAUSE * 2 ** min(run.attempt, 10), LONGEST_PAUSE)
        if state is State.FAILED and waited:
            kept.append(msgspec.structs.replace(run, attempt=run.attempt + 1))
            again.append(kept[-1])
            continue
        if state is State.ABSENT:
            again.append(run)
        kept.append(run)
    return tuple(kept), tuple(again)
