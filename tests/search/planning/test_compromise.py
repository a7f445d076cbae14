"""The one value by which the trials of a front are confirmed."""

from __future__ import annotations

import math
import random

import pytest

from search.definition.schema import Objective
from search.objective import pareto
from search.objective.scoring import evaluate
from search.planning.compromise import compromise, scored, scored_objective, valued
from search.planning.plan import Run, plan
from storage.records import Role, TrialRecord, TrialState
from tests.search.definitions import changed, define, log_range, study
from tests.search.histories import history, trial

OBJECTIVE = Objective.model_validate(
    {
        "aggregate": "pareto",
        "metrics": [
            {"metric": "accuracy", "direction": "maximize"},
            {"metric": "error", "direction": "minimize", "utility": 7.0},
            {"metric": "size", "direction": "minimize", "strategy": "constraint", "at_most": 9.0},
        ],
    }
)
FRONT = [(0.5, 10.0), (0.8, 30.0), (0.9, 50.0)]
"""Accuracy 0.4 and error 40 wide."""


def front(points: list[tuple[float, float]] = FRONT, **fields: object) -> list[TrialRecord]:
    return [trial(i, value=None, values={"accuracy": a, "error": e, "size": 1.0}, **fields) for i, (a, e) in enumerate(points)]


def utilities(objective: Objective) -> dict[str, float]:
    return {entry.metric: entry.utility for entry in objective.metrics if entry.strategy == "optimize"}


def test_each_metric_counts_by_its_range_over_the_front() -> None:
    found = scored_objective(OBJECTIVE, front([*FRONT, (0.1, 90.0)]))
    assert found.aggregate == "mean"
    assert utilities(found) == pytest.approx({"accuracy": 1 / 0.4, "error": 1 / 40})


def test_the_value_is_the_mean_of_the_metrics_in_their_ranges() -> None:
    value = scored(OBJECTIVE, front())[1].value
    assert value == pytest.approx((0.8 / 0.4 - 30 / 40) / (1 / 0.4 + 1 / 40))


def test_what_it_ranks_first_is_the_knee() -> None:
    draw = random.Random(0)
    for _ in range(50):
        points = [(draw.random(), draw.random() * 100) for _ in range(20)]
        ways = ["maximize", "minimize"]
        best = pareto.front(points, ways)
        knee = best[pareto.knee([points[i] for i in best], ways)]
        values = [math.nan if record.value is None else record.value for record in scored(OBJECTIVE, front(points))]
        assert values[knee] == pytest.approx(max(values))  # the two ends of a front of two are equally good


def test_constraints_stay_and_decide_what_is_feasible() -> None:
    found = scored_objective(OBJECTIVE, front())
    assert not evaluate(found, {"accuracy": 0.9, "error": 1.0, "size": 10.0}).feasible


def test_neither_infeasible_trials_nor_baselines_nor_unfinished_ones_set_the_ranges() -> None:
    others = [
        trial(9, value=None, values={"accuracy": 1.0, "error": 0.0}, feasible=False),
        trial(10, value=None, values={"accuracy": 1.0, "error": 0.0}, role=Role.BASELINE),
        trial(11, state=TrialState.RUNNING),
        trial(12, value=None, values={"accuracy": math.nan, "error": 0.0}),
    ]
    assert scored_objective(OBJECTIVE, [*others, *front()]) == scored_objective(OBJECTIVE, front())


def test_the_order_of_the_trials_does_not_matter() -> None:
    assert scored_objective(OBJECTIVE, front()[::-1]) == scored_objective(OBJECTIVE, front())


def test_a_metric_that_is_the_same_on_the_whole_front_is_only_stored() -> None:
    three = OBJECTIVE.model_copy(
        update={"metrics": (*OBJECTIVE.metrics, OBJECTIVE.metrics[0].model_copy(update={"metric": "recall"}))}
    )
    found = compromise(three, [(0.5, 10.0, 0.7), (0.9, 50.0, 0.7)])
    assert utilities(found) == pytest.approx({"accuracy": 1 / 0.4, "error": 1 / 40})
    assert {entry.metric: entry.strategy for entry in found.metrics}["recall"] == "store"


def test_a_front_of_one_trial_leaves_the_ranges_of_all_to_rank_those_behind_it() -> None:
    values = [record.value or -math.inf for record in scored(OBJECTIVE, front([(0.9, 10.0), (0.5, 20.0), (0.1, 90.0)]))]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("points", [[], [(0.5, 10.0)]])
def test_without_any_range_every_metric_counts_alike(points: list[tuple[float, float]]) -> None:
    assert utilities(compromise(OBJECTIVE, points)) == {"accuracy": 1.0, "error": 1.0}


def test_a_range_beyond_floats_is_no_harm() -> None:
    found = compromise(OBJECTIVE, [(-1.7e308, 1.0), (1.7e308, 2.0)])
    assert math.isfinite(evaluate(found, {"accuracy": 0.5, "error": 1.0, "size": 1.0}).value)


def test_an_objective_that_has_a_value_is_its_own() -> None:
    mean = OBJECTIVE.model_copy(update={"aggregate": "mean"})
    trials = [trial(0, value=0.25, values={"accuracy": 1.0, "error": 1.0})]
    assert scored_objective(mean, trials) is mean
    assert scored(mean, trials) == trials


def test_a_trial_without_its_numbers_keeps_no_value() -> None:
    unfinished = trial(0, state=TrialState.RUNNING)
    lacking = trial(1, value=None, values={"accuracy": math.nan, "error": 1.0})
    assert [record.value for record in scored(OBJECTIVE, [unfinished, lacking])] == [None, None]


def test_a_baseline_is_valued_by_the_front_of_the_search() -> None:
    objective = scored_objective(OBJECTIVE, front())
    baseline = trial(5, role=Role.BASELINE, value=None, values={"accuracy": 0.4, "error": 20.0, "size": 1.0})
    assert valued(objective, baseline).value == pytest.approx((0.4 / 0.4 - 20 / 40) / (1 / 0.4 + 1 / 40))


def test_the_plan_confirms_the_finalists_of_a_front() -> None:
    """Errors (1, 9), (2, 2), (9, 1) are the front, 8 wide in both: the sums are -10, -4, -10, and -5 behind the second."""
    search = {"trials": 4, "confirmation": {"top": 2, "seeds": 2}, "baselines": []}
    definition = define(changed(study(log_range(), 1.0, **search), {"objective.aggregate": "pareto"}))
    errors = [(1.0, 9.0), (2.0, 2.0), (9.0, 1.0), (2.0, 3.0)]
    trials = [
        trial(i, {"t0.error": float(i)}, weights={"t0.error": float(i)}, value=None, values={"t0.mse": a, "t1.mse": b})
        for i, (a, b) in enumerate(errors)
    ]
    step = plan(definition, history(definition, trials), 8)
    assert isinstance(step, Run)
    assert {(each.role, each.confirms) for each in step.trials} == {(Role.CONFIRMATION, 1), (Role.CONFIRMATION, 3)}
