"""How the graph is assembled: what every asset says about itself, its jobs, and what loading it costs."""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from bitpredict_assets.io_manager import CONTRACTS
from tests.support.graph import defs
from tests.support.processes import ROOT

GROUPS = {
    "prices": {"binance_candles", "cryptocompare_candles", "candles", "data_gaps"},
    "features": {"price_features", "market_breadth", "feature_table", "ml_features_materialized"},
    "models": {"models", "model_evaluations", "champions", "tick_models"},
    "forecasts": {"batch_forecasts", "forecast_outcomes", "scorecard", "live_forecasts"},
    "platform": {"lake_maintenance", "database_backup"},
    "stream": {"streamed_trades"},
    "markets": {"coin_markets", "coin_history"},
    "news": {"crypto_news", "tweets"},
    "sentiment": {"article_sentiment", "hourly_sentiment", "sentiment_model"},
}
FIRST_SOURCE = GROUPS["prices"] - {"cryptocompare_candles"}
"""What is missing of today may come by itself: the second source is asked about days that are over, and on repair."""
REPORTED = {"live_forecasts"}
"""By a sensor: no run makes them."""
ASSETS = sorted(set.union(*GROUPS.values()))
TABLES = sorted({*ASSETS} - {"models", "lake_maintenance", "database_backup", "sentiment_model"})
SERVED = {"ml_features_materialized"}
WITHOUT_SYMBOLS = {"market_breadth", "hourly_sentiment"}
HEAVY = (
    *("tensorflow", "keras", "mlflow", "sklearn", "onnxruntime", "transformers", "matplotlib", "plotly"),
    *("kafka", "websockets", "feedparser"),
)


def node(asset: str):
    return defs.resolve_asset_graph().get(dg.AssetKey(asset))


def columns(asset: str) -> dict[str, dg.TableColumn]:
    return {column.name: column for column in node(asset).metadata["dagster/column_schema"].columns}


def test_the_groups_are_the_folders():
    found: dict[str, set[str]] = {}
    for key in defs.resolve_asset_graph().get_all_asset_keys():
        found.setdefault(node(key.to_user_string()).group_name, set()).add(key.to_user_string())
    assert found == GROUPS


@pytest.mark.parametrize("asset", ASSETS)
def test_an_asset_introduces_itself(asset):
    found = node(asset)
    assert len(found.description) > 20
    assert "\n\n" not in found.description.strip()
    assert found.owners == ["team:bitpredict"]
    assert found.kinds
    assert found.tags["domain"] == found.group_name
    assert found.is_materializable == (asset not in REPORTED)
    if found.is_materializable:
        assert found.backfill_policy == dg.BackfillPolicy.single_run()


@pytest.mark.parametrize("asset", TABLES)
def test_a_table_shows_its_columns_with_their_meaning(asset):
    shown = columns(asset)
    assert len(shown) >= 7
    assert all(column.type for column in shown.values())


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.table)
def test_a_lake_table_shows_its_contract_with_units(contract):
    shown = columns(contract.table)
    assert list(shown) == contract.schema.names
    for column in contract.schema:
        meaning, unit = column.metadata[b"meaning"].decode(), column.metadata[b"unit"].decode()
        assert meaning
        assert shown[column.name].description == (f"{meaning} [{unit}]" if unit else meaning)
        assert shown[column.name].constraints.nullable == column.nullable
    assert contract.table in WITHOUT_SYMBOLS or shown["symbol"].description.endswith("quote")
    named = {
        "binance_candles": ("close", "[quote currency]"),
        "candles": ("volume", "[base currency]"),
        "cryptocompare_candles": ("quote_volume", "[quote currency]"),
        "streamed_trades": ("size", "[base currency]"),
        "hourly_sentiment": ("mean", "[from -1 to 1]"),
        "market_breadth": ("coins", "[coins]"),
    }
    name, unit = named.get(contract.table, ("reference_price", "[quote currency]"))
    assert shown[name].description.endswith(unit)


@pytest.mark.parametrize("asset", sorted({*ASSETS} - REPORTED))
def test_only_lake_tables_go_through_an_io_manager(asset):
    """What returned anything else would be pickled by the default one."""
    definition = node(asset).assets_def
    (name,) = (name for name, key in definition.keys_by_output_name.items() if key == node(asset).key)
    output = definition.node_def.output_def_named(name)
    if asset in CONTRACTS:
        assert output.io_manager_key == "lake"
    else:
        assert output.dagster_type.is_nothing


def test_two_runs_never_write_one_table_at_the_same_time():
    pools = {asset: node(asset).pools for asset in TABLES if asset not in REPORTED}
    assert all(len(pool) == 1 for pool in pools.values()), pools
    written_together = {"models", "model_evaluations"}
    names = [next(iter(pool)) for asset, pool in pools.items() if asset not in written_together]
    assert len(set(names)) == len(names)


