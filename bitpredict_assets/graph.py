"""Running the jobs one after the other in this process, on the instance that the UI shows."""

import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._utils.error import SerializableErrorInfo

from bitpredict.errors import BitPredictError
from bitpredict_assets.definitions import defs
from bitpredict_assets.partitions import daily, monthly

POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Stage:
    """One job over a range of its partitions, first and last included."""

    job: str
    first: str
    last: str


def stages(first: date, last: date) -> list[Stage]:
    """The whole graph for the days `first` to `last`: prices and features, the months' models, then forecasts.

    The first month of the calendar has no history to train on, so that its days are history only.

    Raises:
        BitPredictError: days outside the market's calendar.
    """
    known_days = (daily.get_first_partition_key(), daily.get_last_partition_key())
    if first > last or not known_days[0] <= f"{first}" <= f"{last}" <= known_days[1]:
        raise BitPredictError(
            f"days {first} to {last} are not within the market's calendar {known_days[0]} to {known_days[1]}"
        )
    plan = [Stage("prices_and_features", f"{first}", f"{last}")]
    trainable = monthly.get_partition_keys()[1:]
    months = [month for month in trainable if f"{first:%Y-%m-01}" <= month <= f"{last}"]
    if months:
        plan.append(Stage("models", months[0], months[-1]))
        plan.append(Stage("forecasts_and_scores", max(f"{first}", months[0]), f"{last}"))
    return plan


def run_stage(stage: Stage, instance: dg.DagsterInstance, on_message: Callable[[str], None]) -> float:
    """Run one stage; `on_message` hears each step and log line as it happens. Returns the seconds it took.

    Raises:
        BitPredictError: the run failed; the message names the steps and their errors.
    """
    # One event for the whole range instead of one a partition: a third of a backfill's time.
    os.environ["DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS"] = "1"
    run_id = str(uuid.uuid4())
    with _listening(instance, run_id, on_message):
        result = defs.resolve_job_def(stage.job).execute_in_process(
            instance=instance,
            run_id=run_id,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={ASSET_PARTITION_RANGE_START_TAG: stage.first, ASSET_PARTITION_RANGE_END_TAG: stage.last},
        )
    if not result.success:
        raise BitPredictError(
            f"{stage.job} failed: {_reasons(result)} (run {run_id} in Dagster's UI has the whole story)"
        )
    stats = instance.get_run_stats(run_id)
    return (stats.end_time or 0.0) - (stats.start_time or 0.0)


def _reasons(result: dg.ExecuteInProcessResult) -> str:
    failures = [event for event in result.all_events if event.is_step_failure]
    return (
        "; ".join(f"{event.step_key}: {_innermost(event.step_failure_data.error)}" for event in failures)
        or "no step ran"
    )


def _innermost(error: SerializableErrorInfo | None) -> str:
    while error and error.cause:
        error = error.cause
    return error.message.strip().removeprefix("dagster._core.definitions.events.Failure: ") if error else "unknown"


@contextmanager
def _listening(instance: dg.DagsterInstance, run_id: str, on_message: Callable[[str], None]) -> Iterator[None]:
    """Pass on the run's steps and messages while it runs in this thread."""
    ended = threading.Event()

    def follow() -> None:
        cursor = None
        while True:
            last_look = ended.wait(POLL_SECONDS)
            if instance.has_run(run_id):
                page = instance.get_records_for_run(run_id, cursor=cursor)
                cursor = page.cursor
                for record in page.records:
                    if message := _message(record.event_log_entry):
                        on_message(message)
            if last_look:
                return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _message(entry: dg.EventLogEntry) -> str | None:
    if entry.dagster_event is None:
        return f"{entry.step_key}: {entry.user_message}" if entry.level >= logging.INFO else None
    return f"{entry.step_key}" if entry.dagster_event.event_type == dg.DagsterEventType.STEP_START else None
