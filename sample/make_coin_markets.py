"""Makes `coin_markets.jsonl.gz`: invented answers of CoinGecko's /coins/markets. Run it when the list of coins changes.

Every price is made up: a common factor and each coin's own noise, from starting prices of about the right size. Run in
the repository's root: `.venv/bin/python -m sample.make_coin_markets`.
"""

import gzip
import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bitpredict.market.coins import Coin, read_coins

FILE = Path(__file__).with_name("coin_markets.jsonl.gz")
FIRST, LAST = datetime(2023, 12, 30, 20, 55, tzinfo=UTC), datetime(2023, 12, 31, 23, 55, tzinfo=UTC)
STEP = timedelta(minutes=15)
STEPS_A_DAY = timedelta(days=1) // STEP

DOLLARS = ("tether", "usd-coin", "dai", "true-usd", "first-digital-usd", "usdd")
PRICES = {  # dollars, rounded by hand; what is not here gets a random one
    **dict.fromkeys(DOLLARS, 1.0),
    "bitcoin": 42_000.0,
    "ethereum": 2_300.0,
    "binancecoin": 310.0,
    "solana": 100.0,
    "ripple": 0.6,
    "cardano": 0.6,
    "avalanche-2": 40.0,
    "dogecoin": 0.09,
    "polkadot": 8.0,
    "tron": 0.1,
    "chainlink": 15.0,
    "shiba-inu": 0.00001,
    "litecoin": 70.0,
    "bonk": 0.00001,
    "bittorrent": 0.000001,
    "sats-ordinals": 0.0000006,
}
VALUES = {"bitcoin": 820e9, "ethereum": 280e9, "tether": 90e9, "binancecoin": 48e9, "solana": 43e9, "ripple": 33e9}


def rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def walks(coins: tuple[Coin, ...], steps: int, chance: random.Random) -> list[dict[str, float]]:
    """At each step every coin's price."""
    prices = {coin.coin_id: PRICES.get(coin.coin_id, 10 ** chance.uniform(-1.5, 1.8)) for coin in coins}
    made = []
    for step in range(steps):
        common = 0.0016 * chance.gauss(0, 1) + 0.0006 * math.sin(step / 8)
        for coin in coins:
            if coin.coin_id in DOLLARS:
                prices[coin.coin_id] = 1 + 0.0004 * chance.gauss(0, 1)
            else:
                prices[coin.coin_id] *= math.exp(common + 0.003 * chance.gauss(0, 1))
        made.append(dict(prices))
    return made


def answer(coins: tuple[Coin, ...], day: list[dict[str, float]], supply: dict[str, float], at: datetime) -> list[Any]:
    """One answer, the largest coin first; `day` holds the prices of the last 24 hours."""
    rows = []
    for number, coin in enumerate(coins):
        past = [prices[coin.coin_id] for prices in day]
        price, before = past[-1], past[0]
        row = {
            "id": coin.coin_id,
            "symbol": coin.symbol.lower(),
            "name": coin.name,
            "current_price": rounded(price, 5),
            "market_cap": rounded(price * supply[coin.coin_id], 4),
            "market_cap_rank": None,
            "total_volume": rounded(price * supply[coin.coin_id] / (12 + number % 17), 3),
            "high_24h": rounded(max(past), 5),
            "low_24h": rounded(min(past), 5),
            "price_change_percentage_24h": rounded(100 * (price / before - 1), 3),
            "circulating_supply": supply[coin.coin_id],
            "max_supply": None,
            "roi": None,
            "last_updated": f"{at - timedelta(seconds=20 + number):%Y-%m-%dT%H:%M:%S.000Z}",
        }
        rows.append(row)
    rows.sort(key=lambda row: -row["market_cap"])
    for rank, row in enumerate(rows, start=1):
        row["market_cap_rank"] = rank
    return rows


def main() -> None:
    coins, chance = read_coins(), random.Random(20231231)  # noqa: S311 - not for secrets
    times = [FIRST + n * STEP for n in range((LAST - FIRST) // STEP + 1)]
    prices = walks(coins, STEPS_A_DAY + len(times), chance)
    first = prices[STEPS_A_DAY]
    values = {coin.coin_id: VALUES.get(coin.coin_id, 10 ** chance.uniform(8.6, 10.1)) for coin in coins}
    supply = {coin: rounded(value / first[coin], 6) for coin, value in values.items()}
    lines = [
        {"received_at": at.isoformat(), "answer": answer(coins, prices[n : n + STEPS_A_DAY + 1], supply, at)}
        for n, at in enumerate(times)
    ]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    FILE.write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
