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
    kept = timedelta(days=settings.predictions_retention_days)
    of_exchanges = [spec for exchange in live_exchanges(settings) for spec in exchange_specs(settings, exchange)]
    return (*_with_twin(settings, PREDICTIONS, kept), *of_exchanges)


def exchange_specs(settings: Settings, exchange: str) -> tuple[TopicSpec, ...]:
    """The topics of one exchange, each with its rejected twin."""
    trades = timedelta(hours=settings.trades_retention_hours)
    candles = timedelta(days=settings.candles_retention_days)
    return (
        *_with_twin(settings, trades_topic(exchange), trades),
        *_with_twin(settings, candles_topic(exchange), candles),
    )


def _with_twin(settings: Settings, topic: str, kept: timedelta) -> tuple[TopicSpec, ...]:
    names = (topic, rejected_topic(topic))
    return tuple(TopicSpec(name, settings.event_log_partitions, kept) for name in names)
