"""Coins and their quotes in the database: a quote is there once, however often it is written."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from sqlalchemy import Connection, Dialect, Engine, Select, and_
from sqlalchemy import select as sql_select

from bitpredict.errors import ContractError
from bitpredict.market.coins import Coin
from bitpredict.storage.database import reading, undeterred, writing
from bitpredict.storage.frames import fetch, select
from bitpredict.storage.schema import crypto_assets, price_data_real
from bitpredict.storage.upserts import insert_new, upsert

OBSERVED = "observed"
_QUOTE = ["coin_id", "observed_at"]


@dataclass(frozen=True)
class QuotesWritten:
    """How many quotes were new, and how many had been written before and stayed as they were."""

    inserted: int
    already_there: int


@undeterred
def write_quotes(
    engine: Engine, coins: Collection[Coin], quotes: pd.DataFrame, *, source: str, provenance: str = OBSERVED
) -> QuotesWritten:
    """Write the quotes of one or several answers and what they say of their coins, in one transaction. A quote that is
    there, by coin and time of observation, keeps its row: with it `known_at`, so that the past stays as it was known.

    Args:
        coins: the names of the quotes' coins, and maybe of others.
        quotes: in the order of their receipt; columns of `price_data_real` but source and provenance.

    Raises:
        ContractError: a quote is of a coin that is not in `coins`, or does not fit the table. Nothing was written.
        StorageError: the database cannot be written. Nothing was written.
    """
    names = {coin.coin_id: coin for coin in coins}
    if unknown := sorted(set(quotes["coin_id"]) - set(names)):
        raise ContractError(f"price_data_real is given coins that are not in the list: {unknown}")
    if (twice := quotes.duplicated(_QUOTE)).any():
        raise ContractError(
            f"price_data_real is given the same key twice: {quotes.loc[twice, _QUOTE].iloc[0].to_dict()}"
        )
    with writing(engine, alone=True) as connection:
        upsert(connection, crypto_assets, _seen(connection, names, quotes))
        inserted = insert_new(connection, price_data_real, quotes.assign(source=source, provenance=provenance))
    return QuotesWritten(inserted, len(quotes) - inserted)


@undeterred
def write_history(engine: Engine, quotes: pd.DataFrame, *, source: str) -> QuotesWritten:
    """Write past quotes of coins that are there already; a quote that is there keeps its row. What is known of the
    coins themselves stays: the past says nothing of when they were last seen.

    Raises:
        ContractError: a quote does not fit the table. Nothing was written.
        StorageError: the database cannot be written, or a coin is not there. Nothing was written.
    """
    with writing(engine) as connection:
        inserted = insert_new(connection, price_data_real, quotes.assign(source=source, provenance=OBSERVED))
    return QuotesWritten(inserted, len(quotes) - inserted)


def read_coins_seen(engine: Engine) -> pd.DataFrame:
    """Rows of `schema.crypto_assets`, ordered by coin."""
    with reading(engine) as connection:
        return _coins_seen(connection)


def newest_quotes(engine: Engine) -> pd.DataFrame:
    """Of each coin the newest quote, ordered by coin, with the coin's symbol, name, first_seen and last_seen."""
    columns = [*price_data_real.columns, *(crypto_assets.c[name] for name in _OF_THE_COIN)]
    with reading(engine) as connection:
        return fetch(connection, newest_query(engine.dialect), columns, [price_data_real.c.coin_id])


_OF_THE_COIN = ("symbol", "name", "first_seen", "last_seen")


def newest_query(dialect: Dialect) -> "Select[tuple[object, ...]]":
    """A look into the primary key's end for each coin, where grouping would read every quote."""
    older = price_data_real.alias("older")
    newest = (
        sql_select(older.c.observed_at)
        .where(older.c.coin_id == crypto_assets.c.coin_id)
        .order_by(older.c.observed_at.desc())
        .limit(1)  # for max() MariaDB would read the whole coin
        .scalar_subquery()
    )
    columns = [*price_data_real.columns, *(crypto_assets.c[name] for name in _OF_THE_COIN)]
    return select(columns, dialect).join_from(
        crypto_assets,
        price_data_real,
        and_(price_data_real.c.coin_id == crypto_assets.c.coin_id, price_data_real.c.observed_at == newest),
    )


def read_quotes(engine: Engine, coin_id: str, start: datetime, end: datetime) -> pd.DataFrame:
    """Quotes of a coin observed in [start, end), ordered by time."""
    table = price_data_real.c
    query = select(price_data_real.columns, engine.dialect).where(
        table.coin_id == coin_id, table.observed_at >= start, table.observed_at < end
    )
    with reading(engine) as connection:
        return fetch(connection, query, list(price_data_real.columns), [table.observed_at])


_PRICE = ("coin_id", "observed_at", "price", "provenance", "known_at")


def read_prices(engine: Engine, coins: Collection[str], start: datetime, end: datetime) -> pd.DataFrame:
    """Of these coins' quotes observed in [start, end): coin_id, observed_at, price, provenance and known_at, ordered by
    coin and time. Each coin is a range of the primary key."""
    table = price_data_real.c
    columns = [table[name] for name in _PRICE]
    query = select(columns, engine.dialect).where(
        table.coin_id.in_(coins), table.observed_at >= start, table.observed_at < end
    )
    with reading(engine) as connection:
        return fetch(connection, query, columns, [table.coin_id, table.observed_at])


_COIN = ["coin_id", "symbol", "name", "market_cap_rank", "first_seen", "last_seen"]


def _coins_seen(connection: Connection) -> pd.DataFrame:
    query = select(crypto_assets.columns, connection.dialect)
    return fetch(connection, query, list(crypto_assets.columns), [crypto_assets.c.coin_id])


def _seen(connection: Connection, names: dict[str, Coin], quotes: pd.DataFrame) -> pd.DataFrame:
    """The rows of the quotes' coins as they will be: an answer that comes late takes nothing back."""
    before = {row["coin_id"]: row for row in _coins_seen(connection).to_dict("records")}
    after: dict[str, dict[str, object]] = {}
    for quote in quotes.to_dict("records"):
        coin, received, rank = names[quote["coin_id"]], quote["known_at"], quote["market_cap_rank"]
        first = last = received
        if known := after.get(coin.coin_id) or before.get(coin.coin_id):
            first, last = min(known["first_seen"], received), max(known["last_seen"], received)
            rank = known["market_cap_rank"] if last > received or pd.isna(rank) else rank
        row = (coin.coin_id, coin.symbol, coin.name, rank, first, last)
        after[coin.coin_id] = dict(zip(_COIN, row, strict=True))
    return pd.DataFrame(after.values(), columns=_COIN)
