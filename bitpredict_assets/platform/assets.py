"""The upkeep of the platform itself."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from bitpredict.masking import masked
from bitpredict.storage.backups import backup_store, make_backup, prune_backups
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


@dg.asset(
    group_name="platform",
    pool="database_backup",
    kinds={"sql", "deltalake"},
    owners=OWNERS,
    tags={"domain": "platform"},
    deps=list(CONTRACTS),
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def database_backup(context: dg.AssetExecutionContext, platform: Platform) -> None:
    """Saves the database and the lake's newest versions to BITPREDICT_BACKUP_URL, each file with its checksum, and
    deletes backups that are older than the newest few. `bitpredict restore` brings one back."""
    made = make_backup(platform.settings)
    deleted = prune_backups(backup_store(platform.settings), platform.settings.backups_kept)
    context.add_output_metadata(
        {
            "backup": dg.MetadataValue.path(f"{masked(platform.settings.backup_url).rstrip('/')}/{made.name}"),
            "bytes": made.size,
            "files": len(made.files),
            "database": f"{made.database}, schema {made.schema}",
            "lake tables and versions": made.tables,
            "deleted backups": deleted,
        }
    )
