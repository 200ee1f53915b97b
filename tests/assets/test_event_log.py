"""The event log that commits a range at once holds what Dagster's own would hold."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from bitpredict_assets.event_log import BatchedEventLog
from bitpredict_assets.instance import CONFIGURATION, dagster_instance, prepare_dagster_home

DAYS = [f"2024-03-{day:02d}" for day in range(1, 31)]
WRITTEN_BY_RUNS = ["event_logs", "asset_keys", "asset_event_tags", "asset_check_executions"]


@dg.asset(
    partitions_def=dg.DailyPartitionsDefinition("2024-03-01"),
    backfill_policy=dg.BackfillPolicy.single_run(),
    code_version="1",  # without one the data version is the run's
)
def readings(context: dg.AssetExecutionContext) -> None:
    for number, day in enumerate(context.partition_keys):
        context.add_asset_metadata({"rows": number}, partition_key=day)


@dg.asset_check(asset=readings)
def plausible() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


def run(instance: dg.DagsterInstance, last: str) -> dg.ExecuteInProcessResult:
    job = dg.define_asset_job("everything", selection="*")
    return (
        dg.Definitions([readings], asset_checks=[plausible], jobs=[job])
        .resolve_job_def("everything")
        .execute_in_process(
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={ASSET_PARTITION_RANGE_START_TAG: DAYS[0], ASSET_PARTITION_RANGE_END_TAG: last},
        )
    )


@pytest.fixture(autouse=True)
def no_dagster_environment(monkeypatch):
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "set, so that it is put back afterwards")
        monkeypatch.delenv(name)


@pytest.fixture
def ours(settings):
    with dagster_instance(prepare_dagster_home(settings)) as instance:
        yield instance


@pytest.fixture
def dagsters_own(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "dagster.yaml").write_bytes(CONFIGURATION.read_bytes())
    with dg.DagsterInstance.from_config(str(tmp_path / "own")) as instance:
        yield instance


def said(instance: dg.DagsterInstance) -> list[tuple[str | None, object, Mapping[str, str] | None]]:
    """Newest first: partition, rows and tags of each materialization."""
    found = instance.fetch_materializations(readings.key, limit=100).records
    made = [record.asset_materialization for record in found]
    return [(each.partition, each.metadata["rows"].value, each.tags) for each in made]


def stored(database: Path) -> dict[str, int]:
    """Rows of the tables that a run writes to."""
    engine = sa.create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        return {
            name: connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one()
            for name in WRITTEN_BY_RUNS
        }


@pytest.mark.slow
def test_a_range_leaves_the_same_records_as_dagsters_own(ours, dagsters_own):
    instances = (ours, dagsters_own)
    runs = [run(instance, DAYS[-1]).run_id for instance in instances]
    assert said(ours) == said(dagsters_own)
    assert [(day, rows) for day, rows, _ in said(ours)] == list(zip(DAYS, range(30), strict=True))[::-1]
    assert ours.get_materialized_partitions(readings.key) == set(DAYS)
    assert ours.get_latest_materialization_event(readings.key).asset_materialization.partition == DAYS[-1]
    events = [
        [(event.dagster_event_type, event.dagster_event.partition) for event in instance.all_logs(run_id)]
        for instance, run_id in zip(instances, runs, strict=True)
    ]
    assert events[0] == events[1]
    folders = [Path(instance.root_directory) / "history" / "runs" for instance in instances]
    for_the_run = [stored(folder / f"{run_id}.db") for folder, run_id in zip(folders, runs, strict=True)]
    assert for_the_run[0] == for_the_run[1]
    for_all_runs = [stored(folder / "index.db") for folder in folders]
    assert for_all_runs[0] == for_all_runs[1]
    assert for_all_runs[0]["asset_event_tags"] == 30, "the data version of each"


@pytest.mark.slow
def test_more_days_take_no_more_transactions(ours, monkeypatch):
    opened = []
    connect = BatchedEventLog._connect
    monkeypatch.setattr(BatchedEventLog, "_connect", lambda self, shard: opened.append(shard) or connect(self, shard))
    monkeypatch.setenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "1")  # as the commands set it

    def transactions(last: str) -> int:
        opened.clear()
        assert run(ours, last).success
        return len(opened)

    transactions(DAYS[1])  # the first run makes the databases
    few = transactions(DAYS[1])
    assert transactions(DAYS[-1]) == few


@pytest.mark.slow
def test_a_home_with_a_strange_name_has_its_events_where_dagster_looks_for_them(settings):
    strange = settings.model_copy(update={"home": settings.home / 'it\'s: {a} "home" # 日本'})
    home = prepare_dagster_home(strange)
    with dagster_instance(home) as instance:
        assert isinstance(instance.event_log_storage, BatchedEventLog)
        assert run(instance, DAYS[0]).success
    # The project's file by itself has Dagster's own storage: it finds the same events.
    (home / "dagster.yaml").write_bytes(CONFIGURATION.read_bytes())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not isinstance(instance.event_log_storage, BatchedEventLog)
        assert [day for day, _, _ in said(instance)] == [DAYS[0]]
