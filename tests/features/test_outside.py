"""Sentiment and breadth beside candles, against an oracle that looks through every row at each origin."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bitpredict.errors import ContractError
from bitpredict.features.breadth import MARKET_BREADTH
from bitpredict.features.catalog import FEATURE_TABLE, MARKET_FEATURES
from bitpredict.features.lookahead import prefix_invariance
from bitpredict.features.outside import FEATURES, Outside, outside_columns
from bitpredict.features.table import features_between
from bitpredict.market.coins import read_coins
from bitpredict.storage.contracts import HOURLY_SENTIMENT
from bitpredict.text.hourly import hourly_sentiment
from bitpredict.text.mentions import Mentions

MIDNIGHT = datetime(2023, 11, 11, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SENTIMENT = ("mean", "dispersion", "share_negative", "articles")
BREADTH = ("coins", "share_up_1h", "share_up_24h", "median_return_1h", "dispersion_1h")
MENTIONS = Mentions(read_coins())


def sentiment(*rows: dict[str, object]) -> pa.Table:
    """Rows of HOURLY_SENTIMENT; an hour's is known ten minutes before it unless a row says otherwise."""
    usual = {"source": "all", "coin": "all", "articles": 3, "mean": 0.1, "dispersion": 0.2, "share_negative": 0.0}
    made = [
        usual | {"model": "vader", "provenance": "observed", "known_at": row["hour"] - 10 * MINUTE} | row
        for row in rows
    ]
    return HOURLY_SENTIMENT.conform(pa.Table.from_pylist(made, schema=HOURLY_SENTIMENT.schema))


def breadth(*rows: dict[str, object]) -> pa.Table:
    usual = {"coins": 90, "share_up_1h": 0.5, "share_up_24h": None, "median_return_1h": 0.01, "dispersion_1h": 0.02}
    made = [usual | {"provenance": "observed", "known_at": row["origin"] - MINUTE} | row for row in rows]
    return MARKET_BREADTH.conform(pa.Table.from_pylist(made, schema=MARKET_BREADTH.schema))


def columns(outside: Outside, *origins: datetime, symbol: str = "BTCUSDT") -> list[dict[str, object]]:
    """What each origin is told, nulls as None."""
    rows = pa.table({"symbol": [symbol] * len(origins), "origin": pa.array(origins, pa.timestamp("us", tz="UTC"))})
    found = outside_columns(rows, outside)
    return pa.table({name: pa.array(values, from_pandas=True) for name, values in found.items()}).to_pylist()


def expected(hours: list, wides: list, symbol: str, origin: datetime) -> dict[str, object]:
    def usable(rows: list, time: str, delay: timedelta) -> list[dict[str, object]]:
        return [row for row in rows if row[time] + delay <= origin and row["known_at"] <= origin]

    def newest(rows: list[dict[str, object]], time: str, within: timedelta) -> dict[str, object]:
        return max([row for row in rows if origin - row[time] <= within], key=lambda row: row[time], default={})

    stories = [row for row in usable(hours, "hour", 20 * MINUTE) if row["source"] == "all"]
    everything = [row for row in stories if row["coin"] == "all"]
    whole = newest(everything, "hour", 3 * HOUR)
    own = next((r for r in stories if r["coin"] == symbol[:-4] and r["hour"] == whole.get("hour")), {})
    if whole and not own:
        own = {"articles": 0}
    market = usable(wides, "origin", 10 * MINUTE)
    wide = newest(market, "origin", 20 * MINUTE)
    kinds = [row["provenance"] for row in (whole, wide) if row]
    return {
        **{f"sentiment_{name}_24h": whole.get(name) for name in SENTIMENT},
        **{f"sentiment_{name}_24h_own": own.get(name) for name in SENTIMENT},
        **{f"breadth_{name}": wide.get(name) for name in BREADTH},
        "sentiment_coverage": sum(row["hour"] > origin - 20 * MINUTE - DAY for row in everything) / 24,
        "breadth_coverage": sum(row["origin"] > origin - 10 * MINUTE - HOUR for row in market) / 12,
        "outside_provenance": max(kinds, key=["observed", "repaired", "simulated"].index, default=None),
    }


