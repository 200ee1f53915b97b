"""The dashboard as a person meets it: the real process, a real browser."""

from collections.abc import Iterator

import pytest

from bitpredict.settings import Settings
from tests.support import stores
from tests.support.browser import browser, watch
from tests.support.dashboard_server import PATIENCE, Server, no_wider_than_the_window, ours, serve_dashboard

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The dashboard over a home that is still empty."""
    with serve_dashboard(tmp_path_factory.mktemp("home")) as running:
        yield running


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
