"""The ledger of missing minutes: when they were first missed, and what became of them.

Every minute of a symbol and source is in one state: never missed, open, repaired (from which source) or
unrepairable. A row is an unbroken run of minutes in the same state, as long as it can be, so that the table does not
depend on how the runs that found it were cut: a hole across midnight is one row, whichever day was looked at first.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import TypeVar

import pandas as pd
from sqlalchemy import Connection, Engine, delete, insert
from sqlalchemy import select as sql_select

from bitpredict.errors import ContractError
from bitpredict.market.gaps import Gap
from bitpredict.market.time import utc
from bitpredict.storage.database import reading, writing
from bitpredict.storage.frames import fetch, select
from bitpredict.storage.schema import data_gaps

OPEN, REPAIRED, UNREPAIRABLE = "open", "repaired", "unrepairable"


@dataclass(frozen=True)
class _Run:
    """Minutes of [start, end) in one state."""

    start: datetime
    end: datetime
    status: str
    repaired_from: str | None
    first_seen: datetime

    def clipped(self, start: datetime, end: datetime) -> "_Run":
        return replace(self, start=max(self.start, start), end=min(self.end, end))

    def continues(self, before: "_Run") -> bool:
        return (self.start, self.status, self.repaired_from) == (before.end, before.status, before.repaired_from)


@dataclass(frozen=True)
class _Copied:
    """Minutes of [start, end) that were copied from a second source."""

    start: datetime
    end: datetime
    source: str


@dataclass(frozen=True)
class _Present:
    """Where the minutes that are there came from.

    Attributes:
        copied: in order of time.
        otherwise: of all the others that were missed.
        told: it is known of each minute whether it was copied; otherwise one that was repaired stays as it was.
    """

    copied: Sequence[_Copied]
    otherwise: str | None
    told: bool

    def run(self, start: datetime, end: datetime, known: _Run | None, now: datetime) -> _Run | None:
        """What the ledger says of present minutes in one state; None: nothing, they were never missed."""
        copied = _holding(self.copied, start)
        if copied is not None:
            return _Run(start, end, REPAIRED, copied.source, now if known is None else known.first_seen)
        if known is None:
            return None
        keeps = known.status == REPAIRED and not self.told
        return _Run(start, end, REPAIRED, known.repaired_from if keeps else self.otherwise, known.first_seen)


Span = TypeVar("Span", Gap, _Run, _Copied)


def reconcile(
    engine: Engine,
    symbol: str,
    source: str,
    start: datetime,
    end: datetime,
    gaps: Iterable[Gap],
    *,
    repaired_from: str | None = None,
    filled: Mapping[str, Sequence[Gap]] | None = None,
    now: datetime,
) -> None:
    """Make the ledger say that of the minutes of [start, end) exactly those of `gaps` are missing.

    A minute newly missed becomes open, first seen `now`; one that was repaired and is missing again becomes open
    again and keeps when it was first seen. A minute that was missing and is there becomes repaired. Minutes that
    someone declared unrepairable stay so while they are missing. A row of joined minutes carries the earliest
    `first_seen` of them. Doing it twice changes nothing.

    Args:
        source: whose minutes these are, for example `candles`.
        start, end: aware instants on full minutes; an empty range changes nothing.
        gaps: disjoint and inside [start, end).
        repaired_from: where minutes that are there again came from; None: late, from the source itself.
        filled: second source -> minutes that the source lacks and that were copied from there: repaired, also when
            nobody missed them before. Where it is given, every other minute that was missed and is there came from
            `repaired_from`, whatever the ledger said of it.

    Raises:
        ContractError: a bound is not a full minute, or a gap or filled run lies outside the range or on another.
        StorageError: the database cannot be written. Nothing was changed.
    """
    start, end, now = utc(start), utc(end), utc(now)
    missing = _checked(symbol, start, end, gaps)
    copied = [_Copied(utc(run.start), utc(run.end), name) for name, runs in (filled or {}).items() for run in runs]
    _checked(symbol, start, end, [*missing, *(Gap(run.start, run.end) for run in copied)])
    if start >= end:
        return
    with writing(engine, alone=True) as connection:
        before = _touching(connection, symbol, source, start, end)
        present = _Present(sorted(copied, key=lambda run: run.start), repaired_from, told=filled is not None)
        after = _joined(_reconciled(before, start, end, missing, present, now))
        _store(connection, symbol, source, before, after)


def declare_unrepairable(
    engine: Engine, symbol: str, source: str, start: datetime, end: datetime, *, now: datetime
) -> None:
    """Make the ledger say that the minutes of [start, end) are missing, and that nobody can bring them back.

    A minute that was missed before keeps when it was first seen. Doing it twice changes nothing.

    Raises:
        ContractError: a bound is not a full minute, or the range is empty.
        StorageError: the database cannot be written. Nothing was changed.
    """
    start, end, now = utc(start), utc(end), utc(now)
    _checked(symbol, start, end, [Gap(start, end)])
    with writing(engine, alone=True) as connection:
        before = _touching(connection, symbol, source, start, end)
        outside = [run.clipped(run.start, start) for run in before] + [run.clipped(end, run.end) for run in before]
        inside = [run for run in before if run.start < end and run.end > start]
        first_seen = min((run.first_seen for run in inside), default=now)
        lost = _Run(start, end, UNREPAIRABLE, None, min(first_seen, now))
        after = _joined([*(run for run in outside if run.start < run.end), lost])
        _store(connection, symbol, source, before, after)


def read_gaps(
    engine: Engine, *, symbol: str | None = None, source: str | None = None, status: str | None = None
) -> pd.DataFrame:
    """Rows of `schema.data_gaps`, ordered by symbol, source and start."""
    query = select(data_gaps.columns, engine.dialect).order_by(
        data_gaps.c.symbol, data_gaps.c.source, data_gaps.c.start
    )
    for column, value in ((data_gaps.c.symbol, symbol), (data_gaps.c.source, source), (data_gaps.c.status, status)):
        if value is not None:
            query = query.where(column == value)
    with reading(engine) as connection:
        return fetch(connection, query, list(data_gaps.columns), list(data_gaps.primary_key))


def _store(connection: Connection, symbol: str, source: str, before: list[_Run], after: list[_Run]) -> None:
    """Write what changed between two states of the same minutes."""
    stale = set(before) - set(after)
    fresh = [run for run in after if run not in before]
    if stale:
        connection.execute(
            delete(data_gaps).where(
                data_gaps.c.symbol == symbol,
                data_gaps.c.source == source,
                data_gaps.c.start.in_(sorted(run.start for run in stale)),
            )
        )
    if fresh:
        connection.execute(insert(data_gaps), [_row(symbol, source, run) for run in fresh])


def _checked(symbol: str, start: datetime, end: datetime, gaps: Iterable[Gap]) -> list[Gap]:
    ordered = sorted(Gap(utc(gap.start), utc(gap.end)) for gap in gaps)
    bounds = [start, end, *(bound for gap in ordered for bound in (gap.start, gap.end))]
    if crooked := [bound for bound in bounds if bound.second or bound.microsecond]:
        raise ContractError(f"data_gaps of {symbol}: {crooked[0].isoformat()} is not a full minute")
    edge = start
    for gap in ordered:
        if not edge <= gap.start < gap.end <= end:
            raise ContractError(
                f"data_gaps of {symbol}: the gap {gap.start.isoformat()} to {gap.end.isoformat()} is empty, overlaps "
                f"another, or lies outside {start.isoformat()} to {end.isoformat()}"
            )
        edge = gap.end
    return ordered


def _touching(connection: Connection, symbol: str, source: str, start: datetime, end: datetime) -> list[_Run]:
    """The ledger's rows that overlap [start, end) or border on it."""
    columns = data_gaps.c
    rows = connection.execute(
        sql_select(columns.start, columns.end, columns.status, columns.repaired_from, columns.first_seen)
        .where(columns.symbol == symbol, columns.source == source, columns.start <= end, columns.end >= start)
        .order_by(columns.start)
    )
    return [_Run(*row) for row in rows]


