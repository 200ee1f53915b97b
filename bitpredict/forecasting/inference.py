"""Forecasts for the ledger: each origin by the version that was valid at it, and by no other."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from bitpredict.errors import ModelError
from bitpredict.features.minutes import Times
from bitpredict.forecasting.frame import origins_of
from bitpredict.forecasting.model import TrainedModel
from bitpredict.forecasting.recipes import BASELINE
from bitpredict.market.horizons import Horizon
from bitpredict.market.time import from_numpy, to_numpy
from bitpredict.storage.schema import forecasts as forecasts_table

Bools = npt.NDArray[np.bool_]

GAP = "a missing or halted minute in the last hour"
COLUMNS = [column.name for column in forecasts_table.columns]


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What was forecast, and what was not.

    Attributes:
        table: rows of `storage.schema.forecasts`.
        skipped: origins and models without a forecast, counted by reason.
    """

    table: pd.DataFrame
    skipped: Mapping[str, int]


def make_forecasts(
    features: pd.DataFrame,
    models: Sequence[TrainedModel],
    champions: pd.DataFrame,
    made_from: str,
    now: datetime,
) -> Forecasts:
    """Forecast every row of `features` that is on its horizon's beat, with each model that was valid at its origin.

    A forecast is `live` if it is written before its target_time, else `backtest`. Rows with a missing or halted minute
    in the last hour, or a null in what a model reads, are skipped and counted.

    Args:
        features: rows of the feature table, any symbols; rows of symbols without a model are not looked at.
        models: versions of any months; of one symbol, horizon and name the latest valid_from not after the origin
            forecasts it.
        champions: rows of `champions`.
        made_from: table version or topic offsets of the features.
        now: written_at.

    Raises:
        ModelError: an origin lies before every version of a model, the features are of another set than a model
            was trained on, or a champion is not among the models.
    """
    skipped: Counter[str] = Counter()
    parts = [pd.DataFrame(columns=COLUMNS)]
    groups: dict[tuple[str, str], list[TrainedModel]] = {}
    for model in models:
        groups.setdefault((model.symbol, model.horizon.name), []).append(model)
    for (symbol, horizon), group in groups.items():
        rows = features[(features["symbol"] == symbol) & _on_the_beat(features, group[0].horizon)]
        whole = rows[rows["coverage_60"] >= 1.0]
        _count(skipped, GAP, len(rows) - len(whole))
        chosen = champions[(champions["symbol"] == symbol) & (champions["horizon"] == horizon)]
        served = _champion_versions(whole, chosen, group)
        for model, mine in _serving(whole, group):
            parts.append(_forecast(model, whole[mine], served[mine], made_from, now, skipped))
    filled = [part for part in parts if len(part)] or parts
    return Forecasts(pd.concat(filled, ignore_index=True), dict(skipped))


def forecast_ids(symbol: str, horizon: str, version: str, origins: Times) -> list[str]:
    """Names of forecasts: 32 hexadecimal digits of SHA-256 over `symbol|origin|horizon|version`, the origin in ISO 8601
    with its offset (`2023-12-01T00:00:00+00:00`)."""
    texts = np.datetime_as_string(origins.astype("datetime64[s]"))
    return [_digits(f"{symbol}|{text}+00:00|{horizon}|{version}") for text in texts]


