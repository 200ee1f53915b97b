"""The gap ledger where a second source fills what the first lacks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from bitpredict.errors import ContractError
from bitpredict.market.gaps import Gap
from bitpredict.storage.gap_ledger import read_gaps, reconcile
from bitpredict.storage.schema import data_gaps

MIDNIGHT = datetime(2023, 3, 25, tzinfo=UTC)
FIRST, LATER = datetime(2023, 3, 25, 1, tzinfo=UTC), datetime(2023, 3, 26, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    return MIDNIGHT + timedelta(minutes=minute)


def gap(start: int, end: int) -> Gap:
    return Gap(at(start), at(end))


def look(engine: Engine, start: int, end: int, missing: list[Gap], filled: list[Gap], now: datetime = FIRST) -> None:
    copied = {"cryptocompare": filled} if filled else {}
    reconcile(engine, "BTCUSDT", "binance", at(start), at(end), missing, filled=copied, now=now)


def rows(engine: Engine) -> list[tuple[datetime, datetime, str, str | None, datetime]]:
    columns = ["start", "end", "status", "repaired_from", "first_seen"]
    return [tuple(row) for row in read_gaps(engine)[columns].itertuples(index=False)]


def test_a_hole_filled_at_once_is_a_repaired_gap(engine):
    look(engine, 0, 60, [gap(20, 25)], [gap(10, 20)])
    assert rows(engine) == [
        (at(10), at(20), "repaired", "cryptocompare", FIRST),
        (at(20), at(25), "open", None, FIRST),
    ]


def test_an_open_gap_that_is_filled_later_keeps_when_it_was_missed(engine):
    look(engine, 0, 60, [gap(10, 20)], [])
    look(engine, 0, 60, [], [gap(10, 20)], now=LATER)
    assert rows(engine) == [(at(10), at(20), "repaired", "cryptocompare", FIRST)]
    look(engine, 0, 60, [], [gap(10, 20)], now=LATER)
    assert rows(engine) == [(at(10), at(20), "repaired", "cryptocompare", FIRST)]


def test_what_the_source_has_after_all_came_from_itself(engine):
    look(engine, 0, 60, [], [gap(10, 20)])
    look(engine, 0, 60, [], [gap(15, 20)], now=LATER)
    assert rows(engine) == [
        (at(10), at(15), "repaired", None, FIRST),
        (at(15), at(20), "repaired", "cryptocompare", FIRST),
    ]


def test_a_copy_that_is_gone_is_a_gap_again(engine):
    look(engine, 0, 60, [], [gap(10, 20)])
    look(engine, 0, 60, [gap(10, 20)], [], now=LATER)
    assert rows(engine) == [(at(10), at(20), "open", None, FIRST)]


@pytest.mark.parametrize(
    ("filled", "says"),
    [
        pytest.param(gap(15, 30), "overlaps another", id="missing and filled"),
        pytest.param(gap(50, 70), "lies outside", id="outside"),
    ],
)
def test_what_cannot_be_is_refused(engine, filled, says):
    with pytest.raises(ContractError, match=says):
        look(engine, 0, 60, [gap(10, 20)], [filled])
    assert rows(engine) == []


SPAN = 16
LOOKS = st.lists(st.lists(st.sampled_from(["observed", "missing", "copied"]), min_size=SPAN, max_size=SPAN), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(LOOKS)
def test_the_ledger_says_of_each_minute_what_it_was_last(engine, looks):
    """Whatever was seen before: of a minute that was ever missed or copied there is a row, with its last state."""
    with engine.begin() as connection:
        connection.execute(delete(data_gaps))
    ever: set[int] = set()
    for hour, minutes in enumerate(looks):
        single = {
            state: [gap(minute, minute + 1) for minute in range(SPAN) if minutes[minute] == state]
            for state in ("missing", "copied")
        }
        look(engine, 0, SPAN, single["missing"], single["copied"], now=FIRST + timedelta(hours=hour))
        ever |= {minute for minute in range(SPAN) if minutes[minute] != "observed"}
        said = {
            minute: (status, origin)
            for start, end, status, origin, _ in rows(engine)
            for minute in range(SPAN)
            if start <= at(minute) < end
        }
        expected = {"missing": ("open", None), "copied": ("repaired", "cryptocompare"), "observed": ("repaired", None)}
        assert said == {minute: expected[minutes[minute]] for minute in ever}
