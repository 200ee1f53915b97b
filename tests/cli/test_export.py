import csv
import resource
import stat
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bitpredict.cli import rows
from bitpredict.cli.files import write_file
from bitpredict.errors import StorageError
from bitpredict.market.coins import Coin
from bitpredict.settings import Settings
from bitpredict.sources.coingecko_quotes import table
from bitpredict.storage.contracts import CANDLES, HOURLY_SENTIMENT, STREAMED_TRADES, TIMESTAMP
from bitpredict.storage.database import connect, open_database, upgrade
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import write_forecasts, write_outcomes
from bitpredict.storage.market_table import write_quotes
from bitpredict.storage.news_table import write_news
from tests.storage.test_news_table import article, feed
from tests.support import stores

NUMBERS = pa.schema([pa.field("n", pa.int64())])


def numbers(*batches):
    return [pa.table({"n": list(batch)}, schema=NUMBERS) for batch in batches]


@pytest.mark.usefixtures("filled")
def test_a_lake_table_comes_out_whole_with_units(run, tmp_path):
    result = run("export", "candles", "--to", tmp_path / "candles.parquet")
    exported = pq.read_table(tmp_path / "candles.parquet")
    expected = stores.real_candles()
    assert result.exit_code == 0
    assert result.stdout == f"{len(expected):,} rows of candles written to {tmp_path / 'candles.parquet'}\n"
    expected = expected.sort_values(["open_time", "symbol"], ignore_index=True)[CANDLES.schema.names]
    pd.testing.assert_frame_equal(exported.to_pandas(), expected)
    assert exported.schema.field("volume").metadata[b"unit"] == b"base currency"


@pytest.mark.usefixtures("filled")
def test_days_and_symbols_are_chosen_with_both_days_included(run, tmp_path):
    arguments = ["--symbols", "btcusdt", "--from", "2023-12-19", "--to-day", "2023-12-20"]
    run("export", "candles", "--to", tmp_path / "two.csv", *arguments)
    with (tmp_path / "two.csv").open() as file:
        found = list(csv.DictReader(file))
    assert len(found) == 2 * 1440 - 80
    assert {row["symbol"] for row in found} == {"BTCUSDT"}
    assert found[0]["open_time"].startswith("2023-12-19 00:00:00")
    assert found[-1]["open_time"].startswith("2023-12-20 23:59:00")


SERVERS = {"postgresql": "postgres_url", "mariadb": "mariadb_url"}


@pytest.fixture(params=["sqlite", *(pytest.param(name, marks=pytest.mark.slow) for name in SERVERS)])
def engine(request, monkeypatch):
    """The database that the settings name, with its tables."""
    if request.param in SERVERS:
        monkeypatch.setenv("BITPREDICT_DATABASE_URL", request.getfixturevalue(SERVERS[request.param]))
        upgrade(open_database(Settings()))
    engine = connect(Settings())
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("table", "made"),
    [
        pytest.param("forecasts", stores.made_forecasts, id="prices and instants"),
        pytest.param("forecast_outcomes", stores.made_outcomes, id="truth values"),
    ],
)
def test_a_database_table_comes_out_whole_whatever_the_size_of_its_pieces(
    run, engine, tmp_path, monkeypatch, table, made
):
    write_forecasts(engine, stores.made_forecasts())
    write_outcomes(engine, stores.made_outcomes())
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 1000)
    result = run("export", table, "--to", tmp_path / "all.parquet")
    assert (result.exit_code, result.stderr) == (0, "")
    exported = pq.read_table(tmp_path / "all.parquet")
    expected = made().sort_values("forecast_id", ignore_index=True)
    assert exported.schema.field("target_time").type == pa.timestamp("us", tz="UTC")
    pd.testing.assert_frame_equal(exported.to_pandas(), expected[exported.column_names], check_dtype=False)


def test_nulls_stay_nulls(run, tmp_path, engine):
    made = (
        stores.made_forecasts().head(2).assign(forecast_id=["a", "b"], skill=[None, 0.5], skill_sample_size=[None, 7])
    )
    write_forecasts(engine, made)
    run("export", "forecasts", "--to", tmp_path / "f.parquet")
    table = pq.read_table(tmp_path / "f.parquet").select(["forecast_id", "skill", "skill_sample_size"])
    found = {row["forecast_id"]: (row["skill"], row["skill_sample_size"]) for row in table.to_pylist()}
    assert (found["a"], found["b"]) == ((None, None), (0.5, 7))


def test_instants_that_are_null_stay_null(run, tmp_path, engine):
    made = [article("a", published_at=None, dated="missing"), article("b")]
    write_news(engine, pd.DataFrame(made), pd.DataFrame([feed("one")]))
    assert run("export", "crypto_news", "--to", tmp_path / "n.parquet").exit_code == 0
    found = pq.read_table(tmp_path / "n.parquet")["published_at"].to_pylist()
    assert found == [row["published_at"] for row in made]


