"""The IO manager by itself, on a tiny table: what goes in comes out, by partitions and columns."""

from collections.abc import Callable
from datetime import UTC, date, datetime

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from bitpredict.storage.contracts import TIMESTAMP, Contract, field
from bitpredict.storage.lake import Lake
from bitpredict_assets import io_manager
from bitpredict_assets.io_manager import LakeIOManager
from bitpredict_assets.resources import Platform
from tests.support.graph import Ran, shared_instance

LEVELS = Contract(
    table="levels",
    schema=pa.schema(
        [
            field("gauge", pa.string(), "where"),
            field("measured_at", TIMESTAMP, "when", "UTC"),
            field("level", pa.float64(), "how high", "m"),
        ]
    ),
    key=("gauge", "measured_at"),
    time="measured_at",
    description="Water levels.",
)
DAILY = dg.DailyPartitionsDefinition(start_date="2024-03-01", end_date="2024-03-11")
DAY_BEFORE = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
ALL = ("2024-03-01", "2024-03-10")


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(io_manager.CONTRACTS, LEVELS.table, LEVELS)


def noons(*days: int, level: float | None = None) -> pa.Table:
    """One row at noon of each day of March, as high as the day's number."""
    rows = [
        {"gauge": "kaub", "measured_at": datetime(2024, 3, day, 12, tzinfo=UTC), "level": level or float(day)}
        for day in days
    ]
    return pa.Table.from_pylist(rows, schema=LEVELS.schema)


@dg.asset(name="levels", partitions_def=DAILY, backfill_policy=dg.BackfillPolicy.single_run(), io_manager_key="lake")
def arrow_levels(context) -> pa.Table:
    return noons(*(date.fromisoformat(key).day for key in context.partition_keys))


@dg.asset(name="levels", partitions_def=DAILY, backfill_policy=dg.BackfillPolicy.single_run(), io_manager_key="lake")
def pandas_levels(context) -> pd.DataFrame:
    return noons(*(date.fromisoformat(key).day for key in context.partition_keys)).to_pandas()


def run(*assets: dg.AssetsDefinition, days: tuple[str, str] | None = ALL) -> Ran:
    """Materialize the assets, in one run over a range of days or without any partition."""
    platform = Platform()
    tags = {ASSET_PARTITION_RANGE_START_TAG: days[0], ASSET_PARTITION_RANGE_END_TAG: days[1]} if days else {}
    resources = {"platform": platform, "lake": LakeIOManager(platform=platform)}
    return Ran.of(
        dg.materialize(list(assets), resources=resources, tags=tags, instance=shared_instance(), raise_on_error=False)
    )


def loaded(upstream: dg.AssetsDefinition, days: tuple[str, str], annotation: type, **asset_in: object) -> object:
    """What an asset of `days` that reads `levels` gets, annotated like this."""
    seen = []

    def reader(levels):
        seen.append(levels)

    reader.__annotations__ = {"levels": annotation, "return": None}
    asset = dg.asset(
        reader,
        partitions_def=DAILY,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"levels": dg.AssetIn(**asset_in)},
    )
    platform = Platform()
    ran = dg.materialize(
        [upstream, asset],
        selection=[asset],
        resources={"platform": platform, "lake": LakeIOManager(platform=platform)},
        tags={ASSET_PARTITION_RANGE_START_TAG: days[0], ASSET_PARTITION_RANGE_END_TAG: days[1]},
        instance=shared_instance(),
    )
    assert ran.success
    return seen[0]


@pytest.mark.parametrize("asset", [arrow_levels, pandas_levels], ids=["pyarrow", "pandas"])
def test_either_kind_of_table_is_stored_as_the_contract_says(lake, asset):
    ran = run(asset)
    assert ran.success
    assert lake.read(LEVELS).equals(noons(*range(1, 11)))
    said = ran.metadata("levels")
    assert said["table version"] == lake.version(LEVELS) == 0
    assert said["table"].endswith("/lake/levels")


def test_a_run_replaces_its_own_days_and_no_other(lake):
    run(arrow_levels)
    lake.replace(LEVELS, noons(4, 5, 6, level=99.0), datetime(2024, 3, 4, tzinfo=UTC), datetime(2024, 3, 7, tzinfo=UTC))
    assert run(arrow_levels, days=("2024-03-05", "2024-03-05")).success
    assert lake.read(LEVELS)["level"].to_pylist() == [1, 2, 3, 99, 5, 99, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("annotation", "as_table"),
    [
        pytest.param(pa.Table, lambda table: table, id="pyarrow"),
        pytest.param(pd.DataFrame, lambda frame: pa.Table.from_pandas(frame, schema=LEVELS.schema), id="pandas"),
    ],
)
def test_an_input_comes_as_it_is_annotated_with_the_runs_days(annotation, as_table: Callable[..., pa.Table]):
    run(arrow_levels)
    found = loaded(arrow_levels, ("2024-03-04", "2024-03-06"), annotation)
    assert isinstance(found, annotation)
    assert as_table(found).equals(noons(4, 5, 6))


