"""`lake_maintenance`: what it deletes, and that no row changes."""

from pathlib import Path

import pytest

from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES
from tests.support.graph import run_job

NOTHING = {"files_merged": 0, "files_written": 0, "files_deleted": 0}


def files(folder: Path) -> int:
    return len(list(folder.rglob("*.parquet")))


@pytest.mark.usefixtures("with_prices")
def test_files_that_no_kept_version_needs_are_deleted(settings, lake, monkeypatch):
    monkeypatch.setenv("BITPREDICT_VACUUM_AFTER_DAYS", "0")
    run_job("prices_and_features", "2023-11-11", "2023-11-12", ["binance_candles", "candles"])
    before = [lake.read(contract) for contract in (BINANCE_CANDLES, CANDLES)]
    candles = Path(settings.lake) / "candles"
    assert files(candles / "day=2023-11-11") == 2
    said = run_job("maintenance").metadata("lake_maintenance")
    assert said["candles"] == {**NOTHING, "files_deleted": 2, "version": lake.version(CANDLES)}
    assert files(candles / "day=2023-11-11") == 1
    assert [lake.read(contract) for contract in (BINANCE_CANDLES, CANDLES)] == before


@pytest.mark.usefixtures("with_prices")
def test_versions_inside_the_retention_are_kept(lake):
    run_job("prices_and_features", "2023-11-12", assets=["binance_candles", "candles"])
    said = run_job("maintenance").metadata("lake_maintenance")
    assert said["candles"] == {**NOTHING, "version": lake.version(CANDLES)}


def test_an_empty_lake_needs_none():
    ran = run_job("maintenance")
    assert ran.success
    assert ran.metadata("lake_maintenance")["feature_table"] == {**NOTHING, "version": None}
    assert ran.metadata("scorecard")["dagster/row_count"] == 0
