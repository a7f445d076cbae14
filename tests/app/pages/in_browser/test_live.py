"""An open page when its studies change: what it shows by itself, how it stays live, and what it lets a user do."""

from __future__ import annotations

from pathlib import Path

from storage import workers
from storage.records import StudyState
from tests.app.pages.in_browser import scenes
from tests.app.pages.in_browser.browser import Seen, Served, serving
from tests.app.scenes import definition, outcome


def test_progress_is_shown_without_reloading(served: Served) -> None:
    name = "followed"
    served.bench.submit(name=name)
    served.bench.plan(2, name)
    token = served.bench.start(name=name)
    seen = served.tab().open(f"/studies/{name}")
    seen.page.evaluate("document.body.dataset.mark = 'kept'")
    assert "2 running" in seen.text(".standing")
    served.bench.end(token, [outcome(0, 0.5), outcome(1, 0.75)])
    seen.page.get_by_text("So far trial 1 leads, on one seed.").wait_for(timeout=30_000)
    served.bench.ended(StudyState.STOPPED, name)
    seen.page.locator(".badge.STOPPED").first.wait_for(timeout=30_000)
    assert seen.page.evaluate("document.body.dataset.mark") == "kept"
    assert seen.wrong == []


def test_a_warning_that_was_opened_stays_open_when_the_study_goes_on(served: Served) -> None:
    name = "warned"
    served.bench.submit(name=name, search={**definition()["search"], "trials": 8})
    seen = served.tab().open(f"/studies/{name}")
    seen.page.locator(".warnings summary").click()
    served.bench.trained([0.5], name)
    seen.page.get_by_text("leads, on one seed.").wait_for(timeout=30_000)
    assert seen.page.locator(".warnings[open] li").first.is_visible()


def test_a_deleted_study_says_so_on_a_page_that_is_open(served: Served) -> None:
    name = "to-be-deleted"
    served.bench.submit(name=name)
    served.bench.ended(StudyState.CANCELLED, name)
    seen = served.tab().open(f"/studies/{name}")
    seen.page.locator('#live[data-state="live"]').wait_for(timeout=30_000)
    assert served.bench.client.delete(f"/v1/studies/{name}").status_code == 204
    seen.page.get_by_text("This study has been deleted").wait_for(timeout=4_000)  # by the stream: polling would take five
    assert seen.text("#live") == "deleted"


def test_one_answer_that_fails_does_not_end_being_live(served: Served) -> None:
    seen = served.tab().open(f"/studies/{scenes.QUEUED}")
    seen.page.locator('#live[data-state="live"]').wait_for(timeout=30_000)
    seen.page.route("**/v1/studies/*", lambda route: route.abort())
    seen.page.evaluate("dispatchEvent(new Event('online'))")
    seen.page.locator('#live[data-state="unreachable"]').wait_for(timeout=30_000)
    seen.page.unroute("**/v1/studies/*")
    seen.page.evaluate("dispatchEvent(new Event('online'))")
    seen.page.locator('#live[data-state="live"]').wait_for(timeout=30_000)
    assert seen.page.locator("#live").get_attribute("data-state") == "live"


def test_ten_tabs_share_one_stream_and_all_are_live(served: Served, finished: Seen) -> None:
    finished.page.locator('#live[data-state="live"]').wait_for(timeout=30_000)
    first = served.tab().open("/")
    tabs = [first, *(Seen(first.page.context.new_page(), served.origin).open("/workers") for _ in range(9))]
    for tab in tabs:
        tab.page.locator('#live[data-state="live"]').wait_for(timeout=30_000)
    assert served.server.app.state.events.watchers == 2  # the other is of the tab with the finished study, in another profile
    served.bench.submit(name="seen-by-all")
    first.page.bring_to_front()
    first.page.get_by_role("link", name="seen-by-all").wait_for(timeout=30_000)


def test_what_cannot_be_undone_asks_once(served: Served) -> None:
    name = "to-be-cancelled"
    served.bench.submit(name=name)
    seen = served.tab().open(f"/studies/{name}")
    seen.page.get_by_text("Cohorts, log, pause and stop").click()
    seen.page.get_by_role("button", name="Cancel", exact=True).click()
    assert served.bench.study(name).state is StudyState.QUEUED
    seen.page.get_by_role("button", name="Yes, cancel").click()
    seen.page.locator(".badge.CANCELLED").first.wait_for(timeout=30_000)
    assert served.bench.study(name).state is StudyState.CANCELLED


def test_a_study_that_nobody_trains_says_so_in_place_of_the_time_that_is_left(served: Served, tmp_path: Path) -> None:
    """On a service of its own: all its workers end."""
    name = "stranded"
    with serving(tmp_path, served.browser) as stranded:
        bench = stranded.bench
        bench.publish()
        bench.submit(name=name, workload={"name": "digits", "options": {}})
        bench.trained([0.5, 0.75], name)
        bench.plan(1, name)
        bench.start(name=name)
        with bench.database.writing() as session:
            alive = [each.id for each in workers.list_workers(session, bench.database.now(session)) if each.alive]
            for each in alive:
                workers.deregister(session, each, bench.database.now(session))
        seen = stranded.tab().open(f"/studies/{name}")
        assert "left" not in seen.text(".head") + seen.text(".answers")
        assert "no worker is alive" in seen.text(".head")
        row = stranded.tab().open("/").page.locator("tr", has_text=name)
        assert "no worker is alive" in row.inner_text()
