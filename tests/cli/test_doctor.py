import json
import shutil
import socket
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version

import pyarrow as pa
import pytest

from bitpredict.cli import checkup
from bitpredict.cli.rows import LAKE_TABLES
from bitpredict.settings import Settings
from bitpredict.sources.circuits import OPENS_AT, Circuits
from bitpredict.storage.backups import make_backup
from bitpredict.storage.contracts import HOURLY_SENTIMENT, TIMESTAMP, Contract
from bitpredict.storage.lake import Lake
from tests.support.archive_server import Answer, serve

HOUR = timedelta(hours=1)


def findings(run, *, code=0):
    result = run("doctor", "--json")
    assert result.exit_code == code
    rows = json.loads(result.stdout)
    assert [list(row) for row in rows] == len(rows) * [["check", "status", "detail", "remedy"]]
    return {row["check"]: row for row in rows}


def test_an_empty_home_is_healthy_and_stays_empty(run, settings):
    found = findings(run)
    assert "fail" not in {row["status"] for row in found.values()}
    assert found["database"]["status"] == "warn"
    assert "bitpredict demo" in found["lake"]["remedy"]
    assert found["archive"]["status"] == "ok"
    assert not settings.home.exists()


@pytest.mark.usefixtures("filled")
def test_filled_stores_are_described(run):
    found = findings(run)
    assert found["database"]["status"] == "ok"
    assert found["lake candles"]["detail"] == (
        "version 0, 31 days from 2023-12-01 to 2023-12-31; 2,880 rows on the last"
    )
    lacking = "binance_candles, price_features, feature_table"
    assert f"has 1 of 8 tables and lacks {lacking}; the others come" in found["lake"]["detail"]


def filled_row(contract: Contract, at: datetime) -> pa.Table:
    """A row of any table, with something in every column."""
    made = {pa.string(): "x", pa.bool_(): False, TIMESTAMP: at}
    arrays = [pa.array([made.get(column.type, 1)], column.type) for column in contract.schema]
    return contract.conform(pa.table(arrays, schema=contract.schema))


def test_the_doctor_and_the_versions_know_the_same_tables(run, settings):
    listed = run("data", "versions", "nope").stderr.split("choose one of ")[1].strip().split(", ")
    assert f"has 0 of {len(listed)} tables and lacks binance_candles, " in findings(run)["lake"]["detail"]
    day = datetime(2023, 12, 1, tzinfo=UTC)
    for table in listed:
        rows = filled_row(LAKE_TABLES[table], day + 12 * HOUR)
        Lake.from_settings(settings).replace(LAKE_TABLES[table], rows, day, day + 24 * HOUR)
    found = findings(run)
    assert {f"lake {table}" for table in listed} <= set(found)
    assert "lake" not in found


def test_a_table_without_symbols_is_described_too(run, settings):
    noon = datetime(2023, 12, 1, 12, tzinfo=UTC)
    told = {"articles": 3, "mean": 0.1, "dispersion": 0.2, "share_negative": 0.0, "model": "vader", "source": "all"}
    row = told | {"hour": noon, "coin": "all", "provenance": "observed", "known_at": noon}
    rows = pa.Table.from_pylist([row], schema=HOURLY_SENTIMENT.schema)
    Lake.from_settings(settings).replace(HOURLY_SENTIMENT, rows, noon - 12 * HOUR, noon + 12 * HOUR)
    found = findings(run)["lake hourly_sentiment"]
    assert (found["status"], found["detail"]) == (
        "ok",
        "version 0, 1 days from 2023-12-01 to 2023-12-01; 1 rows on the last",
    )


@pytest.mark.usefixtures("filled")
def test_the_report_for_people_counts_what_is_wrong(run):
    result = run("doctor")
    assert result.exit_code == 0
    assert result.stdout.rstrip().splitlines()[-1].startswith("0 failed, ")