@pytest.fixture(scope="module")
def outside() -> Outside:
    """A day before midnight and the day after it: hours and minutes missing, rows known late, single articles."""
    random = np.random.default_rng(3)
    hours, wide = [], []
    for back in range(48):
        hour = MIDNIGHT - DAY + back * HOUR
        for source, coin, there in (("all", "all", 0.8), ("all", "BTC", 0.6), ("all", "ETH", 0.3), ("feed", "all", 1)):
            if random.random() < there and not 30 <= back < 36:
                articles = int(random.integers(1, 4))
                row = {
                    "hour": hour,
                    "source": source,
                    "coin": coin,
                    "articles": articles,
                    "mean": random.uniform(-1, 1),
                }
                row |= {"dispersion": random.random() if articles > 1 else None, "share_negative": random.random()}
                row |= {"provenance": random.choice(["observed", "simulated"], p=[0.9, 0.1])}
                late = random.choice([-40, 0, 25, 130], p=[0.7, 0.1, 0.1, 0.1])
                hours.append(row | {"known_at": hour + int(late) * MINUTE})
    for step in range(12 * 48):
        if random.random() < 0.7 and not 390 <= step < 410:
            origin = MIDNIGHT - DAY + 5 * step * MINUTE
            late = int(random.choice([-2, 3, 12], p=[0.8, 0.1, 0.1]))
            wide.append(
                {
                    "origin": origin,
                    "share_up_1h": random.random(),
                    "share_up_24h": 0.3,
                    "known_at": origin + late * MINUTE,
                }
            )
    # The rows of the whole of an hour hold those of its coins: known no earlier.
    last = {row["hour"]: max(r["known_at"] for r in hours if r["hour"] == row["hour"]) for row in hours}
    hours = [row | ({"known_at": last[row["hour"]]} if row["coin"] == "all" else {}) for row in hours]
    return Outside(sentiment(*hours), breadth(*wide))


def test_every_origin_is_told_what_looking_through_all_rows_gives(outside):
    origins = [MIDNIGHT + 5 * n * MINUTE for n in range(288)]
    hours, wides = outside.sentiment.to_pylist(), outside.breadth.to_pylist()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        wanted = [expected(hours, wides, symbol, origin) for origin in origins]
        assert columns(outside, *origins, symbol=symbol) == wanted
    found = columns(outside, *origins, symbol="ETHUSDT")
    for name in found[0]:  # each is there somewhere, and missing somewhere
        assert {row[name] is None for row in found} == ({False} if name.endswith("coverage") else {True, False}), name


@pytest.mark.parametrize(
    ("rows", "mean"),
    [
        pytest.param([], None, id="nothing is collected"),
        pytest.param([{"hour": MIDNIGHT - HOUR}], 0.1, id="of an hour ago"),
        pytest.param([{"hour": MIDNIGHT - 20 * MINUTE}], 0.1, id="as old as it takes to be there"),
        pytest.param([{"hour": MIDNIGHT - 15 * MINUTE}], None, id="not there for everybody yet"),
        pytest.param([{"hour": MIDNIGHT - 3 * HOUR}], 0.1, id="three hours old"),
        pytest.param([{"hour": MIDNIGHT - 4 * HOUR}], None, id="too old"),
        pytest.param([{"hour": MIDNIGHT + HOUR, "known_at": MIDNIGHT - MINUTE}], None, id="an hour that is not over"),
        pytest.param([{"hour": MIDNIGHT - HOUR, "known_at": MIDNIGHT + MINUTE}], None, id="known a minute later"),
        pytest.param(
            [
                {"hour": MIDNIGHT - HOUR, "known_at": MIDNIGHT + MINUTE},
                {"hour": MIDNIGHT - 2 * HOUR, "mean": -0.4},
            ],
            -0.4,
            id="the hour before while the newest is not known",
        ),
        pytest.param([{"hour": MIDNIGHT - HOUR, "source": "feed"}], None, id="of one feed alone"),
        pytest.param([{"hour": MIDNIGHT - HOUR, "coin": "BTC"}], None, id="of one coin alone"),
    ],
)
def test_which_row_counts(rows, mean):
    (found,) = columns(Outside(sentiment=sentiment(*rows)), MIDNIGHT)
    assert found["sentiment_mean_24h"] == mean
    assert (found["sentiment_articles_24h"], found["sentiment_articles_24h_own"]) == ((3, 0) if mean else (None, None))
    assert found["outside_provenance"] == (None if mean is None else "observed")


def test_what_nobody_collects_is_null_with_a_coverage_of_zero():
    (found,) = columns(Outside(), MIDNIGHT)
    coverage = {"sentiment_coverage", "breadth_coverage"}
    assert found == {**dict.fromkeys((f.name for f in FEATURES), None), "outside_provenance": None} | dict.fromkeys(
        coverage, 0.0
    )


def test_an_unknown_provenance_is_refused():
    with pytest.raises(ContractError, match="hourly_sentiment have the provenance 'heard'"):
        columns(Outside(sentiment=sentiment({"hour": MIDNIGHT, "provenance": "heard"})), MIDNIGHT)


def article(name: str, first_seen_at: datetime, score: float) -> dict[str, object]:
    return {
        "article_id": name,
        "source": "one",
        "title": "Bitcoin slides",
        "summary": "",
        "duplicate_of": None,
        "provenance": "observed",
        "model": "vader",
        "model_version": "1",
        "label": "negative",
        "score": score,
        "first_seen_at": first_seen_at,
        "scored_at": first_seen_at,
    }


