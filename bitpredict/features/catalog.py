"""Every feature, and the contracts of the two tables that hold them."""

import hashlib
import json
from dataclasses import astuple
from datetime import timedelta

import pyarrow as pa

from bitpredict.features import activity, clock, estimators, indicators, movement, others, outside, volatility
from bitpredict.features.declaration import Feature
from bitpredict.market.time import MINUTE
from bitpredict.storage.contracts import TIMESTAMP, Contract, field

REVISION = 1
"""Raise it when a formula changes under an unchanged declaration: models refuse features of another version."""

OWN_FEATURES: tuple[Feature, ...] = (
    *volatility.FEATURES,
    *estimators.FEATURES,
    *movement.FEATURES,
    *activity.FEATURES,
    *indicators.FEATURES,
    *clock.FEATURES,
)
"""What a symbol's own candles say."""

MARKET_FEATURES: tuple[Feature, ...] = (*OWN_FEATURES, *others.FEATURES)
"""What candles say: there wherever there is a row."""

FEATURES: tuple[Feature, ...] = (*MARKET_FEATURES, *outside.FEATURES)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)

LOOKBACK: timedelta = max(feature.lookback_minutes for feature in FEATURES) * MINUTE
"""How far candles must reach back before an origin: the longest look-back of any feature (8 days)."""

FEATURE_SET_VERSION = hashlib.sha256(
    json.dumps([REVISION, [astuple(feature) for feature in FEATURES]]).encode()
).hexdigest()[:12]

_ROW = [
    field("symbol", pa.string(), "trading pair, base then quote"),
    field("origin", TIMESTAMP, "instant of the forecast; only candles complete by then are used", "UTC"),
    field("reference_price", pa.float64(), "last close known at the origin", "quote currency"),
]
_QUALITY = [
    field("coverage", pa.float64(), "share of the last 10080 minutes with a valid return"),
    field("coverage_60", pa.float64(), "share of the last 60 minutes with a valid return"),
    field("provenance", pa.string(), "the least trusted of the candles used: observed, repaired or simulated"),
    field("feature_set_version", pa.string(), "version of the feature code and its declarations"),
    field("known_at", TIMESTAMP, "when the row could first have been used", "UTC"),
]
_OUTSIDE = [
    field(
        "sentiment_coverage",
        pa.float64(),
        "share of the last 24 full hours (told 20 minutes later) that have sentiment",
    ),
    field(
        "breadth_coverage",
        pa.float64(),
        "share of the last 12 full five minutes (told 10 later) that have market breadth",
    ),
    field(
        "outside_provenance",
        pa.string(),
        "the least trusted of the sentiment and breadth used: observed, repaired or simulated; null without any",
        nullable=True,
    ),
]


def _column(feature: Feature) -> "pa.Field[pa.DataType]":
    type_ = pa.int32() if feature.whole else pa.float64()
    return field(feature.name, type_, feature.meaning, feature.unit, nullable=not feature.whole)


PRICE_FEATURES = Contract(
    table="price_features",
    schema=pa.schema([*_ROW, *map(_column, OWN_FEATURES), *_QUALITY]),
    key=("symbol", "origin"),
    time="origin",
    positive=("reference_price",),
    description="One row a symbol every 5 minutes: what its own candles say at that instant.",
)

FEATURE_TABLE = Contract(
    table="feature_table",
    schema=pa.schema([*_ROW, *map(_column, FEATURES), *_OUTSIDE, *_QUALITY]),
    key=("symbol", "origin"),
    time="origin",
    positive=("reference_price",),
    description="One row a symbol every 5 minutes: everything a model may look at.",
)
