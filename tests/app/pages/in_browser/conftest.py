"""One browser and one service with studies to look at, for all these tests: `tests.grouping` keeps them in one process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.app.pages.in_browser import scenes
from tests.app.pages.in_browser.browser import Seen, Served, browsing, serving, skip_where_missing
from tests.grouping import only_here


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    skip_where_missing()
    with browsing() as found:
        yield found


@pytest.fixture(scope="package")
def studies(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give a service with a finished, a running, a failed, a queued and a hostile study."""
    only_here("in_browser", tmp_path_factory)
    with serving(tmp_path_factory.mktemp("page"), browser) as served:
        served.bench.publish()
        scenes.finished(served.bench)
        scenes.running(served.bench)
        scenes.failed(served.bench)
        scenes.hostile(served.bench)
        served.bench.submit(name=scenes.QUEUED)
        yield served


@pytest.fixture
def served(studies: Served) -> Iterator[Served]:
    """Give that service; tabs that the test opens are closed after it."""
    yield studies
    studies.close_tabs()


@pytest.fixture(scope="package")
def finished(studies: Served) -> Iterator[Seen]:
    """A tab with the finished study, all of it drawn, for tests that change nothing in it."""
    context = studies.browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield Seen(context.new_page(), studies.origin).open(f"/studies/{scenes.FINISHED}").drawn()
    context.close()
