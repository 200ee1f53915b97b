import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from bitpredict.forecasting.gate import choose_champion
from bitpredict.forecasting.inference import make_forecasts
from bitpredict.forecasting.scoring import make_scorecard, score
from bitpredict.market.horizons import QUANTILE_LEVELS
from bitpredict.storage.schema import forecast_outcomes, scorecard
from tests.forecasting.conftest import NOW


@pytest.fixture(scope="module")
def due(features, trained) -> pd.DataFrame:
    """Forecasts of December 1st to 5th; the targets of the last hour are not over."""
    rows = features.to_pandas()
    rows = rows[rows["origin"] >= "2023-12-01"]
    return make_forecasts(rows, trained.models, choose_champion(trained.evaluations), "t@1", NOW).table


@pytest.fixture(scope="module")
def scored(due, candles) -> pd.DataFrame:
    outcomes = score(due, candles, NOW).table
    return due.drop(columns="realized_variance").merge(outcomes.drop(columns="target_time"), on="forecast_id")


def test_outcomes_are_those_of_the_candles(due, candles):
    found = score(due, candles, NOW)
    assert list(found.table.columns) == [column.name for column in forecast_outcomes.columns]
    assert found.unscored == {"BTCUSDT 1h: a missing or halted minute in the target": 11 * due["model"].nunique()}
    assert len(found.table) == len(due) - sum(found.unscored.values())
    close = candles.to_pandas().set_index("open_time")["close"]
    minute = pd.Timedelta(minutes=1)
    for outcome in found.table.sample(25, random_state=4).itertuples():
        forecast = due.set_index("forecast_id").loc[outcome.forecast_id]
        prices = close[forecast["origin"] - minute : forecast["origin"] + 59 * minute]
        steps = np.diff(np.log(prices))
        log_return = np.log(prices.iloc[-1] / prices.iloc[0])
        ratio = (steps**2).sum() / forecast["realized_variance"]
        misses = [
            max(level * (log_return - q), (level - 1) * (log_return - q))
            for level, q in zip(QUANTILE_LEVELS, forecast["q05":"q95"], strict=True)
        ]
        assert len(prices) == 61
        assert outcome.realized_variance == pytest.approx((steps**2).sum())
        assert outcome.realized_log_return == pytest.approx(log_return)
        assert outcome.qlike == pytest.approx(ratio - np.log(ratio) - 1)
        assert outcome.pinball == pytest.approx(np.mean(misses))
        assert outcome.inside_50 == (forecast["q25"] <= log_return <= forecast["q75"])
        assert outcome.inside_90 == (forecast["q05"] <= log_return <= forecast["q95"])
        assert outcome.target_time == forecast["target_time"]


def test_a_hole_in_the_target_is_no_outcome(due, candles):
    hole = pd.Timestamp("2023-12-02 12:00", tz="UTC")
    holed = candles.filter(pc.not_equal(candles["open_time"], hole.to_pydatetime()))
    found = score(due, holed, NOW)
    lost = set(score(due, candles, NOW).table["forecast_id"]) - set(found.table["forecast_id"])
    origins = due[due["forecast_id"].isin(lost)]["origin"]
    # Minute 12:00 is within the targets from 11:05 on, and the price from which those of 12:00 start is 11:59's.
    assert (origins.min(), origins.max()) == (hole - pd.Timedelta(minutes=55), hole)
    assert sum(found.unscored.values()) == (11 + 12) * due["model"].nunique()


def test_nothing_due_has_no_outcomes(due, candles):
    found = score(due.iloc[:0], candles, NOW)
    assert found.table.empty
    assert found.unscored == {}


def test_the_scorecard_compares_on_the_same_origins(scored):
    worse = scored[(scored["model"] != "ridge") | (scored["origin"] >= "2023-12-03")]
    card = make_scorecard(worse).set_index("model")
    assert list(make_scorecard(worse).columns) == [column.name for column in scorecard.columns]
    assert card.loc["ridge", "scored_from"] == pd.Timestamp("2023-12-03", tz="UTC")
    since = scored[scored["origin"] >= "2023-12-03"].groupby("model")["qlike"].mean()
    assert card.loc["ridge", "skill"] == pytest.approx(1 - since["ridge"] / since["seasonal_har"])
    assert card.loc["seasonal_har", "skill"] == 0.0
    assert pd.isna(card.loc["seasonal_har", "p_value"])
    assert card["champion_share"].sum() == 1.0
    assert set(card["updated_at"]) == {pd.Timestamp(NOW)}
    for name, row in card.iterrows():
        mine = worse[worse["model"] == name]
        assert row["sample_size"] == len(mine)
        assert row["coverage_90"] == pytest.approx(mine["inside_90"].mean())
        assert row["pinball"] == pytest.approx(mine["pinball"].mean())


def test_backtest_and_live_do_not_mix(scored):
    live = scored["origin"] >= "2023-12-04"
    card = make_scorecard(scored.assign(kind=np.where(live, "live", "backtest")))
    sizes = card.groupby("kind")["sample_size"].first()
    baseline = scored["model"] == "seasonal_har"
    assert sizes.to_dict() == {"backtest": (~live & baseline).sum(), "live": (live & baseline).sum()}


def test_of_several_versions_the_last_written_counts(scored):
    older = scored.assign(
        qlike=99.0, written_at=scored["written_at"] - pd.Timedelta(days=1), forecast_id=scored["forecast_id"] + "x"
    )
    assert make_scorecard(pd.concat([scored, older])).equals(make_scorecard(scored))


def test_order_does_not_matter(scored):
    pd.testing.assert_frame_equal(make_scorecard(scored.sample(frac=1, random_state=1)), make_scorecard(scored))


def test_a_model_without_the_baseline_has_no_skill_to_show(scored):
    assert make_scorecard(scored[scored["model"] != "seasonal_har"]).empty
    assert make_scorecard(scored.iloc[:0]).empty
