"""The coins that are watched: a reviewed list, named by the ids that CoinGecko gives them.

Left out of the hundred largest that it was made from: forms of a coin that is there already (staked, wrapped, an older
contract) and tokens that trade on hardly any market but their issuer's.
"""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bitpredict.errors import ContractError
from bitpredict.files import replace_file

COINS_FILE = Path(__file__).with_name("coins.csv")

LONGEST_SYMBOL, LONGEST_NAME = 40, 120
"""Characters that the database's columns hold."""

_HEADER = ["coin_id", "symbol", "name"]
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin as the list names it; symbols are not unique among coins, ids are."""

    coin_id: str
    symbol: str
    name: str


def read_coins(file: Path = COINS_FILE) -> tuple[Coin, ...]:
    """The coins of a list, ordered by id.

    Raises:
        ContractError: the file cannot be read, a line is not `coin_id,symbol,name`, an id is malformed or there twice,
            or the list is empty.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.reader(lines))
    except OSError as error:
        raise ContractError(f"{file}: the list of coins cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ContractError(f"{file} is no CSV file in UTF-8 ({error})") from error
    if not rows or rows[0] != _HEADER:
        raise ContractError(f"{file}: the first line must be {','.join(_HEADER)}")
    coins: dict[str, Coin] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(_HEADER):
            raise ContractError(f"{file}, line {number}: {','.join(row)!r} is not {','.join(_HEADER)}")
        try:
            coin = checked(Coin(*row))
        except ContractError as error:
            raise ContractError(f"{file}, line {number}: {error}") from error
        if coin.coin_id in coins:
            raise ContractError(f"{file}, line {number}: {coin.coin_id} is there twice")
        coins[coin.coin_id] = coin
    if not coins:
        raise ContractError(f"{file} names no coin")
    return tuple(coins[coin_id] for coin_id in sorted(coins))


def checked(coin: Coin) -> Coin:
    """The coin as it is. Raises ContractError if its id is malformed, or symbol or name are empty or too long."""
    if not _ID.fullmatch(coin.coin_id):
        raise ContractError(f"{coin.coin_id!r} is no id; write it as CoinGecko does, for example bitcoin")
    for what, text, longest in (("symbol", coin.symbol, LONGEST_SYMBOL), ("name", coin.name, LONGEST_NAME)):
        if not (0 < len(text) <= longest and text.isprintable() and text.strip() == text):
            raise ContractError(f"{coin.coin_id}: {text!r} is no {what}; write 1 to {longest} printable characters")
    return coin


def write_coins(file: Path, coins: Iterable[Coin]) -> None:
    """Make `coins` the whole list; readers see the old one or the new one. Raises OSError if it cannot be written."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows((coin.coin_id, coin.symbol, coin.name) for coin in sorted(coins, key=lambda c: c.coin_id))
    replace_file(file, lines.getvalue().encode())
