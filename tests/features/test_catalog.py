import hashlib
import json
from dataclasses import astuple
from datetime import timedelta

import pyarrow as pa
import pytest

from bitpredict.features import catalog
from bitpredict.features.catalog import FEATURE_NAMES, FEATURE_TABLE, FEATURES, LOOKBACK, OWN_FEATURES, PRICE_FEATURES

OUTSIDE_QUALITY = ("sentiment_coverage", "breadth_coverage", "outside_provenance")


def test_every_feature_is_declared_once_with_its_meaning():
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) == len(FEATURES)
    for feature in FEATURES:
        assert feature.name.isidentifier()
        assert feature.name == feature.name.lower()
        assert len(feature.meaning) > 8
        assert "{" not in feature.name + feature.meaning


def test_the_look_back_is_that_of_the_longest_feature():
    assert timedelta(days=8) == LOOKBACK
    assert all(timedelta(minutes=feature.lookback_minutes) <= LOOKBACK for feature in FEATURES)


@pytest.mark.parametrize(("contract", "features"), [(PRICE_FEATURES, OWN_FEATURES), (FEATURE_TABLE, FEATURES)])
def test_the_contracts_hold_the_features_with_units_and_meanings(contract, features):
    assert contract.key == ("symbol", "origin")
    assert contract.time == "origin"
    for feature in features:
        column = contract.schema.field(feature.name)
        assert column.metadata == {b"meaning": feature.meaning.encode(), b"unit": feature.unit.encode()}
        assert column.type == (pa.int32() if feature.whole else pa.float64())
        assert column.nullable is not feature.whole
    assert set(contract.schema.names) - {feature.name for feature in features} == {
        *("symbol", "origin", "reference_price"),
        *("coverage", "coverage_60", "provenance", "feature_set_version", "known_at"),
        *(OUTSIDE_QUALITY if contract is FEATURE_TABLE else ()),
    }


def test_the_version_is_made_of_the_declarations_and_the_revision():
    stated = json.dumps([catalog.REVISION, [astuple(feature) for feature in FEATURES]])
    assert hashlib.sha256(stated.encode()).hexdigest().startswith(catalog.FEATURE_SET_VERSION)
    assert len(catalog.FEATURE_SET_VERSION) == 12
