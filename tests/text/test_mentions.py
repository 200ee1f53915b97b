"""Which coins a text mentions, and which it only seems to."""

import csv
import re

import pytest

from bitpredict.market.coins import COINS_FILE, Coin, read_coins
from bitpredict.text.mentions import ALSO_CALLED, NAMES_OF_MORE, SYMBOLS_OF_MORE, Mentions

LISTED = Mentions(read_coins())


@pytest.mark.parametrize(
    ("text", "coins"),
    [
        ("Bitcoin slides, ether follows", "BTC ETH"),
        ("bitcoin's 5,000 Bitcoins; pro-Bitcoin, Bitcoin-backed", "BTC"),
        ("BTC/USD and $eth, (SOL): XRP.", "BTC ETH SOL XRP"),
        ("Bitcoin Cash rallies", "BCH"),
        ("Bitcoin\tCash and BITCOIN SV beside Bitcoin", "BCH BSV BTC"),
        ("Ethereum Classic, Ethereum Name Service", "ETC ENS"),
        ("Sui rises, SUI too", "SUI"),
        ("Optimism (OP) and Stellar ($XLM) rally; Flow blockchain grows", "OP XLM FLOW"),
        ("Near Protocol raises $350M", "NEAR"),
        ("LINK/USDT and DOT-USD, $sand", "LINK DOT SAND USDT"),
        ("MakerDAO votes, Fetch.ai merges", "MKR FET"),
        ("THE OPEN NETWORK GROWS", "TON"),
        ("比特币 Bitcoin, биткоин: Solana🚀Dogecoin", "BTC SOL DOGE"),
    ],
)
def test_a_coin_that_is_meant(text, coins):
    assert LISTED.of(text) == frozenset(coins.split())


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "$", "🚀 \N{RIGHT-TO-LEFT OVERRIDE} \x00", "x" * 100_000),
        "Prices Near a Top: Link in Bio, One Gas Fee, Dot by Dot",
        "TRADERS FLOCK NEAR A LINK TO THE SAND DOT VET LEO ROSE BEAM",
        "Optimism Returns as Investors Render Judgment; an Avalanche of Liquidations",
        "Strategy Stacks More; Maker Fees, Stellar Gains, Immutable Ledger, Quant Traders Take Up the Mantle",
        "The Graph Shows a Blur; The Sandbox for Fintech; a Gala; Cash Flow",
        "Chief Risk Officer (CRO) hired, an APT group attacked, memes etc. ETC. 5 TON of gold, option THETA",
        "wBTC, WBTC, stETH, cbBTC, BTCUSDTX, ETHX, ethernet, bitcoiner",
        "sui generis, not one iota, a woo girl, aave1, dai-ly",
        "$1 and $BTCX, US$ETHER_",
    ],
)
def test_what_only_seems_to_be_a_coin(text):
    assert LISTED.of(text) == frozenset()


def test_bitcoin_that_is_bought_with_cash_is_bitcoin():
    assert LISTED.of("The only business that allows Bitcoin cash buys") == {"BTC"}


def test_a_coin_that_nobody_reviewed_counts_only_where_it_is_unmistakable():
    own = Mentions(
        [
            *read_coins(),
            Coin("harmony", "ONE", "Harmony"),
            Coin("gas", "GAS", "Gas"),
            Coin("dogwifcoin", "$WIF", "dogwifhat"),
            Coin("odd", "%", "…"),
        ]
    )
    assert own.of("Why this is the ONE; GAS fees; ONE, GAS; Gas Network fees; in Harmony") == {"GAS"}
    assert own.of("Gas prices in one harmony (ONE): GAS") == frozenset()
    assert own.of("Harmony (ONE) bridge") == {"ONE"}
    assert own.of("$ONE and GAS/USDT, $WIF") == {"ONE", "GAS", "$WIF", "USDT"}


def test_a_listed_coin_that_the_user_renamed_is_not_reviewed_any_more():
    assert Mentions([Coin("bitcoin", "ONLY", "Just")]).of("ONLY just Just ONLY $only") == {"ONLY"}
    assert Mentions([Coin("bitcoin", "ONLY", "Just")]).of("ONLY just Just ONLY") == frozenset()


def test_the_review_speaks_of_the_shipped_list():
    with COINS_FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["symbol"] for row in rows} >= SYMBOLS_OF_MORE
    assert {row["name"] for row in rows} >= NAMES_OF_MORE
    assert {row["coin_id"] for row in rows} >= set(ALSO_CALLED)


def test_every_coin_of_the_list_can_be_found():
    for coin in read_coins():
        assert LISTED.of(f"up: ${coin.symbol.lower()}!") == {coin.symbol.upper()}
        if coin.name not in NAMES_OF_MORE:
            assert LISTED.of(f"(“{coin.name}”)") == {coin.symbol.upper()}
        else:
            assert LISTED.of(f"{coin.name} ({coin.symbol})") == {coin.symbol.upper()}


@pytest.mark.slow
def test_recorded_articles(recordings):
    """Seven thousand of them, beside a plain search for coins whose name and symbol mean nothing else."""
    with (recordings / "news" / "cryptonews_2021_2022.csv").open(newline="", encoding="utf-8") as file:
        texts = [f"{row['title']}\n{row['text']}" for row in csv.DictReader(file, delimiter=";")]
    for name, symbol in (("solana", "SOL"), ("cardano", "ADA"), ("polkadot", "DOT"), ("litecoin", "LTC")):
        by_name = {text for text in texts if re.search(rf"(?<!\w){name}(?!\w)", text.lower())}
        at_all = {text for text in texts if name in text.lower() or symbol in text or f"${symbol}".lower() in text}
        found = {text for text in texts if symbol in LISTED.of(text)}
        assert len(by_name) > 10
        assert by_name <= found <= at_all
