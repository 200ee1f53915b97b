"""Running the jobs one after the other in this process, on the instance that the UI shows."""

import logging
import os
import re
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from types import FrameType
from typing import NoReturn

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG, MAX_RETRIES_TAG
from dagster._utils.error import SerializableErrorInfo
from dagster._utils.interrupts import check_captured_interrupt
from sqlalchemy.exc import DBAPIError

from bitpredict.errors import BitPredictError
from bitpredict.market.time import DAY
from bitpredict.settings import SAMPLE_END
from bitpredict_assets.definitions import defs
from bitpredict_assets.partitions import daily, monthly

POLL_SECONDS = 0.25
_OURS = re.compile(r"^(bitpredict\.errors\.\w+|dagster\._core\.definitions\.events\.Failure): ")
"""The class in front of a message that says everything by itself."""


@dataclass(frozen=True)
class Stage:
    """One job over a range of its partitions, first and last included; both empty where it has none."""

    job: str
    first: str = ""
    last: str = ""

    @property
    def title(self) -> str:
        """The job and its range."""
        return f"{self.job} {self.first} to {self.last}" if self.first else self.job


INVENTED_WORLD = (
    Stage("markets"),
    Stage("news"),
    Stage("sentiment", f"{SAMPLE_END - 2 * DAY}", f"{SAMPLE_END - DAY}"),
)
"""What the sample has beside its candles, of its last two days."""


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


def run_stage(
    stage: Stage, instance: dg.DagsterInstance, tags: Mapping[str, str], on_message: Callable[[str], None]
) -> float:
    """Run one stage; `on_message` hears each step and log line as it happens. Returns the seconds it took.

    Args:
        tags: what the run bears beside its range.

    Raises:
        BitPredictError: the run failed; the message names the steps and their errors.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the run is marked as failed.
    """
    # One event for the whole range instead of one a partition: a third of a backfill's time.
    os.environ["DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS"] = "1"
    run_id = str(uuid.uuid4())
    range_tags = {ASSET_PARTITION_RANGE_START_TAG: stage.first, ASSET_PARTITION_RANGE_END_TAG: stage.last}
    with _pools_freed(instance, run_id), _listening(instance, run_id, on_message):
        result = defs.resolve_job_def(stage.job).execute_in_process(
            instance=instance,
            run_id=run_id,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={
                **(range_tags if stage.first else {}),
                MAX_RETRIES_TAG: "0",  # who asked for it waits for it here, and is told
                **tags,
            },
        )
        if not result.success and _interrupted(result):
            raise KeyboardInterrupt
    if not result.success:
        raise BitPredictError(
            f"{stage.job} failed: {_reasons(result)} (run {run_id} in Dagster's UI has the whole story)"
        )
    stats = instance.get_run_stats(run_id)
    return (stats.end_time or 0.0) - (stats.start_time or 0.0)


def _interrupted(result: dg.ExecuteInProcessResult) -> bool:
    errors = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    errors += [event.job_failure_data.error for event in result.all_events if event.is_job_failure]
    return any(error and error.cls_name == DagsterExecutionInterruptedError.__name__ for error in errors)


def _reasons(result: dg.ExecuteInProcessResult) -> str:
    failures = [event for event in result.all_events if event.is_step_failure]
    return (
        "; ".join(f"{event.step_key}: {_reason(event.step_failure_data.error)}" for event in failures) or "no step ran"
    )


def _reason(error: SerializableErrorInfo | None) -> str:
    """What the asset raised: Dagster wraps it, and ours have what the libraries raised as their cause."""
    while error and error.cause and error.cls_name and error.cls_name.startswith("Dagster"):
        error = error.cause
    return _OURS.sub("", error.message.strip()) if error else "unknown"


@contextmanager
def _pools_freed(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Also when an interrupt came while Dagster itself let go of the run's pools."""
    try:
        yield
    except KeyboardInterrupt:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
        raise


@contextmanager
def _listening(instance: dg.DagsterInstance, run_id: str, on_message: Callable[[str], None]) -> Iterator[None]:
    """Pass on the run's steps and messages while it runs in this thread, and let Ctrl-C reach it wherever it is.

    Between steps Dagster only notes an interrupt, and a run that waits there for another run's pool would never end.
    """
    ended = threading.Event()

    def follow() -> None:
        cursor, noted, last_look = None, False, False
        while not last_look:
            last_look = ended.wait(POLL_SECONDS)
            if instance.has_run(run_id):
                page = instance.get_records_for_run(run_id, cursor=cursor)
                cursor = page.cursor
                for record in page.records:
                    if message := _message(record.event_log_entry):
                        on_message(message)
            if noted and check_captured_interrupt() and not last_look:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            noted = check_captured_interrupt()

    def follow_while_there_are_records() -> None:
        with suppress(DBAPIError):  # the run fails by the same, and says so
            follow()

    before = signal.signal(signal.SIGUSR1, _raise_interrupt)
    follower = threading.Thread(target=follow_while_there_are_records, daemon=True)
    follower.start()
    try:
        yield
    except DagsterExecutionInterruptedError as interrupt:
        raise KeyboardInterrupt from interrupt
    finally:
        ended.set()
        follower.join()
        signal.signal(signal.SIGUSR1, before)


def _raise_interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise DagsterExecutionInterruptedError


def _message(entry: dg.EventLogEntry) -> str | None:
    event = entry.dagster_event
    if event is None:
        return f"{entry.step_key}: {entry.user_message}" if entry.level >= logging.INFO else None
    if event.event_type == dg.DagsterEventType.STEP_START:
        return entry.step_key
    if event.is_engine_event and (pool := event.engine_event_data.metadata.get("pool")):
        return f"{entry.step_key}: waits until another run leaves {pool.value}"
    return None
