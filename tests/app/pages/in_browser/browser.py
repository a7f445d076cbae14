"""A real browser, a service on a real socket, and what is seen on a page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from storage.database import Database
from tests.app.scenes import Bench
from tests.app.test_process import Running

QUIET = (
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
READY = "body[data-ready]"
PHONE = {"width": 390, "height": 800}


def missing() -> str:
    """Return what these tests lack on this machine; empty where they can run."""
    try:
        import axe_playwright_python.sync_playwright  # noqa: F401
        import playwright.sync_api  # noqa: F401
    except ImportError as error:
        return f"{error.name} is not installed: pip install -e '.[test-heavy]'"
    return "" if executable() else "there is no Chromium on this machine: apt-get install chromium"


def executable() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browsing() -> Iterator[Any]:
    """Run a browser for the length of a block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(QUIET))
        yield browser
        browser.close()


@dataclass
class Seen:
    """A page, with everything that its browser complained of or asked another server for."""

    page: Any
    origin: str
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "file") and f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.wrong.append(f"a request to {request.url}")

    def open(self, path: str) -> Seen:
        """Go to a path of the service and wait until it is shown."""
        self.page.goto(f"{self.origin}{path}")
        self.page.wait_for_selector(READY, timeout=60_000)
        return self

    def drawn(self) -> Seen:
        """Draw every figure, as scrolling through the page does."""
        for figure in self.page.query_selector_all("figure"):
            if figure.is_visible():
                figure.scroll_into_view_if_needed()
                figure.wait_for_selector(".main-svg", timeout=60_000)
        return self

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).first.inner_text())


def skip_where_missing() -> None:
    if why := missing():
        pytest.skip(why)


class Served:
    """A service on a real socket, the database behind it, and a browser to look at it."""

    def __init__(self, server: Running, bench: Bench, browser: Any) -> None:
        self.server, self.bench, self.browser = server, bench, browser
        self.origin = f"http://127.0.0.1:{server.port}"
        self._contexts: list[Any] = []

    def tab(self, **context: Any) -> Seen:
        """Open a tab in a new profile."""
        opened = self.browser.new_context(**context)
        self._contexts.append(opened)
        return Seen(opened.new_page(), self.origin)

    def close_tabs(self) -> None:
        for context in self._contexts:
            context.close()
        self._contexts.clear()


@contextmanager
def serving(folder: Path, browser: Any) -> Iterator[Served]:
    """Run a service on an empty SQLite database in this folder for the length of a block."""
    url = f"sqlite:///{folder}/x.db"
    server = Running(url, sweep_seconds=3600, events_seconds=0.05)
    database = Database(url)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
            served = Served(server, Bench(client, database), browser)
            yield served
            served.close_tabs()
    finally:
        server.close()
        database.close()
