"""The upkeep of the platform itself."""

from datetime import timedelta

import dagster as dg

from bitpredict_assets.describe import OWNERS
from bitpredict_assets.io_manager import CONTRACTS
from bitpredict_assets.resources import Platform


@dg.asset(
    group_name="platform",
    kinds={"deltalake"},
    owners=OWNERS,
    tags={"domain": "platform"},
    deps=list(CONTRACTS),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def lake_maintenance(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Compacts small files within their days and deletes what no version inside the retention needs."""
    retention = timedelta(days=platform.settings.vacuum_after_days)
    done = {name: platform.lake.maintain(contract, retention) for name, contract in CONTRACTS.items()}
    context.add_output_metadata({name: vars(result) for name, result in done.items()})
