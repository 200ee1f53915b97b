"""The gap ledger against an oracle that keeps every minute by itself."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from bitpredict.errors import ContractError
from bitpredict.market.gaps import Gap
from bitpredict.market.time import MINUTE
from bitpredict.storage.gap_ledger import declare_unrepairable, read_gaps, reconcile
from bitpredict.storage.schema import data_gaps

MIDNIGHT = datetime(2023, 3, 25, tzinfo=UTC)
FIRST, LATER = datetime(2023, 4, 1, tzinfo=UTC), datetime(2023, 4, 2, tzinfo=UTC)

Row = tuple[datetime, datetime, int, str, str | None, datetime]


def at(minutes: int) -> datetime:
    return MIDNIGHT + minutes * MINUTE


def gap(start: int, end: int) -> Gap:
    return Gap(at(start), at(end))


def look(
    engine: Engine, start: int, end: int, *gaps: Gap, now: datetime = FIRST, repaired_from: str | None = None
) -> None:
    reconcile(engine, "BTCUSDT", "candles", at(start), at(end), gaps, now=now, repaired_from=repaired_from)


def rows(engine: Engine, **chosen: str) -> list[Row]:
    columns = ["start", "end", "minutes", "status", "repaired_from", "first_seen"]
    return [tuple(row) for row in read_gaps(engine, **chosen)[columns].itertuples(index=False)]


def test_the_hole_of_march_2023_is_one_open_gap_of_80_minutes(engine):
    hole = Gap(datetime(2023, 3, 24, 12, 40, tzinfo=UTC), datetime(2023, 3, 24, 14, tzinfo=UTC))
    reconcile(engine, "BTCUSDT", "candles", MIDNIGHT - 1440 * MINUTE, MIDNIGHT, [hole], now=FIRST)
    assert rows(engine) == [(hole.start, hole.end, 80, "open", None, FIRST)]
    assert read_gaps(engine)[["symbol", "source"]].to_numpy().tolist() == [["BTCUSDT", "candles"]]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "backwards"])
def test_a_gap_across_midnight_found_by_two_daily_runs_is_one_row(engine, order):
    days = [(-1440, 0, gap(-30, 0)), (0, 1440, gap(0, 15))]
    for now, i in zip((FIRST, LATER), order, strict=True):
        look(engine, *days[i], now=now)
    assert rows(engine) == [(at(-30), at(15), 45, "open", None, FIRST)]


def test_an_empty_range_and_a_range_without_gaps_write_nothing(engine):
    look(engine, 0, 0)
    look(engine, 0, 1440)
    assert rows(engine) == []


def test_looking_again_changes_nothing(engine):
    for now in (FIRST, LATER):
        look(engine, 0, 60, gap(10, 20), now=now)
    assert rows(engine) == [(at(10), at(20), 10, "open", None, FIRST)]


def test_minutes_that_came_late_are_repaired_and_keep_when_they_were_missed(engine):
    look(engine, 0, 60, gap(10, 20))
    look(engine, 0, 60, now=LATER)
    assert rows(engine) == [(at(10), at(20), 10, "repaired", None, FIRST)]
    look(engine, 0, 60, now=LATER, repaired_from="coinbase")
    assert rows(engine) == [(at(10), at(20), 10, "repaired", None, FIRST)]


def test_a_gap_repaired_in_its_middle_becomes_three_rows(engine):
    look(engine, 0, 60, gap(10, 40))
    look(engine, 20, 30, repaired_from="coinbase", now=LATER)
    assert rows(engine) == [
        (at(10), at(20), 10, "open", None, FIRST),
        (at(20), at(30), 10, "repaired", "coinbase", FIRST),
        (at(30), at(40), 10, "open", None, FIRST),
    ]
    assert len(rows(engine, status="open")) == 2
    look(engine, 0, 60, gap(10, 40), now=LATER)
    assert rows(engine) == [(at(10), at(40), 30, "open", None, FIRST)]


def test_minutes_declared_unrepairable_stay_so_while_they_are_missing(engine):
    look(engine, 0, 60, gap(10, 20))
    with engine.begin() as connection:
        connection.execute(data_gaps.update().values(status="unrepairable"))
    look(engine, 0, 60, gap(5, 20), now=LATER)
    assert [(row[2], row[3], row[5]) for row in rows(engine)] == [(5, "open", LATER), (10, "unrepairable", FIRST)]
    look(engine, 0, 60, gap(5, 10), now=LATER)
    assert [row[3] for row in rows(engine)] == ["open", "repaired"]


def test_symbols_and_sources_do_not_touch_each_other(engine):
    for symbol, source in (("BTCUSDT", "candles"), ("ETHUSDT", "candles"), ("BTCUSDT", "binance_candles")):
        reconcile(engine, symbol, source, at(0), at(60), [gap(10, 20)], now=FIRST)
    reconcile(engine, "BTCUSDT", "candles", at(0), at(60), [], now=LATER)
    assert len(rows(engine, status="open")) == 2
    assert len(rows(engine, symbol="BTCUSDT")) == 2
    assert rows(engine, source="candles", status="repaired", symbol="BTCUSDT") != []


@pytest.mark.parametrize(
    ("gaps", "says"),
    [
        pytest.param([gap(50, 70)], "lies outside", id="beyond the end"),
        pytest.param([gap(-5, 5)], "lies outside", id="before the start"),
        pytest.param([gap(5, 15), gap(10, 20)], "overlaps another", id="overlapping"),
        pytest.param([gap(20, 20)], "is empty", id="empty"),
        pytest.param([Gap(at(5), at(6) + timedelta(seconds=1))], "is not a full minute", id="crooked"),
    ],
)
def test_gaps_that_cannot_be_are_refused(engine, gaps, says):
    with pytest.raises(ContractError, match=says):
        look(engine, 0, 60, *gaps)
    assert rows(engine) == []


class Oracle:
    """Every minute's state by itself; rows are made of it afterwards."""

    def __init__(self) -> None:
        self.minutes: dict[int, tuple[str, str | None, datetime]] = {}

    def look(self, start: int, end: int, missing: set[int], now: datetime, repaired_from: str | None) -> None:
        for minute in range(start, end):
            status, source, seen = self.minutes.get(minute, ("", None, now))
            if minute in missing:
                self.minutes[minute] = ("unrepairable" if status == "unrepairable" else "open", None, seen)
            elif status in ("open", "unrepairable"):
                self.minutes[minute] = ("repaired", repaired_from, seen)
            elif status == "repaired":
                self.minutes[minute] = (status, source, seen)
        for run in self.runs():
            seen = min(self.minutes[minute][2] for minute in run)
            for minute in run:
                self.minutes[minute] = (*self.minutes[minute][:2], seen)

    def runs(self) -> list[list[int]]:
        ordered = enumerate(sorted(self.minutes))
        return [
            [minute for _, minute in run]
            for _, run in groupby(ordered, key=lambda pair: (pair[1] - pair[0], self.minutes[pair[1]][:2]))
        ]

    def rows(self) -> list[Row]:
        return [(at(run[0]), at(run[-1] + 1), len(run), *self.minutes[run[0]]) for run in self.runs()]


