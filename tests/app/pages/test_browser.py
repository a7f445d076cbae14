"""The page in a real browser: what it shows, what it asks for, and what it does when studies change."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage import workers
from storage.database import Database
from storage.fleet_records import Traces, WarmStudy, WorkerUsage
from storage.records import StudyState
from tests.app.pages import scenes
from tests.app.pages.browser import Seen, browsing, skip_where_missing
from tests.app.scenes import Bench, definition, outcome
from tests.app.test_process import Running

PHONE = {"width": 390, "height": 800}


class Served:
    """A service on a real socket with studies to look at, and a browser."""

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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    skip_where_missing()
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def serving(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give a service with a finished, a running, a failed, a queued and a hostile study."""
    url = f"sqlite:///{tmp_path_factory.mktemp('page')}/x.db"
    server = Running(url, sweep_seconds=3600, events_seconds=0.05)
    database = Database(url)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        bench = Bench(client, database)
        bench.publish()
        scenes.finished(bench)
        scenes.running(bench)
        scenes.failed(bench)
        scenes.hostile(bench)
        bench.submit(name=scenes.QUEUED)
        yield Served(server, bench, browser)
    server.close()
    database.close()


@pytest.fixture
def served(serving: Served) -> Iterator[Served]:
    yield serving
    serving.close_tabs()


@pytest.fixture(scope="module")
def finished(serving: Served) -> Iterator[Seen]:
    """A tab with the finished study, all of it drawn, for tests that change nothing in it."""
    context = serving.browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield Seen(context.new_page(), serving.origin).open(f"/studies/{scenes.FINISHED}").drawn()
    context.close()


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


def test_the_answer_comes_first_in_the_units_of_the_metrics(served: Served, finished: Seen) -> None:
    assert (
        finished.text(".headline")
        == "Use the tuned weights: they are better than yours; it is not certain that they beat every baseline."
    )
    best = served.bench.get(f"/v1/studies/{scenes.FINISHED}/best")
    means = best["confirmation"]["candidates"]
    path = "parity.binary_accuracy"
    card = finished.text(f'.change[data-metric="{path}"]')
    for setting in ("current", f"trial {best['trial']}"):
        mean = 100 * means[setting]["metrics"][path]["mean"]
        assert f"{mean:#.4g} %" in card
    assert "gains" in card


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("worse", "Keep your weights: they keep a constraint that the tuned weights break."),
        ("not_enough", "Keep your weights: they keep a constraint that the tuned weights may break."),
    ],
)
def test_weights_that_break_a_constraint_are_praised_for_no_lead(served: Served, call: str, text: str) -> None:
    best, confirmation = _answers(served)
    assert confirmation["against"]["current"]["value"]["low"] > 0
    path = "parity.binary_accuracy"
    best["confirmation"]["constraints"] = [{"metric": path, "at_least": None, "at_most": 0.5, "held": 0, "n": 5}]
    confirmation["settings"][confirmation["winner"]]["breaks"] = [path]
    _recommend(best, confirmation, "current")
    confirmation["call"] = call
    assert _headline(served, best, confirmation) == text


def test_where_yours_break_a_constraint_that_the_tuned_weights_keep_the_headline_says_so(served: Served) -> None:
    best, confirmation = _answers(served)
    path, means = "parity.binary_accuracy", best["confirmation"]["candidates"]
    tuned, yours = (means[name]["metrics"][path]["mean"] for name in (confirmation["winner"], "current"))
    bound = {"metric": path, "at_least": (tuned + yours) / 2, "at_most": None, "held": 5, "n": 5}
    best["confirmation"]["constraints"] = [bound]
    confirmation["settings"]["current"]["breaks"] = [path]
    confirmation["call"] = "better"
    seen = _shown(served, best, confirmation)
    assert seen.text(".headline") == "Use the tuned weights: yours break a constraint."
    assert "your weights keep it on 0 of" in seen.text(f'.change[data-metric="{path}"]')


def test_a_baseline_that_leads_without_certainty_is_not_praised_for_a_constraint(served: Served) -> None:
    """The study has no constraints: equal weights are recommended for their lead alone."""
    best, confirmation = _answers(served)
    assert best["confirmation"]["constraints"] == []
    _recommend(best, confirmation, "equal")
    confirmation["call"] = "not_enough"
    assert _headline(served, best, confirmation) == "Not enough trainings to tell whether the tuned weights are better."


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("equal", "Use equal weights: tuning gains nothing beyond noise; whether that beats yours is not certain."),
        ("current", "Keep your weights: tuning gains nothing beyond noise."),
    ],
)
def test_where_tuning_gains_nothing_the_headline_says_what_to_use(served: Served, rule: str, text: str) -> None:
    best, confirmation = _answers(served)
    _recommend(best, confirmation, rule)
    confirmation["call"] = "as_good"
    assert _headline(served, best, confirmation) == text


