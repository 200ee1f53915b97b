"""Trading pairs, named as Binance names them: base and quote without a separator."""

import re
from collections.abc import Iterable

from bitpredict.errors import UnknownSymbolError

_SYMBOL = re.compile(r"[A-Z0-9]{5,20}")
_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "EUR", "GBP", "BTC", "ETH", "BNB")


def parse_symbol(text: str) -> str:
    """Return `text` as a symbol: upper case, separators removed (`btc-usdt`, `BTC/USDT` and `BTCUSDT` are one).

    Raises:
        UnknownSymbolError: it does not look like a pair with a known quote currency.
    """
    symbol = re.sub(r"[-/_ ]", "", text.strip()).upper()
    if not _SYMBOL.fullmatch(symbol) or not any(symbol.endswith(q) and symbol != q for q in _QUOTES):
        raise UnknownSymbolError(f"{text!r} is not a trading pair; write base and quote, for example BTCUSDT")
    return symbol


def require_known(text: str, known: Iterable[str]) -> str:
    """Return `text` as one of the `known` symbols.

    Raises:
        UnknownSymbolError: it is not among them; the message lists them.
    """
    symbol = parse_symbol(text)
    if symbol not in (names := list(known)):
        raise UnknownSymbolError(
            f"{symbol} is not collected here; known are {', '.join(names)} (setting BITPREDICT_SYMBOLS)"
        )
    return symbol


def base_currency(symbol: str) -> str:
    """`BTC` of `BTCUSDT`."""
    return next(symbol.removesuffix(q) for q in _QUOTES if symbol.endswith(q) and symbol != q)
