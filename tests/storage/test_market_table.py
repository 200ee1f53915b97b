"""Quotes in the database: twice is once, the past stays as it was known, the newest of each coin is found quickly."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from sqlalchemy import inspect, text

from bitpredict.errors import ContractError, StorageError
from bitpredict.market.coins import Coin
from bitpredict.storage.market_table import (
    newest_query,
    newest_quotes,
    read_coins_seen,
    read_prices,
    read_quotes,
    write_history,
    write_quotes,
)
from tests.support.plans import plan_of

T = datetime(2024, 1, 14, 19, 50, 46, 756_000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COINS = [Coin("bitcoin", "BTC", "Bitcoin"), Coin("sats", "SATS", "SATS (Ordinals)"), Coin("tether", "USDT", "Tether")]
SMALL = 6.3363e-07


def quotes(*rows: tuple[str, datetime, float], known_at: datetime = T + MINUTE, rank: int | None = 1) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["coin_id", "observed_at", "price"])
    return frame.assign(
        market_cap=839172444303.0,
        total_volume=float("nan"),
        high_24h=frame["price"] * 1.1,
        low_24h=None,
        circulating_supply=19598775.5,
        market_cap_rank=pd.array([rank] * len(frame), dtype="Int64"),
        known_at=pd.Timestamp(known_at),
    )


def test_quotes_come_back_as_they_were_written(engine):
    written = write_quotes(engine, COINS, quotes(("sats", T, SMALL), ("bitcoin", T, 42812.123456789012)), source="here")
    assert (written.inserted, written.already_there) == (2, 0)
    assert newest_quotes(engine)["price"].tolist() == [42812.123456789012, SMALL]
    (row,) = read_quotes(engine, "sats", T, T + MINUTE).to_dict("records")
    assert pd.isna(row.pop("total_volume"))
    assert pd.isna(row.pop("low_24h"))
    assert row == {
        "coin_id": "sats",
        "observed_at": T,
        "price": SMALL,
        "market_cap": 839172444303.0,
        "high_24h": SMALL * 1.1,
        "circulating_supply": 19598775.5,
        "market_cap_rank": 1,
        "source": "here",
        "provenance": "observed",
        "known_at": T + MINUTE,
    }


def test_twice_is_once_and_the_first_stays(engine):
    write_quotes(engine, COINS, quotes(("bitcoin", T, 42000.0)), source="here")
    again = quotes(("bitcoin", T, 1.0), ("tether", T, 1.001), known_at=T + 5 * MINUTE)
    written = write_quotes(engine, COINS, again, source="here")
    assert (written.inserted, written.already_there) == (1, 1)
    (row,) = read_quotes(engine, "bitcoin", T, T + MINUTE).to_dict("records")
    assert (row["price"], row["known_at"]) == (42000.0, T + MINUTE)


def test_a_range_is_half_open(engine):
    for minute in range(4):
        write_quotes(engine, COINS, quotes(("bitcoin", T + minute * MINUTE, 1.0 + minute)), source="here")
    assert read_quotes(engine, "bitcoin", T + MINUTE, T + 3 * MINUTE)["price"].tolist() == [2.0, 3.0]


def test_prices_of_several_coins_are_read_at_once(engine):
    rows = [(coin, T + minute * MINUTE, 1.0 + minute) for minute in range(3) for coin in ("tether", "bitcoin", "sats")]
    write_quotes(engine, COINS, quotes(*rows[:3]), source="here")
    write_history(engine, quotes(*rows, known_at=T + 9 * MINUTE), source="here")
    found = read_prices(engine, ["tether", "bitcoin", "nothing"], T, T + 2 * MINUTE)
    assert found.values.tolist() == [
        [coin, T + minute * MINUTE, 1.0 + minute, "observed", T + (9 if minute else 1) * MINUTE]
        for coin in ("bitcoin", "tether")
        for minute in range(2)
    ]
    assert read_prices(engine, [], T, T + MINUTE).empty


def test_the_newest_is_that_of_observation_whatever_came_last(engine):
    write_quotes(engine, COINS, quotes(("bitcoin", T + MINUTE, 2.0)), source="here")
    late = quotes(("bitcoin", T, 1.0), ("tether", T, 1.0), known_at=T + 5 * MINUTE)
    write_quotes(engine, COINS, late, source="here")
    newest = newest_quotes(engine)
    assert newest[["coin_id", "symbol", "name", "price"]].values.tolist() == [
        ["bitcoin", "BTC", "Bitcoin", 2.0],
        ["tether", "USDT", "Tether", 1.0],
    ]


class TestCoinsSeen:
    def test_first_and_last_seen_and_the_newest_rank(self, engine):
        write_quotes(engine, COINS, quotes(("bitcoin", T, 1.0), known_at=T, rank=3), source="here")
        write_quotes(engine, COINS, quotes(("bitcoin", T, 1.0), known_at=T + 2 * MINUTE, rank=1), source="here")
        write_quotes(engine, COINS, quotes(("bitcoin", T, 1.0), known_at=T + MINUTE, rank=2), source="here")
        (row,) = read_coins_seen(engine).to_dict("records")
        assert row == {
            "coin_id": "bitcoin",
            "symbol": "BTC",
            "name": "Bitcoin",
            "market_cap_rank": 1,
            "first_seen": T,
            "last_seen": T + 2 * MINUTE,
        }

    def test_a_rank_that_is_not_told_stays(self, engine):
        write_quotes(engine, COINS, quotes(("bitcoin", T, 1.0), rank=3), source="here")
        write_quotes(engine, COINS, quotes(("bitcoin", T, 1.0), known_at=T + 2 * MINUTE, rank=None), source="here")
        assert read_coins_seen(engine)["market_cap_rank"].tolist() == [3]

    def test_a_coin_whose_rank_was_never_told(self, engine):
        write_quotes(engine, COINS, quotes(("bitcoin", T, 1.0), rank=None), source="here")
        assert read_coins_seen(engine)["market_cap_rank"].isna().tolist() == [True]

    def test_the_name_is_the_lists(self, engine):
        write_quotes(engine, COINS, quotes(("bitcoin", T, 1.0)), source="here")
        write_quotes(engine, [Coin("bitcoin", "XBT", "Bitcoin")], quotes(("bitcoin", T, 1.0)), source="here")
        assert read_coins_seen(engine)["symbol"].tolist() == ["XBT"]

    def test_a_coin_that_was_not_told_of_stays_as_it_is(self, engine):
        write_quotes(engine, COINS, quotes(("bitcoin", T, 1.0), ("tether", T, 1.0), known_at=T), source="here")
        write_quotes(engine, COINS, quotes(("tether", T, 1.0), known_at=T + MINUTE), source="here")
        assert read_coins_seen(engine)["last_seen"].tolist() == [T, T + MINUTE]


def test_no_quotes_are_none(engine):
    written = write_quotes(engine, COINS, quotes(), source="here")
    assert (written.inserted, written.already_there) == (0, 0)
    assert newest_quotes(engine).empty
    assert read_coins_seen(engine).empty


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        pytest.param(quotes(("dogwifhat", T, 1.0)), r"not in the list: \['dogwifhat'\]", id="coin of no list"),
        pytest.param(quotes(("bitcoin", T, float("nan"))), "price is null", id="no price"),
        pytest.param(quotes(("bitcoin", T, float("inf"))), "price is not finite", id="infinite price"),
        pytest.param(quotes(("bitcoin", T.replace(tzinfo=None), 1.0)), "observed_at has no timezone", id="no zone"),
        pytest.param(quotes(("bitcoin", T, 1.0)).drop(columns="market_cap"), "lacks the columns", id="no column"),
        pytest.param(quotes(("bitcoin", T, 1.0), ("bitcoin", T, 2.0)), "the same key twice", id="twice"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(engine, frame, says):
    with pytest.raises(ContractError, match=says):
        write_quotes(engine, COINS, frame, source="here")
    assert read_coins_seen(engine).empty
    assert newest_quotes(engine).empty


def test_a_quote_belongs_to_a_coin(engine):
    with pytest.raises(StorageError):
        write_history(engine, quotes(("bitcoin", T, 1.0)), source="here")
    assert newest_quotes(engine).empty


def test_the_past_comes_beside_what_is_there_and_changes_no_coin(engine):
    write_quotes(engine, COINS, quotes(("bitcoin", T, 2.0), known_at=T), source="here")
    before = read_coins_seen(engine)
    past = quotes(("bitcoin", T - MINUTE, 1.0), ("bitcoin", T, 9.0), known_at=T + 60 * MINUTE, rank=None)
    written = write_history(engine, past, source="there")
    assert (written.inserted, written.already_there) == (1, 1)
    found = read_quotes(engine, "bitcoin", T - MINUTE, T + MINUTE)
    assert found[["price", "source", "known_at"]].values.tolist() == [
        [1.0, "there", T + 60 * MINUTE],
        [2.0, "here", T],
    ]
    assert read_coins_seen(engine).equals(before)


def many_quotes(engine, minutes: int) -> None:
    """So many quotes of each coin: a planner chooses by what is there."""
    frame = quotes(*((coin.coin_id, T + minute * MINUTE, 1.0 + minute) for coin in COINS for minute in range(minutes)))
    one = frame.drop_duplicates("coin_id")
    write_quotes(engine, COINS, one, source="here")
    write_history(engine, frame, source="here")
    with engine.begin() as connection:
        tables = " TABLE price_data_real, crypto_assets" if engine.dialect.name == "mysql" else ""
        connection.execute(text(f"ANALYZE{tables}"))


def test_the_newest_of_each_coin_is_looked_up_in_the_primary_key(engine):
    """By each coin its end of the key: no plan reads every quote."""
    many_quotes(engine, 3000)
    newest = newest_quotes(engine)
    assert newest["price"].tolist() == [3000.0] * 3
    statement = str(newest_query(engine.dialect).compile(engine, compile_kwargs={"literal_binds": True}))
    found = plan_of(engine, statement)
    if engine.dialect.name == "sqlite":
        assert (
            "SEARCH price_data_real USING INDEX sqlite_autoindex_price_data_real_1 (coin_id=? AND observed_at=?)"
            in found
        )
        assert "SEARCH older USING COVERING INDEX sqlite_autoindex_price_data_real_1 (coin_id=?)" in found
        assert "SCAN price_data_real" not in found
        assert "SCAN older" not in found
    elif engine.dialect.name == "mysql":
        assert "price_data_real eq_ref PRIMARY PRIMARY" in found
        assert "older ref PRIMARY PRIMARY" in found
        with engine.connect() as connection:
            connection.execute(text("FLUSH STATUS"))
            connection.execute(text(statement)).all()
            read = connection.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'")).all()
        assert sum(int(count) for _, count in read) < 30
    else:
        assert "Seq Scan on price_data_real" not in found
        assert "Index Only Scan Backward using pk_price_data_real" in found
        assert "Index Scan using pk_price_data_real" in found


def test_the_columns_have_comments_where_a_name_does_not_say_it(engine):
    comments = {column["name"]: column.get("comment") for column in inspect(engine).get_columns("price_data_real")}
    kept = engine.dialect.name != "sqlite"  # which has none
    assert comments["known_at"] == ("receipt of the answer; could not be used before" if kept else None)
