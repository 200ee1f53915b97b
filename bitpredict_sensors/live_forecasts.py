"""The sensor that reports the predictor's forecasts as materializations of `live_forecasts`: batches, no runs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import dagster as dg

from bitpredict.errors import EventLogError
from bitpredict.market.time import utc
from bitpredict.settings import load_settings
from bitpredict.streaming.log import EventLog, Record
from bitpredict.streaming.messages import Prediction, decode_prediction
from bitpredict.streaming.ranges import Range, read_range
from bitpredict.streaming.topics import PREDICTIONS, live_exchanges
from bitpredict_assets.resources import Platform
from bitpredict_sensors import offsets
from bitpredict_sensors.newest_cursor import newest_cursor
from bitpredict_sensors.placing import limits, oldest, placed_now, states

_ASSET = dg.AssetKey("live_forecasts")


@dataclass
class _Batch:
    """Forecasts of one day of one partition of the topic."""

    first: int
    end: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    latest: dict[str, Prediction] = field(default_factory=dict)


@dg.sensor(
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING
    if live_exchanges(load_settings())
    else dg.DefaultSensorStatus.STOPPED,
    description="Reports what the predictor wrote: one materialization a partition of the topic, day and batch.",
)
def live_forecasts_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult | dg.SkipReason:
    from bitpredict.streaming.open_log import open_event_log

    cursor = offsets.parse(newest_cursor(context))
    try:
        with open_event_log(platform.settings) as log:
            return _tick(context, platform, log, cursor)
    except EventLogError as error:
        return dg.SkipReason(f"the event log is away: {error}")


def _tick(
    context: dg.SensorEvaluationContext, platform: Platform, log: EventLog, cursor: offsets.Cursor
) -> dg.SensorResult:
    now = datetime.now(UTC)
    topics = states(log, [PREDICTIONS])
    position, lost = placed_now(context, platform.engine, log, cursor, topics, _ASSET, now)
    ranges, bounds = offsets.waiting(position, topics), limits(platform.settings)
    why = offsets.why_wait(ranges, oldest(log, ranges), bounds, now)
    made: list[dg.AssetMaterialization] = []
    if why is None:
        taken = offsets.bite(ranges, bounds.bite)
        times: dict[tuple[str, int], int] = {}
        for each in taken:
            records = [record for page in read_range(log, each) for record in page]
            if records:
                times[each.topic, each.partition] = records[-1].timestamp
            found = list(_reported(each, records))
            if records and not found:
                context.log.warning(f"none of the {len(records)} messages of {each} is a forecast")
            made.extend(found)
        position = offsets.advanced(position, taken, times)
    return dg.SensorResult(
        asset_events=[*lost, *made], skip_reason=why or f"{len(made)} batches reported", cursor=offsets.dump(position)
    )


def _reported(of: Range, records: Sequence[Record]) -> Iterator[dg.AssetMaterialization]:
    """A materialization a day of origins, with what cannot be decoded counted on the first of them."""
    batches: dict[date, _Batch] = {}
    undecodable = 0
    for record in records:
        try:
            forecast = decode_prediction(record.value)
            day = utc(forecast.origin).date()
        except ValueError:  # no prediction, or one whose time could be any
            undecodable += 1
            continue
        batch = batches.setdefault(day, _Batch(record.offset))
        batch.end = record.offset + 1
        batch.counts[f"{forecast.symbol} {forecast.horizon} {forecast.model}"] += 1
        batch.kinds[forecast.kind] += 1
        batch.latest[f"{forecast.symbol} {forecast.horizon}"] = forecast
    for index, (day, batch) in enumerate(sorted(batches.items())):
        yield dg.AssetMaterialization(
            _ASSET,
            partition=f"{day}",
            metadata={
                "offsets": f"{of._replace(start=batch.first, end=batch.end)}",
                "forecasts": batch.counts.total(),
                "forecasts by symbol, horizon and model": dict(batch.counts),
                "backtest or live": dict(batch.kinds),
                "undecodable messages": 0 if index else undecodable,
                "latest": {name: _in_words(forecast) for name, forecast in batch.latest.items()},
            },
        )


def _in_words(forecast: Prediction) -> dict[str, object]:
    return {
        "origin": forecast.origin.isoformat(),
        "reference_price": forecast.reference_price,
        "q05": forecast.quantiles[0],
        "q95": forecast.quantiles[-1],
        "p_up": forecast.p_up,
        "realized_variance": forecast.realized_variance,
        "model": forecast.model,
        "model_version": forecast.model_version,
    }
