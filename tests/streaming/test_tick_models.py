import math
import random
from datetime import timedelta

import numpy as np
import pytest

from bitpredict.errors import ModelError
from bitpredict.streaming.messages import Trade
from bitpredict.streaming.recordings import Recording
from bitpredict.streaming.tick_models import TICK_BASELINE, TickInputs, make_model, tick_inputs
from bitpredict.streaming.tick_store import TickModelStore
from bitpredict.streaming.tick_training import coverage_tolerance, score_tick_model, tick_sample, train_tick_model
from bitpredict.streaming.window import TickWindow
from tests.support.streams import START, trade

SYMBOL = "BTCUSDT"


def bouncing(minutes: float, seed: int = 4, bounce: float = 3e-4) -> list[Trade]:
    """A random walk whose volatility changes, traded at bid and ask in turn: the baseline takes the spread for risk."""
    rng = random.Random(seed)
    found, fair, level, when = [], 100.0, -9.5, 0.0
    while when < minutes * 60:
        when += rng.expovariate(2.0)
        level += rng.gauss(-0.001 * (level + 9.5), 0.02)
        fair *= 1.0 + rng.gauss(0, math.exp(level))
        found.append(trade(when, fair * (1.0 + rng.choice([-bounce, bounce])), str(len(found))))
    return found


def test_the_baseline_scales_ret_std_to_the_trades_of_a_minute():
    window = TickWindow(50)
    rng = np.random.default_rng(0)
    prices = 100.0 * np.exp(np.cumsum(rng.normal(0, 1e-4, 240)))
    for second in range(80):
        trades = [trade(second + i / 3, float(prices[3 * second + i])) for i in range(3)]
        window.extend(trades, START + timedelta(seconds=second + 1))
    origin = START + timedelta(seconds=80)
    inputs = tick_inputs(window, window.statistics(), origin)
    made = TICK_BASELINE.forecast(inputs)
    std = np.diff(np.log(prices[-50:])).std(ddof=1)
    assert inputs.trades_a_minute == 180.0
    assert made.variance == pytest.approx(std**2 * 180, rel=1e-9)
    assert made.quantiles[6] == pytest.approx(1.6448536269514722 * std * math.sqrt(180), rel=1e-9)
    assert made.quantiles[3] == 0.0
    assert list(made.quantiles) == sorted(made.quantiles)
    by_second = prices[2::3][-60:]
    assert inputs.second_variance == pytest.approx(np.sum(np.diff(np.log(by_second)) ** 2), rel=1e-9)


def test_a_stream_that_has_just_begun_is_not_taken_for_a_quiet_one():
    window = TickWindow(50)
    for second in range(10):
        window.extend([trade(second, 100.0 + second % 2)], START + timedelta(seconds=second + 1))
    assert tick_inputs(window, window.statistics(), START + timedelta(seconds=10)).trades_a_minute == 60.0


@pytest.mark.parametrize("prices", [[1.0, 2.0], [5.0] * 10])
def test_too_few_trades_or_a_price_that_stands_still_say_nothing(prices):
    window = TickWindow(50)
    window.extend([trade(i / 100, price) for i, price in enumerate(prices)], START + timedelta(seconds=1))
    assert tick_inputs(window, window.statistics(), START + timedelta(seconds=1)) is None


def test_a_model_that_weighs_an_input_of_zero_says_nothing():
    model = make_model("tick_ml", SYMBOL, 0.0, (0.0, 0.0, 1.0), TICK_BASELINE.quantiles, 0.5)
    assert model.forecast(TickInputs(1e-8, 60.0, 0.0)) is None
    assert TICK_BASELINE.forecast(TickInputs(1e-8, 60.0, 0.0)) is not None


def test_the_version_follows_from_the_parameters():
    same = make_model("tick_baseline", "", 0.0, (1.0, 1.0, 0.0), TICK_BASELINE.quantiles, 0.5)
    other = make_model("tick_baseline", "", 0.1, (1.0, 1.0, 0.0), TICK_BASELINE.quantiles, 0.5)
    assert same == TICK_BASELINE
    assert same.version != other.version
    assert make_model("tick_baseline", "", 0.0, (1.0, 1.0, 0.0), TICK_BASELINE.quantiles, 0.5, skill=0.3).version == (
        same.version
    )


@pytest.fixture(scope="module")
def training():
    return train_tick_model(SYMBOL, bouncing(40), 50)


def test_where_the_spread_misleads_the_baseline_the_trained_model_beats_it(training):
    assert training.qlike < training.baseline_qlike
    assert training.model.skill == 1.0 - training.qlike / training.baseline_qlike > 0.1
    assert training.model.sample_size == training.scored_on > 300
    assert training.baseline_coverage_90 == pytest.approx(1.0, abs=0.05)  # much too wide
    assert 0.7 < training.coverage_90 < 1.0


