"""The dashboard as a person meets it: the real process, a real browser."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import dashboard
from bitpredict.settings import Settings
from tests.support import stores
from tests.support.browser import Watched, browser, watch

pytestmark = pytest.mark.slow

APP = Path(dashboard.__file__).parent / "app.py"
PATIENCE = 60_000  # milliseconds; the first page loads pandas, plotly and the stores


@dataclass(frozen=True)
class Server:
    url: str
    home: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The dashboard over a home that is still empty."""
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port), "--browser.gatherUsageStats", "false"]
    environment = {**os.environ, "BITPREDICT_HOME": str(home)}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/_stcore/health", process, home / "log")
        yield Server(url, home)
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own server
        except urllib.error.URLError:
            time.sleep(0.25)
        else:
            return
    pytest.fail(f"{url} does not answer: {log.read_text()}")


def no_wider_than_the_window(watched: Watched) -> bool:
    script = "document.scrollingElement.scrollWidth <= window.innerWidth"
    charts = (
        "[...document.querySelectorAll('.js-plotly-plot')].every(c => c.getBoundingClientRect().right <= innerWidth)"
    )
    return watched.page.evaluate(script) and watched.page.evaluate(charts)


def ours(errors: list[str]) -> list[str]:
    """Streamlit probes for its server below a page's own path first and logs the 404."""
    return [error for error in errors if "/_stcore/" not in error]


def test_a_person_waits_for_data_and_reads_it_on_a_screen_and_on_a_phone(server: Server) -> None:
    with browser() as chromium:
        watched = watch(chromium.new_page(viewport={"width": 1280, "height": 1000}))
        page = watched.page
        page.set_default_timeout(PATIENCE)

        page.goto(server.url)
        page.get_by_text("Nothing is stored here yet").wait_for()

        # What a run stores appears by itself, without a reload.
        stores.fill(Settings(home=server.home))
        page.get_by_test_id("stMetricValue").first.wait_for()
        page.locator(".js-plotly-plot .main-svg").first.wait_for()
        assert page.get_by_test_id("stMetricValue").count() == 3
        assert page.get_by_label("Recent price and forecast of BTCUSDT, 1h ahead").count() >= 1
        assert no_wider_than_the_window(watched)

        # Tab reaches the symbols, and the keyboard alone chooses another.
        reached = []
        for _ in range(25):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.innerText || ''").strip())
            if reached[-1] == "ETHUSDT":
                break
            if reached[-1] == "BTCUSDT":
                page.keyboard.press("ArrowRight")
                reached.append(page.evaluate("document.activeElement.innerText || ''").strip())
                break
        assert reached[-1] == "ETHUSDT", reached
        page.keyboard.press("Enter")
        page.get_by_label("Recent price and forecast of ETHUSDT, 1h ahead").first.wait_for()

        for path, heading in (("scorecard", "Scorecard"), ("data", "Data"), ("", "Forecasts")):
            for width in (1280, 400):
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(f"{server.url}/{path}")
                page.get_by_role("heading", name=heading, exact=True).wait_for()
                page.locator(".js-plotly-plot .main-svg").first.wait_for()
                assert no_wider_than_the_window(watched), (heading, width)

        assert ours(watched.errors) == []
        assert watched.foreign(server.url, server.url.replace("http", "ws")) == []