def forecast_id(symbol: str, horizon: str, version: str, origin: datetime) -> str:
    """The name of one forecast, as `forecast_ids` gives it; `origin` is a full second in UTC."""
    return _digits(f"{symbol}|{origin.isoformat()}|{horizon}|{version}")


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _on_the_beat(features: pd.DataFrame, horizon: Horizon) -> Bools:
    """(n,) whether a forecast that far ahead is made at the origin."""
    beat: Bools = origins_of(features).astype(np.int64) % (horizon.every // timedelta(microseconds=1)) == 0
    return beat


def _serving(rows: pd.DataFrame, group: Sequence[TrainedModel]) -> Iterator[tuple[TrainedModel, Bools]]:
    """Each version with the rows that it forecasts.

    Raises:
        ModelError: an origin lies before every version of a name.
    """
    origins = origins_of(rows)
    for name in dict.fromkeys(model.name for model in group):
        versions = sorted((model for model in group if model.name == name), key=lambda model: model.valid_from)
        place = _latest([model.valid_from for model in versions], origins)
        if (place < 0).any():
            raise ModelError(
                f"{name} of {versions[0].symbol} {versions[0].horizon.name} is valid from "
                f"{versions[0].valid_from:%Y-%m-%d %H:%M} UTC and must not forecast "
                f"{from_numpy(origins[place < 0].min()):%Y-%m-%d %H:%M}; materialize the models of that month"
            )
        for position, model in enumerate(versions):
            if (mine := place == position).any():
                yield model, mine


def _champion_versions(
    rows: pd.DataFrame, champions: pd.DataFrame, group: Sequence[TrainedModel]
) -> npt.NDArray[np.object_]:
    """(n,) the version that is champion at each origin, empty where none is yet.

    Raises:
        ModelError: a champion that serves one of the origins is not among the models.
    """
    ordered = champions.sort_values("valid_from")
    place = _latest(list(ordered["valid_from"]), origins_of(rows))
    served = np.array([*ordered["model_version"], ""], object)[place]
    if missing := set(served) - {model.version for model in group} - {""}:
        champion = ordered[ordered["model_version"].isin(missing)].iloc[0]
        raise ModelError(
            f"champion {champion['model']} {champion['model_version']} of {champion['symbol']} {champion['horizon']} "
            "is not among the models; load its version from the model store"
        )
    return served


def _latest(valid_from: Sequence[datetime], origins: Times) -> npt.NDArray[np.intp]:
    """(n,) position of the latest of the ascending instants that is not after each origin, -1 where all are."""
    instants = np.array([to_numpy(instant) for instant in valid_from], "datetime64[us]")
    return np.searchsorted(instants, origins, side="right") - 1


def _forecast(
    model: TrainedModel,
    rows: pd.DataFrame,
    served: npt.NDArray[np.object_],
    made_from: str,
    now: datetime,
    skipped: Counter[str],
) -> pd.DataFrame:
    """Rows of the ledger by one version."""
    other = set(rows["feature_set_version"]) - {model.feature_set_version}
    if other:
        raise ModelError(
            f"{model.name} {model.version} was trained on feature set {model.feature_set_version} and cannot read "
            f"{', '.join(sorted(other))}; materialize the month's models again"
        )
    found = model.forecast(rows)
    known = found["realized_variance"].notna().to_numpy()
    _count(skipped, f"{model.name}: a null feature", int((~known).sum()))
    found, rows, served = found[known], rows[known], served[known]
    origins = origins_of(rows)
    target_time = rows["origin"] + model.horizon.length
    ordinary = "baseline" if model.name == BASELINE else "challenger"
    ledger = found.assign(
        forecast_id=forecast_ids(model.symbol, model.horizon.name, model.version, origins),
        kind=np.where(target_time > pd.Timestamp(now), "live", "backtest"),
        symbol=model.symbol,
        horizon=model.horizon.name,
        origin=rows["origin"],
        target_time=target_time,
        reference_price=rows["reference_price"],
        model=model.name,
        model_version=model.version,
        variant=np.where(served == model.version, "champion", ordinary),
        feature_set_version=model.feature_set_version,
        input=made_from,
        provenance=rows["provenance"],
        skill=model.metrics["skill"],
        skill_sample_size=model.metrics["sample_size"],
        written_at=pd.Timestamp(now),
    )
    return ledger[COLUMNS]


def _count(skipped: Counter[str], reason: str, rows: int) -> None:
    if rows:
        skipped[reason] += rows
