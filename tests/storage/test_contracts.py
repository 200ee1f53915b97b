from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from bitpredict.errors import ContractError
from bitpredict.storage.contracts import TIMESTAMP, Contract, field

LEVELS = Contract(
    table="levels",
    schema=pa.schema(
        [
            field("symbol", pa.string(), "pair"),
            field("open_time", TIMESTAMP, "minute", "UTC"),
            field("price", pa.float64(), "price", "quote currency"),
            field("spread", pa.float64(), "spread", nullable=True),
        ]
    ),
    key=("symbol", "open_time"),
    time="open_time",
    positive=("price",),
    description="for the test",
)
NOON = datetime(2023, 11, 1, 12, tzinfo=UTC)


def rows(**changed: list[object]) -> pa.Table:
    columns = {
        "symbol": ["B", "A", "A"],
        "open_time": [NOON, NOON + timedelta(minutes=1), NOON],
        "price": [2.0, 1.5, 1.0],
        "spread": [None, 0.1, 0.2],
    }
    return pa.table({**columns, **changed})


def test_rows_come_out_in_the_contracts_columns_types_and_order():
    table = LEVELS.conform(rows(other=[1, 2, 3]))
    assert table.schema.equals(LEVELS.schema, check_metadata=True)
    assert [(r["symbol"], r["open_time"], r["price"]) for r in table.to_pylist()] == [
        ("A", NOON, 1.0),
        ("B", NOON, 2.0),
        ("A", NOON + timedelta(minutes=1), 1.5),
    ]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        pytest.param(rows().drop_columns(["price"]), r"lacks the columns \['price'\]", id="column missing"),
        pytest.param(rows(price=[1.0, None, 2.0]), "price is null in 1 of 3", id="null"),
        pytest.param(rows(price=[1.0, float("nan"), 2.0]), "price is not finite in 1 of 3", id="not a number"),
        pytest.param(rows(spread=[1.0, float("inf"), 2.0]), "spread is not finite in 1 of 3", id="infinite"),
        pytest.param(rows(price=[1.0, 0.0, -2.0]), "price is not above zero in 2 of 3", id="not positive"),
        pytest.param(rows(price=["1", "two", "3"]), "levels: .*two", id="not a number at all"),
        pytest.param(rows(symbol=["A", "A", "A"]), "1 keys more than once, the first is .*'A'", id="key twice"),
    ],
)
def test_rows_that_break_the_contract_are_refused_with_the_reason(table, says):
    with pytest.raises(ContractError, match=says):
        LEVELS.conform(table)


def test_no_rows_are_fine():
    assert LEVELS.conform(LEVELS.empty()).num_rows == 0
