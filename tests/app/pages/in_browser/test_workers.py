"""What workers use, as the page shows it."""

from __future__ import annotations

from storage import workers
from storage.fleet_records import Traces, WarmStudy, WorkerUsage
from tests.app.pages.in_browser import scenes
from tests.app.pages.in_browser.browser import PHONE, Served


def use(served: Served, worker: int, usage: WorkerUsage) -> None:
    with served.bench.database.writing() as session:
        workers.heartbeat(session, worker, "busy", served.bench.database.now(session), usage)


def test_a_worker_s_memory_and_graphs_are_shown_with_their_units(served: Served) -> None:
    traces = Traces(8, 2.5, 25.0, (WarmStudy(scenes.RUNNING, 4), WarmStudy("ads", 2)))
    use(served, served.bench.worker(name="measured"), WorkerUsage(713 << 20, 1700 << 20, traces))
    row = served.tab(viewport=PHONE).open("/workers").page.locator("tr", has_text="measured")
    cells = " ".join(row.inner_text().split())
    assert "713 MiB peak 1.7 GiB" in cells
    assert f"6 warm: {scenes.RUNNING} (4), ads (2) 8 traced in 2.5 s, 10 % of its work" in cells
    ends = row.locator("td").evaluate_all("cells => cells.map((cell) => cell.getBoundingClientRect().right)")
    assert max(ends) <= PHONE["width"]


def test_a_worker_of_which_nothing_is_known_has_dashes_for_what_it_uses(served: Served) -> None:
    served.bench.worker(name="unheard")
    page = served.tab().open("/workers").page
    head = page.locator("thead th").all_inner_texts()
    cells = page.locator("tr", has_text="unheard").locator("th, td").all_inner_texts()
    assert [cells[head.index(name)] for name in ("Memory", "Graphs")] == ["–", "–"]
