"""The forecast ledger: written once, read by what the readers need, joined with what came."""

from datetime import timedelta

import pandas as pd
import pytest
from sqlalchemy import select

from bitpredict.errors import ContractError
from bitpredict.storage.database import reading
from bitpredict.storage.frames import fetch
from bitpredict.storage.frames import select as plain_select
from bitpredict.storage.ledger import (
    WriteResult,
    due_forecasts,
    latest_forecasts,
    ledger_faults,
    read_forecasts,
    read_scored,
    write_few_forecasts,
    write_forecasts,
    write_outcomes,
)
from bitpredict.storage.schema import forecast_outcomes, forecasts
from tests.support.made_rows import made_forecasts, made_outcomes, midnight

HOUR = timedelta(hours=1)
MANY = 25_000  # more than one statement's rows


def everything(engine) -> pd.DataFrame:
    columns = list(forecasts.columns)
    with reading(engine) as connection:
        return fetch(connection, plain_select(columns, engine.dialect), columns, [forecasts.c.forecast_id])


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), check_exact=True)


def test_forecasts_are_written_once(engine):
    frame = made_forecasts(40)
    assert write_forecasts(engine, frame.head(30)) == WriteResult(30, 0)
    assert write_forecasts(engine, frame) == WriteResult(10, 30)
    assert write_forecasts(engine, frame) == WriteResult(0, 40)
    same(everything(engine), frame.sort_values("forecast_id"))


def test_a_forecast_that_is_there_is_never_changed(engine):
    frame = made_forecasts(4)
    write_forecasts(engine, frame)
    assert write_forecasts(engine, frame.assign(q50=9.0, kind="live")) == WriteResult(0, 4)
    same(everything(engine), frame.sort_values("forecast_id"))


def test_the_same_id_twice_in_one_writing_is_written_once(engine):
    frame = made_forecasts(4)
    assert write_forecasts(engine, pd.concat([frame, frame])) == WriteResult(4, 4)


@pytest.mark.slow
def test_many_rows_are_written_and_counted(engine):
    frame = made_forecasts(MANY)
    assert write_forecasts(engine, frame) == WriteResult(MANY, 0)
    assert write_forecasts(engine, frame.sample(frac=1, random_state=1)) == WriteResult(0, MANY)
    same(everything(engine), frame.sort_values("forecast_id"))


def test_one_bad_row_and_nothing_is_written(engine):
    frame = made_forecasts(MANY)
    frame.loc[MANY - 1, "q50"] = float("inf")
    with pytest.raises(ContractError, match="q50 is not finite in 1 of 25000 rows"):
        write_forecasts(engine, frame)
    assert everything(engine).empty


def test_a_few_rows_are_written_as_a_frame_of_them_is(engine):
    frame = made_forecasts(12)
    frame.loc[3, "skill"] = None
    few = [{name: None if pd.isna(value) else value for name, value in row.items()} for row in frame.to_dict("records")]
    few[4]["skill"] = float("nan")
    frame.loc[4, "skill"] = None
    assert write_few_forecasts(engine, few[:8]) == WriteResult(8, 0)
    assert write_few_forecasts(engine, [one | {"q50": 9.0} for one in few[:8]]) == WriteResult(0, 8)
    assert write_forecasts(engine, frame) == WriteResult(4, 8)
    same(everything(engine), frame.sort_values("forecast_id"))


@pytest.mark.parametrize(("name", "value"), [("q50", float("inf")), ("q50", float("nan")), ("model", None)])
def test_one_bad_value_and_none_of_the_few_is_written(engine, name, value):
    few = made_forecasts(4).to_dict("records")
    few[2][name] = value
    with pytest.raises(ContractError, match=f"forecasts.{name} is null or not finite"):
        write_few_forecasts(engine, few)
    assert everything(engine).empty


def test_due_are_those_whose_target_is_after_the_start_and_not_after_the_end(engine):
    frame = made_forecasts(200)
    write_forecasts(engine, frame)
    start, end = midnight() + HOUR, midnight() + 2 * HOUR
    found = due_forecasts(engine, start, end)
    assert set(found["forecast_id"]) == set(
        frame.loc[(frame.target_time > start) & (frame.target_time <= end)].forecast_id
    )
    assert found["target_time"].min() == start + timedelta(minutes=5)
    assert found["target_time"].max() == end
    assert found["target_time"].is_monotonic_increasing
    # Ranges that follow each other hold each forecast once.
    days = [due_forecasts(engine, midnight() + i * HOUR, midnight() + (i + 1) * HOUR) for i in range(8)]
    assert sorted(pd.concat(days)["forecast_id"]) == sorted(frame["forecast_id"])


def test_faults_of_the_ledger_are_counted(engine):
    frame = made_forecasts(40)
    write_forecasts(engine, frame)
    assert ledger_faults(engine, midnight(), midnight(1)) == {"rows": 40, "crossing": 0, "served_twice": 0}
    crossing = made_forecasts(3, series="crossing", variant="challenger").assign(q25=1.0)
    twice = made_forecasts(1, series="twice", model="boosting")
    live = made_forecasts(1, series="live", kind="live")
    write_forecasts(engine, pd.concat([crossing, twice, live]))
    assert ledger_faults(engine, midnight(), midnight(1)) == {"rows": 45, "crossing": 3, "served_twice": 1}
    assert ledger_faults(engine, midnight(1), midnight(2)) == {"rows": 0, "crossing": 0, "served_twice": 0}