@pytest.mark.slow
def test_a_look_back_loads_the_days_before_too_as_far_as_the_calendar_goes():
    run(arrow_levels)
    reaching = dg.TimeWindowPartitionMapping(start_offset=-3)
    assert loaded(arrow_levels, ("2024-03-06", "2024-03-07"), pa.Table, partition_mapping=reaching).equals(
        noons(3, 4, 5, 6, 7)
    )
    assert loaded(arrow_levels, ("2024-03-02", "2024-03-02"), pa.Table, partition_mapping=reaching).equals(noons(1, 2))


def test_a_look_back_before_the_calendar_is_empty_with_the_schema():
    run(arrow_levels)
    found = loaded(arrow_levels, ("2024-03-01", "2024-03-01"), pa.Table, partition_mapping=DAY_BEFORE)
    assert found.equals(LEVELS.empty())


@pytest.mark.slow
def test_only_the_columns_asked_for_are_loaded():
    run(arrow_levels)
    metadata = {"columns": ["level", "gauge"]}
    found = loaded(arrow_levels, ("2024-03-04", "2024-03-04"), pd.DataFrame, metadata=metadata)
    assert list(found.columns) == ["level", "gauge"]
    before = loaded(
        arrow_levels, ("2024-03-01", "2024-03-01"), pa.Table, metadata=metadata, partition_mapping=DAY_BEFORE
    )
    assert before.column_names == ["level", "gauge"]
    assert before.num_rows == 0


def test_a_table_that_was_never_written_is_empty():
    assert loaded(arrow_levels, ("2024-03-04", "2024-03-04"), pa.Table).equals(LEVELS.empty())


def whole(*tables: pa.Table) -> dg.AssetsDefinition:
    """An unpartitioned asset that returns the next of these tables at each run."""
    left = list(tables)

    @dg.asset(name="levels", io_manager_key="lake")
    def levels() -> pa.Table:
        return left.pop(0)

    return levels


def test_an_unpartitioned_asset_replaces_its_whole_table(lake):
    levels = whole(noons(1, 2, 9), noons(2, 3), LEVELS.empty())
    for expected in (noons(1, 2, 9), noons(2, 3), LEVELS.empty()):
        assert run(levels, days=None).success
        assert lake.read(LEVELS).equals(expected)


def test_an_unpartitioned_asset_of_no_rows_at_all_is_no_error(lake):
    assert run(whole(LEVELS.empty()), days=None).success
    assert lake.version(LEVELS) is None


def test_an_unpartitioned_asset_is_read_whole():
    levels = whole(noons(1, 5, 9))
    seen = []

    @dg.asset
    def reader(levels: pd.DataFrame) -> None:
        seen.append(levels)

    assert run(levels, reader, days=None).success
    assert list(seen[0]["level"]) == [1, 5, 9]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        pytest.param(noons(3).drop_columns("level"), "levels lacks the columns ['level']", id="a column is missing"),
        pytest.param(noons(8), "do not lie inside 2024-03-03", id="another day"),
        pytest.param(
            pa.concat_tables([noons(3), noons(3)]), "1 keys more than once", id="a row twice", marks=pytest.mark.slow
        ),
        pytest.param(
            noons(3, level=float("inf")), "level is not finite in 1 of 1", id="not finite", marks=pytest.mark.slow
        ),
    ],
)
def test_rows_that_break_the_contract_are_refused_and_nothing_is_written(lake, table, says):
    run(arrow_levels)

    @dg.asset(name="levels", partitions_def=DAILY, io_manager_key="lake")
    def broken() -> pa.Table:
        return table

    ran = run(broken, days=("2024-03-03", "2024-03-03"))
    assert not ran.success
    assert ran.materialized == {}
    assert says in ran.failures["levels"]
    assert lake.read(LEVELS).equals(noons(*range(1, 11)))


def test_an_asset_without_a_contract_is_told_what_to_do():
    @dg.asset(io_manager_key="lake")
    def rainfall() -> pa.Table:
        return noons(1)

    ran = run(rainfall, days=None)
    assert not ran.success
    assert "rainfall has no lake contract; add one, or annotate the asset `-> None`" in ran.failures["rainfall"]


def test_the_lake_is_the_one_that_the_settings_name(tmp_path, monkeypatch):
    monkeypatch.setenv("BITPREDICT_LAKE_URL", str(tmp_path / "elsewhere"))
    assert run(arrow_levels).metadata("levels")["table"] == f"{tmp_path}/elsewhere/levels"
    assert Lake(str(tmp_path / "elsewhere")).days(LEVELS)[-1] == date(2024, 3, 10)
