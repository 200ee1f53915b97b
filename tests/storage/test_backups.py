"""The drill: what was saved is restored into an empty home, table by table the same; and what a restore must not do."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from bitpredict.errors import BitPredictError, SettingsError, StorageError
from bitpredict.market.coins import Coin
from bitpredict.settings import Settings
from bitpredict.storage import backups as module
from bitpredict.storage import dumps
from bitpredict.storage.backups import (
    Backup,
    backup_store,
    backups,
    find_backup,
    make_backup,
    prune_backups,
    restore_backup,
    verify,
    what_is_there,
)
from bitpredict.storage.contracts import BINANCE_CANDLES, CANDLES
from bitpredict.storage.database import connect, open_database, reading, upgrade
from bitpredict.storage.files import Files
from bitpredict.storage.lake import Lake
from bitpredict.storage.market_table import write_quotes
from bitpredict.storage.schema import metadata
from tests.storage.test_market_table import quotes
from tests.support.made_rows import made_candles, midnight
from tests.support.mariadb import mariadb_server, mariadb_url
from tests.support.s3 import S3Server

__all__ = ["mariadb_server", "mariadb_url"]

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
COINS = [Coin("bitcoin", "BTC", "Bitcoin"), Coin("sats", "SATS", "SATS 'Ordinals' \\ ₿")]


def put(settings: Settings, close: float, price: float, at: datetime = NOW) -> None:
    lake = Lake.from_settings(settings)
    lake.replace(CANDLES, made_candles(0, 2, close=close, minutes=20), midnight(), midnight(2))
    raw = made_candles(0, close=close, minutes=9).drop_columns(["halted"])
    lake.replace(BINANCE_CANDLES, raw, midnight(), midnight(1))
    engine = open_database(settings)
    write_quotes(engine, COINS, quotes(("bitcoin", at, price), ("sats", at, price / 3)), source="coingecko")
    engine.dispose()


def everything(settings: Settings) -> dict[str, object]:
    """Every row of the database and of the lake, and the lake's versions."""
    engine, lake = open_database(settings), Lake.from_settings(settings)
    found: dict[str, object] = {}
    with reading(engine) as connection:
        for table in metadata.sorted_tables:
            rows = connection.execute(table.select().order_by(*table.primary_key)).all()
            found[table.name] = [tuple(row) for row in rows]
        found["schema"] = connection.execute(text("SELECT version_num FROM bitpredict_version")).scalar()
    engine.dispose()
    for contract in (CANDLES, BINANCE_CANDLES):
        found[contract.table] = lake.read(contract).to_pydict()
    return found


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where backups go; the settings say so."""
    url = str(tmp_path / "backups")
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        url = f"s3://{server.bucket()}/backups"
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("BITPREDICT_BACKUP_URL", url)
    return url


@pytest.fixture
def saved(place: str) -> tuple[Settings, Backup]:  # noqa: ARG001
    """A home with rows, and its backup."""
    settings = Settings()
    connect(settings).dispose()
    put(settings, 1.0, 0.1 + 0.2)
    put(settings, 2.0, 5e-11, NOW + timedelta(minutes=5))
    return settings, make_backup(settings, NOW)


@pytest.fixture
def empty_home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "another")


def test_a_drill_into_an_empty_home_brings_every_row_and_version_back(saved, empty_home):
    settings, made = saved
    store, found = find_backup(empty_home, "latest")
    assert found == made
    assert (found.name, found.database) == ("2026-03-04T05-06-07Z", "sqlite")
    assert found.tables == {"binance_candles": 1, "candles": 1}
    verify(store, found)
    assert what_is_there(empty_home) == []
    restore_backup(empty_home, store, found)
    assert everything(empty_home) == everything(settings)
    restored = Lake.from_settings(empty_home)
    assert restored.version(CANDLES) == 1
    put(empty_home, 3.0, 1.0, NOW + timedelta(minutes=9))
    assert restored.version(CANDLES) == 2, "it goes on from there"
    assert not list(empty_home.home.glob(".*")), "nothing is left lying about"


def test_a_database_that_takes_longer_to_copy_than_a_lock_is_waited_for_is_copied(saved, empty_home, monkeypatch):
    monkeypatch.setattr(dumps, "BUSY_SECONDS", -1.0)
    settings, _ = saved
    restore_backup(empty_home, backup_store(settings), make_backup(settings, NOW + timedelta(hours=1)))
    assert everything(empty_home) == everything(settings)


@pytest.mark.slow
def test_a_database_whose_lock_another_process_keeps_says_so_and_stays(saved, monkeypatch):
    monkeypatch.setattr(dumps, "BUSY_SECONDS", 0.2)
    settings, made = saved
    put(settings, 9.0, 9.0, NOW + timedelta(minutes=10))
    with closing(sqlite3.connect(settings.home / "bitpredict.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="another process held its lock for many seconds; end that process or"):
            restore_backup(settings, backup_store(settings), made)
    assert len(everything(settings)["price_data_real"]) == 6


def test_a_restore_over_newer_rows_brings_the_saved_ones_back(saved):
    settings, made = saved
    before = everything(settings)
    put(settings, 9.0, 9.0, NOW + timedelta(minutes=10))
    Lake.from_settings(settings).replace(CANDLES, made_candles(5, close=5.0), midnight(5), midnight(6))
    newer = everything(settings)
    assert newer != before
    restore_backup(settings, backup_store(settings), made)
    assert everything(settings) == before
    lake = Lake.from_settings(settings)
    gone_by = lake.version(CANDLES)
    assert gone_by is not None
    assert lake.read(CANDLES, version=gone_by - 1).to_pydict() == newer["candles"], "and can be gone back from"


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_lake_on_s3_is_saved_and_restored(place, s3_lake, s3_server, settings, monkeypatch):
    connect(settings).dispose()
    put(settings, 1.0, 1.0)
    before, made = everything(settings), make_backup(settings, NOW)
    assert {path.split("/")[1] for path in made.files if "/" in path} == {"candles", "binance_candles"}
    put(settings, 2.0, 2.0, NOW + timedelta(minutes=5))
    restore_backup(settings, backup_store(settings), made)
    assert everything(settings) == before

    monkeypatch.setenv("BITPREDICT_LAKE_URL", f"s3://{s3_server.bucket()}/empty")
    elsewhere = Settings()
    assert everything(elsewhere)["candles"] != before["candles"]
    restore_backup(elsewhere, backup_store(elsewhere), made)
    assert everything(elsewhere) == before
    assert settings.lake == s3_lake
    assert place


def test_a_table_that_the_backup_lacks_is_emptied(place, settings):
    connect(settings).dispose()
    lake = Lake.from_settings(settings)
    lake.replace(CANDLES, made_candles(0, minutes=5), midnight(), midnight(1))
    made = make_backup(settings, NOW)
    put(settings, 1.0, 1.0)
    restore_backup(settings, backup_store(settings), made)
    assert lake.read(BINANCE_CANDLES).num_rows == 0
    assert lake.read(CANDLES).num_rows == 10
    assert place


def test_a_log_of_many_versions_is_saved_from_its_checkpoint_on(place, settings, empty_home):
    connect(settings).dispose()
    lake = Lake.from_settings(settings)
    for close in range(1, 24):
        lake.replace(CANDLES, made_candles(0, close=float(close), minutes=3), midnight(), midnight(1))
    lake.maintain(CANDLES, timedelta(days=30))
    lake.replace(CANDLES, made_candles(1, close=7.0, minutes=3), midnight(1), midnight(2))
    made = make_backup(settings, NOW)
    assert len(made.files) < 12
    restore_backup(empty_home, backup_store(settings), made)
    restored = Lake.from_settings(empty_home)
    assert restored.read(CANDLES).equals(lake.read(CANDLES))
    assert restored.version(CANDLES) == lake.version(CANDLES)
    assert place


@pytest.mark.parametrize("place", ["folder"], indirect=True)
@pytest.mark.parametrize("suffix", ["database.zst", ".parquet", ".json"])
def test_a_damaged_backup_is_found_out(saved, suffix):
    settings, made = saved
    path = next(path for path in made.files if path.endswith(suffix))
    file = Path(settings.backup_url, made.name, path)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(StorageError, match=f"{path} is damaged"):
        verify(backup_store(settings), made)
    file.unlink()
    with pytest.raises(StorageError, match="cannot read"):
        verify(backup_store(settings), made)


@pytest.mark.parametrize("place", ["folder"], indirect=True)
@pytest.mark.parametrize("at", ["a later table", "the database"])
def test_a_restore_that_fails_leaves_what_is_there(saved, monkeypatch, at):
    settings, made = saved
    put(settings, 9.0, 9.0, NOW + timedelta(minutes=10))
    before = everything(settings)
    if at == "the database":
        monkeypatch.setattr(module, "load", lambda *_: (_ for _ in ()).throw(StorageError("the disk is full")))
    else:
        shutil.rmtree(Path(settings.backup_url, made.name, "lake", "candles", "day=2023-03-02"))
    with pytest.raises(StorageError):
        restore_backup(settings, backup_store(settings), made)
    assert everything(settings) == before


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_restore_into_an_empty_home_that_fails_leaves_it_empty(saved, empty_home):
    settings, made = saved
    shutil.rmtree(Path(settings.backup_url, made.name, "lake", "candles", "day=2023-03-02"))
    with pytest.raises(StorageError):
        restore_backup(empty_home, backup_store(settings), made)
    assert what_is_there(empty_home) == []
    assert not [path for path in empty_home.home.rglob("*") if path.is_file()]


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_restore_that_was_killed_in_the_middle_is_run_again(saved, empty_home):
    """What has come of a table until then is no table, and never read as one; the next restore brings all of it."""
    settings, made = saved
    store = backup_store(settings)
    saved_lake = module.LakeTables(f"{store.root}/{made.name}/lake", settings, "")
    lake = module.LakeTables(empty_home.lake, empty_home, "")
    _, paths = saved_lake.paths("candles")
    assert sum("_delta_log" in path for path in paths) == 2
    lake.files.write("candles/_unfinished_copy/mark", b"")
    lake.files.write("candles/day=2020-01-01/of-another-backup.parquet", b"")
    for path in paths[:-1]:
        lake.files.copy_in(path, saved_lake.files.pieces(path))
        assert lake.open("candles") is None
        assert what_is_there(empty_home) == []
        with suppress(StorageError):
            assert Lake.from_settings(empty_home).read(CANDLES).num_rows == 0
    restore_backup(empty_home, store, made)
    assert everything(empty_home) == everything(settings)
    copied = {path.relative_to(empty_home.lake) for path in Path(empty_home.lake).rglob("*") if path.is_file()}
    assert {f"lake/{path}" for path in copied} == {path for path in made.files if path.startswith("lake/")}


class KilledError(BaseException):
    """As good as a process's end: nothing of ours catches it."""


