"""`bitpredict coins`: the shipped list until the user has one of their own."""

import json

import pytest

from bitpredict.market.coins import COINS_FILE, read_coins


def ids(run) -> list[str]:
    return [coin["coin_id"] for coin in json.loads(run("coins", "list", "--json").stdout)]


def test_the_shipped_list_is_shown(run):
    shown = run("coins", "list").stdout.splitlines()
    assert shown[0] == "aave  AAVE  Aave"
    assert shown[-1] == f"92 coins of {COINS_FILE}"


def test_a_coin_is_added_renamed_and_removed_and_the_shipped_list_stays(run, settings):
    before = COINS_FILE.read_bytes()
    added = run("coins", "add", "dogwifhat", "WIF", "dogwifhat")
    assert (added.exit_code, added.stdout) == (0, f"93 coins in {settings.home / 'coins.csv'}\n")
    assert "dogwifhat" in ids(run)
    again = run("coins", "add", "dogwifhat", "WIF", "dogwifhat").stdout
    assert again.endswith("dogwifhat was there already as WIF, dogwifhat; nothing changed\n")
    corrected = run("coins", "add", "dogwifhat", "$WIF", "dogwifhat, with a hat").stdout
    assert "was there already as WIF, dogwifhat; it is $WIF, dogwifhat, with a hat now" in corrected
    (coin,) = (coin for coin in read_coins(settings.coins_file) if coin.coin_id == "dogwifhat")
    assert (coin.symbol, coin.name) == ("$WIF", "dogwifhat, with a hat")
    run("coins", "remove", "bitcoin")
    assert len(ids(run)) == 92
    assert "bitcoin" not in ids(run)
    assert COINS_FILE.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["add", "Bit coin", "BTC", "Bitcoin"], "'Bit coin' is no id", id="malformed id"),
        pytest.param(["add", "bitcoin", "", "Bitcoin"], "is no symbol", id="no symbol"),
        pytest.param(["remove", "dogwifhat"], "dogwifhat is not in the list", id="not in the list"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(run, settings, arguments, says):
    result = run("coins", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr
    assert not settings.own_coins_file.exists()


def test_the_last_coin_stays(run, settings):
    settings.home.mkdir()
    settings.own_coins_file.write_text("coin_id,symbol,name\nbitcoin,BTC,Bitcoin\n")
    assert "the last coin" in run("coins", "remove", "bitcoin").stderr
    assert ids(run) == ["bitcoin"]


def test_a_list_that_cannot_be_read_is_one_line(run, settings):
    settings.own_coins_file.mkdir(parents=True)
    result = run("coins", "list")
    assert result.exit_code == 1
    assert result.stderr == f"error: {settings.own_coins_file}: the list of coins cannot be read (Is a directory)\n"


def test_a_list_broken_by_hand_names_its_line(run, settings):
    settings.home.mkdir()
    settings.own_coins_file.write_text("coin_id,symbol,name\nbitcoin,BTC\n")
    result = run("coins", "list")
    assert result.exit_code == 1
    assert f"{settings.own_coins_file}, line 2" in result.stderr
