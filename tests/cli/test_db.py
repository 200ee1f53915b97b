import pytest
from sqlalchemy import create_engine, inspect, text

from bitpredict.storage.database import REVISIONS, VERSION_TABLE, connect


@pytest.fixture(autouse=True)
def _migrated_at_once() -> None:
    """Not here: every database goes through its migrations."""


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A database that the user named, which is not altered unasked."""
    url = f"sqlite:///{tmp_path / 'named.db'}"
    monkeypatch.setenv("BITPREDICT_DATABASE_URL", url)
    return url


def set_version(url, number):
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '{number}'"))  # noqa: S608
    engine.dispose()


def test_a_named_database_is_made_by_upgrade_and_then_left_alone(run, named, tmp_path):
    assert run("db", "status").exit_code == 1
    assert not (tmp_path / "named.db").exists()
    first, second = run("db", "upgrade"), run("db", "upgrade")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"upgraded from no tables to schema {REVISIONS[-1]}" in first.stdout
    assert "the newest" in second.stdout
    assert run("db", "status").stdout == f"{named} has schema {REVISIONS[-1]}, the newest\n"
    assert inspect(create_engine(named)).has_table("forecasts")


@pytest.mark.usefixtures("named")
def test_reading_from_a_named_database_without_tables_names_the_command(run, tmp_path):
    (tmp_path / "named.db").touch()
    for command in (["scorecard"], ["db", "status"]):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "run bitpredict db upgrade" in result.stderr


@pytest.mark.parametrize("command", [["scorecard"], ["db", "status"], ["db", "upgrade"], ["doctor"]])
def test_a_newer_schema_is_refused_and_stays_as_it_is(run, settings, command):
    connect(settings).dispose()
    set_version(settings.database, "9999")
    result = run(*command)
    assert result.exit_code == 1
    assert "9999" in result.output
    assert "update BitPredict" in result.output
    with create_engine(settings.database).connect() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "9999"  # noqa: S608


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("nonsense", "BITPREDICT_DATABASE_URL", id="no address"),
        pytest.param("mongodb://host/name", "BITPREDICT_DATABASE_URL", id="another kind"),
        pytest.param("postgresql://me:secret@127.0.0.1:9/name", "connection refused", id="no server"),
        pytest.param("mysql://me:secret@127.0.0.1:9/name", "connection refused", id="no server of MySQL's"),
    ],
)
@pytest.mark.parametrize("command", [["scorecard"], ["db", "status"], ["db", "upgrade"]])
def test_an_unusable_address_is_one_line_without_the_password(run, monkeypatch, command, url, says):
    monkeypatch.setenv("BITPREDICT_DATABASE_URL", url)
    result = run(*command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert says.lower() in result.stderr.lower()
    assert "secret" not in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.fixture(params=["postgres_url", "mariadb_url"])
def on_server(request, monkeypatch):
    """An empty database on a server, which the settings name."""
    monkeypatch.setenv("BITPREDICT_DATABASE_URL", request.getfixturevalue(request.param))


@pytest.mark.slow
@pytest.mark.usefixtures("on_server")
def test_a_database_on_a_server_is_made_by_upgrade_and_then_read(run):
    before = run("db", "status")
    assert (before.exit_code, "no tables yet: run bitpredict db upgrade" in before.stderr) == (1, True)
    first, second = run("db", "upgrade"), run("db", "upgrade")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert f"upgraded from no tables to schema {REVISIONS[-1]}" in first.stdout
    assert "the newest" in second.stdout
    assert f"has schema {REVISIONS[-1]}, the newest" in run("db", "status").stdout
    assert "answers; schema" in run("doctor").stdout
    assert "forecasts" in run("scorecard").stderr
