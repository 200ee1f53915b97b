"""Runs of the real graph's jobs inside the test's process, on a home of its own."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._utils.error import SerializableErrorInfo

from bitpredict.settings import Settings

with pytest.MonkeyPatch.context() as _environment:
    # The calendar is cut when it is imported: by the sample's days, whatever this shell is set to.
    _environment.setenv("BITPREDICT_MARKET", "sample")
    from bitpredict_assets.definitions import defs

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Ran:
    """A finished run: whether it succeeded, and its events."""

    success: bool
    events: tuple[dg.DagsterEvent, ...]

    @classmethod
    def of(cls, result: dg.ExecuteInProcessResult) -> "Ran":
        return cls(result.success, tuple(result.all_events))

    @property
    def _materializations(self) -> list[dg.DagsterEvent]:
        return [event for event in self.events if event.is_step_materialization]

    @property
    def evaluations(self) -> list[dg.AssetCheckEvaluation]:
        return [
            event.asset_check_evaluation_data
            for event in self.events
            if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]

    @property
    def materialized(self) -> dict[str, list[str | None]]:
        """Asset -> partitions that the run says it made."""
        found: dict[str, list[str | None]] = {}
        for event in self._materializations:
            made = event.step_materialization_data.materialization
            found.setdefault(made.asset_key.to_user_string(), []).append(made.partition)
        return found

    def metadata(self, asset: str, partition: str | None = None) -> dict[str, Any]:
        """What the asset's last materialization, or that of a partition, says about itself, as plain values."""
        made = [
            event.step_materialization_data.materialization.metadata
            for event in self._materializations
            if event.asset_key == dg.AssetKey(asset) and partition in (None, event.partition)
        ]
        return {name: entry.value for name, entry in made[-1].items()}

    def row_counts(self, asset: str) -> dict[str | None, int]:
        """Partition -> rows that its materialization says are its own."""
        made = [
            event.step_materialization_data.materialization
            for event in self._materializations
            if event.asset_key == dg.AssetKey(asset)
        ]
        return {each.partition: int(each.metadata["dagster/row_count"].value) for each in made}

    @property
    def checks(self) -> dict[str, dg.AssetCheckEvaluation]:
        """Name -> the one evaluation of the run."""
        every = self.evaluations
        found = {each.check_name: each for each in every}
        assert len(found) == len(every), "a check was evaluated more than once"
        return found

    def check(self, name: str) -> dg.AssetCheckEvaluation:
        return self.checks[name]

    def check_metadata(self, name: str) -> dict[str, Any]:
        return {key: entry.value for key, entry in self.check(name).metadata.items()}

    @property
    def failures(self) -> dict[str, str]:
        """Step that failed -> the innermost error's message."""
        return {
            event.step_key: _innermost(event.step_failure_data.error)
            for event in self.events
            if event.is_step_failure and event.step_key
        }


def run_job(
    job: str,
    first: str | None = None,
    last: str | None = None,
    assets: Sequence[str] | None = None,
    instance: dg.DagsterInstance | None = None,
) -> Ran:
    """Run a job in one run over the partitions `first` to `last` (`first` alone by default).

    Args:
        assets: of the job these only, with their checks.
    """
    tags: Mapping[str, str] = (
        {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last or first} if first else {}
    )
    chosen = None if assets is None else [dg.AssetKey(name) for name in assets]
    definition = defs.resolve_job_def(job)
    return Ran.of(
        definition.execute_in_process(
            run_config=QUIET,
            instance=instance or shared_instance(),
            raise_on_error=False,
            asset_selection=chosen,
            tags=tags,
        )
    )


@cache
def shared_instance() -> dg.DagsterInstance:
    """One for all runs: making it takes as long as a small run."""
    return dg.DagsterInstance.ephemeral()


def check_alone(asset: str) -> Ran:
    """Run the checks of an asset without materializing it, as `Execute` on a check does in the UI."""
    job = dg.define_asset_job("checks_alone", selection=dg.AssetSelection.checks_for_assets(asset))
    definition = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def(job.name)
    return Ran.of(definition.execute_in_process(run_config=QUIET, instance=shared_instance(), raise_on_error=False))


@contextmanager
def at_home(folder: Path, **environment: str) -> Iterator[Settings]:
    """Everything local lies below `folder` meanwhile, and nothing is set but `environment`.

    Fixtures of more than one test need it: the environment that each test gets is not theirs.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("BITPREDICT_", "DAGSTER_")):
                patch.delenv(name)
        for name, value in {"BITPREDICT_HOME": str(folder / "home"), **environment}.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        yield Settings()


def _innermost(error: SerializableErrorInfo | None) -> str:
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else ""
