from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bitpredict.errors import SettingsError
from bitpredict.settings import SAMPLE_FOLDER, Settings, load_settings


def test_the_defaults_need_nothing(tmp_path):
    settings = load_settings()
    assert settings.market == "sample"
    assert settings.archive == str(SAMPLE_FOLDER)
    assert settings.home == tmp_path / "home"
    assert settings.database == f"sqlite:///{tmp_path}/home/bitpredict.db"
    assert settings.lake == f"{tmp_path}/home/lake"
    assert settings.storage_options == {}


def test_everything_local_lies_below_home_wherever_that_is(monkeypatch, tmp_path):
    monkeypatch.setenv("BITPREDICT_HOME", "elsewhere/./here")
    settings = load_settings()
    assert settings.home == tmp_path / "elsewhere" / "here"
    assert str(settings.home) in settings.database
    assert settings.models.is_relative_to(settings.home)
    assert Path(settings.lake).is_relative_to(settings.home)


def test_a_home_of_the_user(monkeypatch):
    monkeypatch.setenv("BITPREDICT_HOME", "~/market")
    assert load_settings().home == Path.home() / "market"


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("BTCUSDT", ("BTCUSDT",)),
        ("btc-usdt, eth/usdt", ("BTCUSDT", "ETHUSDT")),
        ("BTCUSDT,,BTCUSDT,", ("BTCUSDT",)),
    ],
)
def test_symbols_are_listed_with_commas(text, symbols, monkeypatch):
    monkeypatch.setenv("BITPREDICT_SYMBOLS", text)
    assert load_settings().symbols == symbols


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        pytest.param("SYMBOLS", "", "at least one symbol", id="no symbol"),
        pytest.param("SYMBOLS", "BTCUSDT,HELLO", "'HELLO' is not a trading pair", id="no pair"),
        pytest.param("MARKET", "moon", "'binance', 'coinbase' or 'simulated'", id="unknown market"),
        pytest.param("START", "yesterday", "date", id="no date"),
        pytest.param("START", "2023-02-30", "date", id="no such date"),
        pytest.param("SIMULATION_SEED", "seven", "integer", id="no number"),
        pytest.param("HTTP_ATTEMPTS", "0", "greater than or equal to 1", id="never trying"),
        pytest.param("HTTP_TIMEOUT_SECONDS", "-1", "greater than 0", id="negative time"),
        pytest.param("HTTP_TIMEOUT_SECONDS", "nan", "greater than 0", id="no time"),
        pytest.param("VACUUM_AFTER_DAYS", "-1", "greater than or equal to 0", id="negative days"),
        pytest.param(
            "LAKE_URL", "ftp://x/lake", "nothing can be kept there; name a folder, or s3://", id="no lake there"
        ),
        pytest.param("LAKE_URL", "s3://", "name of the bucket", id="no bucket"),
        pytest.param("LAKE_URL", "s3:///lake", "name of the bucket", id="a prefix without a bucket"),
        pytest.param("LAKE_URL", "file://lake", "name a folder", id="no file of this machine"),
        pytest.param(
            "BACKUP_URL", "ftp://foo", "nothing can be kept there; name a folder, or s3://", id="no backup there"
        ),
    ],
)
def test_a_malformed_setting_is_named_with_its_fault_and_where_to_mend_it(name, value, says, monkeypatch):
    monkeypatch.setenv(f"BITPREDICT_{name}", value)
    with pytest.raises(
        SettingsError, match=rf"BITPREDICT_{name}={value!r}: .*{says}.* \(set it in the environment or in \.env\)"
    ):
        load_settings()


def test_of_a_list_the_setting_is_named_and_what_is_wrong_in_it(monkeypatch):
    monkeypatch.setenv("BITPREDICT_SENTIMENT_MODELS", "vader,gpt")
    with pytest.raises(SettingsError, match=r"^BITPREDICT_SENTIMENT_MODELS='gpt': Input should be 'linear', 'finbert'"):
        load_settings()


def test_our_own_words_stand_alone(monkeypatch):
    monkeypatch.setenv("BITPREDICT_SYMBOLS", "")
    with pytest.raises(SettingsError, match=r"^BITPREDICT_SYMBOLS='': name at least one symbol"):
        load_settings()


@pytest.mark.parametrize("address", ["", "lake", "/mnt/lake", "s3://bucket", "s3://bucket/a/b"])
def test_where_lake_and_backups_can_be(address, monkeypatch):
    monkeypatch.setenv("BITPREDICT_LAKE_URL", address)
    monkeypatch.setenv("BITPREDICT_BACKUP_URL", address)
    settings = load_settings()
    assert (settings.lake_url, settings.backup_url) == (address, address)


def test_a_folder_may_be_named_as_a_file_address(monkeypatch):
    monkeypatch.setenv("BITPREDICT_LAKE_URL", "file:///mnt/my%20lake")
    assert load_settings().lake == "/mnt/my lake"


def test_all_faults_are_named_at_once(monkeypatch):
    monkeypatch.setenv("BITPREDICT_MARKET", "moon")
    monkeypatch.setenv("BITPREDICT_START", "yesterday")
    with pytest.raises(SettingsError, match=r"BITPREDICT_MARKET='moon'.*BITPREDICT_START='yesterday'"):
        load_settings()


def test_a_file_in_the_current_folder_is_read_and_the_environment_wins(monkeypatch):
    Path(".env").write_text("BITPREDICT_MARKET=archive\nBITPREDICT_SIMULATION_SEED=3\nOTHER=1\n")
    monkeypatch.setenv("BITPREDICT_SIMULATION_SEED", "4")
    settings = load_settings()
    assert (settings.market, settings.simulation_seed) == ("archive", 4)


@pytest.mark.parametrize(
    ("values", "archive"),
    [
        ({"market": "archive"}, "https://data.binance.vision"),
        ({"market": "binance"}, "https://data.binance.vision"),
        ({"market": "archive", "archive_url": "/mnt/archive"}, "/mnt/archive"),
        ({"market": "sample", "archive_url": "/mnt/archive"}, "/mnt/archive"),
    ],
)
def test_where_the_archive_is(values, archive):
    assert Settings(**values).archive == archive


def test_the_samples_calendar_ends_and_an_open_markets_does_not():
    now = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)
    sample, open_market = Settings(), Settings(market="archive", start=date(2024, 1, 1))
    assert sample.calendar() == (datetime(2023, 11, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))
    assert sample.collected_until(now) == datetime(2024, 1, 1, tzinfo=UTC)
    assert open_market.calendar() == (datetime(2024, 1, 1, tzinfo=UTC), None)
    assert open_market.collected_until(now) == datetime(2024, 5, 7, tzinfo=UTC)


def test_a_lake_on_s3_takes_its_keys_along_and_does_not_show_them():
    settings = Settings(
        lake_url="s3://bucket/lake",
        s3_endpoint_url="http://127.0.0.1:9000",
        s3_access_key_id="reader",
        s3_secret_access_key="whisper",  # noqa: S106
    )
    assert settings.storage_options == {
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_ACCESS_KEY_ID": "reader",
        "AWS_SECRET_ACCESS_KEY": "whisper",
        "AWS_ALLOW_HTTP": "true",
    }
    assert "whisper" not in repr(settings)
