import pandas as pd
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.gate import choose_champion
from bitpredict.storage.schema import champions
from tests.forecasting.conftest import NOW

BASE = {"month": "2023-12-01", "symbol": "BTCUSDT", "horizon": "1h", "sample_size": 1656, "evaluated_at": NOW}
BASE |= {"scored_from": pd.Timestamp("2023-11-24", tz="UTC"), "scored_to": pd.Timestamp("2023-11-29", tz="UTC")}


def evaluation(model: str, qlike: float, p_value: float | None = 0.01, coverage_90: float = 0.9, **other) -> dict:
    skill = 1 - qlike / 0.5
    made = {"model": model, "qlike": qlike, "p_value": p_value, "coverage_90": coverage_90, "skill": skill}
    return {**BASE, "model_version": f"{model}-v", **made, **other}


BASELINE = evaluation("seasonal_har", 0.5, None)


@pytest.mark.parametrize(
    ("challengers", "champion", "says"),
    [
        pytest.param([], "seasonal_har", "no challenger passed", id="alone"),
        pytest.param([evaluation("ridge", 0.45)], "ridge", r"0.4500 against 0.5000 .*10.0%.*1656.*p 0.01", id="better"),
        pytest.param([evaluation("ridge", 0.55)], "seasonal_har", "0.5500 is not below 0.5000", id="worse"),
        pytest.param([evaluation("ridge", 0.5)], "seasonal_har", "not below", id="equal"),
        pytest.param([evaluation("ridge", 0.45, 0.05)], "seasonal_har", "p 0.05 is not below", id="luck"),
        pytest.param([evaluation("ridge", 0.45, None)], "seasonal_har", "too few to test", id="too few to say"),
        pytest.param([evaluation("ridge", 0.45, 0.01, 0.869)], "seasonal_har", "0.869 is outside", id="covers little"),
        pytest.param([evaluation("ridge", 0.45, 0.01, 0.931)], "seasonal_har", "0.931 is outside", id="covers much"),
        pytest.param([evaluation("ridge", 0.45, 0.01, 0.87)], "ridge", "0.870", id="covers just enough"),
        pytest.param([evaluation("ridge", 0.45), evaluation("boosting", 0.44)], "boosting", "0.4400", id="best of two"),
        pytest.param(
            [evaluation("ridge", 0.45), evaluation("boosting", 0.44, 0.2)], "ridge", "boosting: .* p 0.2", id="best out"
        ),
        pytest.param(
            [evaluation("ridge", 0.1, scored_to=pd.Timestamp("2023-11-28 12:00", tz="UTC"))],
            "seasonal_har", "4.5 days are too few", id="too few days",
        ),
        pytest.param([evaluation("ridge", float("nan"))], "seasonal_har", "nan is not below", id="no number"),
    ],
)  # fmt: skip
def test_who_passes(challengers, champion, says):
    (found,) = choose_champion(pd.DataFrame([*challengers, BASELINE])).itertuples()
    assert found.model == champion
    assert found.model_version == f"{champion}-v"
    assert pd.Series([found.reason]).str.contains(says).item(), found.reason


def test_each_month_symbol_and_horizon_has_its_own():
    rows = [
        {**row, "symbol": symbol, "month": month}
        for symbol in ("BTCUSDT", "ETHUSDT")
        for month in ("2023-11-01", "2023-12-01")
        for row in (BASELINE, evaluation("ridge", 0.45 if symbol == "BTCUSDT" else 0.6))
    ]
    found = choose_champion(pd.DataFrame(rows))
    assert list(found.columns) == [column.name for column in champions.columns]
    assert found["model"].tolist() == ["ridge", "seasonal_har"] * 2
    assert found["valid_from"].tolist() == pd.to_datetime(found["month"], utc=True).tolist()
    assert set(found["decided_at"]) == {pd.Timestamp(NOW)}


def test_nothing_is_chosen_without_the_baseline():
    with pytest.raises(ModelError, match="BTCUSDT 1h of 2023-12-01 was evaluated without seasonal_har"):
        choose_champion(pd.DataFrame([evaluation("ridge", 0.4)]))
