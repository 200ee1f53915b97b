"""The list of coins: the one that is shipped, and lines that are refused."""

import pytest

from bitpredict.errors import ContractError
from bitpredict.market.coins import Coin, read_coins, write_coins


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
        pytest.param(
            "coin_id,symbol,name\nbitcoin,,Bitcoin\n", "line 2: bitcoin: '' is no symbol", id="nothing in a column"
        ),
        pytest.param("coin_id,symbol,name\na,A,A\nBit coin,B,B\n", "line 3: 'Bit coin' is no id", id="malformed id"),
        pytest.param(f"coin_id,symbol,name\na,{'A' * 41},A\n", "no symbol; write 1 to 40", id="symbol too long"),
        pytest.param("coin_id,symbol,name\na,A,A\u202eB\n", "no name; write 1 to 120", id="unprintable name"),
        pytest.param("coin_id,symbol,name\na,A,A\na,A,A\n", "line 3: a is there twice", id="twice"),
    ],
)
def test_lines_that_are_refused(tmp_path, content, says):
    file = tmp_path / "coins.csv"
    file.write_text(content)
    with pytest.raises(ContractError, match=says):
        read_coins(file)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = tmp_path / "coins.csv"
    file.write_bytes(b"coin_id,symbol,name\n\xff\xfe,A,A\n")
    with pytest.raises(ContractError, match="is no CSV file in UTF-8"):
        read_coins(file)


def test_what_is_written_is_read_again(tmp_path):
    coins = (Coin("a", "A", 'The "first", they say'), Coin("b", "B", "Ünïcode"))
    write_coins(tmp_path / "new" / "coins.csv", reversed(coins))
    assert read_coins(tmp_path / "new" / "coins.csv") == coins
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["coins.csv"]