def test_equal_weights_that_stand_for_yours_are_called_yours(served: Served) -> None:
    best, confirmation = _answers(served)
    _recommend(best, confirmation, "equal")
    confirmation["call"] = "as_good"
    for each in (confirmation["settings"], confirmation["against"], confirmation["recommended_against"]):
        del each["current"]
    confirmation["settings"]["equal"]["stands_for"] = ["current"]
    seen = _shown(served, best, confirmation)
    assert seen.text(".headline") == "Keep your weights: tuning gains nothing beyond noise."
    assert seen.page.locator(".take thead th").all_inner_texts() == ["Weight of", "yours (equal)", "tuned"]


def test_what_met_no_baseline_is_said_to_be_confirmed_with_its_worth(served: Served) -> None:
    best, confirmation = _answers(served)
    tuned = confirmation["winner"]
    best["baselines"], best["recommended"]["pick"] = {}, "objective"
    confirmation |= {"call": None, "against": {}, "recommended": tuned, "recommended_against": {}}
    confirmation["settings"] = {tuned: confirmation["settings"][tuned]}
    value = confirmation["settings"][tuned]["value"]
    value["mean"] = 0.75
    headline = f"Trial {best['trial']} is worth 0.75 on {value['n']} fresh seeds; no baseline could be held against it."
    assert _headline(served, best, confirmation) == headline


def test_a_recommended_baseline_that_surely_beats_yours_is_praised_for_it(served: Served) -> None:
    best, confirmation = _answers(served)
    _recommend(best, confirmation, "equal", {"difference": 0.2, "low": 0.1, "high": 0.3, "n": 3, "better": True})
    confirmation["call"] = "as_good"
    headline = "Use equal weights: better than yours; tuning gains nothing beyond noise."
    assert _headline(served, best, confirmation) == headline


def test_what_is_recommended_is_held_against_yours_with_the_tuned_weights_beside_it(served: Served) -> None:
    best, confirmation = _answers(served)
    _recommend(best, confirmation, "equal")
    confirmation["call"] = "as_good"
    seen = _shown(served, best, confirmation)
    path, settings = "digit.sparse_categorical_accuracy", confirmation["settings"]
    seeds = set(settings["current"]["judged_on"]) & set(settings["equal"]["seeds"])
    yours, equal = (
        100 * sum(settings[name]["metrics"][path][str(seed)] for seed in seeds) / len(seeds) for name in ("current", "equal")
    )
    card = seen.text(f'.change[data-metric="{path}"]')
    assert seen.text(".from").startswith("Your weights \u2192 equal weights")
    assert card.index(f"{yours:#.4g} %") < card.index(f"{equal:#.4g} %") < card.index("tuned instead: ")


def test_weights_that_stay_are_paid_for_by_no_task(served: Served) -> None:
    best, confirmation = _answers(served)
    _recommend(best, confirmation, "current")
    seen = _shown(served, best, confirmation)
    assert seen.text(".pays").startswith("None")
    assert "\u2192" not in seen.text(".changes")


def test_a_range_to_search_next_stands_with_what_more_trials_of_this_range_gain(served: Served, finished: Seen) -> None:
    best, confirmation = _answers(served)
    (edge,) = [each["edge"] for each in best["sensitivity"]["ranges"].values() if each["edge"]]
    assert edge["sentence"][1:] in confirmation["verdict"]
    worth = finished.text(".answers dd >> nth=2")
    assert worth.startswith("In this range ")
    assert "In another range perhaps: the best lies at the end of what was searched; search agreement from 0.0025 to" in worth
    assert "search from" not in finished.text(".sentence.full")


def _answers(served: Served) -> tuple[Any, Any]:
    """Return the finished study's best-weights document and its confirmation, to change."""
    best, confirmation = (served.bench.get(f"/v1/studies/{scenes.FINISHED}/{name}") for name in ("best", "confirmation"))
    return best, confirmation


WITHIN_NOISE = {"difference": -0.1, "low": -0.3, "high": 0.1, "n": 3, "better": None}


def _recommend(best: Any, confirmation: Any, rule: str, over_yours: Any = WITHIN_NOISE) -> None:
    """Change the documents to those of a study that recommends a baseline, which is as good as all others but perhaps yours."""
    best["recommended"]["pick"] = f"baseline:{rule}"
    against, tuned = confirmation["against"], confirmation["winner"]
    for each in against.values():
        if not best["confirmation"]["constraints"]:
            each["value"] |= WITHIN_NOISE
    others = [name for name in (*against, tuned) if name != rule]
    leads = {name: over_yours if name == "current" else WITHIN_NOISE for name in others}
    metrics = against[rule]["metrics"]
    confirmation["recommended"] = rule
    confirmation["recommended_against"] = {name: {"value": leads[name], "metrics": metrics} for name in others}


