"""Which rows of the feature table may be served, and why others may not: a bad row must not replace a good one."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeGuard

import pandas as pd
import pyarrow as pa

from bitpredict.features.bounds import BOUNDS
from bitpredict.features.catalog import FEATURE_SET_VERSION, FEATURES
from bitpredict.features.minutes import PROVENANCES
from bitpredict.market.time import EPOCH, MINUTE
from bitpredict.storage.schema import ml_features_materialized
from bitpredict.storage.serving_rows import encoded

SHOWN = 5
"""Faults of a row that are told of; one wrong version makes a hundred of them."""

_BESIDE = ("coverage_60", "sentiment_coverage", "breadth_coverage")
_COLUMNS = [column.name for column in ml_features_materialized.columns]


@dataclass(frozen=True, eq=False)
class ToServe:
    """Rows of `schema.ml_features_materialized`, and why symbols have none."""

    rows: pd.DataFrame
    refused: Mapping[str, str]


def newest_rows(features: pa.Table) -> list[dict[str, Any]]:
    """Of each symbol its row with the latest origin, ordered by symbol; columns of the feature table."""
    ordered = features.sort_by([("symbol", "ascending"), ("origin", "ascending")])
    return list({row["symbol"]: row for row in ordered.to_pylist()}.values())


def rows_to_serve(rows: list[dict[str, Any]], *, now: datetime, within: timedelta | None, written_by: str) -> ToServe:
    """Check rows one by one, and make those without a fault ready for the database.

    Args:
        rows: columns of the feature table, null as None.
        within: how old an origin may be; None where the calendar has ended and nothing newer can come.
        written_by: asset or predictor.
    """
    good, refused = [], {}
    for row in rows:
        if found := list(faults(row, now, within)):
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            refused[str(row.get("symbol"))] = "; ".join(found[:SHOWN]) + more
        else:
            numbers = {name: row[name] for name in (*(feature.name for feature in FEATURES), *_BESIDE)}
            good.append({**row, "features": encoded(numbers), "written_by": written_by, "written_at": now})
    return ToServe(pd.DataFrame(good, columns=_COLUMNS), refused)


def faults(row: Mapping[str, Any], now: datetime, within: timedelta | None) -> Iterator[str]:
    """What is wrong with a row: its version, its types, its ranges, its time. Nothing where it may be served."""
    if row.get("feature_set_version") != FEATURE_SET_VERSION:
        yield f"its feature set is {row.get('feature_set_version')}, here it is {FEATURE_SET_VERSION}"
    yield from _wrong_times(row.get("origin"), row.get("known_at"), now, within)
    if not isinstance(row.get("symbol"), str) or not row["symbol"]:
        yield f"its symbol is {row.get('symbol')!r}"
    if row.get("provenance") not in PROVENANCES:
        yield f"its provenance is {row.get('provenance')!r}"
    for name in ("reference_price", "coverage", *_BESIDE):
        if row.get(name) is None:
            yield f"{name} is missing"
    for feature in FEATURES:
        if feature.name not in row or (feature.whole and row[feature.name] is None):
            yield f"{feature.name} is missing"
    for name in ("reference_price", "coverage", *_BESIDE, *(feature.name for feature in FEATURES)):
        if (value := row.get(name)) is not None:
            yield from _wrong_number(name, value)
    if isinstance(price := row.get("reference_price"), (int, float)) and not price > 0:
        yield f"reference_price is {price}, not above zero"


def _wrong_number(name: str, value: object) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        yield f"{name} is {value!r}, no number"
    elif not math.isfinite(value):
        yield f"{name} is {value}, not finite"
    elif name in BOUNDS and not BOUNDS[name][0] <= value <= BOUNDS[name][1]:
        yield f"{name} is {value}, outside {BOUNDS[name][0]:g} to {BOUNDS[name][1]:g}"


def _wrong_times(origin: object, known_at: object, now: datetime, within: timedelta | None) -> Iterator[str]:
    if not (_is_instant(origin) and _is_instant(known_at)):
        yield f"origin {origin!r} or known_at {known_at!r} is no instant"
        return
    if (origin - EPOCH) % MINUTE:
        yield f"its origin {origin:%Y-%m-%d %H:%M:%S.%f} is no full minute"
    if max(origin, known_at) > now:
        yield f"it is of the future: origin {origin:%Y-%m-%d %H:%M:%S}, known at {known_at:%Y-%m-%d %H:%M:%S}"
    if within is not None and now - origin > within:
        yield f"its origin {origin:%Y-%m-%d %H:%M} is {(now - origin) // MINUTE} minutes old, older than {within}"


def _is_instant(moment: object) -> TypeGuard[datetime]:
    return isinstance(moment, datetime) and moment.tzinfo is not None
