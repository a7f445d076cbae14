"""The Pareto front, picks from it, and ranking anew: from what is stored, over HTTP."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from storage.records import Measured, Moment, Outcome, Role, StudyState
from tests.app.scenes import DIGIT, NAME, PARITY, Bench, definition, on_sqlite, outcome, problem

BEST, FRONT, RANK = (f"/v1/studies/{NAME}/{last}" for last in ("best", "pareto", "rank"))
MEAN = {**definition()["objective"], "aggregate": "mean"}
WORST = {**MEAN, "aggregate": "worst"}
TRADE = [(0.9, 0.1), (0.8, 0.8), (0.7, 0.7), (0.1, 0.9)]
"""Accuracies of digit and parity: the third is beaten by the second, which is the best by mean and worst."""
BOUND = {"metric": PARITY, "strategy": "constraint", "at_least": 0.5}


def ended(number: int, digit: float, parity: float, best: tuple[float, float] | None = None) -> Outcome:
    """End a trial with these accuracies at the last epoch, and with `best` at the best one."""
    moments: Mapping[Moment, tuple[float, float]] = {Moment.LAST: (digit, parity), Moment.BEST: best or (digit, parity)}
    measured = {
        moment: Measured(validation={DIGIT: one, PARITY: other, "agreement": 0.25, "digit.crossentropy": 1.0 + number})
        for moment, (one, other) in moments.items()
    }
    return outcome(number, (digit + parity) / 2, values={DIGIT: digit, PARITY: parity}, measured=measured)


def trained(bench: Bench, accuracies: list[tuple[float, float]] = TRADE, **changes: Any) -> None:
    bench.submit(**changes)
    numbers = bench.plan(len(accuracies))
    bench.end(bench.start(), [ended(number, *each) for number, each in zip(numbers, accuracies, strict=True)])


def rank(bench: Bench, objective: Any, **fields: Any) -> Any:
    response = bench.client.post(RANK, json={"objective": objective, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def refused(bench: Bench, body: Any) -> dict[str, dict[str, Any]]:
    errors = problem(bench.client.post(RANK, json=body), 422, "bad-parameter")["errors"]
    return {error["path"]: error for error in errors}


# The front


def test_the_front_has_the_trials_that_none_beats(bench: Bench) -> None:
    trained(bench)
    front = bench.get(FRONT)
    assert [trial["number"] for trial in front["trials"]] == [0, 1, 3]
    assert front["trials"][1] == {
        "number": 1,
        "role": "search",
        "rule": None,
        "weights": {"digit.crossentropy": 1.0, "parity.crossentropy": 1.25, "agreement": 0.5},
        "values": {DIGIT: 0.8, PARITY: 0.8},
    }
    assert front["metrics"] == {DIGIT: "maximize", PARITY: "maximize"}
    assert front["reference_point"] == {DIGIT: 0.1, PARITY: 0.1}
    assert front["hypervolume"] == pytest.approx(0.49)
    assert front["picks"] == {"knee": 1, "nearest_ideal": 1}
    assert (front["study"], front["final"]) == (NAME, False)
    assert any(rule.startswith("knee: ") for rule in front["rules"])


def test_a_reference_point_may_be_asked_for_and_is_echoed(bench: Bench) -> None:
    trained(bench, [(0.5, 0.25)])
    front = bench.get(FRONT, reference=f"{DIGIT}:0,{PARITY}:-1e0")
    assert front["reference_point"] == {DIGIT: 0.0, PARITY: -1.0}
    assert front["hypervolume"] == pytest.approx(0.5 * 1.25)


@on_sqlite
@pytest.mark.parametrize(
    ("reference", "meant"), [(f"{DIGIT}:nan", None), (DIGIT, None), ("parity.binary_acuracy:0", PARITY), (f"{DIGIT}:", None)]
)
def test_a_reference_point_that_is_none_is_refused(bench: Bench, reference: str, meant: str | None) -> None:
    trained(bench)
    (error,) = problem(bench.client.get(FRONT, params={"reference": reference}), 422, "bad-parameter")["errors"]
    assert error["path"] == "query.reference"
    assert error["did_you_mean"] in (meant, DIGIT)


def test_a_study_without_trials_has_an_empty_front(bench: Bench) -> None:
    bench.submit()
    front = bench.get(FRONT)
    assert (front["trials"], front["reference_point"], front["hypervolume"]) == ([], {}, 0.0)
    assert front["picks"] == {"knee": None, "nearest_ideal": None}


def test_an_unchanged_front_is_304(bench: Bench) -> None:
    trained(bench)
    tag = bench.client.get(FRONT).headers["etag"]
    assert bench.client.get(FRONT, headers={"If-None-Match": tag}).status_code == 304


@on_sqlite
@pytest.mark.parametrize("path", ["pareto", "best?pick=knee", "best?aggregate=worst"])
def test_a_study_that_there_is_not_is_404(bench: Bench, path: str) -> None:
    problem(bench.client.get(f"/v1/studies/nothing/{path}"), 404, "study-not-found")


# Picks


@pytest.mark.parametrize(("pick", "number"), [("knee", 1), ("nearest_ideal", 1), (f"metric:{DIGIT}", 0), (f"metric:{PARITY}", 3)])
def test_a_pick_is_the_best_weights_document_of_its_trial(bench: Bench, pick: str, number: int) -> None:
    trained(bench)
    best, trial = bench.get(BEST, pick=pick), bench.get(f"/v1/studies/{NAME}/trials/{number}")
    assert (best["trial"], best["picked_by"]) == (number, pick)
    assert best["weights"] == trial["weights"]
    assert best["loss_weights"] == {"digit": 1.0, "parity": 0.25 + number}
    assert best["objective"] == {"aggregate": "mean", **trial["objective"]}


def test_without_a_pick_the_objective_picks(bench: Bench) -> None:
    trained(bench)
    assert bench.get(BEST)["picked_by"] == bench.get(BEST, pick="objective")["picked_by"] == "objective"


@on_sqlite
@pytest.mark.parametrize(
    ("pick", "meant"),
    [("nee", "knee"), ("metric:parity.binary_acuracy", f"metric:{PARITY}"), ("", None), ("metric:agreement", None)],
)
def test_an_unknown_pick_is_refused_with_the_one_that_was_meant(bench: Bench, pick: str, meant: str | None) -> None:
    trained(bench)
    (error,) = problem(bench.client.get(BEST, params={"pick": pick}), 422, "bad-parameter")["errors"]
    assert (error["path"], error["did_you_mean"]) == ("query.pick", meant)


@pytest.mark.parametrize("query", ["pick=knee", f"pick=metric:{DIGIT}", "aggregate=worst"])
def test_before_a_trial_is_complete_there_is_nothing_to_pick(bench: Bench, query: str) -> None:
    bench.submit()
    problem(bench.client.get(f"{BEST}?{query}"), 409, "no-trial-yet")
    bench.plan(1)
    bench.ended(StudyState.FAILED)
    problem(bench.client.get(f"{BEST}?{query}"), 409, "no-trial")


@pytest.mark.parametrize("query", ["pick=knee", "aggregate=worst"])
def test_where_no_trial_keeps_the_constraints_there_is_nothing_to_pick(bench: Bench, query: str) -> None:
    objective = {"metrics": [{"metric": DIGIT}, {**BOUND, "at_least": 0.95}]}
    bench.submit(objective=objective)
    numbers = bench.plan(1)
    last = Measured(validation={DIGIT: 0.5, PARITY: 0.5})
    missed = {"feasible": False, "violations": {PARITY: 0.45}, "measured": {Moment.LAST: last}}
    bench.end(bench.start(), [outcome(numbers[0], 0.5, **missed)])
    assert problem(bench.client.get(f"{BEST}?{query}"), 409, "no-feasible-trial")["closest"]["trial"] == 0


@on_sqlite
def test_a_front_of_nothing_finite_is_reported(bench: Bench) -> None:
    bench.submit(objective=WORST)
    numbers = bench.plan(1)
    infinite = {Moment.LAST: Measured(validation={DIGIT: 0.5, PARITY: math.inf})}
    bench.end(bench.start(), [outcome(numbers[0], 0.5, measured=infinite)])
    (error,) = problem(bench.client.get(f"{BEST}?pick=knee"), 422, "bad-parameter")["errors"]
    assert "no feasible trial has a finite number" in error["expected"]


# Another aggregate


def test_the_best_under_another_aggregate_is_judged_by_it(bench: Bench) -> None:
    trained(bench, [(0.9, 0.9), (1.0, 0.85), (0.1, 0.2)])
    assert bench.get(BEST)["trial"] == 1
    best = bench.get(BEST, aggregate="worst")
    assert (best["trial"], best["picked_by"]) == (0, "aggregate:worst")
    assert best["objective"]["aggregate"] == "worst"
    assert best["objective"]["value"] == pytest.approx(0.9)


def test_baselines_beside_it_are_judged_by_the_same(bench: Bench) -> None:
    bench.submit()
    base = bench.plan(1, role=Role.BASELINE, rule="current")
    numbers = [*base, *bench.plan(1)]
    bench.end(bench.start(), [ended(number, *each) for number, each in zip(numbers, [(0.9, 0.1), (0.5, 0.4)], strict=True)])
    best = bench.get(BEST, aggregate="worst")
    assert best["trial"] == 1
    assert best["baselines"]["current"]["objective"]["value"] == pytest.approx(0.1)


def test_its_own_aggregate_picks_what_the_study_picked(bench: Bench) -> None:
    trained(bench)
    assert bench.get(BEST, aggregate="mean")["objective"] == bench.get(BEST)["objective"]


@on_sqlite
@pytest.mark.parametrize(
    ("aggregate", "meant"), [("wrost", "worst"), ("pareto", None), ("delta_m", None), ("tchebychef", "tchebycheff")]
)
def test_an_aggregate_that_there_is_not_is_refused(bench: Bench, aggregate: str, meant: str | None) -> None:
    trained(bench)
    (error,) = problem(bench.client.get(f"{BEST}?aggregate={aggregate}"), 422, "bad-parameter")["errors"]
    assert (error["path"], error["did_you_mean"]) == ("query.aggregate", meant)


@on_sqlite
def test_an_aggregate_that_the_metrics_do_not_fit_is_refused(bench: Bench) -> None:
    trained(bench, objective={"metrics": [{"metric": DIGIT}, {"metric": "agreement"}], "aggregate": "mean"})
    (error,) = problem(bench.client.get(f"{BEST}?aggregate=geometric_mean"), 422, "bad-parameter")["errors"]
    assert error["path"] == "query.aggregate"
    assert "objective.metrics.1.metric" in error["expected"]


@on_sqlite
def test_a_pick_and_an_aggregate_are_one_too_many(bench: Bench) -> None:
    trained(bench)
    problem(bench.client.get(f"{BEST}?pick=knee&aggregate=worst"), 422, "bad-parameter")


# Ranking anew


def test_trials_are_ranked_by_the_objective_that_is_sent(bench: Bench) -> None:
    trained(bench)
    found = rank(bench, WORST)
    assert [trial["number"] for trial in found["trials"]] == [1, 2, 0, 3]
    assert (found["best"], found["aggregate"], found["ranked"]) == (1, "worst", 4)
    assert found["trials"][2]["objective"] == {
        "value": 0.1,
        "values": {DIGIT: 0.9, PARITY: 0.1},
        "feasible": True,
        "violations": {},
    }
    assert found["trials"][0]["weights"] == {"digit.crossentropy": 1.0, "parity.crossentropy": 1.25, "agreement": 0.5}
    assert found["objective"]["metrics"][0]["direction"] == "maximize"


def test_the_study_s_own_objective_ranks_as_the_study_does(bench: Bench) -> None:
    trained(bench)
    listed = bench.get(f"/v1/studies/{NAME}/trials", order_by="-objective")["trials"]
    found = rank(bench, MEAN)
    assert [trial["number"] for trial in found["trials"]] == [trial["number"] for trial in listed]
    assert [trial["objective"] for trial in found["trials"]] == [trial["objective"] for trial in listed]


def test_a_constraint_that_the_study_did_not_have_can_be_tried(bench: Bench) -> None:
    trained(bench)
    found = rank(bench, {"metrics": [{"metric": DIGIT}, BOUND]})
    assert [trial["number"] for trial in found["trials"]] == [1, 2, 3, 0]
    assert found["best"] == 1
    assert found["trials"][-1]["objective"]["violations"] == {PARITY: pytest.approx(0.4)}


def test_where_no_trial_keeps_the_constraints_none_is_best(bench: Bench) -> None:
    trained(bench)
    found = rank(bench, {"metrics": [{"metric": DIGIT}, {**BOUND, "at_least": 0.99}]})
    assert (found["best"], len(found["trials"])) == (None, 4)


def test_a_raw_term_may_be_ranked_by(bench: Bench) -> None:
    trained(bench)
    assert rank(bench, {"metrics": [{"metric": "digit.crossentropy"}]})["best"] == 0


def test_the_top_is_as_long_as_asked_for(bench: Bench) -> None:
    trained(bench)
    found = rank(bench, WORST, top=2)
    assert ([trial["number"] for trial in found["trials"]], found["ranked"]) == ([1, 2], 4)


def test_the_best_epoch_may_be_ranked_by_in_place_of_the_last(bench: Bench) -> None:
    bench.submit()
    numbers = bench.plan(2)
    bench.end(bench.start(), [ended(numbers[0], 0.5, 0.5, best=(0.9, 0.9)), ended(numbers[1], 0.6, 0.6)])
    assert rank(bench, MEAN)["best"] == 1
    assert rank(bench, {**MEAN, "epoch": "best"})["best"] == 0


def test_numbers_that_are_not_finite_come_last_and_are_listed(bench: Bench) -> None:
    trained(bench, [(math.nan, 0.5), (0.5, 0.5)])
    found = rank(bench, MEAN)
    assert [trial["number"] for trial in found["trials"]] == [1, 0]
    assert found["trials"][1]["objective"]["value"] is None
    assert found["not_finite"] == {"trials.1.objective.value": "nan", f"trials.1.objective.values.{DIGIT}": "nan"}


def test_only_complete_search_trials_and_baselines_are_ranked(bench: Bench) -> None:
    bench.submit()
    bench.plan(1, role=Role.BASELINE, rule="current")
    bench.plan(1, role=Role.CONFIRMATION)
    bench.plan(1)
    bench.end(bench.start([0, 1]), [ended(n, 0.5, 0.5) for n in (0, 1)])
    assert [(trial["number"], trial["role"], trial["rule"]) for trial in rank(bench, MEAN)["trials"]] == [
        (0, "baseline", "current")
    ]


def test_a_study_without_trials_ranks_none(bench: Bench) -> None:
    bench.submit()
    found = rank(bench, MEAN)
    assert (found["trials"], found["best"], found["ranked"]) == ([], None, 0)


@on_sqlite
def test_ranking_changes_nothing(bench: Bench) -> None:
    trained(bench)
    before = bench.get(f"/v1/studies/{NAME}")
    rank(bench, WORST)
    assert bench.get(f"/v1/studies/{NAME}") == before


@on_sqlite
def test_a_metric_that_is_not_stored_is_refused_with_the_one_that_was_meant(bench: Bench) -> None:
    bench.submit()
    error = refused(bench, {"objective": {"metrics": [{"metric": "parity.binary_acuracy"}]}})["objective.metrics.0.metric"]
    assert (error["did_you_mean"], error["got"]) == (PARITY, "'parity.binary_acuracy'")
    assert PARITY in error["expected"]


@on_sqlite
def test_a_weighted_loss_is_refused_and_the_reason_given(bench: Bench) -> None:
    bench.submit()
    error = refused(bench, {"objective": {"metrics": [{"metric": "val_loss"}]}})["objective.metrics.0.metric"]
    assert "depends on the searched weights" in error["expected"]


@on_sqlite
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], ""),
        ({}, "objective"),
        ({"objective": MEAN, "topp": 3}, "topp"),
        ({"objective": MEAN, "top": 0}, "top"),
        ({"objective": MEAN, "top": 1001}, "top"),
        ({"objective": MEAN, "top": "3"}, "top"),
        ({"objective": {"metrics": []}}, "objective.metrics"),
        ({"objective": {**MEAN, "agregate": "worst"}}, "objective.agregate"),
        ({"objective": {**MEAN, "aggregate": None}}, "objective.aggregate"),
        ({"objective": {**MEAN, "aggregate": "pareto"}}, "objective.aggregate"),
        ({"objective": {**MEAN, "config": {"mu": 1}}}, "objective.config.mu"),
        ({"objective": {"metrics": [{"metric": DIGIT, "utility": -1}]}}, "objective.metrics.0.utility"),
        (
            {"objective": {"metrics": [{"metric": DIGIT}], "aggregate": "tchebycheff", "config": {"ideal": 1}}},
            "objective.config.ideal",
        ),
    ],
)
def test_what_is_wrong_is_observed_with_its_path(bench: Bench, body: Any, path: str) -> None:
    bench.submit()
    error = refused(bench, body)[path]
    assert error["expected"]
    assert error["got"]


@on_sqlite
def test_a_misspelt_field_is_refused_with_the_one_that_was_meant(bench: Bench) -> None:
    bench.submit()
    assert refused(bench, {"objectiv": MEAN})["objectiv"]["did_you_mean"] == "objective"


@on_sqlite
def test_a_study_that_there_is_not_cannot_be_ranked(bench: Bench) -> None:
    problem(bench.client.post("/v1/studies/nothing/rank", json={"objective": MEAN}), 404, "study-not-found")
