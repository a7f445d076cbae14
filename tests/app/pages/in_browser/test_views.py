"""The views at large: policy, links, tables, keyboard, phone, accessibility, report; an empty service and a large study."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.app.pages.in_browser import scenes
from tests.app.pages.in_browser.browser import PHONE, Seen, Served, serving

STUDIES = (scenes.RUNNING, scenes.FAILED, scenes.QUEUED)
VIEWS = ("/", "/workers", "/workloads", f"/studies/{scenes.RUNNING}/trials/5", *(f"/studies/{name}" for name in STUDIES))


@pytest.mark.parametrize("path", VIEWS)
def test_a_view_is_shown_without_complaint_and_asks_no_other_server(served: Served, path: str) -> None:
    seen = served.tab().open(path).drawn()
    assert seen.wrong == []
    assert "could not be shown" not in seen.text("main")


def test_an_answer_is_shown_without_complaint_and_asks_no_other_server(finished: Seen) -> None:
    assert finished.wrong == []
    assert "could not be shown" not in finished.text("main")


@pytest.mark.parametrize("path", ["/", f"/studies/{scenes.HOSTILE}"])
def test_markup_in_a_users_texts_is_shown_as_text(served: Served, path: str) -> None:
    seen = served.tab().open(path).drawn()
    assert "<script>document.title='taken'</script>" in seen.text("main")
    assert "taken" not in seen.page.title()
    assert seen.page.locator("main img, main b").count() == 0
    assert seen.wrong == []


def test_a_link_shows_the_same_view_again(served: Served) -> None:
    path = f"/studies/{scenes.FINISHED}"
    seen = served.tab().open(path)
    row = seen.page.locator("#trial-table tbody tr").nth(4).locator("input")
    row.check()
    seen.page.get_by_label("Phase").select_option("search")
    seen.page.get_by_label("Term or metric").select_option("agreement")
    address = seen.page.url.removeprefix(served.origin)
    assert len(address) < 200
    again = served.tab().open(address)
    assert again.page.get_by_label("Phase").input_value() == "search"
    assert again.page.get_by_label("Term or metric").input_value() == "agreement"
    assert again.page.get_by_label("Draw trial 4").is_checked()


@pytest.mark.parametrize("width", [PHONE["width"], 1000])
def test_a_long_name_stays_in_its_card(served: Served, width: int) -> None:
    best = served.bench.get(f"/v1/studies/{scenes.FINISHED}/best")
    best["note"] = f"model.compile(loss_weights={'long' * 40}) trains what was tuned."
    seen = served.tab(viewport={**PHONE, "width": width})
    seen.page.route(re.compile(f"/v1/studies/{scenes.FINISHED}/best$"), lambda route: route.fulfill(json=best))
    seen.open(f"/studies/{scenes.FINISHED}")
    assert seen.text(".take .note") == best["note"]
    assert seen.page.locator(".take").evaluate("card => card.scrollWidth <= card.clientWidth")


def test_a_range_that_begins_at_zero_is_shaded_on_a_logarithmic_axis(served: Served) -> None:
    best, path = served.bench.get(f"/v1/studies/{scenes.FINISHED}/best"), "parity.crossentropy"
    best["sensitivity"]["ranges"][path] |= {"low": 0.0, "high": 2.0}
    seen = served.tab()
    seen.page.route(re.compile(f"/v1/studies/{scenes.FINISHED}/best$"), lambda route: route.fulfill(json=best))
    seen.open(f"/studies/{scenes.FINISHED}").drawn()
    assert seen.text("#weight-parity-crossentropy .note").startswith("Shaded: 0 to 2 is as good as the winner.")
    layout = seen.page.locator("#weight-parity-crossentropy .plot").evaluate("plot => [plot.layout.xaxis.type, plot.layout.shapes]")
    assert layout[0] == "log"
    (band,) = [shape for shape in layout[1] if shape["type"] == "rect"]
    assert 0 < band["x0"] <= 10**-1.5  # the least weight that was searched
    assert band["x1"] == 2.0


def test_a_front_has_no_value_in_the_list(served: Served) -> None:
    shown = served.bench.get("/v1/studies")
    (study,) = [each for each in shown["studies"] if each["name"] == scenes.FINISHED]
    seen = served.tab()
    seen.page.route(re.compile(r"/v1/studies(\?.*)?$"), lambda route: route.fulfill(json=shown))
    row = seen.open("/").page.locator("tr", has=seen.page.get_by_role("link", name=scenes.FINISHED, exact=True))
    assert "0.9" in row.locator("td").nth(3).inner_text()
    study["definition"]["objective"]["aggregate"] = "pareto"
    seen.open("/")
    assert row.locator("td").nth(3).inner_text() == "–"


def test_trials_are_sorted_and_paged_by_the_service(served: Served) -> None:
    seen = served.tab().open(f"/studies/{scenes.FINISHED}")
    table = seen.page.locator("#trial-table")
    table.get_by_role("button", name="Objective").click()
    found = served.bench.get(f"/v1/studies/{scenes.FINISHED}/trials", order_by="-objective", page_size=25)["trials"]
    table.locator("tbody tr").first.get_by_role("link", name=str(found[0]["number"]), exact=True).wait_for()
    seen.page.locator("#trials .pager").get_by_role("button", name="Next").click()
    seen.page.get_by_text("Page 2").wait_for()
    assert seen.wrong == []


def test_everything_is_reached_by_the_keyboard(served: Served) -> None:
    seen = served.tab().open(f"/studies/{scenes.FINISHED}")
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    seen.page.keyboard.press("Enter")
    reached = []
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        reached.append(seen.page.evaluate("document.activeElement.textContent"))
    assert {"Copy as Python", "Copy as JSON", "Table", "Trade-off"} <= set(reached)
    seen.page.locator("#compare-objective").get_by_role("button", name="Table").focus()
    seen.page.keyboard.press("Enter")
    assert seen.page.locator("#compare-objective .data table").is_visible()


@pytest.mark.parametrize("path", ["/", "/workers", f"/studies/{scenes.FINISHED}", f"/studies/{scenes.RUNNING}"])
def test_a_phone_shows_it_without_scrolling_sideways(served: Served, path: str) -> None:
    seen = served.tab(viewport=PHONE).open(path).drawn()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    ends = seen.page.eval_on_selector_all("nav a", "links => links.map((link) => link.getBoundingClientRect().right)")
    assert max(ends) <= PHONE["width"]


def test_a_phone_shows_the_objective_of_trials(served: Served) -> None:
    seen = served.tab(viewport=PHONE).open(f"/studies/{scenes.FINISHED}")
    head = seen.page.locator("#trial-table th", has_text="Objective")
    head.wait_for()
    assert head.evaluate("head => head.getBoundingClientRect().right") <= PHONE["width"]


@pytest.mark.parametrize(
    ("path", "scheme"),
    [
        ("/", "light"),
        (f"/studies/{scenes.FINISHED}", "light"),
        (f"/studies/{scenes.FINISHED}", "dark"),
        *(
            pytest.param(path, scheme, marks=pytest.mark.soak)
            for path in (*VIEWS[1:4], f"/studies/{scenes.RUNNING}", f"/studies/{scenes.FAILED}")
            for scheme in ("light", "dark")
        ),
    ],
)
def test_a_view_can_be_used_by_everybody(served: Served, path: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    seen = served.tab(color_scheme=scheme, bypass_csp=True).open(path).drawn()
    found = Axe().run(seen.page)
    assert found.violations_count == 0, found.generate_report()


def test_a_report_shows_the_same_without_the_service(served: Served, finished: Seen, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(served.bench.client.get(f"/studies/{scenes.FINISHED}/report.html").content)
    seen = Seen(served.browser.new_context(offline=True).new_page(), served.origin)
    seen.page.goto(file.as_uri())
    seen.page.wait_for_selector("body[data-ready]", timeout=60_000)
    seen.drawn()
    assert seen.wrong == []
    for place in (".headline", ".changes", ".take table", "#judged .facts"):
        assert seen.text(place) == finished.text(place)
    assert seen.page.locator("figure[data-drawn]").count() >= 8
    seen.page.context.close()


def test_an_empty_service_says_how_to_begin_and_submits_the_example(served: Served, tmp_path: Path) -> None:
    with serving(tmp_path, served.browser) as empty:
        seen = empty.tab().open("/")
        assert "steelyard submit study.json" in seen.text("main")
        seen.page.get_by_role("button", name="Submit the example").click()
        seen.page.wait_for_url(re.compile("/studies/digit-and-parity"))
        seen.page.wait_for_selector("body[data-ready]")
        assert seen.wrong == []


def test_ten_thousand_trials_are_shown_with_the_best_among_them(served: Served) -> None:
    scenes.large(served.bench, 10_000)
    best = served.bench.get(f"/v1/studies/{scenes.LARGE}")["best"]["number"]
    seen = served.tab().open(f"/studies/{scenes.LARGE}").drawn()
    assert seen.wrong == []
    assert f"trial {best}" in seen.text("#verdict")
    assert "of 10,000 trials are drawn" in seen.text("#tradeoff .note")
    assert seen.page.locator("#tradeoff-plot .points path").count() < 1200
