"""What matters in a study, over HTTP."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest

from storage import derived, study_rows, trials
from storage.records import AnchorRecord, Measured, Moment, Outcome, Role, StudyState, TrialState
from tests.app.scenes import DIGIT, NAME, PARITY, Bench, definition, on_sqlite, planned, problem
from tests.search.analysed import complete

PATH = f"/v1/studies/{NAME}/sensitivity"
BEST = f"/v1/studies/{NAME}/best"
WEIGHT = "parity.crossentropy"
CONFIRMED = {**definition()["search"], "confirmation": {"top": 1, "seeds": 4}, "trials": 16}
FRESH = (0.86, 0.90, 0.94, 0.90)
"""Accuracies of trial 8 on fresh seeds: mean .9, standard deviation .0326599."""


def accuracy(place: int) -> float:
    """Return what the search measured at the weight 0.25 + place: best at 8, 0.025 less a step."""
    return 0.95 - 0.025 * abs(place - 8)


def ended(number: int, value: float, aggregate: str = "mean") -> Outcome:
    values = {DIGIT: value, PARITY: value}
    judged = None if aggregate == "pareto" else value
    measured = {Moment.LAST: Measured(validation=values)}
    return Outcome(number, TrialState.COMPLETE, 2, 1, value=judged, values=values, feasible=True, measured=measured)


def searched(bench: Bench, **changes: Any) -> None:
    """Submit the flagship and train 16 trials, each with its own weight of parity; the penalty's is the same for all."""
    bench.submit(**changes)
    numbers = bench.plan(16)
    aggregate = changes.get("objective", {}).get("aggregate", "mean")
    bench.end(bench.start(), [ended(number, accuracy(number), aggregate) for number in numbers])


def confirm(bench: Bench) -> None:
    """Train trial 8 again on fresh seeds."""
    with bench.database.writing() as session:
        study = study_rows.lock_study(session, study_rows.get_study(session, NAME).id)
        again = [replace(planned(8, Role.CONFIRMATION), confirms=8, seed=seed + 1) for seed in range(len(FRESH))]
        added = trials.add_trials(session, study, again, beside=(), now=bench.database.now(session))
    bench.end(bench.start(), [ended(trial.number, value) for trial, value in zip(added, FRESH, strict=True)])


def come_to_its_end(bench: Bench) -> None:
    """End the study as a worker does when its plan ends."""
    with bench.database.writing() as session:
        complete(session, NAME, bench.database.now(session))


def test_a_confirmed_study_says_what_matters_and_within_what_range_nothing_does(bench: Bench) -> None:
    searched(bench, search=CONFIRMED)
    confirm(bench)
    come_to_its_end(bench)
    found = bench.get(PATH)
    assert (found["study"], found["state"], found["final"], found["trial"], found["trials"]) == (NAME, "COMPLETE", True, 8, 16)
    assert found["importance"][WEIGHT]["objective"] > 0.8
    assert set(found["importance"][WEIGHT]["metrics"]) == {DIGIT, PARITY}
    assert found["untold"] == {}
    noise = found["noise"]
    # the standard deviation of .86, .90, .94, .90
    assert (noise["std"], noise["margin"]) == (pytest.approx(0.0326599, abs=1e-6), pytest.approx(0.0326599, abs=1e-6))
    assert noise["of"] == "1 setting on fresh seeds"
    shown = found["ranges"][WEIGHT]
    assert (shown["best"], shown["searched"], shown["delta"]) == (8.25, [0.01, 100.0], noise["margin"])
    assert 4 < shown["low"] < 8.25 < shown["high"] < 16
    assert len(shown["curve"]) == 101
    assert (shown["curve"][0]["at"], shown["curve"][100]["at"]) == (0.01, 100.0)
    assert shown["sentence"].startswith(
        f"any parity.crossentropy from {shown['low']:.3g} to {shown['high']:.3g} costs at most 0.0327 in the "
    )
    assert any(rule.startswith("range: ") for rule in found["rules"])


def test_it_is_part_of_the_best_weights(bench: Bench) -> None:
    searched(bench, search=CONFIRMED)
    confirm(bench)
    assert "sensitivity" not in bench.get(BEST)
    come_to_its_end(bench)
    shown, found = bench.get(BEST)["sensitivity"], bench.get(PATH)
    assert shown == {key: found[key] for key in shown}
    assert {"importance", "ranges", "noise", "rules"} <= set(shown)
    assert "sensitivity" not in bench.get(BEST, aggregate="worst")


