"""The dashboard's real process over a home of a test's choice."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dashboard
from tests.support.browser import Watched
from tests.support.ports import free_ports
from tests.support.processes import wait_for_answer

APP = Path(dashboard.__file__).parent / "app.py"
PATIENCE = 60_000
"""Milliseconds; the first page loads pandas, plotly and the stores."""


@dataclass(frozen=True)
class Server:
    """Where it is, and over what."""

    url: str
    home: Path


@contextmanager
def serve_dashboard(home: Path) -> Iterator[Server]:
    """Run it until the end of the block."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port), "--browser.gatherUsageStats", "false"]
    environment = {**os.environ, "BITPREDICT_HOME": str(home)}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_answer(f"{url}/_stcore/health", process, home / "log")
        yield Server(url, home)
    finally:
        process.kill()
        process.wait()


def no_wider_than_the_window(watched: Watched) -> bool:
    """Whether nobody must scroll sideways, once all is drawn: a chart is drawn at one width and then fitted to its
    place."""
    drawn = "!document.querySelector('[data-stale=true], .stSkeleton')"
    page = "document.scrollingElement.scrollWidth <= innerWidth"
    charts = "[...document.querySelectorAll('.js-plotly-plot, .stVegaLiteChart')]"
    inside = f"{charts}.every(c => c.getBoundingClientRect().right <= innerWidth)"
    return bool(watched.page.wait_for_function(f"{drawn} && {page} && {inside}"))


def ours(errors: list[str]) -> list[str]:
    """Streamlit probes for its server below a page's own path first and logs the 404."""
    return [error for error in errors if "/_stcore/" not in error]