def test_settings_are_shown_with_their_origin_and_without_secrets(run, monkeypatch, tmp_path):
    monkeypatch.setenv("BITPREDICT_S3_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setenv("BITPREDICT_MLFLOW_URI", "sqlite:////tmp/none.db")
    (tmp_path / ".env").write_text("BITPREDICT_S3_REGION=eu-west-1\n")
    found = findings(run)
    assert found["BITPREDICT_S3_SECRET_ACCESS_KEY"]["detail"] == "******** (environment)"
    assert found["BITPREDICT_S3_REGION"]["detail"] == "eu-west-1 (.env)"
    assert found["BITPREDICT_S3_ACCESS_KEY_ID"]["detail"] == "not set (default)"
    assert found["BITPREDICT_MARKET"]["detail"] == "sample (default)"
    assert "hush-hush" not in run("doctor").output


def test_a_mistyped_setting_is_named_with_the_one_that_was_meant(run, monkeypatch, tmp_path):
    monkeypatch.setenv("BITPREDICT_STARTT", "2020-01-01")
    (tmp_path / ".env").write_text("BITPREDICT_X_TOKENS=hush-hush\nOTHER=1\n")
    found = findings(run)
    assert {name for name, row in found.items() if "no setting has this name" in row["detail"]} == {
        "BITPREDICT_STARTT",
        "BITPREDICT_X_TOKENS",
    }
    assert found["BITPREDICT_STARTT"]["status"] == "warn"
    assert found["BITPREDICT_STARTT"]["remedy"] == "set BITPREDICT_START if you meant that, or remove it"
    assert "hush-hush" not in json.dumps(list(found.values()))


def test_malformed_settings_are_a_finding_among_the_others(run, monkeypatch):
    monkeypatch.setenv("BITPREDICT_HTTP_ATTEMPTS", "many")
    found = findings(run, code=1)
    assert found["settings"]["status"] == "fail"
    assert "BITPREDICT_HTTP_ATTEMPTS='many'" in found["settings"]["detail"]
    assert found["version"]["status"] == "ok"


def test_a_home_that_cannot_be_written_fails_with_the_remedy(run, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("BITPREDICT_HOME", str(tmp_path / "file" / "home"))
    found = findings(run, code=1)
    assert found["home"]["status"] == "fail"
    assert "BITPREDICT_HOME" in found["home"]["remedy"]


def test_little_space_is_a_warning(run, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=2**20)
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: usage)
    assert findings(run)["home"]["status"] == "warn"


def test_a_database_that_does_not_answer_fails(run, monkeypatch):
    monkeypatch.setenv("BITPREDICT_DATABASE_URL", "postgresql://me:secret@127.0.0.1:9/name")
    row = findings(run, code=1)["database"]
    assert row["status"] == "fail"
    assert "secret" not in row["detail"]


def test_a_folder_that_is_no_delta_table_is_named(run, settings: Settings):
    log = settings.home / "lake" / "candles" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("no json")
    row = findings(run, code=1)["lake candles"]
    assert row["status"] == "fail"
    assert str(settings.home / "lake" / "candles") in row["detail"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(Answer(200, b""), "ok", id="answers"),
        pytest.param(Answer(404, b""), "ok", id="has no page at its root"),
        pytest.param(Answer(500, b""), "fail", id="fails"),
        pytest.param(Answer(403, b""), "fail", id="refuses"),
    ],
)
def test_an_archive_behind_http_is_asked(run, monkeypatch, answer, status):
    with serve() as server:
        server.scripts["/"] = [answer]
        monkeypatch.setenv("BITPREDICT_MARKET", "archive")
        monkeypatch.setenv("BITPREDICT_ARCHIVE_URL", f"{server.url}/")
        row = findings(run, code=int(status == "fail"))["archive"]
    assert row["status"] == status
    assert [request.method for request in server.asked] == ["HEAD"]


def test_an_archive_folder_without_the_symbols_fails(run, monkeypatch, tmp_path):
    monkeypatch.setenv("BITPREDICT_ARCHIVE_URL", str(tmp_path))
    row = findings(run, code=1)["archive"]
    assert "BTCUSDT, ETHUSDT" in row["detail"]
    assert "BITPREDICT_ARCHIVE_URL" in row["remedy"]