@on_sqlite
def test_a_winner_at_the_edge_of_its_range_is_reported_in_the_verdict(bench: Bench) -> None:
    tasks = copy.deepcopy(definition()["tasks"])
    tasks[1]["losses"][0]["weight"] = {"low": 0.01, "high": 9.0}
    searched(bench, search=CONFIRMED, tasks=tasks)
    confirm(bench)
    come_to_its_end(bench)
    best = bench.get(BEST)
    edge = best["sensitivity"]["ranges"][WEIGHT]["edge"]
    assert (edge["end"], edge["suggested"]) == ("high", {"low": 0.3, "high": 270.0, "scale": "log"})
    assert (
        "The winner's parity.crossentropy of 8.25 is at the high end of what was searched, so the range may be the limit: "
        "search from 0.3 to 270 next."
    ) in best["confirmation"]["verdict"]


def test_without_fresh_seeds_there_are_no_ranges_and_it_says_why(bench: Bench) -> None:
    searched(bench)
    come_to_its_end(bench)
    found = bench.get(PATH)
    assert (found["ranges"], found["noise"]["std"], found["trial"]) == ({}, None, 8)
    assert "give the search a confirmation" in found["noise"]["why"]
    assert found["importance"][WEIGHT]["objective"] > 0.8


def test_a_front_has_importances_alone(bench: Bench) -> None:
    searched(bench, objective={**definition()["objective"], "aggregate": "pareto"})
    come_to_its_end(bench)
    found = bench.get(PATH)
    assert found["importance"][WEIGHT]["objective"] is None
    assert found["importance"][WEIGHT]["metrics"][DIGIT] > 0.8
    assert (found["ranges"], found["trial"]) == ({}, None)
    assert found["noise"]["why"] == "the objective is a front: there is no one best"


def test_references_give_the_noise_of_a_study_that_confirms_nothing(bench: Bench) -> None:
    searched(bench)
    with bench.database.writing() as session:
        study = study_rows.lock_study(session, study_rows.get_study(session, NAME).id)
        spreads = [AnchorRecord("reference", path, 0.9, 0.01, (1, 2, 3)) for path in (DIGIT, PARITY)]
        derived.keep_anchors(session, study.id, spreads)
    come_to_its_end(bench)
    noise = bench.get(PATH)["noise"]
    # the mean of two metrics with standard deviation .01 each
    assert (noise["std"], noise["of"]) == (pytest.approx(0.01 / math.sqrt(2)), "reference trainings")


def test_before_the_end_it_is_409_with_retry_after(bench: Bench) -> None:
    searched(bench)
    response = bench.client.get(PATH)
    problem(response, 409, "no-sensitivity-yet")
    assert int(response.headers["retry-after"]) > 0


def test_a_study_that_was_stopped_has_none(bench: Bench) -> None:
    searched(bench)
    bench.ended(StudyState.STOPPED)
    response = bench.client.get(PATH)
    assert "ended STOPPED" in problem(response, 409, "no-sensitivity")["detail"]
    assert "retry-after" not in response.headers


@on_sqlite
def test_a_study_that_goes_on_keeps_what_was_worked_out(bench: Bench) -> None:
    searched(bench, search=CONFIRMED)
    confirm(bench)
    come_to_its_end(bench)
    kept = bench.get(PATH)["ranges"]
    assert bench.client.patch(f"/v1/studies/{NAME}", json={"trials": 20}).status_code == 200
    found = bench.get(PATH)
    assert (found["final"], found["sequence"], found["ranges"]) == (False, 20, kept)


@on_sqlite
def test_few_trials_say_that_they_are_too_few(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5, 0.6])
    come_to_its_end(bench)
    found = bench.get(PATH)
    assert "at least 8 are needed" in found["untold"]["objective"]
    assert found["importance"][WEIGHT] == {"objective": None, "metrics": {DIGIT: None, PARITY: None}}


@on_sqlite
def test_an_unchanged_answer_is_304(bench: Bench) -> None:
    searched(bench)
    come_to_its_end(bench)
    tag = bench.client.get(PATH).headers["etag"]
    assert bench.client.get(PATH, headers={"If-None-Match": tag}).status_code == 304


@on_sqlite
def test_a_study_that_there_is_not_is_404(bench: Bench) -> None:
    problem(bench.client.get("/v1/studies/nothing/sensitivity"), 404, "study-not-found")
