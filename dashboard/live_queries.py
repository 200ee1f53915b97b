"""What the live page reads: the event log, followed by one reader for all sessions, and the processes' health."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pandas as pd
import streamlit as st
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from bitpredict.settings import Settings
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.topics import live_exchanges
from dashboard.following import Reader, View

READY, WAITING, AWAY = "ready", "waiting", "not running"

_HEALTH_SECONDS = 2
_TIMEOUT = 0.5
_hash = {Settings: lambda settings: settings.model_dump_json()}


@dataclass(frozen=True)
class Process:
    """A process of the live lane.

    Attributes:
        command: what starts it by hand.
    """

    name: str
    port: int
    command: str


def view(settings: Settings) -> View | None:
    """How the live lane stands now; None where there is no event log yet.

    Raises:
        EventLogError: the log cannot be reached.
        SettingsError: its address is malformed.
    """
    if _absent(settings):
        return None
    return _reader(settings).look()


def processes(settings: Settings) -> tuple[Process, ...]:
    """The processes that the market's live lane consists of."""
    if settings.market == "sample":
        first = settings.collector_port
        feeding = [
            Process("replay of candles", first, f"bitpredict replay … --port {first}"),
            Process("replay of ticks", first + 1, f"bitpredict replay … --port {first + 1}"),
        ]
    else:
        feeding = [Process("collector", settings.collector_port, "bitpredict collect")]
    return (*feeding, Process("predictor", settings.predictor_port, "bitpredict predict"))


@st.cache_data(ttl=_HEALTH_SECONDS, show_spinner=False, hash_funcs=_hash)
def health(settings: Settings) -> pd.DataFrame:
    """What each process answers: columns process, state (`READY`, `WAITING`, `AWAY`), port and command."""
    expected = processes(settings)
    with ThreadPoolExecutor(len(expected)) as asking:
        states = list(asking.map(lambda process: _state(process.port), expected))
    rows = [(one.name, state, one.port, one.command) for one, state in zip(expected, states, strict=True)]
    return pd.DataFrame(rows, columns=["process", "state", "port", "command"])


def exchanges(settings: Settings) -> Sequence[str]:
    """Whose topics the market has; none where nothing is live."""
    return live_exchanges(settings)


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=_hash, on_release=lambda reader: reader.close())
def _reader(settings: Settings) -> Reader:
    return Reader(open_event_log(settings), live_exchanges(settings))


def _absent(settings: Settings) -> bool:
    """Whether the log is a file that nobody has made yet: looking must not make it."""
    try:
        url = make_url(settings.event_log)
    except ArgumentError:
        return False
    return url.get_backend_name() == "sqlite" and bool(url.database) and not Path(str(url.database)).exists()


def _state(port: int) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=_TIMEOUT):
            return READY
    except HTTPError as error:
        error.close()
        return WAITING if error.code == 503 else AWAY
    except (URLError, OSError, ValueError):
        return AWAY
