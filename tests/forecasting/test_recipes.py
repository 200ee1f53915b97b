import importlib.machinery
import subprocess
import sys

import numpy as np
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting import recipes
from bitpredict.forecasting.recipes import BASELINE, forecaster_from, recipes_for
from bitpredict.market.horizons import HORIZONS, parse_horizon

ALWAYS = ["random_walk", "ewma", "seasonal_har", "ridge", "boosting"]


def names(horizon: str) -> list[str]:
    return [recipe.name for recipe in recipes_for(parse_horizon(horizon))]


def installed(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    spec = importlib.machinery.ModuleSpec("a package", None)
    monkeypatch.setattr(recipes, "find_spec", lambda name: spec if name in packages else None)


def test_the_network_is_trained_for_the_next_hour_alone(monkeypatch):
    installed(monkeypatch, "tensorflow", "tf2onnx")
    assert names("1h") == [*ALWAYS, "lstm"]
    assert names("5m") == names("1d") == ALWAYS


@pytest.mark.parametrize("there", [[], ["tensorflow"], ["tf2onnx"]])
def test_without_the_extra_the_others_are_trained(monkeypatch, there):
    installed(monkeypatch, *there)
    assert names("1h") == ALWAYS


@pytest.mark.parametrize("horizon", HORIZONS, ids=lambda horizon: horizon.name)
def test_every_horizon_has_the_baseline_and_no_name_twice(horizon):
    found = names(horizon.name)
    assert BASELINE in found
    assert len(set(found)) == len(found)


def test_a_kind_that_is_not_known_is_named():
    with pytest.raises(ModelError, match=r"'oracle' is unknown here .*network"):
        forecaster_from("oracle", {"weights": np.ones(1)}, ())


@pytest.mark.slow
def test_asking_which_recipes_there_are_imports_nothing_that_trains():
    code = (
        "import sys; from bitpredict.forecasting.recipes import recipes_for;"
        "from bitpredict.market.horizons import parse_horizon; recipes_for(parse_horizon('1h'));"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'onnx', 'onnxruntime', 'tf2onnx') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
