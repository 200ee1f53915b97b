"""The conversions by column against SQLAlchemy's own, value by value, and what they refuse."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, type_coerce
from sqlalchemy.types import NULLTYPE

from bitpredict.errors import ContractError
from bitpredict.storage.database import writing
from bitpredict.storage.frames import fetch
from bitpredict.storage.frames import select as plain_select
from bitpredict.storage.schema import forecast_outcomes, forecasts
from bitpredict.storage.upserts import insert_new, upsert
from tests.support.made_rows import made_forecasts, made_outcomes

AWKWARD_TEXTS = ["", " ", "NULL", "{}", '"', "\\", '\\"', "a,b", "'; --", "%s", "%(kind)s", "ünï ☃", "a\nb\tc"]
AWKWARD_NUMBERS = [0.0, 5e-324, 1e-300, 1 / 3, 0.1 + 0.2, -1.7976931348623157e308, 1e16, 123456789.123456789]


def values_of(row: pd.Series) -> dict[str, object]:
    return {name: None if value is pd.NA or value != value else value for name, value in row.items()}


def by_hand(engine, table) -> list[tuple[object, ...]]:
    """Every row as SQLAlchemy's types give it."""
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(table)))


def test_a_table_written_by_columns_is_the_one_written_by_value(engine):
    frame = made_forecasts(40)
    with writing(engine) as connection:
        insert_new(connection, forecasts, frame)
    by_columns = by_hand(engine, forecasts)
    with writing(engine) as connection:
        connection.execute(delete(forecasts))
        connection.execute(insert(forecasts), [values_of(row) for _, row in frame.astype(object).iterrows()])
    assert by_columns == by_hand(engine, forecasts)


def test_texts_and_numbers_come_back_as_they_went(engine):
    rows = len(AWKWARD_TEXTS)
    frame = made_forecasts(rows, input=AWKWARD_TEXTS, q05=np.resize(AWKWARD_NUMBERS, rows))
    with writing(engine) as connection:
        insert_new(connection, forecasts, frame)
        columns = list(forecasts.columns)
        found = fetch(connection, plain_select(columns, engine.dialect), columns, [forecasts.c.forecast_id])
    expected = frame.sort_values("forecast_id", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert found["q05"].to_numpy().tobytes() == expected["q05"].to_numpy().tobytes()


def test_nulls_of_every_nullable_kind_come_back(engine):
    frame = made_forecasts(6, skill=[0.1, None] * 3, skill_sample_size=pd.array([None, 1, 2] * 2, dtype="Int64"))
    with writing(engine) as connection:
        insert_new(connection, forecasts, frame)
        columns = [forecasts.c.forecast_id, forecasts.c.skill, forecasts.c.skill_sample_size]
        found = fetch(connection, plain_select(columns, engine.dialect), columns, columns[:1])
    expected = frame.sort_values("forecast_id", ignore_index=True)[[column.name for column in columns]]
    pd.testing.assert_frame_equal(found, expected)


def test_a_price_is_exactly_its_decimal_digits(engine):
    """In PostgreSQL's NUMERIC, and in the shortest digits of SQLite's double."""
    prices = [0.00000812, 42283.58, 0.1, 123456.12345678, 1e-12]
    with writing(engine) as connection:
        insert_new(connection, forecasts, made_forecasts(5, reference_price=prices))
        stored = connection.execute(select(type_coerce(forecasts.c.reference_price, NULLTYPE))).scalars().all()
    assert sorted(Decimal(str(price)) for price in stored) == sorted(Decimal(str(price)) for price in prices)


def test_instants_of_any_zone_are_the_same_instants(engine):
    moment = datetime(2023, 10, 29, 1, 30, 0, 123456, tzinfo=UTC)
    zones = [UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-8))]
    frame = made_forecasts(3, written_at=[moment.astimezone(zone) for zone in zones])
    with writing(engine) as connection:
        insert_new(connection, forecasts, frame)
        assert set(connection.execute(select(forecasts.c.written_at)).scalars()) == {moment}


