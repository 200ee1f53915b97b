"""A version's folder: `model.json` describes it, `parameters.npz` (and `network.onnx`) hold what was learnt."""

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from bitpredict.errors import ModelError
from bitpredict.forecasting.calibration import Calibration
from bitpredict.forecasting.model import TrainedModel, digest_of
from bitpredict.forecasting.recipe import Arrays
from bitpredict.forecasting.recipes import forecaster_from
from bitpredict.market.horizons import parse_horizon

DESCRIPTION, PARAMETERS = "model.json", "parameters.npz"


def write_folder(folder: Path, model: TrainedModel) -> None:
    """Write a version into a new folder and flush each file to the disk.

    Raises:
        OSError: the disk is full or not writable; the folder may be half written.
    """
    folder.mkdir(parents=True)
    arrays = dict(model.forecaster.to_arrays())
    for name in [name for name in arrays if name.endswith(".onnx")]:
        write_flushed(folder / name, arrays.pop(name).tobytes())
    with (folder / PARAMETERS).open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    write_flushed(folder / DESCRIPTION, json.dumps(_describe(model), indent=2).encode())


def write_flushed(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_folder(folder: Path) -> TrainedModel:
    """Read a version's folder, wherever it lies.

    Raises:
        ModelError: a file is missing or damaged.
    """
    try:
        about = json.loads((folder / DESCRIPTION).read_bytes())
        digest = about.pop("digest")
        model = _rebuild(about, _read_arrays(folder))
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise _damaged(folder, repr(error)) from error
    if digest_of(about) != digest or about["result_digest"] != model.result_digest:
        raise _damaged(folder, "its digest is not that of its content")
    return model


def _damaged(folder: Path, why: str) -> ModelError:
    return ModelError(f"{folder} is damaged ({why}); delete it and materialize its month's models again")


def _describe(model: TrainedModel) -> dict[str, Any]:
    about = {
        "name": model.name,
        "version": model.version,
        "symbol": model.symbol,
        "horizon": model.horizon.name,
        "month": model.month,
        "valid_from": model.valid_from.isoformat(),
        "trained_from": model.trained_from.isoformat(),
        "trained_to": model.trained_to.isoformat(),
        "seed": model.seed,
        "parameters": dict(model.parameters),
        "feature_set_version": model.feature_set_version,
        "frame_digest": model.frame_digest,
        "forecaster": model.forecaster.kind,
        "inputs": list(model.forecaster.inputs),
        "calibration": asdict(model.calibration) | {"quantiles": list(model.calibration.quantiles)},
        "metrics": dict(model.metrics),
        "result_digest": model.result_digest,
    }
    return about | {"digest": digest_of(about)}


def _rebuild(about: Mapping[str, Any], arrays: Arrays) -> TrainedModel:
    same = ("name", "version", "symbol", "month", "seed", "parameters", "feature_set_version", "frame_digest")
    calibration = about["calibration"]
    return TrainedModel(
        **{name: about[name] for name in same},
        valid_from=datetime.fromisoformat(about["valid_from"]),
        trained_from=datetime.fromisoformat(about["trained_from"]),
        trained_to=datetime.fromisoformat(about["trained_to"]),
        horizon=parse_horizon(about["horizon"]),
        forecaster=forecaster_from(about["forecaster"], arrays, tuple(about["inputs"])),
        calibration=Calibration(
            tuple(calibration["quantiles"]), float(calibration["p_up"]), int(calibration["sample_size"])
        ),
        metrics=about["metrics"],
    )


def _read_arrays(folder: Path) -> Arrays:
    with np.load(folder / PARAMETERS, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for path in folder.glob("*.onnx"):
        arrays[path.name] = np.frombuffer(path.read_bytes(), np.uint8)
    return arrays
