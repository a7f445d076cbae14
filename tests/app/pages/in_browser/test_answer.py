"""The answer on a study's page: its verdict, the figures in the metrics' units, and the weights to copy."""

from __future__ import annotations

import ast
import json
import re
from functools import partial
from typing import Any

import pytest

from tests.app.pages.in_browser import scenes
from tests.app.pages.in_browser.browser import Seen, Served


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


def test_a_baseline_that_is_recommended_is_what_is_copied_first(served: Served) -> None:
    seen = _recommending_equal(served, moves=False)
    assert seen.text(".take h3").startswith("Recommended: equal")
    seen.page.locator(".take button").first.click()
    seen.page.get_by_text("Copied").wait_for()
    equal = served.bench.get(f"/v1/studies/{scenes.FINISHED}/best")["baselines"]["equal"]
    assert ast.literal_eval(seen.page.evaluate("navigator.clipboard.readText()").removeprefix("weights = ")) == equal["weights"]


def test_a_rule_that_moves_its_weights_is_shown_with_none(served: Served) -> None:
    seen = _recommending_equal(served, moves=True)
    cells = seen.page.locator(".take tbody tr").first.locator("td").all_inner_texts()
    assert cells[1] == "moves"  # yours, the recommended rule, tuned
    assert "Copy equal" not in seen.text(".take")


def test_a_baseline_that_leads_is_not_called_tuned(served: Served) -> None:
    name = "baseline-leads"
    served.bench.submit(name=name)
    served.bench.trained([0.5], name, baseline=0.75)
    seen = served.tab().open(f"/studies/{name}")
    assert "weights lead, on one seed." in seen.text(".headline")
    assert seen.text(".take h3").startswith("The best so far: yours")
    assert "tuned" not in seen.text(".take table").lower()


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


def _recommending_equal(served: Served, *, moves: bool) -> Seen:
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
