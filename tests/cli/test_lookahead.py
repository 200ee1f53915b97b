import json
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.features import table
from bitpredict.features.catalog import FEATURES

pytestmark = pytest.mark.usefixtures("filled")


@pytest.mark.slow
def test_every_feature_of_the_newest_day_is_compared(run):
    result = run("lookahead", "--symbol", "BTCUSDT", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = {row["feature"]: row for row in json.loads(result.stdout)}
    assert {feature.name for feature in FEATURES} <= set(found)
    assert all(row["passed"] and row["rows_compared"] == 24 for row in found.values())


@pytest.mark.slow
def test_a_day_may_be_chosen_and_the_table_is_for_people(run):
    result = run("lookahead", "--symbol", "ETHUSDT", "--day", "2023-12-10")
    assert result.exit_code == 0
    assert "2023-12-10" in result.stdout
    assert result.stdout.count("sees no future") >= len(FEATURES)


@pytest.mark.slow
def test_a_planted_feature_that_sees_the_next_minutes_is_caught(run, monkeypatch):
    def leaking(candles, start, end, outside):
        """The real features, one of them replaced by the last close within the 10 minutes after the origin."""
        found = honest(candles, start, end, outside)
        near = candles.filter(pc.greater_equal(candles["open_time"], pa.scalar(start - timedelta(minutes=1))))
        closes = dict(zip(near["open_time"].to_pylist(), near["close"].to_pylist(), strict=True))
        ahead = [
            closes.get(origin + timedelta(minutes=9), closes.get(origin - timedelta(minutes=1)))
            for origin in found["origin"].to_pylist()
        ]
        place = found.schema.get_field_index("log_rv_60")
        return found.set_column(place, "log_rv_60", pa.array(ahead, pa.float64()))

    honest = table.features_between
    monkeypatch.setattr(table, "features_between", leaking)
    result = run("lookahead", "--symbol", "BTCUSDT", "--json")
    assert result.exit_code == 1
    assert result.stderr == "error: log_rv_60 used what came after the origin; train nothing on them\n"
    rows = json.loads(result.stdout)
    (caught,) = [row for row in rows if not row["passed"]]
    assert caught["feature"] == "log_rv_60"
    assert caught["origin"].startswith("2023-12-31T")
    assert caught["with_future"] != caught["without_future"]
    assert "LOOKS AHEAD" in run("lookahead", "--symbol", "BTCUSDT").stdout


def test_a_day_without_candles_is_refused_with_the_days_there_are(run):
    result = run("lookahead", "--day", "2024-01-01")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: no candles on 2024-01-01; there are some from 2023-12-01 to 2023-12-31\n"


def test_a_symbol_without_rows_on_that_day_proves_nothing(run, monkeypatch):
    honest = table.features_between
    nothing = pa.scalar(False)
    monkeypatch.setattr(
        table,
        "features_between",
        lambda *arguments: (found := honest(*arguments)).filter(pc.and_(pc.is_null(found["origin"]), nothing)),
    )
    result = run("lookahead", "--symbol", "BTCUSDT")
    assert result.exit_code == 1
    assert "no origin of 2023-12-31" in result.stderr
