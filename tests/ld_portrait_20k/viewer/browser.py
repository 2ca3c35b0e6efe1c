"""Headless Chromium, driven by Playwright's Python package; Debian's Chromium, no downloads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PATIENCE = 60_000  # milliseconds for a step of the page on a busy machine


class Watched:
    """A page, and all that went wrong on it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.problems: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda problem: self.problems.append(str(problem)))
        page.on("console", self._said)
        page.on("dialog", lambda dialog: self.problems.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.asked.append(request.url))

    def _said(self, message: Any) -> None:
        if message.type == "error":  # a warning says that a test reads many pixels
            self.problems.append(message.text)

    def until(self, condition: str, argument: Any = None) -> None:
        """Wait until a JavaScript function gives true."""
        self.page.wait_for_function(condition, arg=argument)

    def text(self, selector: str) -> str:
        """The text of an element."""
        return str(self.page.text_content(selector))


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium; try: apt-get install chromium")
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-background-networking"]
        )
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser: Any, address: str, width: int = 1200, scheme: str = "light") -> Watched:
    """A page of its own, with its own storage."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    watched = Watched(context.new_page())
    watched.page.goto(address)
    watched.until("() => document.querySelectorAll('.cell .id').length > 0")
    return watched
