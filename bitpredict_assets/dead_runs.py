"""Runs whose process is gone: they would count as running for ever, and keep the pools that they held.

Dagster asks a cluster whether a run's worker lives, but not the machine that it runs on itself. So a process that runs
jobs holds the lock of a file for as long as it lives, and its runs name that file; a run that a code server of this
machine launched lives no longer than the server.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import dagster as dg
from dagster import DagsterRunStatus as Status
from dagster._core.storage.tags import GRPC_INFO_TAG

PROCESS_TAG = "bitpredict/process"
LOCAL = ("127.0.0.1", "localhost")
_RUNNING = [Status.NOT_STARTED, Status.STARTING, Status.STARTED, Status.CANCELING]


@contextmanager
def living(dagster_home: Path) -> Iterator[Mapping[str, str]]:
    """The tags of this process's runs. They count as alive until the block ends, or the process, however it does."""
    folder = dagster_home / "processes"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{os.getpid()}-{uuid4().hex}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield {PROCESS_TAG: f"{socket.gethostname()}:{path}"}
        finally:
            path.unlink(missing_ok=True)


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs of this machine whose process is gone as failed, and free the pools of every run that has ended.

    Returns:
        The ids of the runs that were dead.
    """
    dead = [run for run in instance.get_runs(dg.RunsFilter(statuses=_RUNNING)) if not _lives(run.tags)]
    for run in dead:
        instance.report_run_failed(run, "The process of this run is gone: it was killed, or the machine was stopped.")
    pools = instance.event_log_storage
    for run_id in pools.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            pools.free_concurrency_slots_for_run(run_id)
    return [run.run_id for run in dead]


def listening(host: str, port: int) -> bool:
    """Whether a server takes connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def _lives(tags: Mapping[str, str]) -> bool:
    """Whether a run's process may still be alive; of other machines' processes nothing is known."""
    if process := tags.get(PROCESS_TAG):
        machine, _, path = process.partition(":")
        return machine != socket.gethostname() or _locked(Path(path))
    server = json.loads(tags.get(GRPC_INFO_TAG, "{}"))
    if server.get("host") in LOCAL and server.get("port"):
        return listening(server["host"], int(server["port"]))
    return True


def _locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    path.unlink(missing_ok=True)
    return False
