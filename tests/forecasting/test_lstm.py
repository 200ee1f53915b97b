import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bitpredict.errors import ModelError
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame
from bitpredict.forecasting.har import SeasonalHar
from bitpredict.forecasting.history import History, usable
from bitpredict.forecasting.lstm import CHANNELS, CONTEXT, LADDER, READ, SCALES, Lstm
from bitpredict.forecasting.metrics import qlike
from bitpredict.forecasting.mlflow_tracking import Tracking
from bitpredict.forecasting.model import TrainedModel
from bitpredict.forecasting.network import NETWORK, Network
from bitpredict.forecasting.ridge import Ridge
from bitpredict.forecasting.store import ModelStore
from bitpredict.forecasting.training import TrainedMonth, train_month
from bitpredict.market.horizons import parse_horizon
from bitpredict.settings import Settings
from tests.forecasting.conftest import MONTH, NOW

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="tensorflow is not installed: pip install .[network]"),
]

ROOT = Path(__file__).resolve().parents[2]
HOUR = parse_horizon("1h")
BRIEF = Lstm(epochs=2, batch=128, learning_rate=5e-3, blocks=2)


@pytest.fixture(scope="module")
def frame(past: History) -> TrainingFrame:
    return usable(past, HOUR, BRIEF.inputs(HOUR))[0]


@pytest.fixture(scope="module")
def network(frame) -> Network:
    forecaster = BRIEF.fit(frame).forecaster
    assert isinstance(forecaster, Network)
    return forecaster


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ModelStore:
    return ModelStore(tmp_path_factory.mktemp("home") / "models")


@pytest.fixture(scope="module")
def month(past: History, store) -> TrainedMonth:
    return train_month(past, HOUR, (SeasonalHar(), BRIEF), store, NOW)


def test_each_step_of_the_ladder_is_one_window_from_a_week_to_five_minutes():
    names = [[None if place is None else READ[place] for place in step] for step in LADDER]
    assert names[0] == ["log_rv_10080", None, None, None, "below_high_10080", "above_low_10080", None]
    assert names[-1] == ["log_rv_5", "drift_5", "straightness_5", None, None, None, "trades_5"]
    assert len(names) == len(SCALES)
    assert all(len(step) == len(CHANNELS) for step in names)
    read = [place for step in LADDER for place in step if place is not None] + list(CONTEXT)
    assert sorted(read) == list(range(len(READ)))


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def by_hand(weights, read):
    """ln(RV / ridge): LSTM (Hochreiter and Schmidhuber, 1997), additive attention over its states, one layer."""
    kernel, recurrent, bias, inner, inner_bias, score, score_bias, dense, dense_bias, last, last_bias = weights
    units = recurrent.shape[0]
    padded = np.column_stack([read, np.zeros(len(read))])
    hidden = cell = np.zeros((len(read), units))
    states = []
    for step in LADDER:
        values = padded[:, [-1 if place is None else place for place in step]]
        gates = values @ kernel + hidden @ recurrent + bias
        enter, forget, candidate, leave = (gates[:, k * units : (k + 1) * units] for k in range(4))
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(leave) * np.tanh(cell)
        states.append(hidden)
    states = np.stack(states, axis=1)
    scores = np.exp(np.tanh(states @ inner + inner_bias) @ score + score_bias)
    attended = (scores / scores.sum(axis=1, keepdims=True) * states).sum(axis=1)
    seen = np.column_stack([attended, read[:, list(CONTEXT)]]) @ dense + dense_bias
    return ((seen * sigmoid(seen)) @ last + last_bias)[:, 0]


def test_the_onnx_file_is_the_ridge_times_the_exponential_of_an_lstm_with_attention(frame):
    fitted = BRIEF.fit(frame)
    linear = Ridge().linear(frame)
    standardized = np.clip((frame.rows.matrix(linear.inputs) - linear.centre) / linear.scale, -6.0, 6.0)
    read = np.column_stack([standardized, frame.rows.matrix(("day_sin", "day_cos", "week_sin", "week_cos"))])
    _, weights = BRIEF._refine(frame)
    trainable = [array for array in weights if array.dtype == np.float32][:11]
    answer = by_hand([array.astype(float) for array in trainable], read)
    assert answer.std() > 0.01  # it has learnt something
    ratio = fitted.forecaster.variance(frame.rows) / (linear.variance(frame.rows) * np.exp(answer))
    assert np.ptp(ratio) / ratio.mean() < 1e-4  # one factor, in single precision
    assert np.mean(frame.realized_variance / fitted.held_out) == pytest.approx(1.0)


def test_untrained_it_is_the_ridge(frame):
    network = replace(BRIEF, epochs=0).fit(frame).forecaster
    ratio = network.variance(frame.rows) / Ridge().linear(frame).variance(frame.rows)
    assert np.ptp(ratio) / ratio.mean() < 1e-4


def bent(frame: TrainingFrame) -> TrainingFrame:
    """The same rows as if an unusual last five minutes, calm or wild, were followed by a wild hour."""
    short, hour = frame.rows.matrix(("log_rv_5", "log_rv_60")).T
    unusual = np.minimum(np.abs(short - short.mean()) / short.std(), 2.0)
    noise = np.random.default_rng(5).chisquare(60, len(frame)) / 60
    return replace(frame, realized_variance=60 * np.exp(hour + unusual) * noise)


