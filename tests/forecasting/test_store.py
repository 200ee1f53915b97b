import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from bitpredict.errors import ModelError, StorageError
from bitpredict.forecasting.store import ModelStore


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def test_every_kind_of_forecaster_comes_back_as_it_was(store, trained, hourly):
    for model in trained.models:
        store.save(model)
        again = store.load(model.version)
        assert again.result_digest == model.result_digest
        assert np.array_equal(again.forecaster.variance(hourly.rows), model.forecaster.variance(hourly.rows))
        plain = ("name", "version", "symbol", "horizon", "month", "valid_from", "trained_from", "trained_to", "seed")
        plain += ("parameters", "feature_set_version", "frame_digest", "calibration", "metrics")
        assert {name: getattr(again, name) for name in plain} == {name: getattr(model, name) for name in plain}
    assert store.versions() == sorted(model.version for model in trained.models)


def test_saving_again_leaves_the_first(store, ridge_model):
    folder = store.save(ridge_model)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.save(replace(ridge_model, metrics={"skill": 9.9}))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_network_is_a_file_of_its_own(store, ridge_model, monkeypatch):
    arrays = {**ridge_model.forecaster.to_arrays(), "network.onnx": np.frombuffer(b"\x08\x07onnx", np.uint8)}
    monkeypatch.setattr(type(ridge_model.forecaster), "to_arrays", lambda _self: arrays)
    folder = store.save(replace(ridge_model))
    assert (folder / "network.onnx").read_bytes() == b"\x08\x07onnx"
    assert store.load(ridge_model.version).version == ridge_model.version


def test_nothing_stored_is_a_pickle(store, ridge_model):
    folder = store.save(ridge_model)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".npz"}
    with np.load(folder / "parameters.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "fiu" for name in arrays.files)


def damage_a_number(folder):
    with np.load(folder / "parameters.npz") as stored:
        arrays = dict(stored)
    arrays["weights"][3] += 1e-9
    np.savez(folder / "parameters.npz", **arrays)


def damage_the_description(folder):
    about = json.loads((folder / "model.json").read_text())
    about["valid_from"] = "2023-11-01T00:00:00+00:00"
    (folder / "model.json").write_text(json.dumps(about))


def cut_off(name):
    def damage(folder):
        (folder / name).write_bytes((folder / name).read_bytes()[:-40])

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage_a_number, id="one weight differs"),
        pytest.param(damage_the_description, id="valid_from was moved"),
        pytest.param(cut_off("parameters.npz"), id="arrays cut off"),
        pytest.param(cut_off("model.json"), id="description cut off"),
        pytest.param(lambda folder: (folder / "parameters.npz").unlink(), id="arrays gone"),
        pytest.param(lambda folder: (folder / "parameters.npz").write_bytes(b""), id="arrays empty"),
        pytest.param(lambda folder: (folder / "model.json").write_text("{}"), id="description empty"),
        pytest.param(lambda folder: (folder / "model.json").write_text("[1]"), id="description of another kind"),
    ],
)
def test_a_damaged_folder_is_refused(store, ridge_model, damage):
    damage(store.save(ridge_model))
    with pytest.raises(ModelError, match=f"{ridge_model.version} is damaged"):
        store.load(ridge_model.version)


def test_what_is_not_there_is_named(store):
    with pytest.raises(ModelError, match="0123456789abcdef is not in"):
        store.load("0123456789abcdef")
    with pytest.raises(ModelError, match="training frame ff"):
        store.load_frame("ff")


def test_a_training_frame_is_stored_once_and_comes_back(store, past):
    path = store.save_frame(past)
    first = path.stat().st_mtime_ns
    assert store.save_frame(past).stat().st_mtime_ns == first
    again = type(past)(past.symbol, past.month, past.end, past.feature_set_version, store.load_frame(past.digest))
    assert again.digest == past.digest == path.stem
    assert store.load_frame(past.digest, ["origin", "log_rv_60"]).column_names == ["origin", "log_rv_60"]


def test_a_store_that_cannot_be_written_says_so(tmp_path, ridge_model):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="free space"):
        ModelStore(tmp_path / "file").save(ridge_model)


def test_several_at_once_leave_one_whole_version(store, ridge_model, past):
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(store.save, [ridge_model] * 24))
        frames = set(pool.map(store.save_frame, [past] * 4))
    assert folders == {store.folder(ridge_model.version)}
    assert store.load(ridge_model.version).result_digest == ridge_model.result_digest
    assert sorted(path.name for path in store.root.iterdir()) == sorted([ridge_model.version, "frames"])
    assert {path.name for path in (store.root / "frames").iterdir()} == {path.name for path in frames}


def test_a_full_disk_leaves_nothing_behind(store, ridge_model, monkeypatch):
    def full(*_args, **_how):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(StorageError, match="No space left"):
        store.save(ridge_model)
    assert list(store.root.iterdir()) == []


KILLED = """
import os, sys, time
from pathlib import Path
from bitpredict.forecasting.store import ModelStore

model = ModelStore(Path(sys.argv[1])).load(sys.argv[2])
flush, calls = os.fsync, 0
def slow(descriptor):
    global calls
    flush(descriptor)
    calls += 1
    if calls == int(sys.argv[4]):
        print("now", flush=True)
        time.sleep(60)
os.fsync = slow
ModelStore(Path(sys.argv[3])).save(model)
"""


@pytest.mark.slow
@pytest.mark.parametrize("flushes", [1, 2, 3])
def test_a_process_killed_while_it_saves_leaves_no_half_version(store, tmp_path, ridge_model, flushes):
    source = ModelStore(tmp_path / "source")
    source.save(ridge_model)
    command = [sys.executable, "-c", KILLED, source.root, ridge_model.version, store.root, str(flushes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGKILL)
    assert any(store.root.iterdir())  # it was in the middle of it
    assert not store.exists(ridge_model.version)
    assert store.versions() == []
    store.save(ridge_model)
    assert store.load(ridge_model.version).result_digest == ridge_model.result_digest
