"""How time is cut: days (UTC) for data and forecasts, months for models, both from the market's calendar."""

from datetime import date, timedelta

import dagster as dg

from bitpredict.features.catalog import LOOKBACK
from bitpredict.forecasting.months import HISTORY_MONTHS
from bitpredict.market.time import DAY, utc
from bitpredict.settings import load_settings

LOOKBACK_DAYS = -(-LOOKBACK // DAY)
"""Whole days that the longest feature window reaches back; also the days that a repaired minute invalidates."""

_start, _end = load_settings().calendar()
_open = _end is None

daily = dg.DailyPartitionsDefinition(start_date=_start, end_date=_end, end_offset=1 if _open else 0)
monthly = dg.MonthlyPartitionsDefinition(
    start_date=_start.replace(day=1),
    end_date=(_end + timedelta(days=31)).replace(day=1) if _end and _end.day != 1 else _end,
    end_offset=1 if _open else 0,
)


streamed = dg.DailyPartitionsDefinition(
    start_date=utc(date(2017, 8, 17)),  # the first day of the oldest of the live lane's exchanges
    end_offset=2,  # tomorrow too: around midnight an exchange's clock may be ahead of ours
)
"""Days of what the live lane brings, whatever the batch market's calendar is: open-ended."""


quoted = dg.DailyPartitionsDefinition(start_date=utc(date(2013, 4, 28)), end_offset=1)
"""Days of CoinGecko's charts, from its first one on: open-ended."""


told = dg.DailyPartitionsDefinition(start_date=utc(date(2013, 4, 28)), end_offset=1)
"""Days on which news were first seen, open-ended and as old as those of quotes: no feed reaches back so far."""


def reaching_back(days: int) -> dg.TimeWindowPartitionMapping:
    """A day together with the `days` before it."""
    return dg.TimeWindowPartitionMapping(start_offset=-days)


history_before_the_month = dg.TimeWindowPartitionMapping(start_offset=-HISTORY_MONTHS, end_offset=-1)
month_of_the_day = dg.TimeWindowPartitionMapping()