def test_an_article_first_seen_after_an_origin_moves_the_feature_only_from_then_on(only_bitcoin):
    """From the article to the feature table: an article's own date does not exist here, only when it was seen."""

    def means(seen: datetime) -> list[float]:
        judged = pd.DataFrame([article("a", MIDNIGHT - 5 * HOUR, 0.5), article("b", seen, -0.9)])
        hours = [MIDNIGHT + n * HOUR for n in range(-2, 4)]
        table = hourly_sentiment(judged, hours, MENTIONS)
        rows = features_between(only_bitcoin, MIDNIGHT, MIDNIGHT + 3 * HOUR, Outside(sentiment=table))
        assert rows["sentiment_mean_24h"].equals(rows["sentiment_mean_24h_own"])
        return rows["sentiment_mean_24h"].to_pylist()

    before, on_the_hour, after = (means(MIDNIGHT + HOUR + shift * MINUTE) for shift in (-1, 0, 1))
    assert before == on_the_hour == [0.5] * 16 + [pytest.approx(-0.2)] * 20
    assert after == [0.5] * 28 + [pytest.approx(-0.2)] * 8


def test_a_whole_day_of_hours_is_a_coverage_of_one_at_every_origin():
    """The hour that just ended is missed by nobody until its row is due."""
    hours = sentiment(*({"hour": MIDNIGHT - n * HOUR} for n in range(-1, 26)))
    steps = breadth(*({"origin": MIDNIGHT - 5 * n * MINUTE} for n in range(-12, 14)))
    found = columns(Outside(hours, steps), *(MIDNIGHT + n * MINUTE for n in range(60)))
    assert {(row["sentiment_coverage"], row["breadth_coverage"]) for row in found} == {(1.0, 1.0)}


def test_what_is_stored_in_time_is_seen_live_as_it_is_seen_later():
    """Each minute, with what a live process finds in the lake: an hour's row nineteen minutes after it, or if that
    round of news was the second one, and five minutes of breadth nine minutes after them."""
    hours = sentiment(*({"hour": MIDNIGHT - n * HOUR, "mean": n / 10} for n in range(-3, 26)))
    steps = breadth(*({"origin": MIDNIGHT - 5 * n * MINUTE, "share_up_1h": n % 7 / 7} for n in range(-36, 14)))
    moments = [MIDNIGHT + n * MINUTE for n in range(180)]
    for now, later in zip(moments, columns(Outside(hours, steps), *moments), strict=True):
        stored = hours.filter(pc.less_equal(hours["hour"], pa.scalar(now - 19 * MINUTE)))
        there = Outside(stored, steps.filter(pc.less_equal(steps["origin"], pa.scalar(now - 9 * MINUTE))))
        assert columns(there, now) == [later]


def test_the_columns_of_candles_are_what_they_were_without(only_bitcoin, outside):
    span = MIDNIGHT, MIDNIGHT + HOUR
    alone, beside = features_between(only_bitcoin, *span), features_between(only_bitcoin, *span, outside)
    names = ["symbol", "origin", "provenance", "known_at", *(feature.name for feature in MARKET_FEATURES)]
    assert alone.select(names).equals(beside.select(names))
    assert alone.schema == beside.schema == FEATURE_TABLE.schema
    assert {alone[feature.name].null_count for feature in FEATURES} == {alone.num_rows}
    assert beside["sentiment_mean_24h"].null_count == 0


class TestPrefixInvariance:
    def test_the_columns_pass(self, only_bitcoin, outside):
        results = prefix_invariance(features_between, only_bitcoin, MIDNIGHT, MIDNIGHT + DAY, 4, outside=outside)
        assert {result.feature for result in results} >= {feature.name for feature in FEATURES}
        assert all(result.passed for result in results)

    @pytest.mark.slow
    def test_a_join_on_the_rows_own_time_is_caught(self, only_bitcoin, outside):
        """As if a row could be used from its own time on, whenever it became known."""

        def by_its_own_time(candles: pa.Table, start: datetime, end: datetime, outside: Outside) -> pa.Table:
            def known_at_once(table: pa.Table, time: str) -> pa.Table:
                return table.set_column(table.column_names.index("known_at"), "known_at", table[time])

            early = Outside(known_at_once(outside.sentiment, "hour"), known_at_once(outside.breadth, "origin"))
            return features_between(candles, start, end, early)

        results = prefix_invariance(by_its_own_time, only_bitcoin, MIDNIGHT, MIDNIGHT + DAY, 24, outside=outside)
        leaking = {result.feature for result in results if not result.passed}
        assert {"sentiment_mean_24h", "breadth_share_up_1h", "breadth_coverage"} <= leaking
        assert not leaking & {feature.name for feature in MARKET_FEATURES}
