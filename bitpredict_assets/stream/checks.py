"""Parity: what the predictor wrote live is what batch makes of the same messages."""

from datetime import date

import dagster as dg

from bitpredict.streaming.topics import live_exchanges
from bitpredict_assets.resources import Platform
from bitpredict_assets.stream.assets import streamed_trades


class CheckedDay(dg.Config):
    """The UTC day to check (`2024-03-05`); by default that of each exchange's newest forecast."""

    day: str = ""


@dg.asset_check(
    asset=streamed_trades,
    description="bars, features and forecasts made in batch equal what the predictor wrote, to the last bit",
)
def parity(context: dg.AssetCheckExecutionContext, config: CheckedDay, platform: Platform) -> dg.AssetCheckResult:
    """Of one day of each exchange. What could not be compared is counted with its reason."""
    from bitpredict.streaming.open_log import open_event_log
    from bitpredict.streaming.parity_inputs import check_day, newest_day
    from bitpredict.streaming.tick_store import TickModelStore

    ticks = TickModelStore.from_settings(platform.settings)
    days: dict[str, date] = {}
    found = {}
    with open_event_log(platform.settings) as log:
        for exchange in live_exchanges(platform.settings):
            day = date.fromisoformat(config.day) if config.day else newest_day(log, exchange)
            if day is not None:
                days[exchange] = day
                found[exchange] = check_day(
                    log, platform.lake, platform.models, ticks, platform.settings, exchange, day
                )
    different = {exchange: each.first_difference for exchange, each in found.items() if each.differences}
    compared = sum(each.compared.total() for each in found.values())
    context.log.info(f"{compared} bars and forecasts compared")
    return dg.AssetCheckResult(
        passed=not different and compared > 0,
        severity=dg.AssetCheckSeverity.ERROR if different else dg.AssetCheckSeverity.WARN,
        metadata={
            "days": {exchange: f"{day}" for exchange, day in days.items()},
            "compared": {exchange: dict(each.compared) for exchange, each in found.items()},
            "not comparable": {exchange: dict(each.incomparable) for exchange, each in found.items()},
            "differences": {exchange: each.differences for exchange, each in found.items()},
            "first difference": different,
        },
    )
