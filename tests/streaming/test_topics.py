from datetime import timedelta

import pytest

from bitpredict.settings import Settings
from bitpredict.streaming.topics import PREDICTIONS, exchange_of, live_exchanges, topic_specs, trades_topic


@pytest.mark.parametrize(
    ("market", "exchanges"),
    [
        ("sample", {"binance", "coinbase"}),
        ("binance", {"binance"}),
        ("coinbase", {"coinbase"}),
        ("simulated", {"simulated"}),
        ("archive", set()),
    ],
)
def test_a_market_has_its_exchanges_topics_each_with_a_rejected_twin(market, exchanges):
    settings = Settings(market=market, event_log_partitions=3)
    assert set(live_exchanges(settings)) == exchanges
    expected = {PREDICTIONS} | {f"{exchange}-{kind}" for exchange in exchanges for kind in ("trades", "candles")}
    specs = {spec.name: spec for spec in topic_specs(settings)}
    assert set(specs) == expected | {f"{topic}-rejected" for topic in expected}
    assert {spec.partitions for spec in specs.values()} == {3}


def test_retention_follows_the_settings():
    settings = Settings(market="binance", trades_retention_hours=0.5, predictions_retention_days=2)
    kept = {spec.name: spec.retention for spec in topic_specs(settings)}
    assert kept["binance-trades"] == kept["binance-trades-rejected"] == timedelta(minutes=30)
    assert kept["binance-candles"] == timedelta(days=7)
    assert kept["predictions"] == timedelta(days=2)


def test_an_exchange_is_read_from_its_topic():
    assert exchange_of(trades_topic("binance")) == "binance"
