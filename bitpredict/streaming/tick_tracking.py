"""Tick models in MLflow, beside those of candles: `bitpredict-<symbol>-1m`, with `champion` for the one that serves.

The baseline is a version of each symbol too, so that there is one way to go back to anything: move the alias.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from bitpredict.forecasting.mlflow_tracking import CHAMPION, Entry, Tracking, save_pyfunc
from bitpredict.market.horizons import TICK
from bitpredict.market.time import utc
from bitpredict.streaming.tick_models import TICK_BASELINE, TICK_INPUTS, TickInputs, TickModel
from bitpredict.streaming.tick_store import TickModelStore
from bitpredict.streaming.tick_training import TickTraining

_LOADER = "bitpredict.streaming.tick_pyfunc"
_EXAMPLE = TickInputs(trade_variance=1e-9, trades_a_minute=120.0, second_variance=5e-8)
_DAY = "day"


@dataclass(frozen=True)
class Election:
    """Which version serves a symbol from now on, and why this one."""

    version: str
    why: str


class TickTracking:
    """Tick models of one MLflow, their files in `store`."""

    def __init__(self, tracking: Tracking, store: TickModelStore) -> None:
        self._tracking = tracking
        self._store = store

    def log(self, training: TickTraining, day: date, parameters: Mapping[str, object]) -> None:
        """Store a version and register it, after the baseline, with its losses and `parameters`.

        Raises:
            StorageError: the store cannot be written.
        """
        model = training.model
        self._record(model.symbol, TICK_BASELINE, {}, {}, {}, datetime.now(UTC))
        weights = dict(zip((f"weight of ln {name}" for name in TickInputs._fields), model.weights, strict=True))
        learnt = {"trained_from": training.trained_from, "trained_to": training.trained_to}
        metrics = {
            "skill": float(model.skill or 0.0),
            "qlike": training.qlike,
            "baseline_qlike": training.baseline_qlike,
            "coverage_90": training.coverage_90,
            "baseline_coverage_90": training.baseline_coverage_90,
            "trained_on": float(training.trained_on),
            "scored_on": float(training.scored_on),
        }
        named = {**parameters, **learnt, "intercept": model.intercept, **weights}
        self._record(model.symbol, model, {_DAY: f"{day}"}, named, metrics, utc(day))

    def elect(self, training: TickTraining, day: date) -> Election:
        """Point `champion` at the version of `day` if it beats the baseline, covers, and none of a later day serves.

        What served before stays otherwise: an earlier version, or the baseline.
        """
        model = training.model
        before = self._tracking.champion(model.symbol, TICK)
        fault = "not better than the baseline" if not training.skill > 0.0 else ""
        fault = fault or ("" if training.covers else f"its 90 % interval held {training.coverage_90:.0%}")
        if fault and before is None:
            self._tracking.set_alias(CHAMPION, model.symbol, TICK, TICK_BASELINE.version)
            return Election(TICK_BASELINE.version, f"{fault}; the baseline serves")
        if fault and before is not None:
            return Election(before["version"], f"{fault}; what served before stays")
        if before is not None and before.get(_DAY, "") > f"{day}":
            return Election(before["version"], f"the version of {before[_DAY]} is a later one")
        self._tracking.set_alias(CHAMPION, model.symbol, TICK, model.version)
        return Election(model.version, "better than the baseline on later ticks")

    def _record(
        self,
        symbol: str,
        model: TickModel,
        tags: Mapping[str, str],
        parameters: Mapping[str, object],
        metrics: Mapping[str, float],
        moment: datetime,
    ) -> None:
        self._store.save(model)
        about = {"model": model.name, "feature_set_version": TICK_INPUTS, "provenance": model.provenance}
        title = " ".join([*tags.values(), model.name])
        entry = Entry(symbol, TICK, model.version, title, {**about, **tags}, parameters, metrics, moment)
        self._tracking.record(entry, lambda folder: self._write(folder, model))

    def _write(self, folder: Path, model: TickModel) -> None:
        example = pd.DataFrame([_EXAMPLE], columns=list(TickInputs._fields))
        save_pyfunc(folder, _LOADER, self._store.file(model.version), [], TickInputs._fields, example)