@pytest.mark.slow
def test_the_servers_own_time_zone_does_not_matter(postgres_url):
    from bitpredict.settings import Settings
    from bitpredict.storage.database import open_database, upgrade

    engine = open_database(Settings(database_url=postgres_url))
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER ROLE postgres SET timezone = 'Asia/Kathmandu'"))
    engine.dispose()
    try:
        frame = made_forecasts(3)
        with writing(engine) as connection:
            insert_new(connection, forecasts, frame)
            columns = [forecasts.c.forecast_id, forecasts.c.origin]
            found = fetch(connection, plain_select(columns, engine.dialect), columns, columns[1:])
        assert found["origin"].tolist() == sorted(frame["origin"])
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER ROLE postgres RESET timezone"))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        pytest.param({"kind": [None, "live"]}, "kind is null in 1 of 2 rows", id="null"),
        pytest.param({"q50": [np.nan, 1.0]}, "q50 is null in 1 of 2 rows", id="not a number"),
        pytest.param({"q50": [1.0, np.inf]}, "q50 is not finite in 1 of 2 rows, the first is inf", id="infinite"),
        pytest.param({"q50": ["high", "low"]}, r"forecasts\.q50: could not convert string", id="text for a number"),
        pytest.param({"symbol": ["B" * 21, "BTCUSDT"]}, "symbol is longer than 20 characters in 1", id="too long"),
        pytest.param({"symbol": ["BTC\0", "BTCUSDT"]}, "symbol holds a NUL", id="NUL"),
        pytest.param({"symbol": [5, "BTCUSDT"]}, "symbol is not text in 1 of 2 rows, the first is 5", id="not text"),
        pytest.param({"skill_sample_size": [1.5, 2]}, "skill_sample_size is not a whole number", id="fraction"),
        pytest.param({"origin": pd.Timestamp("2023-03-01")}, "origin has no timezone in 2 of 2 rows", id="naive"),
        pytest.param({"origin": [datetime(2023, 3, 1)] * 2}, "has no timezone", id="naive objects"),  # noqa: DTZ001
        pytest.param({"origin": ["yesterday", "today"]}, "origin has no timezone", id="text for an instant"),
    ],
)
def test_what_one_database_would_take_and_another_not_is_refused_by_all(engine, columns, says):
    with pytest.raises(ContractError, match=says), writing(engine) as connection:
        insert_new(connection, forecasts, made_forecasts(2, **columns))
    assert by_hand(engine, forecasts) == []


def test_missing_and_unknown_columns_are_named(engine):
    frame = made_forecasts(2)
    with pytest.raises(ContractError, match=r"forecasts lacks the columns \['q50'\]"), writing(engine) as connection:
        insert_new(connection, forecasts, frame.drop(columns="q50"))
    with pytest.raises(ContractError, match=r"has no columns \['q51'\]"), writing(engine) as connection:
        insert_new(connection, forecasts, frame.assign(q51=1.0))


def test_true_and_false_are_not_numbers(engine):
    rows = made_outcomes(made_forecasts(2), inside_90=[1, 0])
    with pytest.raises(ContractError, match="inside_90 is not true or false"), writing(engine) as connection:
        upsert(connection, forecast_outcomes, rows, stamp="scored_at")


def test_a_frame_without_rows_writes_nothing(engine):
    with writing(engine) as connection:
        assert insert_new(connection, forecasts, made_forecasts(0)) == 0
        assert insert_new(connection, forecasts, pd.DataFrame()) == 0
        upsert(connection, forecast_outcomes, pd.DataFrame(), stamp="scored_at")


@given(st.floats(min_value=1e-12, max_value=1e9, allow_subnormal=False))
def test_a_float_of_up_to_15_digits_has_the_price_that_was_meant(price):
    """What the exactness of prices rests on: the shortest digits of a float are the price it was read from."""
    meant = Decimal(f"{price:.15g}")
    assert Decimal(str(float(meant))) == meant
