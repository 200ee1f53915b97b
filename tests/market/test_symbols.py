import pytest

from bitpredict.errors import UnknownSymbolError
from bitpredict.market.symbols import base_currency, parse_symbol, require_known


@pytest.mark.parametrize("text", ["BTCUSDT", "btcusdt", "BTC-USDT", "btc/usdt", " Btc_Usdt ", "BTC USDT"])
def test_spellings_of_one_pair(text):
    assert parse_symbol(text) == "BTCUSDT"


@pytest.mark.parametrize("text", ["ETHBTC", "1000SATSUSDT", "BNBETH", "SOLEUR"])
def test_other_pairs(text):
    assert parse_symbol(text) == text


@pytest.mark.parametrize("text", ["", "BTC", "USDT", "BTCXYZ", "../BTCUSDT", "BTCUSDT;", "BÏTUSDT", "A" * 30 + "USDT"])
def test_what_is_no_pair_is_named_with_an_example(text):
    with pytest.raises(UnknownSymbolError, match=r"is not a trading pair; .*BTCUSDT"):
        parse_symbol(text)


def test_a_pair_that_is_not_collected_is_named_with_those_that_are():
    assert require_known("btc-usdt", ["ETHUSDT", "BTCUSDT"]) == "BTCUSDT"
    with pytest.raises(
        UnknownSymbolError, match=r"SOLUSDT is not collected here; known are ETHUSDT, BTCUSDT .*SYMBOLS"
    ):
        require_known("SOLUSDT", ["ETHUSDT", "BTCUSDT"])


@pytest.mark.parametrize(
    ("symbol", "base"), [("BTCUSDT", "BTC"), ("ETHBTC", "ETH"), ("BTCFDUSD", "BTC"), ("BUSDUSDT", "BUSD")]
)
def test_the_base_currency(symbol, base):
    assert base_currency(symbol) == base
