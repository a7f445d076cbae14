"""An answer that can be believed, through a real service: references, baselines, pruning, confirmation, verdict."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import pytest

from tests.end_to_end.service import Service, until
from tests.end_to_end.studies import EXAMPLES, flagship


def as_sent(**search: Any) -> dict[str, Any]:
    """Return the `digits` example as a user sends it, shortened: what is confirmed is left to the service."""
    definition = flagship(**{"trials": 4, **search})
    if "confirmation" not in search:
        del definition["search"]["confirmation"]
    definition["training"]["epochs"] = 1
    return definition


def overlaid(**search: Any) -> dict[str, Any]:
    """Return the `digits-overlay` example, shortened: judged by what each task loses against being trained alone."""
    definition: dict[str, Any] = json.loads((EXAMPLES / "digits_overlay.json").read_text())
    definition["name"] = f"{flagship()['name']}-overlay"
    definition["search"] |= {"trials": 8, "references": {"seeds": 2}, "confirmation": {"top": 2, "seeds": 2}, **search}
    definition["training"]["epochs"] = 2
    return definition


def test_a_study_that_says_nothing_of_it_ends_with_a_verdict_on_fresh_seeds_that_chose_nothing(answering: Service) -> None:
    name = answering.submit(as_sent())
    study = answering.finished(name)
    assert study["state"] == "COMPLETE", study["reason"]
    best = answering.get(f"/v1/studies/{name}/best")
    confirmation = best["confirmation"]
    assert best["confirmed"]
    assert best["picked_by"] == "confirmation"
    # of 24 trainings: two finalists and three baselines choose on two seeds, then the winner and two of them meet on four more
    assert (len(confirmation["chosen_on"]), len(confirmation["seeds"]), confirmation["split"]) == (2, 4, "test")
    assert not set(confirmation["chosen_on"]) & set(confirmation["seeds"])
    assert f"the tuned weights (trial {best['trial']})" in confirmation["verdict"].lower()
    assert len(confirmation["against"]) == 2
    assert set(confirmation["against"]) < {"current", "equal", "inverse_initial_loss", "uncertainty"}
    assert confirmation["candidates"][f"trial {best['trial']}"]["value"]["n"] == 4
    assert best["recommended"]["weights"] is not None
    for trial in answering.trials(name):  # the test split is read for confirmations alone
        assert bool(trial["metrics"]["test"]) is (trial["role"] == "confirmation")


def test_what_is_planned_is_what_was_said_before_anything_ran(answering: Service) -> None:
    definition = overlaid()
    phases = answering.post("/v1/studies?validate_only=true", definition).json()["phases"]
    name = answering.submit(definition)
    study = answering.finished(name)
    assert study["state"] == "COMPLETE", study["reason"]
    trained = Counter(trial["role"] for trial in answering.trials(name))
    assert trained.pop("confirmation") <= phases.pop("confirmation")  # fewer where it is clear before
    assert trained == phases


def test_delta_m_is_measured_against_references_though_a_worker_is_killed(answering: Service) -> None:
    name = answering.submit(overlaid())
    until(lambda: answering.get(f"/v1/studies/{name}")["progress"]["trials"]["RUNNING"] > 0, "a cohort is trained")
    random.Random(1).choice(answering.worker_processes()).kill()
    study = answering.finished(name)
    trials = answering.trials(name)
    assert study["state"] == "COMPLETE", study["reason"]
    assert {(anchor["of"], anchor["metric"], anchor["n"]) for anchor in study["anchors"]} == {
        ("reference", "left.accuracy", 2),
        ("reference", "right.mse", 2),
    }
    references = Counter((trial["rule"], trial["seed"]) for trial in trials if trial["role"] == "reference")
    assert len(references) == 4
    assert set(references.values()) == {1}
    known = {anchor["metric"]: anchor["value"] for anchor in study["anchors"]}
    for trial in trials:
        if trial["role"] in ("search", "baseline"):
            accuracy, error = (trial["objective"]["values"][path] for path in ("left.accuracy", "right.mse"))
            change = accuracy / known["left.accuracy"] - 1 - (error / known["right.mse"] - 1)
            assert trial["objective"]["value"] == pytest.approx(50 * change)
    until(lambda: len(answering.worker_processes()) == 2, "the dead worker is replaced")


def test_hopeless_trials_are_pruned_and_the_study_says_what_matters(answering: Service) -> None:
    definition = as_sent(trials=12, pruner={"name": "successive_halving", "config": {"min_epochs": 1}}, confirmation=None)
    definition["training"]["epochs"] = 4
    name = answering.submit(definition)
    assert answering.finished(name)["state"] == "COMPLETE"
    searched = [trial for trial in answering.trials(name) if trial["role"] == "search"]
    pruned = [trial for trial in searched if trial["state"] == "PRUNED"]
    assert pruned
    assert all(trial["epochs"] < 4 and trial["reason"]["code"] == "pruned" for trial in pruned)
    assert answering.get(f"/v1/studies/{name}/best")["trial"] not in {trial["number"] for trial in pruned}


def test_a_front_is_searched_in_generations_and_asks_which_trade_off_is_wanted(answering: Service) -> None:
    definition = overlaid(sampler={"name": "nsga2", "config": {"population_size": 4}}, references=None)
    definition["objective"]["aggregate"] = "pareto"
    name = answering.submit(definition)
    study = answering.finished(name)
    assert study["state"] == "COMPLETE", study["reason"]
    front = answering.get(f"/v1/studies/{name}/pareto")
    assert front["trials"]
    knee = answering.get(f"/v1/studies/{name}/best", pick="knee")
    assert knee["trial"] == front["picks"]["knee"]
    assert all(trial["objective"]["value"] is None for trial in answering.trials(name))
