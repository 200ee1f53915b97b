import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bitpredict.cli.output import forecast_table, gaps_table, scorecard_table, with_prices
from bitpredict.forecasting.recipes import BASELINE
from tests.support import stores


def shown(table, width=160, colours=False):
    console = Console(file=io.StringIO(), width=width, highlight=False, color_system="standard" if colours else None)
    console.print(table)
    return console.file.getvalue()


@pytest.fixture
def forecast():
    """The newest BTCUSDT forecast for 1h, with numbers that can be checked by hand."""
    made = stores.made_forecasts()
    newest = made[(made["symbol"] == "BTCUSDT") & (made["horizon"] == "1h") & (made["variant"] == "champion")].tail(1)
    quantiles = {"q05": -0.01, "q25": -0.005, "q50": 0.0, "q75": 0.005, "q95": 0.01}
    return newest.assign(
        model="boosting", reference_price=40000.0, p_up=0.523, skill=0.123, skill_sample_size=8640, **quantiles
    )


def test_a_forecast_is_shown_in_prices_with_its_skill(forecast):
    text = shown(forecast_table(forecast))
    for part in ("40,000.0", "39,602.0", "39,800.5", "40,200.5", "40,402.0", "52.3 %", "boosting", "made-by-test"):
        assert part in text
    for part in ("2023-12-31 23:55", "2024-01-01 00:55", "backtest", "observed", "+12.3 % (n = 8,640)"):
        assert part in text


def test_quantiles_become_prices_by_the_exponential(forecast):
    row = with_prices(forecast).iloc[0]
    np.testing.assert_allclose(row["price_q05"], 40000.0 / np.exp(0.01), rtol=1e-12)
    np.testing.assert_allclose(row["price_q95"], 40000.0 * np.exp(0.01), rtol=1e-12)


def test_a_small_price_keeps_digits_that_tell_its_interval_apart(forecast):
    text = shown(forecast_table(forecast.assign(reference_price=0.0912)))
    assert "0.09029" in text
    assert "0.09211" in text


@pytest.mark.parametrize(
    ("variant", "says"),
    [
        pytest.param("champion", ("no proven skill:", "the baseline serves"), id="it serves"),
        pytest.param("baseline", ("is the baseline",), id="another serves"),
    ],
)
def test_the_baseline_has_no_skill_over_itself(forecast, variant, says):
    text = shown(forecast_table(forecast.assign(model=BASELINE, variant=variant, skill=0.0)))
    for part in says:
        assert part in text
    assert "n =" not in text


def test_a_skill_that_was_not_measured_is_not_shown_as_nought(forecast):
    text = shown(forecast_table(forecast.assign(skill=None, skill_sample_size=None)))
    assert "not measured" in text
    assert "%" not in text.split("not measured")[1]


def test_negative_skill_is_shown_as_such_and_in_red(forecast):
    text = shown(forecast_table(forecast.assign(skill=-0.034)), colours=True)
    assert "\x1b[31m\N{MINUS SIGN}3.4 %" in text


def test_horizons_come_from_short_to_long():
    made = stores.made_forecasts()
    newest = made[(made["origin"] == made["origin"].max()) & (made["symbol"] == "ETHUSDT") & (made["model"] == "ewma")]
    lines = [line.strip().split(" ")[0] for line in shown(forecast_table(newest.iloc[::-1])).splitlines()]
    assert [name for name in lines if name in ("5m", "1h", "1d")] == ["5m", "1h", "1d"]


@pytest.mark.parametrize("width", [80, 50])
def test_a_narrow_terminal_loses_no_character(width):
    made = stores.made_forecasts()
    newest = made[(made["origin"] == made["origin"].max()) & (made["variant"] == "champion")]
    for table in (forecast_table(newest), scorecard_table(stores.made_scorecard()), gaps_table(stores.made_gaps())):
        text = shown(table, width)
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width


def test_the_scorecard_keeps_backtest_and_live_apart_and_orders_by_loss():
    card = stores.made_scorecard()
    both = pd.concat([card.assign(kind="live"), card], ignore_index=True)
    lines = [line.strip() for line in shown(scorecard_table(both)).splitlines()]
    groups = [line for line in lines if line.startswith(("backtest", "live"))]
    expected = [f"{symbol} {horizon}" for symbol in ("BTCUSDT", "ETHUSDT") for horizon in ("5m", "1h", "1d")]
    assert groups == [f"{kind} {name}" for kind in ("backtest", "live") for name in expected]
    first = lines[lines.index("backtest BTCUSDT 5m") + 1 :][: len(stores.MODELS)]
    part = card[(card["symbol"] == "BTCUSDT") & (card["horizon"] == "5m")].sort_values("qlike")
    assert [line.split()[0] for line in first] == part["model"].tolist()


def test_a_gap_shows_its_minutes_and_status():
    text = shown(gaps_table(stores.made_gaps()))
    assert "2023-12-20 07:30" in text
    assert "2023-12-20 08:50" in text
    assert text.split("08:50")[1].split()[:2] == ["80", "open"]
