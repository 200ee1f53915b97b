"""Dagster's event log in SQLite, with a range's materializations committed together.

Dagster's own storage opens, commits and closes two databases an event: a run over a year is 1,825 of them.
"""

import os
from collections.abc import Sequence

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData

BATCH = 500
"""Events a transaction: a year of an asset is one, and nobody waits for the lock for long."""


class BatchedEventLog(SqliteEventLogStorage):
    """The same databases, tables and rows; only what Dagster hands over as a batch is written as one."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        # Without it Dagster hands over one event at a time, in each process that runs something.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", f"{BATCH}")

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: dict[str, str]
    ) -> "BatchedEventLog":
        return cls(inst_data=inst_data, **config_value)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store the materializations of one asset in one run; other batches go one by one.

        The order is that of Dagster's `store_event`: the run's own database, then the index over all runs.
        """
        if {event.dagster_event_type for event in events} != {dg.DagsterEventType.ASSET_MATERIALIZATION}:
            super().store_event_batch(events)
            return
        inserts = [self.prepare_insert_event(event) for event in events]
        with self.run_connection(events[0].run_id) as run:
            for insert in inserts:
                run.execute(insert)
        with self.index_transaction() as index:
            ids = [index.execute(insert).lastrowid for insert in inserts]
            self._store_asset_event_tags(index, events, ids)
            self._store_asset_event(index, events[-1], ids[-1])  # the asset's latest
