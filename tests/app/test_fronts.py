"""Studies that have a front of best trials and not one: what they answer over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from storage import study_rows, trials
from storage.records import Measured, Moment, Outcome, Role, StudyState, TrialState
from tests.app.scenes import DIGIT, NAME, PARITY, Bench, definition, on_sqlite, outcome, planned, problem

STUDY, BEST, FRONT, RANK, TRIALS = (f"/v1/studies/{NAME}{last}" for last in ("", "/best", "/pareto", "/rank", "/trials"))
PARETO = {**definition()["objective"], "aggregate": "pareto"}
TRADE = [(0.9, 0.1), (0.8, 0.8), (0.7, 0.7), (0.1, 0.9)]
"""Accuracies of digit and parity: the third is beaten by the second, which is the knee."""
BOUND = {"metric": PARITY, "strategy": "constraint", "at_least": 0.5}
PICKS = {"knee": 1, "nearest_ideal": 1, f"metric:{DIGIT}": 0, f"metric:{PARITY}": 3}


def ended(number: int, digit: float, parity: float, **fields: Any) -> Outcome:
    """End a trial with these accuracies, as a worker stores it of a front: without a value."""
    validation = {DIGIT: digit, PARITY: parity, "agreement": 0.25, "digit.crossentropy": 1.0 + number}
    numbers = Measured(validation=validation)
    measured = {Moment.LAST: numbers, Moment.BEST: numbers}
    return outcome(number, None, values={DIGIT: digit, PARITY: parity}, measured=measured, **{"feasible": True, **fields})


def trained(bench: Bench, accuracies: list[tuple[float, float]] = TRADE, **changes: Any) -> None:
    bench.submit(**{"objective": PARETO, **changes})
    numbers = bench.plan(len(accuracies))
    bench.end(bench.start(), [ended(number, *each) for number, each in zip(numbers, accuracies, strict=True)])


def test_no_one_trial_is_the_best_but_what_may_be_picked_is_reported(bench: Bench) -> None:
    trained(bench)
    found = problem(bench.client.get(BEST), 409, "several-best")
    assert found["picks"] == PICKS
    assert "knee (trial 1)" in found["detail"]
    assert f"metric:{PARITY} (trial 3)" in found["detail"]


@pytest.mark.parametrize(("pick", "number"), PICKS.items())
def test_a_pick_is_answered_with_its_weights(bench: Bench, pick: str, number: int) -> None:
    trained(bench)
    best = bench.get(BEST, pick=pick)
    assert (best["trial"], best["picked_by"]) == (number, pick)
    assert best["objective"]["aggregate"] == "pareto"
    assert best["objective"]["value"] is None
    assert not [place for place in best["not_finite"] if place.endswith("objective.value")]


def test_a_trial_of_a_front_has_its_metrics_and_no_value(bench: Bench) -> None:
    trained(bench)
    trial = bench.get(f"{TRIALS}/1")
    assert trial["objective"] == {"value": None, "values": {DIGIT: 0.8, PARITY: 0.8}, "feasible": True, "violations": {}}
    assert trial["not_finite"] == {}


def test_the_study_has_no_best_trial(bench: Bench) -> None:
    trained(bench)
    assert bench.get(STUDY)["best"] is None


def test_its_front_is_that_of_any_study(bench: Bench) -> None:
    trained(bench)
    front = bench.get(FRONT)
    assert [trial["number"] for trial in front["trials"]] == [0, 1, 3]
    assert front["picks"] == {"knee": 1, "nearest_ideal": 1}


@on_sqlite
def test_another_aggregate_ranks_it(bench: Bench) -> None:
    trained(bench)
    best = bench.get(BEST, aggregate="mean")
    assert (best["trial"], best["objective"]["value"]) == (1, pytest.approx(0.8))
    ranked = bench.client.post(RANK, json={"objective": {**PARETO, "aggregate": "worst"}}).json()
    assert [trial["number"] for trial in ranked["trials"]][:2] == [1, 2]


@on_sqlite
def test_a_front_is_no_ranking(bench: Bench) -> None:
    trained(bench)
    (error,) = problem(bench.client.post(RANK, json={"objective": PARETO}), 422, "bad-parameter")["errors"]
    assert error["path"] == "objective.aggregate"
    assert f"GET {FRONT} shows it" in error["expected"]
    (error,) = problem(bench.client.get(f"{BEST}?aggregate=pareto"), 422, "bad-parameter")["errors"]
    assert error["path"] == "query.aggregate"
    assert "?pick=knee" in error["expected"]


def test_before_a_trial_is_complete_there_is_nothing_to_pick(bench: Bench) -> None:
    bench.submit(objective=PARETO)
    problem(bench.client.get(BEST), 409, "no-trial-yet")
    problem(bench.client.get(f"{BEST}?pick=knee"), 409, "no-trial-yet")


@on_sqlite
def test_a_study_that_ended_without_a_complete_trial_says_so(bench: Bench) -> None:
    bench.submit(objective=PARETO)
    bench.plan(1)
    bench.end(bench.start(), [outcome(0, None, state=TrialState.FAILED, measured={})])
    bench.ended(StudyState.FAILED)
    problem(bench.client.get(BEST), 409, "no-trial")


@pytest.mark.parametrize("query", ["", "?pick=knee"])
def test_where_no_trial_keeps_the_constraints_the_closest_is_named(bench: Bench, query: str) -> None:
    objective = {"aggregate": "pareto", "metrics": [{"metric": DIGIT}, {"metric": "agreement"}, BOUND]}
    bench.submit(objective=objective)
    bench.plan(2)
    broken = [{"feasible": False, "violations": {PARITY: 0.5 - parity}} for parity in (0.1, 0.3)]
    bench.end(bench.start(), [ended(0, 0.9, 0.1, **broken[0]), ended(1, 0.5, 0.3, **broken[1])])
    found = problem(bench.client.get(f"{BEST}{query}"), 409, "no-feasible-trial")
    assert (found["closest"]["trial"], found["closest"]["value"]) == (1, None)


@on_sqlite
def test_nothing_is_confirmed_where_no_finalist_was_trained_again(bench: Bench) -> None:
    trained(bench)
    (error,) = problem(bench.client.get(f"{BEST}?pick=confirmed"), 422, "bad-parameter")["errors"]
    assert error["path"] == "query.pick"


def plan_confirmation(bench: Bench, trial: int, seed: int) -> int:
    """Plan a trial once more on a seed; gives the number of the training."""
    again = replace(planned(0, Role.CONFIRMATION, "equal" if trial == 4 else None), confirms=trial, seed=seed)
    with bench.database.writing() as session:
        study = study_rows.lock_study(session, study_rows.get_study(session, NAME).id)
        (added,) = trials.add_trials(session, study, [again], beside=(), now=bench.database.now(session))
    return added.number


def confirmed(bench: Bench, *, parity: dict[int, float]) -> None:
    """Confirm trials 1 and 3 and the baseline 4, equal weights, on four seeds, two of which choose; `parity` has accuracies."""
    trained(bench, search={**definition()["search"], "confirmation": {"top": 2, "seeds": 2}, "trials": 4})
    bench.plan(1, role=Role.BASELINE, rule="equal")
    bench.end(bench.start(), [ended(4, 0.6, 0.6)])
    for seed in range(4):
        numbers = {trial: plan_confirmation(bench, trial, seed) for trial in parity}
        bench.end(bench.start(), [ended(number, 0.8, parity[trial] + 0.01 * seed) for trial, number in numbers.items()])
    bench.ended(StudyState.COMPLETE)


def test_the_finalist_that_fresh_seeds_confirm_may_be_picked(bench: Bench) -> None:
    """By the knee's sum over the front's ranges: 0.8 wide in both metrics, so that the better parity wins."""
    confirmed(bench, parity={1: 0.5, 3: 0.7, 4: 0.4})
    assert bench.get(FRONT)["picks"]["confirmed"] == 3
    assert problem(bench.client.get(BEST), 409, "several-best")["picks"] == {"confirmed": 3, **PICKS}
    best = bench.get(BEST, pick="confirmed")
    assert (best["trial"], best["picked_by"], best["confirmed"]) == (3, "confirmed", True)
    assert best["objective"]["value"] is None
    confirmation = best["confirmation"]
    assert confirmation["candidates"]["trial 3"]["value"]["mean"] == pytest.approx((0.8 + 0.725) / 2)
    assert confirmation["optimism"] == pytest.approx((0.1 + 0.9) / 2 - (0.8 + 0.725) / 2)
    assert confirmation["against"]["equal"]["difference"] == pytest.approx(0.3 / 2)
    assert bench.get(BEST, pick=best["recommended"]["pick"])["trial"] == 3
