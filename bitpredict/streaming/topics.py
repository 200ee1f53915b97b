"""The topics' names, and how each is made."""

from datetime import timedelta

from bitpredict.settings import Settings
from bitpredict.streaming.log import TopicSpec

PREDICTIONS = "predictions"
_LIVE: dict[str, tuple[str, ...]] = {
    "sample": ("binance", "coinbase"),
    "archive": (),
    "binance": ("binance",),
    "coinbase": ("coinbase",),
    "simulated": ("simulated",),
}


def trades_topic(exchange: str) -> str:
    return f"{exchange}-trades"


def candles_topic(exchange: str) -> str:
    return f"{exchange}-candles"


def rejected_topic(topic: str) -> str:
    """Where the messages of `topic` go that cannot be used."""
    return f"{topic}-rejected"


def exchange_of(topic: str) -> str:
    """`binance` of `binance-trades`."""
    return topic.rpartition("-")[0]


def live_exchanges(settings: Settings) -> tuple[str, ...]:
    """Whose topics the market has: the sample replays candles of Binance and ticks of Coinbase; archives none."""
    return _LIVE[settings.market]


def topic_specs(settings: Settings) -> tuple[TopicSpec, ...]:
    """Every topic of the market, each with its rejected twin."""
    partitions, days = settings.event_log_partitions, timedelta(days=1)
    trades = timedelta(hours=settings.trades_retention_hours)
    kept = {PREDICTIONS: settings.predictions_retention_days * days}
    for exchange in live_exchanges(settings):
        kept |= {trades_topic(exchange): trades, candles_topic(exchange): settings.candles_retention_days * days}
    return tuple(
        TopicSpec(name, partitions, retention)
        for topic, retention in kept.items()
        for name in (topic, rejected_topic(topic))
    )
