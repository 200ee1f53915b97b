"""The checks of models and forecasts on made rows: they pass on good ones, and fail visibly on planted faults."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
import pytest
from sqlalchemy import Engine

from bitpredict.storage.evaluations import replace_scorecard, write_champions, write_evaluations
from bitpredict.storage.ledger import write_forecasts
from tests.support import stores
from tests.support.graph import Ran, check_alone, run_job
from tests.support.made_rows import made_forecasts

DAY_1, DAY_2 = datetime(2023, 12, 1, tzinfo=UTC), datetime(2023, 12, 2, tzinfo=UTC)


def checked(engine: Engine, *frames: pd.DataFrame) -> Ran:
    """Write these forecasts, then run the days that they were made on; they have no features, so none are added."""
    for frame in frames:
        write_forecasts(engine, frame)
    ran = run_job("forecasts_and_scores", "2023-12-01", "2023-12-02", ["batch_forecasts"])
    assert ran.success
    return ran


def test_forecasts_in_order_pass(engine):
    ran = checked(engine, made_forecasts(1200, first=DAY_1))
    assert {name: check.passed for name, check in ran.checks.items()} == {
        "quantiles_ordered": True,
        "one_champion": True,
    }
    assert ran.check_metadata("quantiles_ordered")["rows"] == 1200


def test_a_quantile_above_the_next_is_an_error(engine):
    bad = made_forecasts(8, first=DAY_2, series="b").assign(q25=0.5)
    check = checked(engine, made_forecasts(400, first=DAY_1), bad).check("quantiles_ordered")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert check.metadata["crossing"].value == 8


def test_two_served_forecasts_of_one_origin_are_a_warning(engine):
    again = made_forecasts(8, first=DAY_1, series="b")
    check = checked(engine, made_forecasts(400, first=DAY_1), again).check("one_champion")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["served more than once"].value == 4


def test_forecasts_of_other_days_are_not_looked_at(engine):
    before = made_forecasts(8, first=DAY_1 - timedelta(hours=1), series="b").assign(q25=0.5)
    assert checked(engine, before).check_metadata("quantiles_ordered") == {"rows": 0, "crossing": 0}


@pytest.mark.slow
def test_alone_the_checks_look_at_the_newest_month(engine):
    write_forecasts(engine, made_forecasts(400, first=DAY_1 - timedelta(days=60), series="old").assign(q25=0.5))
    write_forecasts(engine, made_forecasts(400, first=DAY_1))
    ran = check_alone("batch_forecasts")
    assert ran.check("quantiles_ordered").passed
    assert ran.check_metadata("quantiles_ordered")["rows"] == 400


def test_alone_on_an_empty_ledger_they_say_what_to_do():
    (why,) = check_alone("batch_forecasts").failures.values()
    assert why.endswith("batch_forecasts is empty; materialize it before checking it")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("coverage", "outside"),
    [
        pytest.param(0.9, {}, id="all hold"),
        pytest.param(0.8, {"backtest ETHUSDT 1h ridge": 0.8}, id="one is too narrow"),
        pytest.param(0.97, {"backtest ETHUSDT 1h ridge": 0.97}, id="one is too wide"),
    ],
)
def test_intervals_that_do_not_hold_are_named(engine, coverage, outside):
    card = stores.made_scorecard().assign(coverage_90=0.9)
    one = (card[["symbol", "horizon", "model"]] == ["ETHUSDT", "1h", "ridge"]).all(axis=1)
    replace_scorecard(engine, card.assign(coverage_90=card["coverage_90"].mask(one, coverage)))
    check = check_alone("scorecard").check("intervals_hold")
    assert check.passed == (not outside)
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["outside"].value == outside
    assert check.metadata["rows"].value == len(card)


def evaluated(engine: Engine, **columns: float) -> None:
    """December's champions, and evaluations where BTCUSDT's of the next hour has these values."""
    champions, evaluations = stores.made_champions(), stores.made_evaluations().assign(skill=0.05, coverage_90=0.9)
    named = {"symbol": "BTCUSDT", "horizon": "1h"}
    named["model"] = champions[(champions[list(named)] == list(named.values())).all(axis=1)]["model"].item()
    one = (evaluations[list(named)] == list(named.values())).all(axis=1)
    assert one.sum() == 1
    write_champions(engine, champions)
    write_evaluations(engine, evaluations.assign(**{c: evaluations[c].mask(one, v) for c, v in columns.items()}))


def test_good_champions_pass(engine):
    evaluated(engine)
    assert check_alone("model_evaluations").check("champion_not_below_baseline").passed
    assert check_alone("champions").check("champion_covers").passed


def test_a_champion_that_loses_to_the_baseline_is_an_error(engine):
    evaluated(engine, skill=-0.01)
    check = check_alone("model_evaluations").check("champion_not_below_baseline")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert check.metadata["losing"].value == ["2023-12-01 BTCUSDT 1h boosting"]


@pytest.mark.slow
def test_a_champion_whose_interval_does_not_hold_is_a_warning(engine):
    evaluated(engine, coverage_90=0.7)
    check = check_alone("champions").check("champion_covers")
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["outside"].value == {"2023-12-01 BTCUSDT 1h boosting": 0.7}


@pytest.mark.usefixtures("engine")
def test_without_champions_nothing_is_proven():
    assert not check_alone("model_evaluations").check("champion_not_below_baseline").passed
    assert not check_alone("champions").check("champion_covers").passed
    assert not check_alone("scorecard").check("intervals_hold").passed
