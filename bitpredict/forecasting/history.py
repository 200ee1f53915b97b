"""What a month's models are trained on: features and targets known before the month began, and nothing later."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bitpredict.errors import ModelError
from bitpredict.features.catalog import FEATURE_NAMES
from bitpredict.features.windows import Floats
from bitpredict.forecasting.frame import FeatureRows, TrainingFrame, origins_of
from bitpredict.forecasting.targets import targets
from bitpredict.market.horizons import HORIZONS, Horizon
from bitpredict.market.time import to_numpy, utc


@dataclass(frozen=True, eq=False)
class History:
    """One symbol's rows before a month, with the targets of every horizon: what is stored beside the models.

    Attributes:
        month: first day of the month that models made from it serve, `2023-12-01`.
        end: the month's first instant: no feature and no target reaches beyond it.
        feature_set_version: of the features.
        table: origin, every feature, coverage, coverage_60, and realized_variance_<horizon> and log_return_<horizon>,
            which are null where the target is incomplete or ends after `end`.
    """

    symbol: str
    month: str
    end: datetime
    feature_set_version: str
    table: pa.Table

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the columns' values, whatever file format or library wrote them."""
        digest = hashlib.sha256()
        for name in self.table.column_names:
            column = self.table[name]
            values = origins_of(self.table).astype(np.int64) if name == "origin" else _floats(column)
            digest.update(f"{name}:{values.dtype.str}:{values.size}\n".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()


def history(features: pa.Table, candles: pa.Table, symbol: str, month: str) -> History:
    """Collect what was known of `symbol` before `month` began.

    Args:
        features: rows of the feature table; later rows and other symbols may be among them.
        candles: rows of `storage.contracts.CANDLES` over the same time.
        month: first day of the month, `2023-12-01`.

    Raises:
        ModelError: there is no row before the month, or rows of several feature sets.
    """
    end = utc(date.fromisoformat(month))
    mine = pc.and_(pc.equal(features["symbol"], symbol), pc.less(features["origin"], pa.scalar(end)))
    rows = features.filter(mine).sort_by("origin")
    versions = rows["feature_set_version"].unique().to_pylist()
    if not versions:
        raise ModelError(f"{symbol} has no features before {month}; materialize the feature table of earlier days")
    if len(versions) > 1:
        raise ModelError(
            f"{symbol} has features of the sets {', '.join(sorted(versions))} before {month}; "
            "materialize the feature table of these days anew, so that one set made them all"
        )
    names = [name for name in rows.column_names if name in FEATURE_NAMES]
    columns = {name: rows[name] for name in ("origin", *names, "coverage", "coverage_60")}
    origins = origins_of(rows)
    for horizon in HORIZONS:
        found = targets(candles.filter(pc.less(candles["open_time"], pa.scalar(end))), symbol, origins, horizon)
        for column in ("realized_variance", "log_return"):
            columns[f"{column}_{horizon.name}"] = pa.array(found[column].to_numpy(), from_pandas=True)
    return History(symbol, month, end, versions[0], pa.table(columns).combine_chunks())


def usable(past: History, horizon: Horizon, inputs: tuple[str, ...]) -> tuple[TrainingFrame, Mapping[str, int]]:
    """Return the rows that a model reading `inputs` can be trained on, and how many others were dropped for what.

    A row counts for the first of its reasons, in the order: gap in the last hour, target not known before the month,
    target incomplete, null feature. Windows longer than an hour may have holes: forecasting on them beats waiting.
    """
    rows = FeatureRows.of(past.table, inputs)
    realized = _floats(past.table[f"realized_variance_{horizon.name}"])
    reasons = {
        "a missing or halted minute in the last hour": _floats(past.table["coverage_60"]) < 1.0,
        "target not known before the month": rows.origin + np.timedelta64(horizon.length) >= to_numpy(past.end),
        "a missing or halted minute in the target": np.isnan(realized),
        "a null feature": np.isnan(rows.values).any(axis=1),
    }
    keep = np.ones(len(rows), bool)
    dropped = {}
    for reason, bad in reasons.items():
        dropped[reason] = int((keep & bad).sum())
        keep &= ~bad
    returns = _floats(past.table[f"log_return_{horizon.name}"])
    frame = TrainingFrame(past.symbol, horizon, rows.take(keep), realized[keep], returns[keep])
    return frame, {reason: count for reason, count in dropped.items() if count}


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = column.cast(pa.float64()).to_numpy()
    return values
