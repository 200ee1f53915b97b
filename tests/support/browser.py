"""Debian's chromium, driven by Playwright, with a record of what a page asked for and complained about."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
_ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@dataclass
class Watched:
    """A page, every address it asked for, and every error it reported."""

    page: "Page"
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def foreign(self, *own: str) -> list[str]:
        """Addresses outside the page's own."""
        return [url for url in self.requests if not url.startswith(("data:", "blob:", *own))]


@contextmanager
def browser() -> Iterator["Browser"]:
    """A running chromium; skips the test where the Debian package is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is missing")
    if not CHROMIUM.exists():
        pytest.skip("the Debian package chromium is missing")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=str(CHROMIUM), args=_ARGUMENTS.split())
        yield running
        running.close()


def watch(page: "Page") -> Watched:
    """Record the page's requests, console errors and uncaught exceptions from now on."""
    watched = Watched(page)
    page.on("request", lambda request: watched.requests.append(request.url))
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on(
        "console",
        lambda message: message.type == "error" and watched.errors.append(f"{message.text} {message.location}"),
    )
    return watched