def _reconciled(
    before: list[_Run], start: datetime, end: datetime, missing: list[Gap], present: _Present, now: datetime
) -> list[_Run]:
    """The new state in pieces: outside the range as before, inside it cut where any bound lies."""
    outside = [run.clipped(run.start, start) for run in before] + [run.clipped(end, run.end) for run in before]
    cuts = {start, end, *(bound for gap in missing for bound in (gap.start, gap.end))}
    cuts |= {bound for run in present.copied for bound in (run.start, run.end)}
    cuts |= {bound for run in before for bound in (run.start, run.end) if start < bound < end}
    edges = sorted(cuts)
    pieces = []
    for first, last in pairwise(edges):
        known = _holding(before, first)
        absent = _holding(missing, first) is not None
        if absent and known is None:
            pieces.append(_Run(first, last, OPEN, None, now))
        elif absent and known is not None:
            status = UNREPAIRABLE if known.status == UNREPAIRABLE else OPEN
            pieces.append(_Run(first, last, status, None, known.first_seen))
        elif not absent and (run := present.run(first, last, known, now)):
            pieces.append(run)
    return [piece for piece in [*outside, *pieces] if piece.start < piece.end]


def _holding(ordered: Sequence[Span], moment: datetime) -> Span | None:
    """Of disjoint spans in order of time the one that holds `moment`."""
    place = bisect_right(ordered, moment, key=lambda span: span.start) - 1
    return ordered[place] if place >= 0 and moment < ordered[place].end else None


def _joined(pieces: list[_Run]) -> list[_Run]:
    runs: list[_Run] = []
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if runs and piece.continues(runs[-1]):
            runs[-1] = replace(runs[-1], end=piece.end, first_seen=min(runs[-1].first_seen, piece.first_seen))
        else:
            runs.append(piece)
    return runs


def _row(symbol: str, source: str, run: _Run) -> dict[str, object]:
    return {
        "symbol": symbol,
        "source": source,
        "start": run.start,
        "end": run.end,
        "minutes": Gap(run.start, run.end).minutes,
        "status": run.status,
        "repaired_from": run.repaired_from,
        "first_seen": run.first_seen,
    }
