"""Market breadth against an oracle that looks through every quote, one origin and one coin at a time."""

import math
import statistics
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from bitpredict.errors import ContractError
from bitpredict.features.breadth import MARKET_BREADTH, REACH, market_breadth

NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
COINS = ["bitcoin", "ethereum", "tether"]


def quotes(*rows: tuple[str, timedelta, float], late: timedelta = timedelta(seconds=3), **more: object) -> pd.DataFrame:
    """Quotes observed so long after noon, received `late` after that."""
    frame = pd.DataFrame(
        [(coin, NOON + after, price, "observed", NOON + after + late) for coin, after, price in rows],
        columns=["coin_id", "observed_at", "price", "provenance", "known_at"],
    )
    return frame.assign(**more)


def at_noon(frame: pd.DataFrame, coins: list[str] = COINS) -> dict[str, object] | None:
    rows = market_breadth(frame, coins, NOON, NOON + 5 * MINUTE).to_pylist()
    return rows[0] if rows else None


def expected(frame: pd.DataFrame, coins: list[str], origin: datetime) -> dict[str, object] | None:
    reached = frame[frame["observed_at"].between(origin - DAY - 15 * MINUTE, origin)].to_dict("records")

    def quote(coin: str, instant: datetime) -> dict[str, object] | None:
        fit = [
            row
            for row in reached
            if row["coin_id"] == coin
            and instant - 15 * MINUTE <= row["observed_at"] <= instant
            and row["known_at"] <= origin
        ]
        return max(fit, key=lambda row: row["observed_at"], default=None)

    pairs = {
        ago: [(now, then) for coin in coins if (now := quote(coin, origin)) and (then := quote(coin, origin - ago))]
        for ago in (HOUR, DAY)
    }
    if not pairs[HOUR]:
        return None
    returns = [math.log(now["price"]) - math.log(then["price"]) for now, then in pairs[HOUR]]
    up = {ago: [now["price"] > then["price"] for now, then in found] for ago, found in pairs.items()}
    used = [row for found in pairs.values() for pair in found for row in pair]
    return {
        "origin": origin,
        "coins": len(returns),
        "share_up_1h": sum(up[HOUR]) / len(returns),
        "share_up_24h": sum(up[DAY]) / len(up[DAY]) if up[DAY] else None,
        "median_return_1h": pytest.approx(statistics.median(returns), rel=1e-9, abs=1e-12),
        "dispersion_1h": pytest.approx(statistics.stdev(returns), rel=1e-9, abs=1e-12) if len(returns) > 1 else None,
        "provenance": max((row["provenance"] for row in used), key=["observed", "repaired", "simulated"].index),
        "known_at": max(row["known_at"] for row in used),
    }


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    """Two days and a half of six coins about every five minutes: holes, quotes that came late, one history."""
    random = np.random.default_rng(5)
    parts = []
    for number, coin in enumerate(["bitcoin", "dogecoin", "ethereum", "solana", "tether", "tron"]):
        moments = pd.date_range(NOON - 2.5 * DAY, NOON, freq="5min") - pd.Timedelta(seconds=37 + number)
        seconds = random.choice([4, 60, 700, 90_000], moments.size, p=[0.8, 0.1, 0.07, 0.03])
        part = pd.DataFrame({"coin_id": coin, "observed_at": moments})
        part["price"] = 10.0 ** (number - 3) * np.exp(np.cumsum(random.normal(0, 0.002, moments.size))).round(3)
        part["known_at"] = part["observed_at"] + pd.to_timedelta(seconds, unit="s")
        part["provenance"] = random.choice(["observed", "repaired", "simulated"], moments.size, p=[0.97, 0.02, 0.01])
        parts.append(part[random.random(moments.size) > (0.9 if coin == "tron" else 0.15)])
    return pd.concat(parts).sample(frac=1.0, random_state=7)


def test_every_origin_is_what_looking_through_all_quotes_gives(market):
    coins = ["bitcoin", "dogecoin", "ethereum", "nothing", "solana", "tron"]  # tether is not of the list
    start = NOON - 0.75 * DAY
    table = market_breadth(market, coins, start, NOON)
    assert table.schema.equals(MARKET_BREADTH.schema, check_metadata=True)
    wanted = {origin: expected(market, coins, origin) for origin in pd.date_range(start, NOON, freq="65min")}
    found = {row["origin"]: row for row in table.to_pylist()}
    assert {origin: found.get(origin) for origin in wanted if origin < NOON} == {
        origin: row for origin, row in wanted.items() if origin < NOON
    }
    assert {row["provenance"] for row in found.values()} == {"observed", "repaired", "simulated"}