def gaps_of(missing: Iterable[int]) -> list[Gap]:
    """One gap a minute: reconcile joins them."""
    return [gap(minute, minute + 1) for minute in sorted(missing)]


def give_up(engine: Engine, start: int, end: int, now: datetime = LATER) -> None:
    declare_unrepairable(engine, "BTCUSDT", "candles", at(start), at(end), now=now)


def test_minutes_given_up_stay_missing_for_ever(engine):
    give_up(engine, 5, 8)
    give_up(engine, 5, 8)
    assert rows(engine) == [(at(5), at(8), 3, "unrepairable", None, LATER)]
    look(engine, 0, 20, gap(5, 8), now=LATER)
    assert rows(engine) == [(at(5), at(8), 3, "unrepairable", None, LATER)]


def test_minutes_given_up_inside_an_open_gap_keep_when_they_were_first_seen(engine):
    look(engine, 0, 20, gap(2, 12), now=FIRST)
    give_up(engine, 5, 8)
    assert rows(engine) == [
        (at(2), at(5), 3, "open", None, FIRST),
        (at(5), at(8), 3, "unrepairable", None, FIRST),
        (at(8), at(12), 4, "open", None, FIRST),
    ]


def test_losses_that_touch_are_one_row(engine):
    give_up(engine, 5, 8)
    give_up(engine, 7, 10)
    give_up(engine, 10, 11)
    assert rows(engine) == [(at(5), at(11), 6, "unrepairable", None, LATER)]


@pytest.mark.parametrize("bounds", [(5, 5), (6, 5), (5.5, 7)])
def test_what_is_given_up_is_whole_minutes(engine, bounds):
    with pytest.raises(ContractError):
        give_up(engine, *bounds)
    assert rows(engine) == []


SPAN = 24
looks = st.tuples(
    st.integers(0, SPAN), st.integers(0, SPAN), st.sets(st.integers(0, SPAN - 1)), st.sampled_from([None, "coinbase"])
)
on_any_engine = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)


def forget(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(data_gaps))


@pytest.mark.slow
@on_any_engine
@given(st.lists(looks, max_size=6))
def test_any_looks_in_any_order_are_what_minute_by_minute_would_be(engine, sequence):
    forget(engine)
    oracle = Oracle()
    for hour, (a, b, missing, source) in enumerate(sequence):
        start, end, now = min(a, b), max(a, b), FIRST + timedelta(hours=hour)
        inside = missing & set(range(start, end))
        look(engine, start, end, *gaps_of(inside), now=now, repaired_from=source)
        oracle.look(start, end, inside, now, source)
        assert rows(engine) == oracle.rows()


@pytest.mark.slow
@on_any_engine
@given(
    st.sets(st.integers(0, SPAN - 1)),
    st.sets(st.integers(1, SPAN - 1)),
    st.randoms(),
    st.sets(st.integers(0, SPAN - 1)),
)
def test_the_ledger_does_not_depend_on_the_order_and_size_of_the_runs(engine, missing, cuts, random, before):
    """The same truth, looked at in one run or in pieces, on top of what an earlier look had found."""
    edges = [0, *sorted(cuts), SPAN]
    pieces = list(pairwise(edges))
    random.shuffle(pieces)
    seen = []
    for runs in ([(0, SPAN)], pieces, [*pieces, *pieces[:3]]):
        forget(engine)
        look(engine, 0, SPAN, *gaps_of(before), now=FIRST)
        for start, end in runs:
            look(engine, start, end, *gaps_of(missing & set(range(start, end))), now=FIRST, repaired_from="coinbase")
        seen.append(rows(engine))
    assert seen[0] == seen[1] == seen[2]
    assert {m for m in range(SPAN) for row in seen[0] if row[3] == "open" and row[0] <= at(m) < row[1]} == missing
