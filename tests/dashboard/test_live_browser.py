"""The live page in a real browser: each second moves its chart, and never puts another in its place."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bitpredict.settings import Settings
from bitpredict.streaming.open_log import open_event_log
from bitpredict.streaming.topics import PREDICTIONS, topic_specs
from tests.support import live_messages as made
from tests.support.browser import browser, watch
from tests.support.dashboard_server import PATIENCE, no_wider_than_the_window, ours, serve_dashboard

pytestmark = pytest.mark.slow

CANVAS = ".stVegaLiteChart canvas"
BLUE_PIXELS = f"""
(() => {{
  const canvas = document.querySelector('{CANVAS}');
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let blue = 0;
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] && pixels[i + 2] > pixels[i] + 60) blue++;
  return blue;
}})()
"""


def test_the_chart_moves_and_stays_the_same_one(tmp_path: Path) -> None:
    """Also when a warning above it comes: nothing has arrived for ten seconds. A phone shows all of it."""
    settings = Settings(home=tmp_path, market="sample")
    with open_event_log(settings) as log:
        log.create(topic_specs(settings))
        with serve_dashboard(tmp_path) as server, browser() as chromium:
            made.fill(log, datetime.now(UTC), seconds=200)
            watched = watch(chromium.new_page(viewport={"width": 1180, "height": 1010}))
            page = watched.page
            page.set_default_timeout(PATIENCE)
            page.goto(f"{server.url}/live")
            page.get_by_label("Price and newest forecast of BTCUSDT, 5m ahead").first.wait_for()
            page.wait_for_function(f"document.querySelector('{CANVAS}') && {BLUE_PIXELS} > 1000")
            page.evaluate(f"window.first = document.querySelector('{CANVAS}')")
            for minute in range(1, 4):
                before = page.evaluate(f"document.querySelector('{CANVAS}').toDataURL()")
                origin, now = made.CANDLES_END + timedelta(minutes=minute), datetime.now(UTC)
                price = 41_900.0 + 40 * minute
                about = {"made_from": "binance-candles/0@1"}
                made.append(log, PREDICTIONS, [made.made_prediction("BTCUSDT", "5m", origin, price, now, **about)])
                page.wait_for_function(
                    f"before => document.querySelector('{CANVAS}').toDataURL() != before", arg=before
                )
                assert page.evaluate(f"window.first === document.querySelector('{CANVAS}')")
                assert page.evaluate(BLUE_PIXELS) > 1000
            page.get_by_text("Nothing has arrived for").wait_for()
            assert page.evaluate(f"window.first === document.querySelector('{CANVAS}')")
            page.set_viewport_size({"width": 400, "height": 900})
            page.wait_for_function(f"document.querySelector('{CANVAS}').getBoundingClientRect().width < 400")
            assert no_wider_than_the_window(watched)
            assert ours(watched.errors) == []
            assert watched.foreign(server.url, server.url.replace("http", "ws")) == []
