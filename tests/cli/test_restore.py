"""`bitpredict restore` as a user calls it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from bitpredict.storage.backups import Backup, make_backup
from bitpredict.storage.contracts import CANDLES
from bitpredict.storage.database import connect
from bitpredict.storage.lake import Lake
from tests.support.made_rows import made_candles, midnight


@pytest.fixture
def made(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backup:
    """The backup of a home with some candles."""
    monkeypatch.setenv("BITPREDICT_BACKUP_URL", str(tmp_path / "backups"))
    connect(settings).dispose()
    write(settings, 1.0)
    return make_backup(Settings(), datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))


def write(settings: Settings, close: float) -> None:
    rows = made_candles(0, close=close, minutes=5)
    Lake.from_settings(settings).replace(CANDLES, rows, midnight(), midnight(1))


def closes(settings: Settings) -> set[float]:
    return set(Lake.from_settings(settings).read(CANDLES)["close"].to_pylist())


def test_what_is_there_is_replaced_only_when_told_to(run, made, settings):
    write(settings, 2.0)
    refused = run("restore", made.name)
    assert refused.exit_code == 1
    assert "would replace database sqlite:///" in refused.stderr
    assert "lake table candles; add --yes" in refused.stderr
    assert closes(settings) == {2.0}
    done = run("restore", made.name, "--yes")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "is restored: the sqlite database of schema" in done.stdout
    assert closes(settings) == {1.0}


def test_an_empty_home_needs_no_confirmation_and_any_way_of_naming_it_will_do(run, made, tmp_path, monkeypatch):
    for number, name in enumerate(("latest", made.name, str(tmp_path / "backups" / made.name))):
        home = tmp_path / f"home {number}"
        monkeypatch.setenv("BITPREDICT_HOME", str(home))
        assert run("restore", name).exit_code == 0
        assert closes(Settings()) == {1.0}


def test_a_damaged_backup_touches_nothing(run, made, settings, tmp_path):
    write(settings, 2.0)
    (tmp_path / "backups" / made.name / "database.zst").write_bytes(b"spoiled")
    result = run("restore", "latest", "--yes")
    assert result.exit_code == 1
    assert "is damaged: its checksum is not the saved one" in result.stderr
    assert closes(settings) == {2.0}


def test_without_any_backup_the_error_says_how_to_make_one(run, tmp_path, monkeypatch):
    assert "BITPREDICT_BACKUP_URL is not set" in run("restore", "latest").stderr
    monkeypatch.setenv("BITPREDICT_BACKUP_URL", str(tmp_path / "none"))
    assert "materialize database_backup" in run("restore", "latest").stderr
