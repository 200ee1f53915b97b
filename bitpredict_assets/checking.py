"""Which rows a check looks at.

Checks carry no partitions of their own (Dagster would evaluate them once a partition), and an input of theirs would
load the whole table: they read the run's window from the store.
"""

from datetime import datetime, timedelta

import dagster as dg

from bitpredict.market.time import DAY, utc
from bitpredict.storage.contracts import Contract
from bitpredict.storage.lake import Lake

ALONE_DAYS = 30


def checked_window(context: dg.AssetCheckExecutionContext, lake: Lake, contract: Contract) -> tuple[datetime, datetime]:
    """The days of the run; for a check that runs alone, the newest 30 days stored."""
    run = context.op_execution_context
    if run.has_partition_key or run.has_partition_key_range:
        window = run.partition_time_window
        return window.start, window.end
    days = lake.days(contract)
    if not days:
        raise dg.Failure(f"{contract.table} is empty; materialize it before checking it")
    return utc(days[-1]) + DAY - timedelta(days=ALONE_DAYS), utc(days[-1]) + DAY
