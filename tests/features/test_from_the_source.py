"""The seam to the sources: features of what the platform itself collects."""

from datetime import UTC, datetime, timedelta

from bitpredict.features.catalog import MARKET_FEATURES
from bitpredict.features.table import features_between
from bitpredict.market.candles import canonical
from bitpredict.sources.candles import choose_source, collect


def test_candles_that_the_platform_collects_give_the_features_of_the_tests_own_reading(settings, fortnight):
    start, end = datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 11, 15, tzinfo=UTC)
    collected = collect(choose_source(settings), ["BTCUSDT", "ETHUSDT"], start, end)
    last = end - timedelta(hours=1), end
    ours, theirs = (features_between(candles, *last) for candles in (canonical(collected.candles), fortnight))
    assert ours.equals(theirs)
    assert ours.num_rows == 24


def test_a_simulated_market_has_every_feature_of_candles_and_says_what_it_is(settings):
    market = settings.model_copy(update={"market": "simulated"})
    start, end = datetime(2023, 11, 1, tzinfo=UTC), datetime(2023, 11, 11, tzinfo=UTC)
    candles = canonical(collect(choose_source(market), ["BTCUSDT", "ETHUSDT"], start, end).candles)
    table = features_between(candles, end - timedelta(hours=1), end)
    assert set(table["provenance"].to_pylist()) == {"simulated"}
    assert {f.name: table[f.name].null_count for f in MARKET_FEATURES if table[f.name].null_count} == {}
