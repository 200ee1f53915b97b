"""`batch_forecasts`, `forecast_outcomes` and `scorecard` of real days, by models trained before them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import Engine

from bitpredict.features.catalog import FEATURE_TABLE
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.evaluations import read_champions, read_evaluations, read_scorecard, write_evaluations
from bitpredict.storage.ledger import read_forecasts, read_scored
from bitpredict_assets.forecasts import assets
from tests.support.graph import run_job

pytestmark = pytest.mark.slow

START, END = datetime(2023, 12, 1, tzinfo=UTC), datetime(2023, 12, 4, tzinfo=UTC)
LENGTH = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
QUANTILES = ["q05", "q10", "q25", "q50", "q75", "q90", "q95"]
JOB = "forecasts_and_scores"


def ledger(engine: Engine) -> pd.DataFrame:
    """Every forecast, whenever its target is."""
    first, last = START - timedelta(days=60), END + timedelta(days=60)
    parts = [
        read_forecasts(engine, symbol, horizon, first, last) for symbol in ("BTCUSDT", "ETHUSDT") for horizon in LENGTH
    ]
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)


def test_every_model_forecasts_every_origin_once(forecast):
    found = ledger(forecast.engine)
    assert not found.duplicated(["symbol", "horizon", "origin", "model"]).any()
    models = found.groupby(["symbol", "horizon", "origin"])["model"].nunique()
    assert set(models) == {5}
    origins = forecast.lake.read(FEATURE_TABLE, START, END)["origin"].unique().to_pylist()
    assert len(origins) == 3 * 288
    by_horizon = found.groupby("horizon")["origin"].agg(lambda at: {moment.to_pydatetime() for moment in at})
    assert by_horizon["5m"] == by_horizon["1h"] == set(origins)
    assert by_horizon["1d"] == {origin for origin in origins if origin.minute == 0}


def test_each_origin_is_served_once_by_the_months_champion(forecast):
    found = ledger(forecast.engine)
    served = found[found["variant"] == "champion"]
    assert not served.duplicated(["symbol", "horizon", "origin"]).any()
    assert len(served) == len(found) / 5
    key = ["symbol", "horizon", "model", "model_version"]
    assert {*map(tuple, served[key].to_numpy())} == {*map(tuple, read_champions(forecast.engine)[key].to_numpy())}
    assert set(found.loc[found["model"] == "seasonal_har", "variant"]) <= {"baseline", "champion"}


def test_a_forecast_carries_what_it_takes_to_believe_it(forecast):
    found = ledger(forecast.engine)
    assert set(found["kind"]) == {"backtest"}
    assert (found["target_time"] - found["origin"] == found["horizon"].map(LENGTH)).all()
    assert (np.diff(found[QUANTILES], axis=1) >= 0).all()
    assert found["p_up"].between(0, 1).all()
    assert set(found["input"]) == {f"feature_table@{forecast.lake.version(FEATURE_TABLE)}"}
    evaluated = read_evaluations(forecast.engine).set_index("model_version")
    matched = evaluated.loc[found["model_version"]]
    np.testing.assert_array_equal(found["skill"].to_numpy(float), matched["skill"].to_numpy(float))
    np.testing.assert_array_equal(found["skill_sample_size"].to_numpy(int), matched["sample_size"].to_numpy(int))
    closes = forecast.lake.read(CANDLES).to_pandas().set_index(["symbol", "open_time"])["close"]
    before = pd.MultiIndex.from_arrays([found["symbol"], found["origin"] - timedelta(minutes=1)])
    np.testing.assert_allclose(found["reference_price"].astype(float), closes[before], rtol=1e-12)


def test_a_materialization_says_what_was_forecast(forecast):
    said = forecast.ran.metadata("batch_forecasts")
    total = len(ledger(forecast.engine))
    assert (said["rows of the run"], said["new"], said["already in the ledger"]) == (total, total, 0)
    assert forecast.ran.row_counts("batch_forecasts") == {f"2023-12-0{day}": total // 3 for day in (1, 2, 3)}
    assert said["origins without a forecast"] == {}
    assert said["hourly volatility forecast"].startswith("![BTCUSDT, ETHUSDT](data:image/png;base64,")
    checks = forecast.ran.checks
    assert checks["quantiles_ordered"].passed
    assert checks["one_champion"].passed
    assert forecast.ran.check_metadata("quantiles_ordered")["rows"] == total


@pytest.mark.usefixtures("with_forecasts")
def test_running_again_adds_and_changes_nothing(forecast, engine):
    ran = run_job(JOB, "2023-12-01", "2023-12-03")
    said = ran.metadata("batch_forecasts")
    assert (said["new"], said["already in the ledger"]) == (0, said["rows of the run"])
    pd.testing.assert_frame_equal(ledger(engine), ledger(forecast.engine))
    pd.testing.assert_frame_equal(read_scored(engine), read_scored(forecast.engine))
    pd.testing.assert_frame_equal(read_scorecard(engine), read_scorecard(forecast.engine))


@pytest.mark.usefixtures("with_models")
def test_days_alone_give_what_the_range_gave(forecast, engine):
    for day in ("2023-12-01", "2023-12-02", "2023-12-03"):
        assert run_job(JOB, day).success
    written = ["written_at", "scored_at"]
    pd.testing.assert_frame_equal(
        read_scored(engine).drop(columns=written), read_scored(forecast.engine).drop(columns=written)
    )
    pd.testing.assert_frame_equal(
        read_scorecard(engine).drop(columns="updated_at"), read_scorecard(forecast.engine).drop(columns="updated_at")
    )


def test_what_is_due_has_an_outcome_and_nothing_else(forecast):
    found, scored = ledger(forecast.engine), read_scored(forecast.engine)
    due = found[found["target_time"] <= END]
    assert 0 < len(due) < len(found)
    assert set(scored["forecast_id"]) == set(due["forecast_id"])
    said = forecast.ran.metadata("forecast_outcomes")
    assert (said["due"], said["rows of the run"], said["not scored"]) == (len(due), len(due), {})
    assert said["90 % interval held"] == pytest.approx(scored["inside_90"].astype(float).mean())


def test_an_outcome_is_what_the_candles_say(forecast):
    scored = read_scored(forecast.engine).sample(60, random_state=3)
    candles = forecast.lake.read(CANDLES).to_pandas()
    for row in scored.itertuples():
        closes = candles[candles["symbol"] == row.symbol].set_index("open_time")["close"]
        path = np.log(closes[row.origin - timedelta(minutes=1) : row.target_time - timedelta(minutes=1)])
        assert row.realized_log_return == pytest.approx(path.iloc[-1] - path.iloc[0], abs=1e-12)
        assert row.outcome_variance == pytest.approx((path.diff() ** 2).sum(), rel=1e-9)
        assert row.inside_90 == (row.q05 <= row.realized_log_return <= row.q95)


@pytest.mark.usefixtures("with_forecasts")
def test_the_next_day_scores_what_reaches_into_it(engine):
    before = len(read_scored(engine))
    ran = run_job(JOB, "2023-12-04", assets=["forecast_outcomes"])
    assert ran.row_counts("forecast_outcomes") == {"2023-12-04": len(ledger(engine)) - before}
    assert len(read_scored(engine)) == len(ledger(engine))


@pytest.mark.usefixtures("with_forecasts")
def test_a_target_with_a_missing_minute_is_not_scored(lake, engine):
    """BTCUSDT lacks one minute of the 4th: every target over it stays without an outcome, and is counted."""
    day = datetime(2023, 12, 4, tzinfo=UTC)
    gone = datetime(2023, 12, 4, 0, 2, tzinfo=UTC)
    rows = lake.read(CANDLES, day, day + timedelta(days=1)).to_pandas()
    rows = rows[(rows["symbol"] != "BTCUSDT") | (rows["open_time"] != gone)]
    lake.replace(CANDLES, pa.Table.from_pandas(rows, preserve_index=False), day, day + timedelta(days=1))
    late = ledger(engine)
    late = late[late["target_time"] > day]
    over = late[(late["symbol"] == "BTCUSDT") & (late["origin"] <= gone) & (late["target_time"] > gone)]
    said = run_job(JOB, "2023-12-04", assets=["forecast_outcomes"]).metadata("forecast_outcomes")
    counted = over.groupby("horizon").size()
    assert said["not scored"] == {
        f"BTCUSDT {name}: a missing or halted minute in the target": count for name, count in counted.items()
    }
    assert not set(over["forecast_id"]) & set(read_scored(engine)["forecast_id"])


def test_the_scorecard_compares_with_the_baseline_on_the_same_origins(forecast):
    card = read_scorecard(forecast.engine).set_index(["kind", "symbol", "horizon", "model"])
    scored = read_scored(forecast.engine)
    keys = ["kind", "symbol", "horizon", "model"]
    assert set(card.index) == set(scored.set_index(keys).index)
    losses = scored.pivot(index=["kind", "symbol", "horizon", "origin"], columns="model", values="qlike")
    assert not losses.isna().any(axis=None)
    means = losses.groupby(["kind", "symbol", "horizon"]).mean()
    for key, row in card.iterrows():
        mine, baseline = means.loc[key[:3], key[3]], means.loc[key[:3], "seasonal_har"]
        assert row["qlike"] == pytest.approx(mine, rel=1e-9)
        assert row["skill"] == pytest.approx(1 - mine / baseline, abs=1e-9)
    assert forecast.ran.metadata("scorecard")["dagster/row_count"] == len(card) == 30


@pytest.mark.usefixtures("with_models")
def test_what_is_written_before_its_target_is_live_and_has_a_scorecard_of_its_own(engine, monkeypatch):
    noon = datetime(2023, 12, 2, 12, tzinfo=UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return noon.astimezone(tz)

    monkeypatch.setattr(assets, "datetime", Clock)
    assert run_job(JOB, "2023-12-01", "2023-12-03").success
    found = ledger(engine)
    assert ((found["kind"] == "live") == (found["target_time"] > noon)).all()
    card = read_scorecard(engine).set_index(["kind", "symbol", "horizon", "model"])["sample_size"]
    scored = read_scored(engine)
    assert card.to_dict() == scored.groupby(["kind", "symbol", "horizon", "model"]).size().to_dict()
    assert {"live", "backtest"} == set(scored["kind"])


@pytest.mark.usefixtures("with_models")
def test_days_of_a_month_without_models_are_counted_and_not_forecast(lake, engine):
    ran = run_job(JOB, "2023-11-30", "2023-12-01", ["batch_forecasts"])
    assert ran.success
    november = lake.read(FEATURE_TABLE, START - timedelta(days=1), START).num_rows
    assert ran.metadata("batch_forecasts")["origins without a forecast"] == {"no models for 2023-11": november}
    assert ledger(engine)["origin"].min() == START
    assert ran.row_counts("batch_forecasts")["2023-11-30"] == 0


@pytest.mark.usefixtures("with_models")
def test_an_origin_before_its_model_was_valid_is_refused(engine):
    """Someone registers December's versions for November: that would be forecasting with what came later."""
    write_evaluations(engine, read_evaluations(engine).assign(month="2023-11-01"))
    ran = run_job(JOB, "2023-11-30", "2023-12-01", ["batch_forecasts"])
    assert not ran.success
    (why,) = ran.failures.values()
    assert "is valid from 2023-12-01 00:00 UTC and must not forecast 2023-11-30 00:00" in why
    assert ledger(engine).empty
