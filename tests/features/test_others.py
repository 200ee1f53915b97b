from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bitpredict.features.others import BORROWED, FEATURES, state_of_others

NOON = datetime(2023, 11, 11, 12, tzinfo=UTC)


def row(symbol: str, minute: int, value: float | None, known_after: float = 0.0) -> dict[str, object]:
    """A row of price_features at 12:00 plus `minute`, all its borrowed columns holding `value`."""
    origin = NOON + timedelta(minutes=minute)
    known_at = origin + timedelta(seconds=known_after)
    return {"symbol": symbol, "origin": origin, "known_at": known_at, **dict.fromkeys(BORROWED, value)}


def seen(*rows: dict[str, object]) -> list[float]:
    table = pa.Table.from_pandas(pd.DataFrame(rows), preserve_index=False)
    found = state_of_others(table)
    assert list(found) == [feature.name for feature in FEATURES]
    first = found["other_log_rv_60"]
    assert all(np.array_equal(values, first, equal_nan=True) for values in found.values())
    return first.tolist()


NAN = pytest.approx(np.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("rows", "states"),
    [
        pytest.param([row("A", 0, 1.0)], [NAN], id="alone"),
        pytest.param([row("A", 0, 1.0), row("B", 0, 2.0)], [2.0, 1.0], id="each sees the other"),
        pytest.param([row("B", -5, 3.0), row("A", 0, 1.0)], [NAN, 3.0], id="five minutes old"),
        pytest.param([row("A", 0, 1.0), row("B", -10, 3.0), row("B", -5, 4.0)], [4.0, NAN, NAN], id="the newest"),
        pytest.param([row("B", -10, 3.0), row("A", 0, 1.0)], [NAN, 3.0], id="ten minutes old"),
        pytest.param([row("B", -15, 3.0), row("A", 0, 1.0)], [NAN, NAN], id="too old"),
        pytest.param([row("B", 5, 3.0), row("A", 0, 1.0)], [1.0, NAN], id="never one from later"),
        pytest.param(
            [row("A", 0, 1.0, 0.3), row("B", 0, 9.0, 0.5), row("B", -5, 2.0, 0.5)],
            [2.0, 1.0, NAN],
            id="what became known a moment later is not used",
        ),
        pytest.param(
            [row("A", 0, 1.0, 9e6), row("B", 0, 2.0), row("B", 5, 3.0)],
            [2.0, NAN, NAN],
            id="a row repaired long after still sees no later origin",
        ),
        pytest.param([row("A", 0, 1.0), row("B", 0, 2.0), row("C", 0, 6.0)], [4.0, 3.5, 1.5], id="mean of several"),
        pytest.param([row("A", 0, 1.0), row("B", 0, None), row("C", 0, 6.0)], [6.0, 3.5, 1.0], id="null is left out"),
        pytest.param([row("A", 0, 1.0), row("B", 0, None)], [NAN, 1.0], id="null is not zero"),
    ],
)
def test_the_state_of_the_other_symbols(rows, states):
    assert seen(*rows) == states
    assert seen(*reversed(rows)) == states[::-1]