@contextmanager
def killed_at_deletion(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside: the folder of that deletion loses half of its files, the first ones, and nothing is done from then on."""
    delete, left = Files.delete_folder, [number]

    def half(files: Files, folder: str) -> int:
        left[0] -= 1
        if left[0] > 0:
            return delete(files, folder)
        there = sorted(path for path in Path(files.root, folder).rglob("*") if path.is_file())
        for path in there[: len(there) // 2] if left[0] == 0 else ():
            path.unlink()
        raise KilledError

    with monkeypatch.context() as patched, suppress(KilledError):
        patched.setattr(Files, "delete_folder", half)
        yield


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_copied_table_that_was_half_deleted_is_none(saved, tmp_path, monkeypatch):
    """Whether what a killed restore left is deleted, or what a failed one had done."""
    settings, made = saved
    store, before = backup_store(settings), everything(settings)
    load = module.load
    for number in range(1, 9):
        home = Settings(home=tmp_path / f"home {number}")
        monkeypatch.setattr(module, "load", lambda *_: (_ for _ in ()).throw(StorageError("the disk is full")))
        with killed_at_deletion(number, monkeypatch):
            restore_backup(home, store, made)
        monkeypatch.setattr(module, "load", load)
        for table in (CANDLES, BINANCE_CANDLES):
            if f"lake table {table.table}" in what_is_there(home):
                assert Lake.from_settings(home).read(table).to_pydict() == before[table.table]
        with killed_at_deletion(1, monkeypatch):
            restore_backup(home, store, made)
        restore_backup(home, store, made)
        assert everything(home) == before


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_an_old_backup_that_was_half_deleted_is_none_and_goes_next_time(saved, monkeypatch):
    settings, first = saved
    store, later = backup_store(settings), make_backup(settings, NOW + timedelta(days=1))
    with killed_at_deletion(1, monkeypatch):
        prune_backups(store, 1)
    assert store.folders("") == [first.name, later.name]
    assert backups(store) == [later]
    assert prune_backups(store, 1) == [first.name]
    assert store.folders("") == [later.name]


def test_a_backup_of_another_kind_or_a_newer_bitpredict_is_refused(saved, monkeypatch):
    settings, made = saved
    store = backup_store(settings)
    other = Backup(**(vars(made) | {"database": "postgresql"}))
    with pytest.raises(BitPredictError, match="is of a postgresql database"):
        restore_backup(settings, store, other)
    monkeypatch.setattr(module, "REVISIONS", ("0001",))
    with pytest.raises(BitPredictError, match="update BitPredict"):
        restore_backup(settings, store, made)


def test_the_newest_are_kept_and_what_was_never_finished_goes(saved):
    settings, first = saved
    store = backup_store(settings)
    store.write("2026-03-04T05-06-00Z/database.zst", b"a killed run's")
    store.write("notes/readme", b"the user's own")
    later = [make_backup(settings, NOW + timedelta(days=days)).name for days in (1, 2)]
    store.write("2026-03-09T00-00-00Z/database.zst", b"being written now")
    assert [backup.name for backup in backups(store)] == [first.name, *later]
    assert prune_backups(store, 2) == ["2026-03-04T05-06-00Z", first.name]
    assert [backup.name for backup in backups(store)] == later
    assert store.exists("2026-03-09T00-00-00Z/database.zst")
    assert store.exists("notes/readme")


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_backup_that_fails_is_none(place, settings, monkeypatch):
    with pytest.raises(StorageError, match="nothing to save"):
        make_backup(settings, NOW)
    connect(settings).dispose()
    put(settings, 1.0, 1.0)
    monkeypatch.setattr(module.LakeTables, "paths", lambda *_: (1, ["candles/nowhere"]))
    with pytest.raises(StorageError, match="cannot read"):
        make_backup(settings, NOW)
    assert backups(backup_store(settings)) == []
    assert not [path for path in Path(place).rglob("*") if path.is_file()]


def test_without_a_place_the_setting_is_named(settings):
    with pytest.raises(SettingsError, match="BITPREDICT_BACKUP_URL is not set"):
        make_backup(settings)


def test_where_no_backup_can_be_is_told(settings):
    with pytest.raises(
        SettingsError, match="ftp://foo: nothing can be kept there; name a folder, or s3://bucket/prefix"
    ):
        find_backup(settings, "ftp://foo/2020-01-01T00-00-00Z")


@pytest.mark.parametrize("place", ["folder"], indirect=True)
@pytest.mark.parametrize("wanted", ["2020-01-01T00-00-00Z", "nonsense", "/nowhere/at-all"])
def test_a_backup_that_is_not_there_is_told_with_those_that_are(saved, wanted):
    settings, made = saved
    with pytest.raises(
        StorageError, match="is no finished backup; there are: " + ("none" if "/" in wanted else made.name)
    ):
        find_backup(settings, wanted)


@pytest.mark.parametrize("place", ["folder"], indirect=True)
def test_a_list_of_files_that_is_damaged_is_an_error(saved):
    settings, made = saved
    Path(settings.backup_url, made.name, "manifest.json").write_text(json.dumps({"files": {}}))
    with pytest.raises(StorageError, match=r"manifest.json is damaged"):
        find_backup(settings, made.name)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["folder"], indirect=True)
@pytest.mark.parametrize("server", ["postgres_url", "mariadb_url"])
def test_a_servers_database_is_saved_and_restored_with_its_own_programs(place, server, request, monkeypatch):
    monkeypatch.setenv("BITPREDICT_DATABASE_URL", request.getfixturevalue(server))
    settings = Settings()
    engine = open_database(settings)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (x INTEGER)"))
    put(settings, 1.0, 5e-11)
    before, made = everything(settings), make_backup(settings, NOW)
    put(settings, 2.0, 9.0, NOW + timedelta(minutes=5))
    newer = everything(settings)
    assert newer != before
    store, found = find_backup(settings, made.name)
    verify(store, found)

    broken = Path(place, made.name, "broken.sql")
    broken.write_text("CREATE TABLE half (x INTEGER);\nthis is no statement;\n")
    with pytest.raises(StorageError, match="failed"):
        module.load(engine, broken)
    assert everything(settings) == newer

    restore_backup(settings, store, found)
    assert everything(settings) == before
    assert "theirs" in inspect(open_database(settings)).get_table_names(), "others' tables are left alone"

    with engine.begin() as connection:
        connection.execute(text("DROP TABLE bitpredict_version"))
        metadata.drop_all(connection)
    shutil.rmtree(settings.lake)
    assert what_is_there(settings) == []
    restore_backup(settings, store, found)
    assert everything(settings) == before
