import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.history import History, history
from bitpredict.forecasting.recipes import recipes_for
from bitpredict.forecasting.store import ModelStore
from bitpredict.forecasting.training import train_month
from bitpredict.market.horizons import parse_horizon
from bitpredict.market.time import utc
from bitpredict.storage.schema import model_evaluations
from tests.conftest import ROOT
from tests.forecasting.conftest import MONTH, NOW, QUICK_RECIPES, SMALL
from tests.forecasting.test_history import doubled_after

HOUR = parse_horizon("1h")
FEW = QUICK_RECIPES[:4]


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def learnt(trained) -> dict[str, str]:
    return {model.version: model.result_digest for model in trained.models}


def test_a_month_gives_one_stored_version_a_recipe_and_their_comparison(trained):
    assert [model.name for model in trained.models] == [recipe.name for recipe in QUICK_RECIPES]
    assert list(trained.fitted) == [recipe.name for recipe in QUICK_RECIPES]
    table = trained.evaluations
    assert list(table.columns) == [column.name for column in model_evaluations.columns]
    assert table["model_version"].tolist() == [model.version for model in trained.models]
    assert table["sample_size"].nunique() == 1
    required = [column.name for column in model_evaluations.columns if not column.nullable]
    assert table[required].notna().all().all()
    losses = table.set_index("model")["qlike"]
    assert losses["seasonal_har"] < losses["random_walk"]
    for model in trained.models:
        assert model.valid_from.isoformat() == "2023-12-01T00:00:00+00:00"
        assert model.trained_to.isoformat() < "2023-11-30T23:00"
        assert model.metrics["qlike"] == losses[model.name]


@pytest.mark.slow
def test_the_same_training_gives_the_same_versions_and_the_same_results(trained, past, store):
    again = train_month(past, HOUR, QUICK_RECIPES, store, NOW)
    assert again.fitted == trained.fitted
    assert learnt(again) == learnt(trained)
    assert again.evaluations.equals(trained.evaluations)


@pytest.mark.slow
def test_what_is_there_is_not_trained_again(past, store, monkeypatch):
    first = train_month(past, HOUR, FEW, store, NOW)

    def refuse(_self, _train):
        raise AssertionError("trained again")

    for recipe in FEW:
        monkeypatch.setattr(type(recipe), "fit", refuse)
    second = train_month(past, HOUR, FEW, store, NOW.replace(year=2025))
    assert second.fitted == ()
    assert learnt(second) == learnt(first)
    assert second.evaluations.equals(first.evaluations)  # evaluated_at too


@pytest.mark.slow
def test_a_new_recipe_is_trained_beside_those_that_are_there(past, store):
    first = train_month(past, HOUR, FEW, store, NOW)
    second = train_month(past, HOUR, (*FEW, SMALL), store, NOW)
    assert second.fitted == ("boosting",)
    assert learnt(first).items() < learnt(second).items()
    assert len(second.evaluations) == 5


@pytest.mark.slow
def test_the_future_changes_neither_versions_nor_results(past, features, candles, store, tmp_path):
    other = history(
        doubled_after(features, "origin", ["log_rv_5", "log_rv_60", "trades_60"]),
        doubled_after(candles, "open_time", ["close"]),
        "BTCUSDT",
        MONTH,
    )
    first = train_month(past, HOUR, FEW, store, NOW)
    second = train_month(other, HOUR, FEW, ModelStore(tmp_path / "other"), NOW)
    assert learnt(second) == learnt(first)
    assert second.evaluations.equals(first.evaluations)


def test_too_short_a_history_is_no_history(past, store):
    short = replace(past, table=past.table.slice(past.table.num_rows - 1511))
    with pytest.raises(ModelError, match=r"BTCUSDT 1h has 1499 usable origins before 2023-12-01 and needs 1500"):
        train_month(short, HOUR, FEW, store, NOW)
    assert store.versions() == []
    just_enough = replace(past, table=past.table.slice(past.table.num_rows - 1512))
    assert len(train_month(just_enough, HOUR, FEW, store, NOW).models) == len(FEW)


KILLED = """
import sys, time
from pathlib import Path
from bitpredict.forecasting.store import ModelStore
from bitpredict.forecasting.training import train_month
from tests.forecasting.conftest import MONTH, NOW, QUICK_RECIPES
from tests.forecasting.test_training import HOUR, sample_past

save, saved = ModelStore.save, 0
def stop_after_two(self, model):
    global saved
    if saved == 2:
        print("now", flush=True)
        time.sleep(60)
    saved += 1
    return save(self, model)
ModelStore.save = stop_after_two
train_month(sample_past(Path(sys.argv[1])), HOUR, QUICK_RECIPES, ModelStore(Path(sys.argv[2])), NOW)
"""


def sample_past(folder: Path) -> History:
    """What the fixture `past` is, for another process."""
    table = pq.read_table(folder / "past.parquet")
    version = table.schema.metadata[b"version"].decode()
    return History("BTCUSDT", MONTH, utc(date.fromisoformat(MONTH)), version, table)


@pytest.mark.slow
def test_a_killed_training_is_taken_up_where_it_was(past, trained, store, tmp_path):
    table = past.table.replace_schema_metadata({"version": past.feature_set_version})
    pq.write_table(table, tmp_path / "past.parquet")
    command = [sys.executable, "-c", KILLED, tmp_path, store.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGKILL)
    assert len(store.versions()) == 2
    again = train_month(past, HOUR, QUICK_RECIPES, store, NOW)
    assert again.fitted == ("seasonal_har", "ridge", "boosting")
    assert learnt(again) == learnt(trained)
    assert again.evaluations.equals(trained.evaluations)


@pytest.mark.slow
@pytest.mark.parametrize("horizon", ["5m", "1d"])
def test_the_other_horizons_train_too(past, store, horizon):
    trained = train_month(past, parse_horizon(horizon), recipes_for(parse_horizon(horizon)), store, NOW)
    losses = trained.evaluations["qlike"]
    assert np.isfinite(losses).all()
    assert (trained.evaluations["p_value"].isna() == (horizon == "1d") | (losses.index == 2)).all()
