"""The newest feature row a symbol in the database: an older one never replaces a newer one."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from bitpredict.errors import ContractError
from bitpredict.storage.serving_rows import decoded, encoded, read_serving_rows, write_serving_rows

T = datetime(2024, 3, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FEATURES = {"return_5": -0.1 + 0.3, "log_rv_60": None, "tiny": 5e-324, "hour": 12}


def row(symbol: str, minute: int, **changes: object) -> dict[str, object]:
    origin = T + minute * MINUTE
    return {
        "symbol": symbol,
        "origin": origin,
        "feature_set_version": "0123456789ab",
        "reference_price": 42812.123456789012,
        "coverage": 0.5,
        "features": encoded(FEATURES),
        "provenance": "observed",
        "known_at": origin,
        "written_by": "asset",
        "written_at": origin + MINUTE,
    } | changes


def write(engine, *rows: dict[str, object]):
    return write_serving_rows(engine, pd.DataFrame(rows))


def test_a_row_comes_back_as_it_was_written(engine):
    assert write(engine, row("BTCUSDT", 0), row("ETHUSDT", 5)).written == 2
    found = read_serving_rows(engine)
    assert found.to_dict("records") == [row("BTCUSDT", 0), row("ETHUSDT", 5)]
    assert decoded(found["features"][0]) == FEATURES


def test_a_newer_row_replaces_and_an_older_one_does_not(engine):
    write(engine, row("BTCUSDT", 5), row("ETHUSDT", 5))
    written = write(engine, row("BTCUSDT", 10, coverage=0.75), row("ETHUSDT", 0, coverage=0.75))
    assert (written.written, written.newer_there) == (1, ("ETHUSDT",))
    assert read_serving_rows(engine).to_dict("records") == [row("BTCUSDT", 10, coverage=0.75), row("ETHUSDT", 5)]


def test_the_same_origin_made_again_replaces_and_the_same_row_keeps_its_stamp(engine):
    write(engine, row("BTCUSDT", 5))
    write(engine, row("BTCUSDT", 5, written_at=T + 99 * MINUTE))
    assert read_serving_rows(engine).to_dict("records") == [row("BTCUSDT", 5)]
    again = row("BTCUSDT", 5, provenance="repaired", written_at=T + 99 * MINUTE)
    write(engine, again)
    assert read_serving_rows(engine).to_dict("records") == [again]


def test_no_rows_are_none(engine):
    assert read_serving_rows(engine).empty
    write(engine, row("BTCUSDT", 5))
    columns = list(row("BTCUSDT", 5))
    assert write_serving_rows(engine, pd.DataFrame(columns=columns)).written == 0
    assert len(read_serving_rows(engine)) == 1


def test_what_does_not_fit_is_refused_and_the_old_row_stays(engine):
    write(engine, row("BTCUSDT", 5))
    with pytest.raises(ContractError, match="coverage is null"):
        write(engine, row("BTCUSDT", 10, coverage=None), row("ETHUSDT", 10))
    assert read_serving_rows(engine).to_dict("records") == [row("BTCUSDT", 5)]


def test_a_number_that_is_none_is_not_encoded():
    with pytest.raises(ValueError, match="Out of range"):
        encoded({"return_5": float("nan")})
