"""Evaluations, champions and the scorecard: replaced by key, so that twice is once."""

from datetime import timedelta

import pandas as pd
import pytest

from bitpredict.errors import ContractError
from bitpredict.storage.evaluations import (
    champion_at,
    read_champions,
    read_evaluations,
    read_scorecard,
    replace_scorecard,
    write_champions,
    write_evaluations,
)
from bitpredict.storage.schema import champions, model_evaluations, scorecard
from tests.support.made_rows import midnight

NOW = pd.Timestamp("2023-06-01", tz="UTC").as_unit("us")
LATER = NOW + timedelta(hours=1)


def made(table, key: dict[str, list[object]], **columns: object) -> pd.DataFrame:
    """Rows of `table` with that key; every other column holds something of its type."""
    fill = {"Double": 0.5, "Integer": 7, "String": "x", "Text": "x", "UtcDateTime": NOW}
    others = {column.name: fill[type(column.type).__name__] for column in table.columns}
    return pd.DataFrame({**others, **key, **columns}).astype({"month": str} if "month" in key else {})


def evaluations(**columns: object) -> pd.DataFrame:
    key = {
        "month": ["2023-11-01", "2023-11-01", "2023-12-01", "2023-12-01"],
        "symbol": ["BTCUSDT", "ETHUSDT", "BTCUSDT", "BTCUSDT"],
        "horizon": ["1h", "1h", "1h", "1d"],
        "model": ["ridge", "ridge", "seasonal_har", "ridge"],
    }
    return made(model_evaluations, key, **columns)


def a_scorecard(models: list[str], **columns: object) -> pd.DataFrame:
    key = {"kind": "backtest", "symbol": "BTCUSDT", "horizon": "1h", "model": models}
    return made(scorecard, key, **columns)


def test_evaluations_are_replaced_by_key_and_others_stay(engine):
    write_evaluations(engine, evaluations())
    again = evaluations(qlike=0.25, evaluated_at=LATER).head(2)
    write_evaluations(engine, again)
    expected = pd.concat([again, evaluations().tail(2)])
    expected = expected.sort_values(["month", "symbol", "horizon", "model"], ignore_index=True)
    pd.testing.assert_frame_equal(read_evaluations(engine), expected)


def test_evaluating_again_with_the_same_result_leaves_the_table_as_it_is(engine):
    write_evaluations(engine, evaluations(p_value=None))
    before = read_evaluations(engine)
    assert before["p_value"].isna().all()
    write_evaluations(engine, evaluations(p_value=None, evaluated_at=LATER))
    pd.testing.assert_frame_equal(read_evaluations(engine), before)


def test_evaluations_are_read_by_month_symbol_and_horizon(engine):
    write_evaluations(engine, evaluations())
    assert len(read_evaluations(engine, month="2023-12-01")) == 2
    assert read_evaluations(engine, symbol="ETHUSDT")["month"].tolist() == ["2023-11-01"]
    assert read_evaluations(engine, month="2023-12-01", horizon="1d")["model"].tolist() == ["ridge"]
    assert read_evaluations(engine, month="2024-01-01").empty


def test_the_champion_is_the_latest_that_was_valid_at_the_origin(engine):
    starts = [midnight(0), midnight(10), midnight(31)]
    months = ["2023-03-01", "2023-03-01", "2023-04-01"]
    key = {"month": months, "symbol": ["BTCUSDT"] * 3, "horizon": ["1h"] * 3, "valid_from": starts}
    write_champions(engine, made(champions, key, model_version=["one", "two", "three"]))
    at = {day: champion_at(engine, "BTCUSDT", "1h", midnight(day)) for day in (-1, 0, 9, 10, 30, 31, 90)}
    versions = {day: None if row is None else row["model_version"] for day, row in at.items()}
    assert versions == {-1: None, 0: "one", 9: "one", 10: "two", 30: "two", 31: "three", 90: "three"}
    assert champion_at(engine, "ETHUSDT", "1h", midnight(5)) is None
    assert read_champions(engine, month="2023-03-01")["model_version"].tolist() == ["one", "two"]


def test_the_scorecard_is_replaced_wholly_and_unchanged_rows_keep_their_stamp(engine):
    replace_scorecard(engine, a_scorecard(["ewma", "ridge", "seasonal_har"]))
    replace_scorecard(
        engine, a_scorecard(["boosting", "ridge", "seasonal_har"], qlike=[0.5, 0.25, 0.5], updated_at=LATER)
    )
    found = read_scorecard(engine).set_index("model")
    assert found["qlike"].to_dict() == {"boosting": 0.5, "ridge": 0.25, "seasonal_har": 0.5}
    assert found["updated_at"].to_dict() == {"boosting": LATER, "ridge": LATER, "seasonal_har": NOW}


def test_an_empty_scorecard_empties_it(engine):
    replace_scorecard(engine, a_scorecard(["ridge"]))
    replace_scorecard(engine, a_scorecard(["ridge"]).head(0))
    assert read_scorecard(engine).empty


def test_a_scorecard_that_cannot_be_stored_leaves_the_one_before(engine):
    replace_scorecard(engine, a_scorecard(["ridge"]))
    for bad in (a_scorecard(["a", "a"]), a_scorecard(["a"], qlike=float("inf"))):
        with pytest.raises(ContractError):
            replace_scorecard(engine, bad)
    assert read_scorecard(engine)["model"].tolist() == ["ridge"]
