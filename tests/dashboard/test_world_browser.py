"""The pages of quotes, news and data health in a real browser: texts from outside are shown as texts."""

from collections.abc import Iterator

import pytest

from bitpredict.settings import Settings
from tests.support import world
from tests.support.browser import browser, watch
from tests.support.dashboard_server import PATIENCE, Server, no_wider_than_the_window, ours, serve_dashboard

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The dashboard over quotes and news that are made up, and evil."""
    home = tmp_path_factory.mktemp("world")
    world.fill(Settings(home=home))
    with serve_dashboard(home) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "heading", "texts"),
    [
        pytest.param("market", "Market", ["BTC", "<b>Late</b> $1$"], id="market"),
        pytest.param("news", "News", [*world.EVIL, world.EVIL_FEED], id="news"),
        pytest.param("data_health", "Data health", ["price_data_real", world.EVIL_FEED], id="data health"),
    ],
)
def test_a_page_shows_what_others_wrote_as_it_is(server, path, heading, texts):
    with browser() as chromium:
        watched = watch(chromium.new_page(viewport={"width": 1280, "height": 1000}))
        page = watched.page
        page.set_default_timeout(PATIENCE)
        for width in (400, 1280):
            page.set_viewport_size({"width": width, "height": 1000})
            page.goto(f"{server.url}/{path}")
            page.get_by_role("heading", name=heading, exact=True).wait_for()
            page.get_by_test_id("stDataFrame").first.wait_for()
            assert no_wider_than_the_window(watched), width
        for text in texts:
            page.locator("[role=gridcell]").get_by_text(text, exact=True).first.wait_for(state="attached")
        if path == "news":
            page.locator(".js-plotly-plot .main-svg").first.wait_for()
            page.get_by_label("Feeds").first.click()
            page.locator("[role=option]").get_by_text(world.EVIL_FEED, exact=True).wait_for()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("window.hacked") is None
        assert page.locator("img[src=x], a[href^='javascript:'], .katex").count() == 0
        assert page.get_by_test_id("stException").count() == 0
        assert ours(watched.errors) == []
        assert watched.foreign(server.url, server.url.replace("http", "ws")) == []