def test_nothing_of_a_calendar_that_has_ended_is_late():
    assert not [asset for asset in ASSETS if node(asset).freshness_policy]


@pytest.mark.parametrize(
    ("job", "assets", "partition"),
    [
        ("prices_and_features", GROUPS["prices"] | GROUPS["features"] - SERVED, "2023-11-30"),
        ("models", GROUPS["models"] - {"tick_models"}, "2023-12-01"),
        ("tick_models", {"tick_models"}, "2024-03-05"),
        ("forecasts_and_scores", GROUPS["forecasts"] - REPORTED, "2023-11-30"),
        ("today", FIRST_SOURCE | GROUPS["features"] | {"batch_forecasts", "forecast_outcomes"}, "2023-11-30"),
        ("serving", SERVED, None),
        ("repair", GROUPS["prices"] | GROUPS["features"] - SERVED, "2023-11-30"),
        ("maintenance", {"lake_maintenance", "scorecard"}, None),
        ("backup", {"database_backup"}, None),
        ("markets", {"coin_markets"}, None),
        ("news", {"crypto_news"}, None),
        ("posts", {"tweets"}, None),
        ("sentiment", {"article_sentiment", "hourly_sentiment"}, "2026-02-06"),
        ("news_today", {"crypto_news", "article_sentiment", "hourly_sentiment"}, "2026-02-06"),
    ],
)
def test_a_job_runs_its_assets_with_their_checks(job, assets, partition):
    definition = defs.resolve_job_def(job)
    assert {key.to_user_string() for key in definition.asset_layer.executable_asset_keys} == assets
    assert partition in (definition.partitions_def.get_partition_keys() if definition.partitions_def else [None])
    of_its_assets = {
        key for key in defs.resolve_asset_graph().asset_check_keys if key.asset_key.to_user_string() in assets
    }
    assert definition.asset_layer.asset_graph.asset_check_keys == of_its_assets


def test_there_are_no_other_jobs():
    jobs = {job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}
    others = {
        "backup",
        "prices_and_features",
        "models",
        "forecasts_and_scores",
        "today",
        "serving",
        "repair",
        "maintenance",
    }
    assert jobs == {*others, "stream", "tick_models", "parity", "markets", "news", "posts", "sentiment", "news_today"}


def test_a_run_of_the_stream_makes_trades_alone():
    layer = defs.resolve_job_def("stream").asset_layer
    assert {key.to_user_string() for key in layer.executable_asset_keys} == {"streamed_trades"}
    assert not layer.asset_graph.asset_check_keys


def test_the_live_lane_has_sensors_that_run():
    sensors = {sensor.name: sensor for sensor in defs.get_repository_def().sensor_defs}
    assert {*sensors} == {"streamed_trades_sensor", "live_forecasts_sensor"}
    for sensor in sensors.values():
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
        assert sensor.minimum_interval_seconds == 5


@pytest.mark.parametrize("asset", ["streamed_trades", "live_forecasts", "tick_models"])
def test_the_days_of_the_stream_go_on_when_the_markets_calendar_has_ended(asset):
    today = datetime.now(UTC).date()
    days = node(asset).partitions_def.get_partition_keys()
    assert days[0] == "2017-08-17"
    assert {f"{today}", f"{today + timedelta(days=1)}"} <= {*days}


def test_the_samples_calendar():
    daily = node("candles").partitions_def.get_partition_keys()
    assert (daily[0], daily[-1], len(daily)) == ("2023-11-01", "2023-12-31", 61)
    assert node("models").partitions_def.get_partition_keys() == ["2023-11-01", "2023-12-01"]


def test_the_sample_has_no_schedules_its_calendar_has_ended():
    assert defs.get_repository_def().schedule_defs == []


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=120
    )


@pytest.mark.slow
def test_dagster_finds_the_definitions_valid():
    done = python("-m", "dagster", "definitions", "validate", "-w", "workspace.yaml")
    assert done.returncode == 0, done.stderr
    assert "Validation successful for code location bitpredict" in done.stdout + done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr


@pytest.mark.slow
def test_loading_the_definitions_loads_nothing_heavy_and_warns_of_nothing():
    done = python("-W", "default", "-c", "import sys, bitpredict_assets.definitions; print(*sorted(sys.modules))")
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "dagster" in loaded
    assert not loaded & set(HEAVY)
    ours = [line for line in done.stderr.splitlines() if re.search(r"bitpredict\w*/.*Warning|BetaWarning", line)]
    assert not ours