def test_forecasts_of_a_range_of_origins_of_one_symbol_and_variant(engine):
    frame = made_forecasts(200)
    write_forecasts(engine, pd.concat([frame, made_forecasts(8, series="5m", horizon="5m")]))
    start, end = midnight() + HOUR, midnight() + 2 * HOUR
    chosen = frame[(frame.symbol == "ETHUSDT") & (frame.origin >= start) & (frame.origin < end)]
    same(read_forecasts(engine, "ETHUSDT", "1h", start, end), chosen.sort_values(["origin", "model"]))
    champions = read_forecasts(engine, "ETHUSDT", "1h", start, end, variant="champion")
    same(champions, chosen[chosen.variant == "champion"].sort_values("origin"))


def test_the_latest_are_the_newest_champions_of_each_symbol_and_horizon(engine):
    hourly, daily = made_forecasts(40), made_forecasts(20, series="1d", horizon="1d")
    only_baseline = made_forecasts(4, series="5m", horizon="5m", variant="baseline")
    write_forecasts(engine, pd.concat([hourly, daily, only_baseline]))
    found = latest_forecasts(engine)
    assert found[["symbol", "horizon"]].to_numpy().tolist() == [
        ["BTCUSDT", "1d"],
        ["BTCUSDT", "1h"],
        ["ETHUSDT", "1d"],
        ["ETHUSDT", "1h"],
    ]
    served = pd.concat([hourly, daily]).query("variant == 'champion'")
    newest = served.sort_values("origin").groupby(["symbol", "horizon"], as_index=False).last()
    assert found["forecast_id"].tolist() == newest["forecast_id"].tolist()


def test_of_two_champions_of_one_origin_the_one_written_last_is_the_latest(engine):
    first = made_forecasts(1, series="first")
    again = made_forecasts(1, series="again", written_at=first["written_at"] + HOUR, kind="live")
    write_forecasts(engine, pd.concat([again, first]))
    assert latest_forecasts(engine)["forecast_id"].tolist() == again["forecast_id"].tolist()


def test_an_empty_ledger_reads_as_empty_with_its_columns(engine):
    assert latest_forecasts(engine).columns.tolist() == [column.name for column in forecasts.columns]
    assert latest_forecasts(engine).empty
    assert read_scored(engine).empty
    assert str(read_scored(engine)["origin"].dtype) == "datetime64[us, UTC]"


def test_scored_forecasts_are_the_join_of_both_tables(engine):
    frame = made_forecasts(60)
    outcomes = made_outcomes(frame.head(40))
    write_forecasts(engine, frame)
    write_outcomes(engine, outcomes)
    renamed = outcomes.drop(columns="target_time").rename(columns={"realized_variance": "outcome_variance"})
    expected = frame.merge(renamed, on="forecast_id").sort_values(["origin", "symbol", "horizon", "model"])
    found = read_scored(engine)
    same(found, expected[found.columns])
    assert set(found.columns) == set(expected.columns)


def test_scored_forecasts_can_be_chosen(engine):
    frame = made_forecasts(60, kind=["live", "backtest", "backtest"] * 20)
    write_forecasts(engine, frame)
    write_outcomes(engine, made_outcomes(frame))
    end = midnight() + HOUR
    found = read_scored(engine, kind="live", symbol="ETHUSDT", start=midnight(), end=end, columns=["qlike"])
    chosen = frame[(frame.kind == "live") & (frame.symbol == "ETHUSDT") & (frame.origin < end)]
    assert found.columns.tolist() == ["origin", "symbol", "horizon", "model", "qlike"]
    assert len(found) == len(chosen) > 0


def test_an_outcome_that_says_the_same_keeps_when_it_was_scored(engine):
    frame = made_forecasts(4)
    write_forecasts(engine, frame)
    first = made_outcomes(frame)
    later = first["scored_at"] + HOUR
    write_outcomes(engine, first)
    write_outcomes(engine, first.assign(scored_at=later))
    assert set(read_scored(engine)["scored_at"]) == set(first["scored_at"])
    repaired = first.assign(scored_at=later)
    repaired.loc[0, "qlike"] = 9.0
    write_outcomes(engine, repaired)
    found = read_scored(engine, columns=["forecast_id", "qlike", "scored_at"]).set_index("forecast_id")
    changed = found.loc[repaired.loc[0, "forecast_id"]]
    assert (changed["qlike"], changed["scored_at"]) == (9.0, later[0])
    assert (found["scored_at"] == later[0]).sum() == 1


def test_the_same_outcome_twice_in_one_writing_is_refused(engine):
    frame = made_forecasts(2)
    write_forecasts(engine, frame)
    outcomes = made_outcomes(frame)
    with pytest.raises(ContractError, match="forecast_outcomes is given the same key twice"):
        write_outcomes(engine, pd.concat([outcomes, outcomes]))
    with engine.connect() as connection:
        assert connection.execute(select(forecast_outcomes)).all() == []
