"""What `bitpredict up` starts: Dagster, the dashboard, and the live lane of the market."""

import random
import socket
import sys
from contextlib import suppress
from pathlib import Path

from bitpredict.errors import BitPredictError
from bitpredict.settings import SAMPLE_FOLDER, Settings
from bitpredict.streaming.topics import live_exchanges
from bitpredict_assets.service import HOST, Service

DASHBOARD = Path(__file__).resolve().parent.parent / "dashboard" / "app.py"
SAMPLE_TICKS = SAMPLE_FOLDER / "coinbase_ticks.csv"
REPLAYED_DAYS, REPLAY_SPEED = 7, "60x"
"""Of the sample's candles: a minute a second."""

_NEVER_A_CONNECTION_S = range(32_000, 32_768)
"""The kernel gives these to no outgoing connection, which would take a port that was found free before it is used."""


def services(settings: Settings, home: Path) -> list[Service]:
    """What runs, in the order of starting: all of Dagster's talk to its code server."""
    code_port = _free_port()
    workspace = home / "workspace.grpc.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server:\n      host: {HOST}\n      port: {code_port}\n      location_name: bitpredict\n"
    )
    python, logs = sys.executable, settings.home / "logs"
    web, dashboard = str(settings.webserver_port), str(settings.dashboard_port)
    return [
        Service(
            "dashboard",
            [
                *[python, "-m", "streamlit", "run", str(DASHBOARD), "--server.headless", "true"],
                *["--server.address", HOST, "--server.port", dashboard],
                *["--browser.gatherUsageStats", "false"],
            ],
            logs / "dashboard.log",
            settings.dashboard_port,
            f"http://{HOST}:{dashboard}",
            setting="BITPREDICT_DASHBOARD_PORT",
        ),
        Service(
            "code server",
            [
                *[python, "-m", "dagster", "api", "grpc"],
                *["-m", "bitpredict_assets.definitions", "-h", HOST, "-p", str(code_port)],
            ],
            logs / "code-server.log",
            code_port,
            awaited=True,
        ),
        Service(
            "webserver",
            [python, "-m", "dagster_webserver", "-w", str(workspace), "-h", HOST, "-p", web],
            logs / "webserver.log",
            settings.webserver_port,
            f"http://{HOST}:{web}",
            setting="BITPREDICT_WEBSERVER_PORT",
        ),
        Service("daemon", [python, "-m", "dagster._daemon", "run", "-w", str(workspace)], logs / "daemon.log"),
        *live_services(settings),
    ]


def live_services(settings: Settings) -> list[Service]:
    """The processes of the live lane, each with its health and metrics on a port of its own.

    The sample has no exchange to listen to: its candles and ticks are replayed.
    """
    if not live_exchanges(settings):
        return []
    first = settings.collector_port
    if settings.market == "sample":
        candles = ["replay", "--candles", str(REPLAYED_DAYS), "--speed", REPLAY_SPEED]
        feeds = [
            _feed(settings, "candle replay", candles, first),
            _feed(settings, "tick replay", ["replay", str(SAMPLE_TICKS), "--loop"], first + 1),
        ]
    else:
        feeds = [_feed(settings, "collector", ["collect"], first)]
    return [*feeds, _live(settings, "predictor", ["predict"], settings.predictor_port, "BITPREDICT_PREDICTOR_PORT")]


def _feed(settings: Settings, name: str, command: list[str], port: int) -> Service:
    return _live(settings, name, command, port, "BITPREDICT_COLLECTOR_PORT")


def _live(settings: Settings, name: str, command: list[str], port: int, setting: str) -> Service:
    return Service(
        name,
        [sys.executable, "-m", "bitpredict", *command, "--port", str(port)],
        settings.home / "logs" / f"{name.replace(' ', '-')}.log",
        port,
        f"http://{HOST}:{port}/metrics",
        setting=setting,
    )


def _free_port() -> int:
    """One for the code server, which takes seconds until it listens.

    Raises:
        BitPredictError: every one is taken.
    """
    for port in random.sample(_NEVER_A_CONNECTION_S, len(_NEVER_A_CONNECTION_S)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    first, last = _NEVER_A_CONNECTION_S[0], _NEVER_A_CONNECTION_S[-1]
    raise BitPredictError(f"the code server finds no free port between {first} and {last}; end what listens there")
