"""Which coins a text mentions: by name and by symbol, as whole words, and only where nothing else is meant.

The rule, reviewed for the shipped list of coins:

- A symbol counts in capitals ("BTC"), and behind a dollar sign in any case ("$btc").
- A symbol that is a word or something else's abbreviation too (`SYMBOLS_OF_MORE`: LINK, NEAR, CRO) counts behind a
  dollar sign, and before a currency that it is traded for ("LINK/USDT", "DOT-USD").
- A name counts in any case; one of at most four letters as it is listed, capitalized or in capitals ("Sui", not "sui");
  one of several words where each begins with a capital ("Bitcoin Cash", not "Bitcoin cash buys").
- A name that is a word too (`NAMES_OF_MORE`: Optimism, Maker) counts as it is listed or in capitals, and only before
  its symbol in brackets ("Optimism (OP)") or a word that makes it a project ("Optimism network").
- Of names that begin alike the longest counts alone: "Bitcoin Cash" does not mention bitcoin.

Of a coin that is not in the shipped list, as one of the user's own, symbol and name count as if they were words too.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from bitpredict.market.coins import COINS_FILE, Coin, read_coins

SYMBOLS_OF_MORE = frozenset(
    {
        *("ALGO", "APT", "ATOM", "BEAM", "BLUR", "CAKE", "CRO", "DOT", "ETC", "FLOW", "GALA", "LEO", "LINK", "MANA"),
        *("NEAR", "NEO", "OP", "ROSE", "RUNE", "SAND", "SATS", "THETA", "TON", "VET", "WOO"),
    }
)
NAMES_OF_MORE = frozenset(
    {
        *("Avalanche", "Beam", "Blur", "Dai", "Flow", "GALA", "Helium", "Immutable", "Maker", "Mantle", "NEO"),
        *("Optimism", "Quant", "Render", "SATS (Ordinals)", "Stacks", "Stellar", "The Graph", "The Sandbox", "WOO"),
    }
)
ALSO_CALLED = {
    "binancecoin": ("Binance Coin",),
    "bitcoin": ("Bitcoins",),
    "ethereum": ("Ether",),
    "maker": ("MakerDAO",),
    "the-open-network": ("The Open Network",),
}
"""Coin id -> names that the list does not have; all of them mean nothing else."""

_SHORT_NAME = 4
_TRADED_FOR = "USDT|USDC|USD|BTC|ETH|EUR"
_PROJECT = "blockchain|chain|coin|DAO|ecosystem|foundation|labs|mainnet|network|protocol|testnet|token"
_WORD = re.compile(r"[^\W_]+")


class Mentions:
    """Finds the coins of a list."""

    def __init__(self, coins: Iterable[Coin]) -> None:
        reviewed = set(read_coins(COINS_FILE))
        forms: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
        for coin in coins:
            for literal, pattern in _forms(coin, coin in reviewed):
                if first := _WORD.match(literal):
                    forms[first[0].casefold()].append((len(literal), rf"{pattern}(?!\w)", coin.symbol.upper()))
        self._forms = {
            first: [(re.compile(pattern), symbol) for _, pattern, symbol in sorted(each, reverse=True)]
            for first, each in forms.items()
        }

    def of(self, text: str) -> frozenset[str]:
        """Symbols, in capitals, of the coins that the text mentions."""
        found = set()
        after = 0
        for word in _WORD.finditer(text):
            for pattern, symbol in self._forms.get(word[0].casefold(), ()) if word.start() >= after else ():
                if match := pattern.match(text, word.start()):
                    found.add(symbol)
                    after = match.end()
                    break
        return frozenset(found)


def _forms(coin: Coin, reviewed: bool) -> Iterator[tuple[str, str]]:
    """Each way to write the coin, and the pattern that finds it there and only there."""
    symbol = coin.symbol.upper().lstrip("$")
    in_capitals = re.escape(symbol)
    yield symbol, rf"(?<=\$)(?i:{in_capitals})"
    if reviewed and symbol not in SYMBOLS_OF_MORE:
        yield symbol, in_capitals
    else:
        yield symbol, rf"{in_capitals}(?=[/-](?:{_TRADED_FOR})(?!\w))"
    for name in (coin.name, *ALSO_CALLED.get(coin.coin_id, ())):
        if not reviewed or name in NAMES_OF_MORE:
            in_brackets = rf"\s+\(\$?(?i:{in_capitals})(?!\w)"
            yield name, rf"(?:{_written(name, name.upper())})(?={in_brackets}|\s+(?i:{_PROJECT})(?!\w))"
        elif len(words := name.split()) > 1:
            yield name, r"\s+".join(f"{re.escape(word[0].upper())}(?i:{re.escape(word[1:])})" for word in words)
        elif len(name) <= _SHORT_NAME:
            yield name, rf"(?:{_written(name, name.capitalize(), name.upper())})"
        else:
            yield name, rf"(?i:{_written(name)})"


def _written(*spellings: str) -> str:
    return "|".join(re.escape(each).replace(r"\ ", r"\s+") for each in spellings)
