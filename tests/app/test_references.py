"""Studies that are held against references and baselines: what is shown of them, and ranking anew by them, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from search.names import rule_for
from search.objective import anchors
from storage import derived, study_rows
from storage.records import AnchorRecord, Measured, Moment, PlannedTrial, Role
from storage.trials import add_trials
from tests.app.scenes import DIGIT, NAME, PARITY, Bench, definition, on_sqlite, outcome, problem

STUDY, BEST, RANK = f"/v1/studies/{NAME}", f"/v1/studies/{NAME}/best", f"/v1/studies/{NAME}/rank"
METRICS = [{"metric": DIGIT}, {"metric": PARITY}]
DELTA = {"aggregate": "delta_m", "metrics": METRICS}
RELATIVE = {"metric": PARITY, "strategy": "constraint", "at_least": {"of": "reference", "times": 0.5, "plus": 0.1}}


def keep(bench: Bench, *found: AnchorRecord) -> None:
    with bench.database.writing() as session:
        derived.keep_anchors(session, study_rows.get_study(session, NAME).id, found)


def alone(bench: Bench, digit: float, parity: float) -> None:
    """Train each task alone to its accuracy; the other task's is 0.1."""
    with bench.database.writing() as session:
        now = bench.database.now(session)
        study = study_rows.lock_study(session, study_rows.get_study(session, NAME).id)
        weights = {"digit.crossentropy": 1.0, "parity.crossentropy": 1.0, "agreement": 0.0}
        rules = [rule_for(anchors.ALONE, task) for task in ("digit", "parity")]
        planned = [PlannedTrial(Role.REFERENCE, rule, {}, weights, seed=0, origin="reference") for rule in rules]
        numbers = [trial.number for trial in add_trials(session, study, planned, beside=(), now=now)]
    accuracies = [{DIGIT: digit, PARITY: 0.1}, {DIGIT: 0.1, PARITY: parity}]
    ends = [
        outcome(number, None, values={}, feasible=None, measured={Moment.LAST: Measured(validation=values)})
        for number, values in zip(numbers, accuracies, strict=True)
    ]
    bench.end(bench.start(numbers), ends)


def test_a_study_shows_what_it_is_relative_to_with_seeds_and_spread(bench: Bench) -> None:
    bench.submit(objective=DELTA)
    assert bench.get(STUDY)["anchors"] == []
    keep(bench, AnchorRecord("reference", DIGIT, 0.9, 0.01, (0, 7, 9)))
    (shown,) = bench.get(STUDY)["anchors"]
    assert shown == {"of": "reference", "metric": DIGIT, "value": 0.9, "std": 0.01, "n": 3, "seeds": [0, 7, 9]}


def test_a_relative_bound_is_shown_as_its_number_once_it_is_measured(bench: Bench) -> None:
    bench.submit(objective={"metrics": [METRICS[0], RELATIVE]})
    assert bench.get(STUDY)["bounds"] == [{"metric": PARITY, "at_least": None, "at_most": None}]
    keep(bench, AnchorRecord("reference", PARITY, 0.8, None, (0,)))
    (bound,) = bench.get(STUDY)["bounds"]
    assert bound["at_least"] == pytest.approx(0.5)


@on_sqlite
def test_a_finished_study_is_ranked_by_delta_m_from_its_references(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.72, 0.88])
    alone(bench, 0.8, 0.8)
    ranked = bench.client.post(RANK, json={"objective": DELTA}).json()
    assert [trial["objective"]["value"] for trial in ranked["trials"]] == [pytest.approx(10.0), pytest.approx(-10.0)]
    best = bench.get(BEST, aggregate="delta_m")
    assert (best["trial"], best["objective"]["value"]) == (1, pytest.approx(10.0))


@on_sqlite
def test_delta_m_takes_references_that_are_given(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.6])
    given = {**DELTA, "config": {"references": {DIGIT: 0.5, PARITY: 0.6}}}
    ranked = bench.client.post(RANK, json={"objective": given}).json()
    assert ranked["trials"][0]["objective"]["value"] == pytest.approx(10.0)


@on_sqlite
def test_a_study_without_references_is_not_ranked_by_them(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    (error,) = problem(bench.client.post(RANK, json={"objective": DELTA}), 422, "bad-parameter")["errors"]
    assert (error["path"], "trained no task alone" in error["got"]) == ("objective", True)
    (error,) = problem(bench.client.get(BEST, params={"aggregate": "delta_m"}), 422, "bad-parameter")["errors"]
    assert error["path"] == "query.aggregate"


@on_sqlite
def test_a_constraint_relative_to_the_reference_ranks_anew(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.3, 0.9])
    alone(bench, 0.8, 0.8)
    ranked = bench.client.post(RANK, json={"objective": {"metrics": [METRICS[0], RELATIVE]}}).json()
    assert [(trial["number"], trial["objective"]["feasible"]) for trial in ranked["trials"]] == [(1, True), (0, False)]


@on_sqlite
def test_a_reference_is_never_the_best(bench: Bench) -> None:
    bench.submit()
    bench.trained([0.5])
    alone(bench, 0.99, 0.99)
    assert bench.get(BEST)["trial"] == 0


def validated(bench: Bench, **changes: Any) -> Any:
    return bench.client.post("/v1/studies?validate_only=true", json=definition(**changes)).json()


@on_sqlite
def test_validate_only_counts_every_phase(bench: Bench) -> None:
    body = validated(bench, objective=DELTA, search={"trials": 20, "confirmation": {"top": 3, "seeds": 8}})
    # 2 tasks on 3 seeds; yours, equal, inverse_initial_loss, uncertainty (equal without the penalty is yours);
    # of 1.5 x 20: (2 finalists + 3 baselines) x 2 + 2 references x 2 + the winner and two baselines x 5
    assert body["phases"] == {"reference": 6, "baseline": 4, "search": 20, "confirmation": 29}
    assert (body["trainings"], body["epochs"]) == (59, 590)
    assert body["cost"] == "20 to search + at most 29 to confirm; before them 6 single-task and 4 baseline trainings"
