"""`bitpredict up`: starts the services, shows their state, and ends them together."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bitpredict.errors import BitPredictError
from bitpredict.settings import Settings
from bitpredict_assets.instance import prepare_dagster_home

HOST = "127.0.0.1"
CODE_PORT, WEB_PORT, DASHBOARD_PORT = 4266, 3000, 8501
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 90, 15, 1.0
DASHBOARD = Path(__file__).resolve().parent.parent / "dashboard" / "app.py"


@dataclass
class Service:
    """One child process; its output goes to `log`."""

    name: str
    command: list[str]
    log: Path
    port: int | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, environment: dict[str, str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            # A process group of its own: Ctrl-C reaches the supervisor alone, which then ends its children in order.
            self.process = subprocess.Popen(  # noqa: S603
                self.command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )

    @property
    def ended(self) -> int | None:
        return self.process.poll() if self.process else None

    @property
    def answers(self) -> bool:
        return self.port is None or _listening(self.port)

    def state(self) -> str:
        if self.process is None:
            return "waiting"
        if self.ended is not None:
            return f"ended with {self.ended}"
        return "running" if self.answers else "starting"

    def stop(self) -> None:
        if self.process is None or self.ended is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)

    def wait(self, deadline: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def services(settings: Settings, home: Path) -> list[Service]:
    """What runs, in the order of starting: the code server first, everything of Dagster talks to it."""
    workspace = home / "workspace.grpc.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server:\n      host: {HOST}\n      port: {CODE_PORT}\n      location_name: bitpredict\n"
    )
    python, logs = sys.executable, settings.home / "logs"
    dagster = [python, "-m", "dagster"]
    return [
        Service(
            "code server",
            [*dagster, "api", "grpc", "-m", "bitpredict_assets.definitions", "-h", HOST, "-p", str(CODE_PORT)],
            logs / "code-server.log",
            CODE_PORT,
        ),
        Service(
            "webserver",
            [python, "-m", "dagster_webserver", "-w", str(workspace), "-h", HOST, "-p", str(WEB_PORT)],
            logs / "webserver.log",
            WEB_PORT,
        ),
        Service("daemon", [python, "-m", "dagster._daemon", "run", "-w", str(workspace)], logs / "daemon.log"),
        Service(
            "dashboard",
            [
                *[python, "-m", "streamlit", "run", str(DASHBOARD), "--server.headless", "true"],
                *["--server.address", HOST, "--server.port", str(DASHBOARD_PORT)],
                *["--browser.gatherUsageStats", "false"],
            ],
            logs / "dashboard.log",
            DASHBOARD_PORT,
        ),
    ]


def supervise(settings: Settings) -> None:
    """Run until Ctrl-C or SIGTERM, or until one service ends by itself.

    Raises:
        BitPredictError: a port is taken, or a service ended; the message has the end of its log.
    """
    home = prepare_dagster_home(settings)
    running = services(settings, home)
    for service in running:
        if service.port and _listening(service.port):
            raise BitPredictError(f"port {service.port} ({service.name}) is taken; is `bitpredict up` running already?")
    environment = {**os.environ, "DAGSTER_HOME": str(home), "BITPREDICT_HOME": str(settings.home)}
    signal.signal(signal.SIGTERM, _as_interrupt)
    console = Console()
    try:
        with Live(_table(running), console=console, auto_refresh=False) as live:
            _run(running, environment, live)
    except KeyboardInterrupt:
        console.print("ending …")
    finally:
        _stop(running)
    console.print("all ended")


def _run(running: list[Service], environment: dict[str, str], live: Live) -> None:
    for service in running:
        service.start(environment)
        deadline = time.monotonic() + START_SECONDS
        while not service.answers and time.monotonic() < deadline:
            _refuse_ended(running)
            live.update(_table(running), refresh=True)
            time.sleep(POLL_SECONDS / 4)
    while True:
        _refuse_ended(running)
        live.update(_table(running), refresh=True)
        time.sleep(POLL_SECONDS)


def _refuse_ended(running: list[Service]) -> None:
    for service in running:
        if service.ended is not None:
            tail = service.log.read_text(errors="replace").strip().splitlines()[-5:]
            raise BitPredictError(
                f"{service.name} ended with {service.ended}; the end of {service.log}: {' / '.join(tail)}"
            )


def _stop(running: list[Service]) -> None:
    for service in reversed(running):
        service.stop()
    deadline = time.monotonic() + STOP_SECONDS
    for service in running:
        service.wait(deadline)


def _table(running: list[Service]) -> Table:
    table = Table(title="BitPredict: Ctrl-C ends all")
    for column in ("service", "state", "address", "log"):
        table.add_column(column, overflow="fold")
    for service in running:
        address = f"http://{HOST}:{service.port}" if service.port and service.port != CODE_PORT else ""
        table.add_row(service.name, service.state(), address, str(service.log))
    return table


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((HOST, port)) == 0


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
