"""The report as a person opens it: a file in a browser, without a network."""

from pathlib import Path

import pytest

from bitpredict.report.collect import write_report_of
from bitpredict.settings import Settings
from tests.support import stores
from tests.support.browser import browser, watch

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_the_file_draws_every_chart_and_asks_for_nothing(settings: Settings, tmp_path: Path, width: int, scheme: str):
    stores.fill(settings)
    path = write_report_of(settings, tmp_path / "report.html")
    with browser() as chromium:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        watched = watch(context.new_page())
        watched.page.goto(path.as_uri())
        watched.page.locator(".chart .main-svg").last.wait_for()
        drawn = watched.page.evaluate(
            "[...document.querySelectorAll('.chart')].map(c => !!c.querySelector('.main-svg'))"
        )
        assert drawn == [True] * 11
        assert watched.page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
        ground = watched.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
        assert watched.errors == []
        assert watched.foreign(path.as_uri()) == []
