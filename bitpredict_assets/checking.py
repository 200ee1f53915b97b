"""Which rows a check looks at.

Checks carry no partitions of their own (Dagster would evaluate them once a partition), and an input of theirs would
load the whole table: they read the run's window from the store.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import dagster as dg
from sqlalchemy import Engine

from bitpredict.market.time import DAY, utc
from bitpredict.settings import Settings
from bitpredict.storage.contracts import Contract
from bitpredict.storage.lake import Lake
from bitpredict.storage.ledger import latest_forecasts

ALONE_DAYS = 30


def checked_window(context: dg.AssetCheckExecutionContext, lake: Lake, contract: Contract) -> tuple[datetime, datetime]:
    """The days of the run; for a check that runs alone, the newest 30 days stored."""
    return _run_window(context) or _newest(contract.table, lake.days(contract))


def checked_origins(context: dg.AssetCheckExecutionContext, engine: Engine) -> tuple[datetime, datetime]:
    """The same for forecasts, which are in the ledger."""
    return _run_window(context) or _newest("batch_forecasts", list(latest_forecasts(engine)["origin"].dt.date))


def checked_days(context: dg.AssetCheckExecutionContext, settings: Settings) -> tuple[datetime, datetime]:
    """The same for what has a calendar of its own; for a check that runs alone, the newest 30 days there can be."""
    until = settings.collected_until()
    return _run_window(context) or (until - timedelta(days=ALONE_DAYS), until)


def _run_window(context: dg.AssetCheckExecutionContext) -> tuple[datetime, datetime] | None:
    run = context.op_execution_context
    if not (run.has_partition_key or run.has_partition_key_range):
        return None
    window = run.partition_time_window
    return window.start, window.end


def _newest(asset: str, days: Sequence[date]) -> tuple[datetime, datetime]:
    if not days:
        raise dg.Failure(f"{asset} is empty; materialize it before checking it")
    end = utc(max(days)) + DAY
    return end - timedelta(days=ALONE_DAYS), end