def _headline(served: Served, best: Any, confirmation: Any) -> str:
    """Return the headline of the finished study where the service answers with these documents."""
    return _shown(served, best, confirmation).text(".headline")


def _shown(served: Served, best: Any, confirmation: Any) -> Seen:
    """Open the finished study as if the service answered with these documents."""
    seen = served.tab()
    for name, body in (("best", best), ("confirmation", confirmation)):
        seen.page.route(re.compile(f"/v1/studies/{scenes.FINISHED}/{name}$"), partial(_answered, body))
    return seen.open(f"/studies/{scenes.FINISHED}")


def _answered(body: Any, route: Any) -> None:
    route.fulfill(json=body)


def test_the_table_of_studies_has_the_verdict_and_not_the_lead_over_one_baseline(served: Served) -> None:
    against = served.bench.get(f"/v1/studies/{scenes.FINISHED}/confirmation")["against"]
    assert against["current"]["value"]["low"] > 0
    assert "not enough trainings to tell" in served.tab().open("/").text("main")


def test_the_table_of_studies_has_the_broken_constraint_and_the_recommendation_of_the_confirmation(served: Served) -> None:
    """The study's own bounds, which are not of fresh seeds, name none."""
    best, confirmation = _answers(served)
    _recommend(best, confirmation, "equal")
    confirmation["call"] = "better"
    confirmation["settings"][confirmation["winner"]]["breaks"] = ["parity.binary_accuracy"]
    confirmation["settings"]["equal"]["stands_for"] = ["current"]
    seen = served.tab()
    seen.page.route(re.compile(f"/v1/studies/{scenes.FINISHED}/confirmation$"), partial(_answered, confirmation))
    text = "better than the baselines, but breaks a constraint: keep yours"
    assert seen.open("/").text("td.verdict >> text=baselines") == text


def test_a_study_whose_worker_starts_says_nowhere_that_there_is_none(served: Served) -> None:
    study = served.bench.get(f"/v1/studies/{scenes.QUEUED}")
    study["reason"] = {"code": "no_live_worker", "message": "the worker is starting", "at": None}
    seen = served.tab()
    seen.page.route(re.compile(f"/v1/studies/{scenes.QUEUED}$"), partial(_answered, study))
    seen.open(f"/studies/{scenes.QUEUED}")
    assert seen.text(".headline") == "No answer yet: the worker is starting."
    assert "no worker" not in seen.text("main").lower()


def test_a_study_that_failed_says_why(served: Served) -> None:
    seen = served.tab().open(f"/studies/{scenes.FAILED}")
    assert seen.text(".headline") == "No answer: the study failed."
    assert "no rows.npz (at workload.options.path)" in seen.text("main")


def test_what_is_copied_is_what_rest_gives(served: Served, finished: Seen) -> None:
    best = served.bench.get(f"/v1/studies/{scenes.FINISHED}/best")
    finished.page.bring_to_front()
    finished.page.get_by_role("button", name="Copy as JSON").click()
    finished.page.get_by_text("Copied").wait_for()
    assert json.loads(finished.page.evaluate("navigator.clipboard.readText()")) == best["loss_weights"]
    finished.page.get_by_role("button", name="Copy as Python").click()
    text = finished.page.evaluate("navigator.clipboard.readText()")
    assigned = {line.split(" = ")[0]: ast.literal_eval(line.split(" = ")[1]) for line in text.splitlines()}
    assert assigned == {"loss_weights": best["loss_weights"], "penalty_weights": best["penalty_weights"]}


def recommending_equal(served: Served, *, moves: bool) -> Seen:
    """Open the finished study as if equal weights were recommended, or a rule of that name that moves them."""
    seen = served.tab(permissions=["clipboard-read", "clipboard-write"])
    address = f"/v1/studies/{scenes.FINISHED}"
    best = served.bench.get(f"{address}/best")
    equal = best["baselines"]["equal"]
    recommended = {"pick": "baseline:equal", "weights": None if moves else equal["weights"], "sentence": "Use equal weights."}
    baselines = {**best["baselines"], "equal": {**equal, "moves": moves}}
    answer, confirmation = {**best, "recommended": recommended, "baselines": baselines}, served.bench.get(f"{address}/confirmation")
    _recommend(answer, confirmation, "equal")
    for name, body in (("best", answer), ("confirmation", confirmation)):
        seen.page.route(re.compile(f"{address}/{name}$"), partial(_answered, body))
    return seen.open(f"/studies/{scenes.FINISHED}")


