"""`lake_maintenance`: what it deletes, and that no row changes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from bitpredict.storage.backups import backup_store, backups, make_backup
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES
from tests.support.graph import run_job

NOTHING = {"files_merged": 0, "files_written": 0, "files_deleted": 0}


def files(folder: Path) -> int:
    return len(list(folder.rglob("*.parquet")))


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.usefixtures("with_prices")
def test_a_backup_says_what_it_holds_and_deletes_the_oldest(tmp_path, monkeypatch, lake):
    monkeypatch.setenv("BITPREDICT_BACKUP_URL", str(tmp_path / "backups"))
    monkeypatch.setenv("BITPREDICT_BACKUPS_KEPT", "1")
    old = make_backup(Settings(), datetime(2024, 3, 5, tzinfo=UTC))
    ran = run_job("backup")
    assert ran.success, ran.failures
    said = ran.metadata("database_backup")
    assert said["deleted backups"] == [old.name]
    assert said["lake tables and versions"]["candles"] == lake.version(CANDLES)
    (kept,) = backups(backup_store(Settings()))
    assert (said["files"], said["bytes"]) == (len(kept.files), kept.size)
    assert said["backup"].endswith(kept.name)


def test_a_backup_without_a_place_fails_and_names_the_setting():
    assert "BITPREDICT_BACKUP_URL is not set" in run_job("backup").failures["database_backup"]
