"""The upkeep of the platform itself."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from bitpredict.storage.raw import oldest_kept
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
    """Compacts small files within their days and deletes what no version inside the retention needs; also what
    sources answered longer ago than that is kept."""
    retention = timedelta(days=platform.settings.vacuum_after_days)
    done = {name: platform.lake.maintain(contract, retention) for name, contract in CONTRACTS.items()}
    pruned = platform.raw.prune(oldest_kept(datetime.now(UTC), platform.settings.raw_retention_days))
    said = {name: vars(result) for name, result in done.items()}
    context.add_output_metadata({**said, "raw answers deleted": pruned})