def test_a_baseline_that_is_recommended_is_what_is_copied_first(served: Served) -> None:
    seen = recommending_equal(served, moves=False)
    assert seen.text(".take h3").startswith("Recommended: equal")
    seen.page.locator(".take button").first.click()
    seen.page.get_by_text("Copied").wait_for()
    equal = served.bench.get(f"/v1/studies/{scenes.FINISHED}/best")["baselines"]["equal"]
    assert ast.literal_eval(seen.page.evaluate("navigator.clipboard.readText()").removeprefix("weights = ")) == equal["weights"]


def test_a_rule_that_moves_its_weights_is_shown_with_none(served: Served) -> None:
    seen = recommending_equal(served, moves=True)
    cells = seen.page.locator(".take tbody tr").first.locator("td").all_inner_texts()
    assert cells[1] == "moves"  # yours, the recommended rule, tuned
    assert "Copy equal" not in seen.text(".take")


def test_a_warning_that_was_opened_stays_open_when_the_study_goes_on(served: Served) -> None:
    name = "warned"
    served.bench.submit(name=name, search={**definition()["search"], "trials": 8})
    seen = served.tab().open(f"/studies/{name}")
    seen.page.locator(".warnings summary").click()
    served.bench.trained([0.5], name)
    seen.page.get_by_text("leads, on one seed.").wait_for(timeout=30_000)
    assert seen.page.locator(".warnings[open] li").first.is_visible()


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


def test_a_baseline_that_leads_is_not_called_tuned(served: Served) -> None:
    name = "baseline-leads"
    served.bench.submit(name=name)
    served.bench.trained([0.5], name, baseline=0.75)
    seen = served.tab().open(f"/studies/{name}")
    assert "weights lead, on one seed." in seen.text(".headline")
    assert seen.text(".take h3").startswith("The best so far: yours")
    assert "tuned" not in seen.text(".take table").lower()


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


def test_a_study_that_nobody_trains_says_so_in_place_of_the_time_that_is_left(served: Served) -> None:
    name = "stranded"
    served.bench.submit(name=name, workload={"name": "digits", "options": {}})
    served.bench.trained([0.5, 0.75], name)
    served.bench.plan(1, name)
    served.bench.start(name=name)
    with served.bench.database.writing() as session:
        alive = [each.id for each in workers.list_workers(session, served.bench.database.now(session)) if each.alive]
        for each in alive:
            workers.deregister(session, each, served.bench.database.now(session))
    seen = served.tab().open(f"/studies/{name}")
    assert "left" not in seen.text(".head") + seen.text(".answers")
    assert "no worker is alive" in seen.text(".head")
    row = served.tab().open("/").page.locator("tr", has_text=name)
    assert "no worker is alive" in row.inner_text()


@pytest.mark.parametrize("path", ["/", "/workers", f"/studies/{scenes.FINISHED}", f"/studies/{scenes.RUNNING}"])
def test_a_phone_shows_it_without_scrolling_sideways(served: Served, path: str) -> None:
    seen = served.tab(viewport=PHONE).open(path).drawn()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    ends = seen.page.eval_on_selector_all("nav a", "links => links.map((link) => link.getBoundingClientRect().right)")
    assert max(ends) <= PHONE["width"]


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
    served.bench.worker(name="unmeasured")
    page = served.tab().open("/workers").page
    head = page.locator("thead th").all_inner_texts()
    cells = page.locator("tr", has_text="unmeasured").locator("th, td").all_inner_texts()
    assert [cells[head.index(name)] for name in ("Memory", "Graphs")] == ["–", "–"]


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
    server = Running(f"sqlite:///{tmp_path}/empty.db", sweep_seconds=3600)
    try:
        seen = Seen(served.browser.new_context().new_page(), f"http://127.0.0.1:{server.port}").open("/")
        assert "steelyard submit study.json" in seen.text("main")
        seen.page.get_by_role("button", name="Submit the example").click()
        seen.page.wait_for_url(re.compile("/studies/digit-and-parity"))
        seen.page.wait_for_selector("body[data-ready]")
        assert seen.wrong == []
        seen.page.context.close()
    finally:
        server.close()


def test_ten_thousand_trials_are_shown_with_the_best_among_them(served: Served) -> None:
    scenes.large(served.bench, 10_000)
    best = served.bench.get(f"/v1/studies/{scenes.LARGE}")["best"]["number"]
    seen = served.tab().open(f"/studies/{scenes.LARGE}").drawn()
    assert seen.wrong == []
    assert f"trial {best}" in seen.text("#verdict")
    assert "of 10,000 trials are drawn" in seen.text("#tradeoff .note")
    assert seen.page.locator("#tradeoff-plot .points path").count() < 1200
