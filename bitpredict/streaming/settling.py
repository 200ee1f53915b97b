"""From an engine's outputs to the ledger's rows and the topics' messages: the only place that looks at the clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from bitpredict.forecasting.inference import COLUMNS
from bitpredict.market.horizons import HORIZONS, TICK
from bitpredict.market.time import EPOCH
from bitpredict.storage.ledger import QUANTILES
from bitpredict.streaming.engine import Outputs
from bitpredict.streaming.log import Message
from bitpredict.streaming.messages import Prediction, encode
from bitpredict.streaming.topics import PREDICTIONS, candles_topic, rejected_topic

_EVERY = {horizon.name: horizon.every for horizon in (TICK, *HORIZONS)}
_SAME = tuple(name for name in COLUMNS if name in Prediction.__struct_fields__)


@dataclass(frozen=True)
class Settled:
    """What is to be stored.

    Attributes:
        predictions: with `kind` and `written_at`.
        messages: (topic, message), predictions first.
    """

    predictions: Sequence[Prediction]
    messages: Sequence[tuple[str, Message]]


def settle(outputs: Outputs, now: datetime) -> Settled:
    """Stamp what was made with the clock. A forecast from a recording is a backtest whatever its times say."""
    stamp = round(now.timestamp() * 1000)
    predictions = [
        msgspec.structs.replace(
            one, kind="live" if one.target_time > now and not one.replayed else "backtest", written_at=now
        )
        for one in outputs.predictions
    ]
    messages = [(PREDICTIONS, Message(one.symbol, encode(one), stamp)) for one in predictions]
    messages += [(candles_topic(one.exchange), Message(one.symbol, encode(one), stamp)) for one in outputs.candles]
    messages += [(rejected_topic(topic), Message(one.source, encode(one), stamp)) for topic, one in outputs.rejected]
    return Settled(predictions, messages)


def ledger_rows(predictions: Sequence[Prediction]) -> list[dict[str, object]]:
    """Those on their horizon's beat, as rows of `schema.forecasts`: live and batch share one grid of origins."""
    return [
        {name: getattr(one, name) for name in _SAME} | dict(zip(QUANTILES, one.quantiles, strict=True))
        for one in predictions
        if _on_the_beat(one)
    ]


def _on_the_beat(one: Prediction) -> bool:
    return (one.origin - EPOCH) % _EVERY[one.horizon] == timedelta(0)
