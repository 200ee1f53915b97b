"""The coins that are watched: a reviewed list, named by the ids that CoinGecko gives them.

Left out of the hundred largest that it was made from: forms of a coin that is there already (staked, wrapped, an older
contract) and tokens that trade on hardly any market but their issuer's.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from bitpredict.errors import ContractError

COINS_FILE = Path(__file__).with_name("coins.csv")

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
        ContractError: a line is not `coin_id,symbol,name`, an id is malformed or there twice, or the list is empty.
    """
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.reader(lines))
    if not rows or rows[0] != _HEADER:
        raise ContractError(f"{file}: the first line must be {','.join(_HEADER)}")
    coins: dict[str, Coin] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(_HEADER) or not all(row):
            raise ContractError(f"{file}, line {number}: {','.join(row)!r} is not {','.join(_HEADER)}")
        coin = Coin(*row)
        if not _ID.fullmatch(coin.coin_id):
            raise ContractError(f"{file}, line {number}: {coin.coin_id!r} is no id; write it as CoinGecko does")
        if coin.coin_id in coins:
            raise ContractError(f"{file}, line {number}: {coin.coin_id} is there twice")
        coins[coin.coin_id] = coin
    if not coins:
        raise ContractError(f"{file} names no coin")
    return tuple(coins[coin_id] for coin_id in sorted(coins))
