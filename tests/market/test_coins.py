"""The list of coins: the one that is shipped, and lines that are refused."""

import pytest

from bitpredict.errors import ContractError
from bitpredict.market.coins import Coin, read_coins


def test_the_shipped_list():
    coins = read_coins()
    assert len(coins) == 92
    assert Coin("bitcoin", "BTC", "Bitcoin") in coins
    assert [coin.coin_id for coin in coins] == sorted({coin.coin_id for coin in coins})


def test_a_list_is_ordered_by_id(tmp_path):
    file = tmp_path / "coins.csv"
    file.write_text('coin_id,symbol,name\nripple,XRP,XRP\nb-2,B,"B, the second"\n')
    assert read_coins(file) == (Coin("b-2", "B", "B, the second"), Coin("ripple", "XRP", "XRP"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "first line must be coin_id,symbol,name", id="empty file"),
        pytest.param("id,symbol,name\n", "first line must be", id="another header"),
        pytest.param("coin_id,symbol,name\n", "names no coin", id="no coin"),
        pytest.param("coin_id,symbol,name\nbitcoin,BTC\n", "line 2: 'bitcoin,BTC' is not", id="too short"),
        pytest.param("coin_id,symbol,name\nbitcoin,,Bitcoin\n", "line 2", id="nothing in a column"),
        pytest.param("coin_id,symbol,name\na,A,A\nBit coin,B,B\n", "line 3: 'Bit coin' is no id", id="malformed id"),
        pytest.param("coin_id,symbol,name\na,A,A\na,A,A\n", "line 3: a is there twice", id="twice"),
    ],
)
def test_lines_that_are_refused(tmp_path, content, says):
    file = tmp_path / "coins.csv"
    file.write_text(content)
    with pytest.raises(ContractError, match=says):
        read_coins(file)
