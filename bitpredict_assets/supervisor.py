"""`bitpredict up`: starts the services, shows their state, and ends them together."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bitpredict.cli.output import console
from bitpredict.errors import BitPredictError
from bitpredict.settings import Settings
from bitpredict_assets.dead_runs import end_dead_runs, listening
from bitpredict_assets.instance import dagster_instance, prepare_dagster_home
from bitpredict_assets.service import HOST, Service
from bitpredict_assets.services import services

START_SECONDS, STOP_SECONDS, POLL_SECONDS, CLEAN_SECONDS = 90.0, 15.0, 0.5, 30.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what a service manager sends, and a terminal that is closed."""


def supervise(settings: Settings) -> None:
    """Run until Ctrl-C, SIGTERM or SIGHUP, or until one service ends by itself.

    Raises:
        BitPredictError: this home is up already, a port is taken or meant for two, or a service ended; the message has
            the end of its log.
        StorageError: the home cannot be written.
    """
    home = prepare_dagster_home(settings)
    with _only_one(home):
        running = services(settings, home)
        _require_ports(running)
        environment = {**os.environ, "DAGSTER_HOME": str(home), "BITPREDICT_HOME": str(settings.home)}
        out = console()
        for number in ENDING:
            signal.signal(number, _interrupt)
        try:
            with _shown(running, out) as show:
                _start(running, environment, show)
                _watch(running, home, show)
        except KeyboardInterrupt:
            out.print("ending …")
        finally:
            for number in ENDING:  # a second Ctrl-C must not leave half of them running
                signal.signal(number, signal.SIG_IGN)
            _end(running)
            with dagster_instance(home) as instance:  # a run that had to be killed could not say that it ended
                end_dead_runs(instance)
        out.print("all ended")


def _require_ports(running: Sequence[Service]) -> None:
    """Each service needs a port of its own, where nobody listens yet."""
    meant: dict[int, Service] = {}
    for service in running:
        if service.port is None:
            continue
        if (other := meant.setdefault(service.port, service)) is not service:
            raise BitPredictError(
                f"port {service.port} is meant for the {other.name} ({other.setting}) and for the {service.name} "
                f"({service.setting}); set one of them to another port"
            )
        if listening(HOST, service.port):
            raise BitPredictError(
                f"port {service.port} ({service.name}) is taken; end what listens there, or set {service.setting}"
            )


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    """Two daemons on one instance would each follow every schedule."""
    with (home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BitPredictError(f"`bitpredict up` runs already for {home}; end it, or set BITPREDICT_HOME") from error
        yield


def _start(running: Sequence[Service], environment: dict[str, str], show: Callable[[], None]) -> None:
    for service in running:
        service.start(environment)
        deadline = time.monotonic() + START_SECONDS
        while service.awaited and not service.answers and time.monotonic() < deadline:
            _refuse_ended(running)
            show()
            time.sleep(POLL_SECONDS / 2)


def _watch(running: Sequence[Service], home: Path, show: Callable[[], None]) -> None:
    clean_at = time.monotonic()
    with dagster_instance(home) as instance:
        while True:
            _refuse_ended(running)
            show()
            if time.monotonic() >= clean_at:
                end_dead_runs(instance)
                clean_at = time.monotonic() + CLEAN_SECONDS
            time.sleep(POLL_SECONDS)


def _refuse_ended(running: Sequence[Service]) -> None:
    for service in running:
        if service.ended is not None:
            raise BitPredictError(
                f"{service.name} ended with {service.ended}; the end of {service.log}: "
                f"{' / '.join(service.last_lines())}"
            )


def _end(running: Sequence[Service]) -> None:
    for service in reversed(running):
        service.ask_to_end()
    deadline = time.monotonic() + STOP_SECONDS
    for service in running:
        service.end(deadline)


@contextmanager
def _shown(running: Sequence[Service], out: Console) -> Iterator[Callable[[], None]]:
    """What shows the services' state: a table that is redrawn, or a line a change where there is no terminal."""
    if out.is_terminal:
        with Live(console=out, auto_refresh=False) as live:
            yield lambda: live.update(_table(running), refresh=True)
        return
    before: dict[str, str] = {}

    def print_changes() -> None:
        for service in running:
            if (state := service.state()) not in ("waiting", before.get(service.name)):
                before[service.name] = state
                out.print(f"{service.name} {state} {service.address}".strip(), soft_wrap=True)

    yield print_changes


def _table(running: Sequence[Service]) -> Table:
    table = Table(title="BitPredict: Ctrl-C ends all")
    for column in ("service", "state", "address", "log"):
        table.add_column(column, overflow="fold")
    for service in running:
        table.add_row(service.name, service.state(), service.address, str(service.log))
    return table


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