def test_training_again_gives_the_same_version(training):
    assert train_tick_model(SYMBOL, bouncing(40), 50).model == training.model


def test_the_later_ticks_do_not_change_what_is_learnt():
    """The last part is scored on, so that other prices there change the skill and nothing that was learnt."""
    trades = bouncing(40)
    end = START + timedelta(minutes=40 * 0.72)
    changed = [replace_price(one, 1.001 if one.event_time > end else 1.0, i) for i, one in enumerate(trades)]
    first, second = train_tick_model(SYMBOL, trades, 50), train_tick_model(SYMBOL, changed, 50)
    assert second.model.version == first.model.version
    assert second.model.skill != first.model.skill


def replace_price(one: Trade, factor: float, i: int) -> Trade:
    import msgspec

    return msgspec.structs.replace(one, price=one.price * (factor if i % 2 else 1.0))


def test_the_sample_s_targets_are_those_of_numpy():
    trades = bouncing(4)
    sample = tick_sample(trades, 50)
    times = np.array([(one.event_time - START).total_seconds() for one in trades])
    prices = np.array([one.price for one in trades])
    for place in (0, len(sample.origin) // 2, len(sample.origin) - 1):
        origin = (sample.origin[place] - START).total_seconds()
        at = [prices[times < origin + step][-1] for step in range(0, 65, 5)]
        assert sample.fine_variance[place] == pytest.approx(np.sum(np.diff(np.log(at)) ** 2), rel=1e-9)
        assert sample.log_return[place] == pytest.approx(np.log(at[-1] / at[0]), rel=1e-9)


def test_too_few_ticks_are_refused():
    for trades in ([], bouncing(2)):
        with pytest.raises(ModelError, match="collect more ticks"):
            train_tick_model(SYMBOL, trades, 50)


def test_a_version_is_stored_once(tmp_path, training):
    store = TickModelStore(tmp_path / "ticks")
    path = store.save(training.model)
    assert store.save(training.model) == path
    assert store.load(training.model.version) == training.model
    with pytest.raises(ModelError, match="materialize tick_models again"):
        store.load("nothing")
    path.write_text("{}")
    with pytest.raises(ModelError, match="materialize tick_models again"):
        store.load(training.model.version)


def test_the_sample_s_ticks_are_enough_to_train_on(sample):
    """Fifteen minutes of two symbols: enough to run, too few to prove anything; the model says how it did."""
    trades = [one for one in Recording(sample / "coinbase_ticks.csv") if isinstance(one, Trade)]
    for symbol in ("BTCUSD", "ETHUSD"):
        own = sorted((one for one in trades if one.symbol == symbol), key=lambda one: one.event_time)
        found = train_tick_model(symbol, own, 50)
        print(symbol, found)
        assert found.scored_on >= 120
        assert math.isfinite(found.model.skill)


def test_what_the_real_recordings_prove(recordings):
    """Quarter hours are four independent minutes to score on: the skill says how the baseline fails, and no more."""
    first = list(Recording(recordings / "coinbase_ticker" / "BTC-ETH_20260403_ticks.ndjson"))
    second = list(Recording(recordings / "coinbase_ticker" / "BTC-USD_20260404_raw_frames.ndjson"))
    by_name = {
        "BTCUSD 3 April": sorted((one for one in first if one.symbol == "BTCUSD"), key=lambda one: one.event_time),
        "ETHUSD 3 April": sorted((one for one in first if one.symbol == "ETHUSD"), key=lambda one: one.event_time),
        "BTCUSD 4 April": sorted((one for one in second if one.symbol == "BTCUSD"), key=lambda one: one.event_time),
    }
    found = {name: train_tick_model(name.split()[0], trades, 50) for name, trades in by_name.items()}
    for name, made in found.items():
        print(
            f"{name}: {made.scored_on} seconds, QLIKE {made.qlike:.2f} against {made.baseline_qlike:.2f}, "
            f"90 % interval held {made.coverage_90:.1%}, the baseline's {made.baseline_coverage_90:.1%}"
        )
        assert made.scored_on < 300
        assert 0.0 < made.skill < 1.0
    next_day = score_tick_model(found["BTCUSD 3 April"].model, by_name["BTCUSD 4 April"], 50)
    print(f"the model of 3 April on 4 April: {next_day}")
    assert next_day is not None
    assert next_day.qlike < next_day.baseline_qlike
    assert found["BTCUSD 4 April"].coverage_90 < 0.5


def test_the_tolerance_follows_the_number_of_independent_minutes():
    assert coverage_tolerance(60 * 9) == pytest.approx(0.05 + 2 * 0.3 / 3)
    assert coverage_tolerance(60 * 900) == pytest.approx(0.05 + 2 * 0.3 / 30)
    assert coverage_tolerance(10) == coverage_tolerance(60)