def test_a_tracking_server_is_asked_for_its_health(run, monkeypatch):
    with serve() as server:
        server.files["/health"] = b"OK"
        monkeypatch.setenv("BITPREDICT_MLFLOW_URI", server.url)
        assert findings(run)["mlflow"]["status"] == "ok"
    assert findings(run, code=1)["mlflow"]["status"] == "fail"


def test_a_taken_port_is_a_warning(run, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setenv("BITPREDICT_DASHBOARD_PORT", str(port))
        row = findings(run)[f"port {port}"]
    assert row["status"] == "warn"
    assert "BITPREDICT_DASHBOARD_PORT" in row["remedy"]
    assert findings(run)[f"port {port}"]["status"] == "ok"


def test_a_part_that_is_not_installed_says_how_to_get_it(run, monkeypatch):
    def without_streamlit(package):
        if package == "streamlit":
            raise PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(checkup, "version", without_streamlit)
    found = findings(run)
    assert found["dashboard"]["status"] == "warn"
    assert found["dashboard"]["remedy"] == "pip install 'bitpredict[dashboard]'"
    assert found["orchestrator"]["status"] == "ok"


@pytest.mark.usefixtures("filled")
def test_every_source_is_shown_as_it_was_lately(run, settings):
    coingecko, news = Circuits("coingecko", settings.home), Circuits("news", settings.home, rest=3_600.0)
    coingecko.worked("api.coingecko.com")
    for host in ("a.com", "b.com"):
        news.worked(host)
    for _ in range(OPENS_AT):
        news.failed("b.com", "http://me:secret@b.com/rss: the server failed (500)")
    found = findings(run)
    good, bad = found["source coingecko"], found["source news"]
    assert (good["status"], good["remedy"]) == ("ok", "")
    assert good["detail"].startswith("1 of 1 hosts answer, last success 20")
    assert good["detail"].endswith(" UTC; 1 requests, 0 failed")
    assert (bad["status"], bad["remedy"]) == ("warn", "look at it with `bitpredict sources test news`")
    assert bad["detail"].startswith("1 of 2 hosts answer")
    assert "7 requests, 5 failed; b.com open until " in bad["detail"]
    assert bad["detail"].endswith("5 failures in a row: http://***@b.com/rss: the server failed (500)")


@pytest.mark.usefixtures("filled")
def test_the_newest_backup_has_its_age(run, monkeypatch, tmp_path, settings):
    assert findings(run)["backup"]["detail"] == "none is made; BITPREDICT_BACKUP_URL says where to"
    store = tmp_path / "backups"
    monkeypatch.setenv("BITPREDICT_BACKUP_URL", str(store))
    assert (findings(run)["backup"]["status"], findings(run)["backup"]["detail"]) == ("warn", f"{store} has none yet")
    now = datetime.now(UTC).replace(microsecond=0)
    with_backups = settings.model_copy(update={"backup_url": str(store)})
    for made_at, status in ((now - timedelta(days=3), "warn"), (now - timedelta(days=1), "ok")):
        make_backup(with_backups, made_at)
        found = findings(run)["backup"]
        assert found["status"] == status
        assert found["detail"].endswith(f"the newest of {made_at:%Y-%m-%d %H:%M:%S} UTC")
    (store / f"{now:%Y-%m-%dT%H-%M-%SZ}").mkdir()
    assert findings(run)["backup"]["detail"].startswith(f"{store} has 2, ")


def test_a_redis_that_is_away_is_a_warning(run, monkeypatch):
    assert "in this process" in findings(run)["cache"]["detail"]
    monkeypatch.setenv("BITPREDICT_REDIS_URL", "redis://:secret@127.0.0.1:9/0")
    found = findings(run)
    assert (found["cache"]["status"], found["cache"]["detail"]) == ("warn", "Redis at 127.0.0.1:9/0, which is away")
    assert found["BITPREDICT_REDIS_URL"]["detail"] == "redis://:***@127.0.0.1:9/0 (environment)"
    monkeypatch.setenv("BITPREDICT_REDIS_URL", "nonsense")
    assert findings(run, code=1)["cache"]["status"] == "fail"
