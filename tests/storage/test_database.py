"""Opening the database: where it is, how it is set up, and which schema version it has."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, MetaData, Table, func, inspect, select, text
from sqlalchemy.exc import IntegrityError

from bitpredict.errors import SettingsError, StorageError
from bitpredict.settings import Settings
from bitpredict.storage import database
from bitpredict.storage.database import REVISIONS, VERSION_TABLE, connect, open_database, schema_state, upgrade, writing
from bitpredict.storage.ledger import write_forecasts, write_outcomes
from bitpredict.storage.schema import forecasts, metadata
from bitpredict.storage.upserts import insert_new
from tests.support.made_rows import made_forecasts, made_outcomes
from tests.support.processes import ROOT, go, running, succeed

TABLES = {*metadata.tables, VERSION_TABLE}


@pytest.fixture(autouse=True)
def _migrated_at_once() -> None:
    """Not here: every database goes through its migrations."""


def set_version(engine, version: str) -> None:
    with engine.begin() as connection:
        connection.execute(Table(VERSION_TABLE, MetaData(), Column("version_num")).update().values(version_num=version))


def count(engine, table: str = "forecasts") -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(sqlalchemy.table(table))).scalar_one()


def test_the_embedded_database_is_made_and_upgraded_by_opening_it(settings):
    engine = connect(settings)
    assert (settings.home / "bitpredict.db").exists()
    assert set(inspect(engine).get_table_names()) == TABLES
    assert schema_state(engine).is_current
    assert connect(settings).url == engine.url


def test_sqlite_is_set_up_for_several_processes(settings):
    with connect(settings).connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}


def test_the_known_revisions_are_those_of_the_migrations():
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    assert [revision.revision for revision in script.walk_revisions()][::-1] == list(REVISIONS)
    assert script.get_heads() == [REVISIONS[-1]]


def test_the_migrations_make_what_the_schema_says(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []


@pytest.mark.slow
def test_a_current_database_is_opened_without_loading_alembic_or_touching_the_logs(settings):
    connect(settings)
    code = (
        "import logging, sys\n"
        "from bitpredict.settings import Settings\n"
        "from bitpredict.storage.database import connect\n"
        "connect(Settings())\n"
        "print('alembic' in sys.modules, logging.getLogger().handlers)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "False []"


def test_upgrading_leaves_logging_alone(settings):
    before = (logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("alembic").level)
    connect(settings)
    assert (logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("alembic").level) == before


def test_a_named_database_without_tables_is_not_touched_unasked(database_settings, tmp_path):
    named = database_settings.model_copy(
        update={"database_url": database_settings.database_url or f"sqlite:///{tmp_path}/named.db"}
    )
    with pytest.raises(StorageError, match="has no BitPredict tables yet: run bitpredict db upgrade"):
        connect(named)
    engine = open_database(named)
    assert inspect(engine).get_table_names() == []
    upgrade(engine)
    assert schema_state(connect(named)).is_current


@pytest.fixture
def one_more_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BitPredict as it may be next: one migration more."""
    newer = tmp_path / "migrations"
    shutil.copytree(database.MIGRATIONS, newer)
    (newer / "versions" / "9999_next.py").write_text(
        "import sqlalchemy as sa\n"
        "from alembic import op\n"
        f"revision, down_revision = '9999', '{REVISIONS[-1]}'\n"
        "def upgrade():\n"
        "    op.add_column('forecasts', sa.Column('note', sa.Text()))\n"
    )
    monkeypatch.setattr(database, "MIGRATIONS", newer)
    monkeypatch.setattr(database, "REVISIONS", (*REVISIONS, "9999"))


def test_an_older_embedded_database_is_upgraded_with_its_rows(settings, request):
    engine = connect(settings)
    write_forecasts(engine, made_forecasts(10))
    engine.dispose()
    request.getfixturevalue("one_more_revision")
    engine = connect(settings)
    assert schema_state(engine).current == "9999"
    assert "note" in {column["name"] for column in inspect(engine).get_columns("forecasts")}
    assert count(engine) == 10


