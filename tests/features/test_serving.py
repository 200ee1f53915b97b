"""Which rows are served: one fault of each kind is found and named, and a good row comes through with every bit."""

from datetime import UTC, datetime, timedelta

import pytest

from bitpredict.features.catalog import FEATURE_NAMES, FEATURE_SET_VERSION
from bitpredict.features.serving import newest_rows, rows_to_serve
from bitpredict.features.table import features_between
from bitpredict.storage.serving_rows import decoded

END = datetime(2023, 11, 12, tzinfo=UTC)
NEWEST = END - timedelta(minutes=5)
NOW = END - timedelta(minutes=4)
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture(scope="module")
def rows(fortnight) -> list[dict]:
    return newest_rows(features_between(fortnight, END - timedelta(hours=1), END))


def serve(row: dict, now: datetime = NOW, within: timedelta | None = HALF_AN_HOUR):
    return rows_to_serve([row], now=now, within=within, written_by="asset")


def test_the_newest_row_a_symbol_is_served_with_every_bit(rows):
    assert [(row["symbol"], row["origin"]) for row in rows] == [("BTCUSDT", NEWEST), ("ETHUSDT", NEWEST)]
    found = rows_to_serve(rows, now=NOW, within=HALF_AN_HOUR, written_by="asset")
    assert found.refused == {}
    for row, served in zip(rows, found.rows.to_dict("records"), strict=True):
        features = decoded(served["features"])
        beside = {"coverage_60", "sentiment_coverage", "breadth_coverage"}
        assert features == {name: row[name] for name in (*FEATURE_NAMES, *beside)}
        assert features["sentiment_mean_24h"] is None
        assert {name: served[name] for name in ("symbol", "origin", "reference_price", "coverage", "known_at")} == {
            name: row[name] for name in ("symbol", "origin", "reference_price", "coverage", "known_at")
        }
        assert (served["feature_set_version"], served["written_by"], served["written_at"]) == (
            *(FEATURE_SET_VERSION, "asset"),
            NOW,
        )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"feature_set_version": "0123456789ab"}, "its feature set is 0123456789ab, here", id="version"),
        pytest.param({"log_rv_60": "3.5"}, "log_rv_60 is '3.5', no number", id="text"),
        pytest.param({"log_rv_60": True}, "log_rv_60 is True, no number", id="truth"),
        pytest.param({"log_rv_60": float("inf")}, "log_rv_60 is inf, not finite", id="infinite"),
        pytest.param({"log_rv_60": float("nan")}, "log_rv_60 is nan, not finite", id="nan is not null"),
        pytest.param({"coverage": 1.01}, "coverage is 1.01, outside 0 to 1", id="coverage"),
        pytest.param({"sentiment_mean_24h": -1.5}, "sentiment_mean_24h is -1.5, outside -1 to 1", id="score"),
        pytest.param({"breadth_coins": -1.0}, "breadth_coins is -1.0, outside 0 to inf", id="count"),
        pytest.param({"reference_price": 0.0}, "reference_price is 0.0, not above zero", id="price"),
        pytest.param({"coverage_60": None}, "coverage_60 is missing", id="no coverage"),
        pytest.param({"provenance": "guessed"}, "its provenance is 'guessed'", id="provenance"),
        pytest.param({"symbol": ""}, "its symbol is ''", id="symbol"),
        pytest.param({"origin": NEWEST.replace(tzinfo=None)}, "is no instant", id="no zone"),
        pytest.param({"origin": NEWEST + timedelta(seconds=1)}, "is no full minute", id="between minutes"),
        pytest.param({"origin": NOW + timedelta(minutes=1)}, "it is of the future", id="origin ahead"),
        pytest.param({"known_at": NOW + timedelta(seconds=1)}, "it is of the future", id="not known yet"),
        pytest.param({"origin": NOW - timedelta(minutes=31)}, "31 minutes old, older than 0:30:00", id="stale"),
    ],
)
def test_a_bad_row_is_refused_with_the_reason(rows, changes, says):
    found = serve(rows[0] | changes)
    assert found.rows.empty
    (reason,) = found.refused.values()
    assert says in reason


def test_a_column_that_is_not_there_is_refused(rows):
    assert "return_5 is missing" in serve({k: v for k, v in rows[0].items() if k != "return_5"}).refused["BTCUSDT"]


def test_null_is_allowed_where_a_feature_may_be_null(rows):
    assert serve(rows[0] | {"return_5": None}).refused == {}


def test_where_the_calendar_has_ended_nothing_is_too_old(rows):
    assert serve(rows[0], now=NOW + timedelta(days=900), within=None).refused == {}


def test_many_faults_are_told_in_short(rows):
    reason = serve(dict.fromkeys(rows[0], "x")).refused["x"]
    assert reason.count(";") == 4
    assert reason.endswith("more")


def test_one_bad_symbol_does_not_hold_the_others(rows):
    found = rows_to_serve([rows[0] | {"coverage": 2.0}, rows[1]], now=NOW, within=None, written_by="asset")
    assert (list(found.rows["symbol"]), set(found.refused)) == (["ETHUSDT"], {"BTCUSDT"})