def test_it_learns_a_bend_that_the_ridge_cannot_follow(frame):
    made = bent(frame)
    thorough = replace(BRIEF, epochs=30, dropout=0.0)
    fits = (Ridge(blocks=2).fit(made), thorough.fit(made))
    ridge_loss, loss = (qlike(made.realized_variance, fit.held_out).mean() for fit in fits)
    assert loss < 0.6 * ridge_loss


def test_one_row_has_the_bits_of_the_range(network, frame):
    whole = network.variance(frame.rows)
    for size in (1, 2, 3, 5, 8, 17, 100):
        parts = [network.variance(frame.rows.take(slice(i, i + size))) for i in range(0, 500, size)]
        assert np.array_equal(np.concatenate(parts)[:500], whole[:500]), size


def test_a_null_feature_is_no_forecast(network, frame):
    values = frame.rows.values[:3].copy()
    values[0, 0] = values[2, len(READ) - 1] = np.nan
    found = network.variance(FeatureRows(frame.origin[:3], frame.rows.names, values))
    assert np.isnan(found).tolist() == [True, False, True]


TRAINED = """
import hashlib, sys
from pathlib import Path
from bitpredict.forecasting.history import usable
from tests.forecasting.test_lstm import BRIEF, HOUR
from tests.forecasting.test_training import sample_past

frame = usable(sample_past(Path(sys.argv[1])), HOUR, BRIEF.inputs(HOUR))[0]
if sys.argv[2] == "second":
    BRIEF.fit(frame.take(slice(500, None)))
fitted = BRIEF.fit(frame)
print(hashlib.sha256(fitted.forecaster.content.tobytes() + fitted.held_out.tobytes()).hexdigest())
"""


def test_what_is_learnt_depends_on_neither_the_process_nor_what_it_trained_before(past, tmp_path):
    table = past.table.replace_schema_metadata({"version": past.feature_set_version})
    pq.write_table(table, tmp_path / "past.parquet")

    def digest(place: str) -> str:
        command = [sys.executable, "-W", "ignore", "-c", TRAINED, tmp_path, place]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()[-1]

    first, second = digest("first"), digest("second")
    assert len(first) == 64
    assert first == second


def lstm_of(month: TrainedMonth) -> TrainedModel:
    return next(model for model in month.models if model.name == "lstm")


def test_a_version_comes_back_from_its_folder_with_the_network_as_a_file(month, past, store, network, frame):
    model = lstm_of(month)
    folder = store.folder(model.version)
    assert {path.name for path in folder.iterdir()} == {"model.json", "parameters.npz", NETWORK}
    assert (folder / NETWORK).read_bytes() == network.content.tobytes()
    assert np.array_equal(model.forecaster.variance(frame.rows), network.variance(frame.rows))
    assert np.isfinite(month.evaluations["qlike"]).all()
    again = train_month(past, HOUR, (SeasonalHar(), BRIEF), store, NOW)
    assert again.fitted == ()
    assert again.evaluations.equals(month.evaluations)


def change_a_weight(network: Path) -> None:
    content = bytearray(network.read_bytes())
    content[len(content) // 2] ^= 1
    network.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(change_a_weight, id="one bit differs"),
        pytest.param(lambda network: network.write_bytes(network.read_bytes()[:-40]), id="cut off"),
        pytest.param(Path.unlink, id="gone"),
    ],
)
def test_a_damaged_network_is_refused(month, tmp_path, damage):
    store = ModelStore(tmp_path / "models")
    model = lstm_of(month)
    damage(store.save(model) / NETWORK)
    with pytest.raises(ModelError, match=f"{model.version} is damaged"):
        store.load(model.version)


def test_bytes_that_are_no_network_are_named(frame):
    with pytest.raises(ModelError, match="cannot be loaded"):
        Network(frame.rows.names, np.frombuffer(b"no network", np.uint8)).variance(frame.rows)


def test_what_mlflow_loads_forecasts_the_same(month, store, features, monkeypatch):
    import mlflow

    settings = Settings(home=store.root.parent)
    tracking = Tracking(settings.mlflow, settings.home / "mlflow-artifacts", store)
    model = lstm_of(month)
    number = tracking.log(model)
    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", None)
    mlflow.set_tracking_uri(settings.mlflow)
    rows = features.to_pandas()
    rows = rows[rows["origin"] >= MONTH].head(20)
    origins = rows["origin"].dt.tz_localize(None).astype("datetime64[ns]")
    loaded = mlflow.pyfunc.load_model(f"models:/bitpredict-BTCUSDT-1h/{number}")
    found = loaded.predict(rows[["origin", *model.forecaster.inputs]].assign(origin=origins))
    np.testing.assert_array_equal(found, model.forecast(rows))
    assert len(loaded.predict(loaded.input_example)) == 1


SERVED = """
import sys
from pathlib import Path
import numpy as np
from bitpredict.forecasting.frame import FeatureRows
from bitpredict.forecasting.store import ModelStore

model = ModelStore(Path(sys.argv[1])).load(sys.argv[2])
rows = FeatureRows(np.array(["2023-12-01"], "datetime64[us]"), model.forecaster.inputs, np.ones((1, 52)))
assert np.isfinite(model.distribution(rows).quantiles).all()
print([m for m in ("tensorflow", "keras", "onnx", "tf2onnx", "sklearn", "mlflow") if m in sys.modules])
"""


def test_serving_imports_nothing_that_trains(month, store):
    command = [sys.executable, "-c", SERVED, store.root, lstm_of(month).version]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