@pytest.mark.usefixtures("filled")
def test_database_rows_are_chosen_by_their_own_day(run, tmp_path):
    run("export", "forecasts", "--to", tmp_path / "f.parquet", "--from", "2023-12-30", "--to-day", "2023-12-30")
    made = stores.made_forecasts()
    day = datetime(2023, 12, 30, tzinfo=UTC), datetime(2023, 12, 31, tzinfo=UTC)
    expected = set(made.loc[(made["origin"] >= day[0]) & (made["origin"] < day[1]), "forecast_id"])
    assert set(pq.read_table(tmp_path / "f.parquet")["forecast_id"].to_pylist()) == expected


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        pytest.param(["prices", "--to", "x.csv"], 1, "candles, price_features", id="unknown table"),
        pytest.param(["candles", "--to", "x.xlsx"], 2, ".parquet", id="another format"),
        pytest.param(["candles", "--to", "x"], 2, ".parquet", id="no format"),
        pytest.param(["candles"], 2, "--to", id="no file"),
        pytest.param(["candles", "--to", "x.csv", "--from", "1.12.2023"], 2, "YYYY-MM-DD", id="malformed day"),
        pytest.param(["candles", "--to", "x.csv", "--to-day", "2023-02-30"], 2, "YYYY-MM-DD", id="a day that is none"),
        pytest.param(
            ["candles", "--to", "x.csv", "--from", "2023-12-05", "--to-day", "2023-12-04"], 2, "after", id="backwards"
        ),
        pytest.param(
            ["candles", "--to", "x.csv", "--symbols", "DOGEUSDT"], 1, "DOGEUSDT is not collected", id="unknown symbol"
        ),
        pytest.param(
            ["candles", "--to", "x.csv", "--symbols", "BTCUSDT,DOGEUSDT"], 1, "DOGEUSDT is not", id="one of two"
        ),
        pytest.param(
            ["candles", "--to", "x.csv", "--symbols", "HELLO"], 1, "'HELLO' is not a trading pair", id="no pair"
        ),
        pytest.param(["candles", "--to", "x.csv", "--from", "2031-01-01"], 1, "2023-12-01 to 2023-12-31", id="no rows"),
        pytest.param(["scorecard", "--to", "x.csv", "--from", "2023-12-01"], 1, "no day", id="rows without a day"),
        pytest.param(["forecast_outcomes", "--to", "x.csv", "--symbols", "BTCUSDT"], 1, "symbol", id="without symbol"),
        pytest.param(["candles", "--to", "none/x.csv"], 1, "is no folder", id="no such folder"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_leaves_no_file(run, tmp_path, arguments, code, says):
    before = sorted(tmp_path.iterdir())
    result = run("export", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.fixture
def quoted(settings):
    """Two times quotes of Bitcoin, Ether, and of two coins that share a symbol."""
    ids = {"bitcoin": "BTC", "ethereum": "ETH", "batcat": "BTC", "tron": "TRX"}
    coins = [Coin(coin_id, symbol, coin_id.title()) for coin_id, symbol in ids.items()]
    engine = connect(settings)
    for hour in (1, 2):
        moment = datetime(2023, 12, 31, hour, tzinfo=UTC)
        rows = [{"coin_id": coin_id, "observed_at": moment, "price": 2.0} for coin_id in ids]
        write_quotes(engine, coins, table(rows, known_at=moment), source="here")
    engine.dispose()


@pytest.mark.usefixtures("quoted")
@pytest.mark.parametrize(
    ("symbols", "coins"),
    [
        pytest.param([], {"bitcoin", "batcat", "ethereum", "tron"}, id="all"),
        pytest.param(["--symbols", "btc,ETH"], {"bitcoin", "batcat", "ethereum"}, id="by symbol"),
        pytest.param(["--symbols", "tron,bitcoin"], {"bitcoin", "tron"}, id="by id"),
    ],
)
@pytest.mark.parametrize(("name", "rows_a_coin"), [("crypto_assets", 1), ("price_data_real", 2)])
def test_tables_of_coins_are_chosen_by_coin(run, tmp_path, name, rows_a_coin, symbols, coins):
    result = run("export", name, "--to", tmp_path / "coins.csv", *symbols)
    assert (result.exit_code, result.stderr) == (0, "")
    found = pd.read_csv(tmp_path / "coins.csv")["coin_id"]
    assert set(found) == coins
    assert len(found) == rows_a_coin * len(coins)


def test_hourly_sentiment_comes_out_and_has_no_symbols(run, tmp_path):
    hour = datetime(2026, 2, 6, 12, tzinfo=UTC)
    row = {"hour": hour, "source": "all", "coin": "BTC", "articles": 1, "mean": 0.5, "dispersion": None}
    row |= {"share_negative": 0.0, "model": "vader", "provenance": "observed", "known_at": hour}
    stored = pa.Table.from_pylist([row], schema=HOURLY_SENTIMENT.schema)
    day = datetime(2026, 2, 6, tzinfo=UTC)
    Lake.from_settings(Settings()).replace(HOURLY_SENTIMENT, stored, day, day + timedelta(days=1))
    to = tmp_path / "hours.parquet"
    assert run("export", "hourly_sentiment", "--to", to).exit_code == 0
    assert pq.read_table(to).equals(stored)
    refused = run("export", "hourly_sentiment", "--to", tmp_path / "none.csv", "--symbols", "BTCUSDT")
    assert refused.exit_code == 1
    assert "no column symbol" in refused.stderr
    assert not (tmp_path / "none.csv").exists()


def test_trades_come_out_day_by_day(run, settings, tmp_path):
    moments = [datetime(2023, 12, day, 12, tzinfo=UTC) for day in (1, 3)]
    made = {pa.string(): ["BTCUSDT", "ETHUSDT"], pa.bool_(): [False] * 2, TIMESTAMP: moments}
    arrays = [pa.array(made.get(column.type, [7, 8]), column.type) for column in STREAMED_TRADES.schema]
    start, end = datetime(2023, 12, 1, tzinfo=UTC), datetime(2023, 12, 4, tzinfo=UTC)
    trades = STREAMED_TRADES.conform(pa.table(arrays, schema=STREAMED_TRADES.schema))
    Lake.from_settings(settings).replace(STREAMED_TRADES, trades, start, end)
    result = run("export", "streamed_trades", "--to", tmp_path / "trades.parquet")
    assert result.stdout.startswith("2 rows of streamed_trades written")
    assert pq.read_table(tmp_path / "trades.parquet").to_pylist() == trades.to_pylist()
    pieces = rows.lake_rows(Lake.from_settings(settings), STREAMED_TRADES, rows.Selection())
    assert [piece.num_rows for piece in pieces] == [1, 1]


@pytest.mark.parametrize("table", ["streamed_trades", "forecasts"])
def test_a_replays_symbols_come_out_though_they_are_not_collected(run, settings, tmp_path, table):
    start = datetime(2026, 4, 3, tzinfo=UTC)
    made = {pa.string(): ["BTCUSD", "ETHUSD"], pa.bool_(): [False] * 2, TIMESTAMP: [start] * 2}
    arrays = [pa.array(made.get(column.type, [7, 8]), column.type) for column in STREAMED_TRADES.schema]
    trades = STREAMED_TRADES.conform(pa.table(arrays, schema=STREAMED_TRADES.schema))
    Lake.from_settings(settings).replace(STREAMED_TRADES, trades, start, start + timedelta(days=1))
    two = stores.made_forecasts().head(2)
    write_forecasts(connect(settings), two.assign(symbol=["BTCUSD", "ETHUSD"], forecast_id=["a", "b"]))
    assert run("export", table, "--to", tmp_path / "some.parquet", "--symbols", "btc-usd,BTCUSDT").exit_code == 0
    assert pq.read_table(tmp_path / "some.parquet")["symbol"].to_pylist() == ["BTCUSD"]


@pytest.mark.usefixtures("quoted")
def test_a_coin_that_was_never_seen_is_named(run, tmp_path):
    result = run("export", "price_data_real", "--to", tmp_path / "coins.csv", "--symbols", "BTC,BTCUSDT")
    assert result.exit_code == 1
    assert "no quote of BTCUSDT was ever collected" in result.stderr
    assert not (tmp_path / "coins.csv").exists()


@pytest.mark.usefixtures("filled")
def test_a_file_that_is_there_is_replaced_only_by_force(run, tmp_path):
    target = tmp_path / "gaps.csv"
    target.write_text("mine")
    result = run("export", "data_gaps", "--to", target)
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert target.read_text() == "mine"
    assert run("export", "data_gaps", "--to", target, "--force").exit_code == 0
    assert len(pd.read_csv(target)) == 2


@pytest.mark.usefixtures("filled")
def test_a_folder_is_no_target_even_by_force(run, tmp_path):
    (tmp_path / "out.csv").mkdir()
    result = run("export", "data_gaps", "--to", tmp_path / "out.csv", "--force")
    assert result.exit_code == 1
    assert "is a folder" in result.stderr


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path, suffix):
    target = tmp_path / f"old{suffix}"
    target.write_text("old")

    def breaking():
        yield from numbers([1, 2])
        raise StorageError("the store went away")

    with pytest.raises(StorageError, match="went away"):
        write_file(NUMBERS, breaking(), target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def little_room():
    """No file may grow beyond 64 KiB: the operating system refuses more, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("little_room")
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_for_which_there_is_no_room_is_one_line_and_leaves_nothing(tmp_path, suffix):
    with pytest.raises(StorageError, match=rf"cannot write .*/n\{suffix}: File too large; make room"):
        write_file(NUMBERS, numbers(range(500_000)), tmp_path / f"n{suffix}")
    assert not list(tmp_path.iterdir())


def test_the_file_has_the_rights_that_any_new_file_has(tmp_path):
    (tmp_path / "plain").touch()
    write_file(NUMBERS, numbers([1], [2, 3]), tmp_path / "n.parquet")
    assert stat.S_IMODE((tmp_path / "n.parquet").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    assert pq.read_table(tmp_path / "n.parquet")["n"].to_pylist() == [1, 2, 3]