def test_an_older_named_database_is_refused_until_it_is_upgraded(engine, database_settings, request):
    request.getfixturevalue("one_more_revision")
    named = database_settings.model_copy(update={"database_url": engine.url.render_as_string(hide_password=False)})
    with pytest.raises(StorageError, match=f"has schema {REVISIONS[-1]}, 9999 is needed: run bitpredict db upgrade"):
        connect(named)
    upgrade(open_database(named))
    assert schema_state(connect(named)).current == "9999"


def test_a_newer_database_is_refused_and_left_alone(engine, database_settings):
    set_version(engine, "9999")
    with pytest.raises(StorageError, match=r"has schema 9999, made by a newer BitPredict .*: update BitPredict"):
        connect(database_settings)
    assert schema_state(engine).current == "9999"


def test_tables_of_others_with_these_names_are_refused_and_kept(database_settings):
    engine = open_database(database_settings)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE forecasts (weather TEXT)"))
    with pytest.raises(StorageError, match="tables of these names that are not BitPredict's; give BitPredict"):
        upgrade(engine)
    assert inspect(engine).get_table_names() == ["forecasts"]


@pytest.mark.slow
def test_processes_that_open_a_new_database_at_once_all_find_it_ready(database_settings):
    opener = "tests.support.database_opener"
    with running(opener) as one, running(opener) as two, running(opener) as three:
        for process in (one, two, three):
            go(process)
        for process in (one, two, three):
            succeed(process)
    assert schema_state(open_database(database_settings)).is_current
    assert count(open_database(database_settings), VERSION_TABLE) == 1


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("nonsense", "BITPREDICT_DATABASE_URL is not usable", id="no URL"),
        pytest.param(
            "oracle://host/name", "oracle is not supported; use sqlite, postgresql, mysql", id="another engine"
        ),
        pytest.param("mysql+mysqldb://host/name", "mysql.mysqldb is not supported; use", id="another driver"),
        pytest.param("nosuch://host/name", "BITPREDICT_DATABASE_URL", id="no engine at all"),
        pytest.param("postgresql://host:port/name", "BITPREDICT_DATABASE_URL is not usable", id="crooked port"),
    ],
)
def test_a_malformed_url_names_the_setting(url, says):
    with pytest.raises(SettingsError, match=says):
        connect(Settings(database_url=url))


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+psycopg2", "mysql", "mariadb", "mysql+pymysql"]
)
def test_a_server_that_does_not_answer_is_named_without_its_password(scheme):
    with pytest.raises(
        StorageError, match="no server answers there; start it or set BITPREDICT_DATABASE_URL"
    ) as caught:
        connect(Settings(database_url=f"{scheme}://user:secret@127.0.0.1:9/name"))
    assert "secret" not in str(caught.value)
    assert "user:***@127.0.0.1:9/name" in str(caught.value)


def test_a_file_that_is_no_database_is_an_error(settings):
    settings.home.mkdir()
    (settings.home / "bitpredict.db").write_text("this is not a database, but long enough to be looked at" * 20)
    with pytest.raises(StorageError, match="the file is something else; move it away"):
        connect(settings)


def test_a_home_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot create .*; set BITPREDICT_HOME elsewhere"):
        connect(Settings(home=tmp_path / "file" / "home"))


def test_a_transaction_that_fails_leaves_nothing(engine):
    def half() -> None:
        with writing(engine) as connection:
            insert_new(connection, forecasts, made_forecasts(3))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert count(engine) == 0


def test_an_outcome_without_its_forecast_is_refused(engine):
    with pytest.raises(StorageError) as caught:
        write_outcomes(engine, made_outcomes(made_forecasts(1)))
    assert isinstance(caught.value.__cause__, IntegrityError)
    assert count(engine, "forecast_outcomes") == 0
