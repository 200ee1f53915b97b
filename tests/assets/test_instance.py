"""Where Dagster keeps its records: below home, or in a PostgreSQL by setting."""

import dagster as dg
import pytest
from sqlalchemy import create_engine, inspect

from bitpredict.errors import SettingsError, StorageError
from bitpredict.settings import Settings
from bitpredict_assets.instance import dagster_instance, prepare_dagster_home
from tests.support.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


@pytest.fixture(autouse=True)
def put_back(monkeypatch):
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE", "BITPREDICT_DAGSTER_DATABASE_URL"):
        monkeypatch.setenv(name, "set, so that it is put back afterwards")
        monkeypatch.delenv(name)


@dg.asset
def counted() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 7})


@pytest.mark.slow
def test_runs_and_events_are_in_postgresql_and_the_password_in_no_file(postgres_url):
    settings = Settings(dagster_database_url=postgres_url.replace("postgres@", "postgres:a-word@"))
    home = prepare_dagster_home(settings)
    with dagster_instance(home) as instance:
        assert dg.materialize([counted], instance=instance).success
        assert instance.get_runs_count() == 1
        made = instance.get_latest_materialization_event(counted.key)
        assert made.asset_materialization.metadata["rows"].value == 7
    with dagster_instance(prepare_dagster_home(settings)) as again:
        assert again.get_runs_count() == 1
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg2:"))
    assert {"runs", "event_logs", "instigators"} <= set(inspect(engine).get_table_names())
    engine.dispose()
    assert not [path for path in home.rglob("*") if path.is_file() and b"a-word" in path.read_bytes()]
    assert not [*home.rglob("*.db")]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("nonsense", "BITPREDICT_DAGSTER_DATABASE_URL is not usable", id="no URL"),
        pytest.param("mysql://host/name", "mysql is not supported; use postgresql", id="another"),
    ],
)
def test_only_postgresql_is_taken(url, says):
    with pytest.raises(SettingsError, match=says):
        prepare_dagster_home(Settings(dagster_database_url=url))


def test_a_server_that_does_not_answer_is_named_without_its_password():
    settings = Settings(dagster_database_url="postgresql://me:a-word@127.0.0.1:9/name")
    says = "no server answers there; start it or set BITPREDICT_DAGSTER_DATABASE_URL"
    with pytest.raises(StorageError, match=says) as refused:
        prepare_dagster_home(settings)
    assert "me:***@127.0.0.1:9/name" in str(refused.value)
    assert "a-word" not in str(refused.value)