def test_an_origin_alone_has_the_bits_of_the_range_and_sees_nothing_received_later(market):
    whole = market_breadth(market, COINS, NOON - HOUR, NOON)
    for origin in whole["origin"].to_pylist():
        until = market[(market["known_at"] <= origin) & (market["observed_at"] >= origin - REACH)]
        alone = market_breadth(until, COINS, origin, origin + 5 * MINUTE)
        assert alone.to_pylist() == [row for row in whole.to_pylist() if row["origin"] == origin]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        pytest.param([], None, id="no quotes"),
        pytest.param([("bitcoin", -MINUTE, 2.0)], None, id="none an hour before"),
        pytest.param([("bitcoin", -HOUR, 2.0)], None, id="none at the origin"),
        pytest.param([("bitcoin", -MINUTE, 2.0), ("ethereum", -HOUR, 1.0)], None, id="of two coins"),
        pytest.param(
            [("bitcoin", -15 * MINUTE, 2.0), ("bitcoin", -75 * MINUTE, 1.0)], (1, 1.0, None), id="15 minutes old"
        ),
        pytest.param([("bitcoin", -16 * MINUTE, 2.0), ("bitcoin", -HOUR, 1.0)], None, id="too old"),
        pytest.param([("bitcoin", -MINUTE, 2.0), ("bitcoin", -HOUR, 2.0)], (1, 0.0, None), id="the same is not up"),
        pytest.param([("dogecoin", -MINUTE, 2.0), ("dogecoin", -HOUR, 1.0)], None, id="not of the list"),
        pytest.param(
            [("bitcoin", -MINUTE, 2.0), ("bitcoin", -HOUR, 1.0), ("tether", -MINUTE, 1.0), ("tether", -DAY, 2.0)],
            (1, 1.0, 0.0),
            id="a coin with a quote a day before alone",
        ),
    ],
)
def test_which_quotes_count(rows, wanted):
    found = at_noon(quotes(*rows))
    assert (found and (found["coins"], found["share_up_1h"], found["share_up_24h"])) == wanted


def test_a_quote_that_was_received_after_the_origin_does_not_count():
    rows = [("bitcoin", -6 * MINUTE, 2.0), ("bitcoin", -MINUTE, 0.5), ("bitcoin", -HOUR, 1.0)]
    assert at_noon(quotes(*rows, late=MINUTE))["share_up_1h"] == 0.0
    assert at_noon(quotes(*rows, late=MINUTE + timedelta(microseconds=1)))["share_up_1h"] == 1.0
    assert at_noon(quotes(*rows, known_at=pd.Timestamp(NOON + DAY))) is None  # history fetched a day later


def test_a_single_coin_has_no_dispersion_and_zero_is_a_dispersion():
    one = at_noon(quotes(("bitcoin", -MINUTE, 2.0), ("bitcoin", -HOUR, 1.0)))
    assert (one["dispersion_1h"], one["median_return_1h"]) == (None, math.log(2.0))
    two = quotes(*((coin, after, 3.0) for coin in COINS for after in (-MINUTE, -HOUR)))
    assert at_noon(two)["dispersion_1h"] == 0.0


def test_an_unknown_provenance_is_refused():
    with pytest.raises(ContractError, match="'guessed'"):
        at_noon(quotes(("bitcoin", -MINUTE, 2.0), ("bitcoin", -HOUR, 1.0), provenance="guessed"))


def test_ranges_between_full_five_minutes_hold_the_origins_inside():
    frame = quotes(("bitcoin", 2 * MINUTE, 2.0), ("bitcoin", -58 * MINUTE, 1.0))
    assert market_breadth(frame, COINS, NOON + MINUTE, NOON + 10 * MINUTE)["origin"].to_pylist() == [NOON + 5 * MINUTE]
    assert market_breadth(frame, COINS, NOON + MINUTE, NOON + 5 * MINUTE).num_rows == 0
