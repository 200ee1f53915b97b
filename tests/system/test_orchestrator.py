"""Dagster's own commands on the graph, as its documentation tells people to use them."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from tests.support.homes import LAKE_TABLES, Home
from tests.support.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DAYS = ["2023-11-10", "2023-11-11", "2023-11-12"]


def dagster(*arguments: str, folder: Path) -> str:
    """Run a command in the repository, with the instance and the home in `folder`; returns what it printed."""
    (folder / "dagster").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "dagster", *arguments],
        cwd=ROOT,
        env={**os.environ, "BITPREDICT_HOME": str(folder / "home"), "DAGSTER_HOME": str(folder / "dagster")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_the_workspace_is_valid(tmp_path):
    said = dagster("definitions", "validate", "-w", "workspace.yaml", folder=tmp_path)
    assert "Validation successful for code location bitpredict" in said


def test_a_range_over_the_look_back_is_one_run(tmp_path):
    chain = ",".join(LAKE_TABLES)
    dagster(
        *("asset", "materialize", "-m", "bitpredict_assets.definitions", "--select", chain),
        *("--partition-range", f"{DAYS[0]}...{DAYS[-1]}"),
        folder=tmp_path,
    )
    for table in LAKE_TABLES:
        assert Home(tmp_path / "home").days(table) == DAYS, table
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.SUCCESS
        for table in LAKE_TABLES:
            assert sorted(instance.get_materialized_partitions(dg.AssetKey(table))) == DAYS, table
