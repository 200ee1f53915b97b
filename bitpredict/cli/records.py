"""Tables as JSON that a script can rely on: a list of objects, instants in UTC, absent values null."""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from bitpredict.market.time import utc


def to_json(records: Iterable[Mapping[str, Any]]) -> str:
    """Write records as a JSON array, one object a line.

    Instants become ISO 8601 in UTC (`2023-12-31T23:55:00Z`), days `2023-12-31`, decimals numbers; what is absent, not
    a number or infinite becomes null.
    """
    rows = [json.dumps({key: _plain(value) for key, value in row.items()}, allow_nan=False) for row in records]
    return "[\n  " + ",\n  ".join(rows) + "\n]" if rows else "[]"


def frame_to_json(frame: pd.DataFrame) -> str:
    """Write a table's rows with its own column names."""
    columns = [frame[name].astype(object).to_list() for name in frame.columns]
    return to_json(dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True))


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
