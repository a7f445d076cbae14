"""What a search finds where the best weights are known in closed form, played through the plan without training.

The mean of the losses with utilities u_a, u_b is least at the optimum of the weights u_a, u_b: no weights give more, so the best
ratio w_b / w_a is u_b / u_a. The worst of the two is least on the front where they are equal.
"""

from __future__ import annotations

import math
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from search.objective import pareto
from search.objective.fronts import pareto_front
from search.workloads.quadratics import QuadraticsOptions, losses_at, optimum
from tests.search.known_answers import A, B, as_trained, on_the_front, quadratics
from tests.search.played import played

SEEDS = range(5)
UNLIKE = {"curvature_a": [0.5, 4.0], "curvature_b": [3.0, 0.7], "centre_a": [-1.0, 2.0], "centre_b": [0.5, -3.0]}
EQUIDISTANT = {"curvature_a": [1.0, 1.0], "curvature_b": [1.0, 1.0], "centre_a": [0.0, 0.0], "centre_b": [1.0, 0.0]}
"""Two round bowls: under weights 1 - t and t the point lies at t, L_a = t^2 / 2 and L_b = (1 - t)^2 / 2."""
CORNER = {A: 0.5, B: 0.5}
AREA = 5 / 24
"""The front is sqrt(2 L_a) + sqrt(2 L_b) = 1: between it and the corner (1/2, 1/2) lie 1/4 less the 1/24 below it."""


def _mean(utility_b: float) -> dict[str, Any]:
    return {"aggregate": "mean", "metrics": [{"metric": A}, {"metric": B, "utility": utility_b}]}


def _worst(utility_b: float) -> dict[str, Any]:
    return {"aggregate": "worst", "metrics": [{"metric": A}, {"metric": B, "utility": utility_b}]}


def _found(objective: dict[str, Any], seed: int, **search: Any) -> float:
    """Return the best w_b of 30 trials; w_a is 1."""
    definition = quadratics(UNLIKE, objective=objective, trials=30, seed=seed, confirmation=None, baselines=[], **search)
    return played(definition, partial(as_trained, definition)).best.weights[B]


def _median_error(objective: dict[str, Any], best: float, **search: Any) -> float:
    """Return the median over seeds of the relative error of the ratio that was found."""
    return median(abs(_found(objective, seed, **search) / best - 1) for seed in SEEDS)


@pytest.mark.parametrize(("weight_a", "weight_b"), [(1.0, 1.0), (1.0, 20.0), (0.3, 0.004)])
def test_the_optimum_in_closed_form_is_that_of_a_minimizer(weight_a: float, weight_b: float) -> None:
    options = QuadraticsOptions(**UNLIKE)

    def total(point: Any) -> float:
        loss_a, loss_b = losses_at(options, point)
        return weight_a * loss_a + weight_b * loss_b

    found = minimize(total, np.zeros(2), tol=1e-12)
    np.testing.assert_allclose(optimum(options, weight_a, weight_b), found.x, atol=1e-4)


@pytest.mark.parametrize("best", [0.05, 1.0, 7.3, 40.0])
def test_tpe_finds_the_best_ratio_of_a_mean_within_a_tenth(best: float) -> None:
    assert _median_error(_mean(best), best) <= 0.1


def _equalizing(utility_b: float) -> float:
    """Return the w_b (w_a is 1) at which L_a = utility_b L_b."""
    options = QuadraticsOptions(**UNLIKE)

    def gap(log_weight: float) -> float:
        loss_a, loss_b = losses_at(options, optimum(options, 1.0, math.exp(log_weight)))
        return loss_a - utility_b * loss_b

    return math.exp(brentq(gap, math.log(1e-3), math.log(1e3)))


@pytest.mark.parametrize("utility_b", [1.0, 20.0])
def test_tpe_finds_the_best_ratio_of_the_worst_task_within_a_tenth(utility_b: float) -> None:
    assert _median_error(_worst(utility_b), _equalizing(utility_b)) <= 0.1


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_the_front_of_a_pareto_study_is_the_known_one(sampler: str) -> None:
    """Every optimum under positive weights is on the front, so all trials are; 40 of them leave little of its area uncovered."""
    objective = {"aggregate": "pareto", "metrics": [{"metric": A}, {"metric": B}]}
    options = QuadraticsOptions.model_validate(EQUIDISTANT)
    definition = quadratics(EQUIDISTANT, objective=objective, trials=40, sampler={"name": sampler}, confirmation=None, baselines=[])
    study = played(definition, partial(as_trained, definition))
    front = pareto_front(definition.objective, {number: each.validation for number, each in study.measured.items()}, CORNER)
    assert len(front.trials) == 40
    for values in front.trials.values():
        assert on_the_front(options, values[A]) == pytest.approx(values[B], abs=1e-9)
    assert 0.9 * AREA < (front.hypervolume or 0.0) < AREA


def test_a_point_beside_the_front_is_no_part_of_it() -> None:
    options, definition = QuadraticsOptions.model_validate(EQUIDISTANT), quadratics(EQUIDISTANT)
    on = optimum(options, 1.0, 2.0)
    measured = {
        number: dict(zip((A, B), losses_at(options, point), strict=True))
        for number, point in enumerate((on, on + np.array([0.0, 0.1])))
    }
    assert list(pareto_front(definition.objective, measured).trials) == [0]


def test_the_hypervolume_of_three_known_points_is_that_by_hand() -> None:
    """Of w_b = 1/3, 1, 3 the points lie at 1/4, 1/2, 3/4; in 32nds the losses are (1, 9), (4, 4), (9, 1), under (16, 16)."""
    definition = quadratics(EQUIDISTANT)
    options = QuadraticsOptions.model_validate(EQUIDISTANT)
    points = [losses_at(options, optimum(options, 1.0, ratio)) for ratio in (1 / 3, 1.0, 3.0)]
    measured = {number: {A: loss_a, B: loss_b} for number, (loss_a, loss_b) in enumerate(points)}
    front = pareto_front(definition.objective, measured, CORNER)
    # columns from the left: (4 - 1)(16 - 9) + (9 - 4)(16 - 4) + (16 - 9)(16 - 1) = 21 + 60 + 105
    assert front.hypervolume == pytest.approx(186 / 32**2)


def test_the_hypervolume_of_many_points_comes_near_to_that_of_the_whole_front() -> None:
    options = QuadraticsOptions.model_validate(EQUIDISTANT)
    points = [losses_at(options, optimum(options, 1.0 - share, share)) for share in np.linspace(0.0, 1.0, 2001)]
    assert pareto.hypervolume(points, ["minimize", "minimize"], tuple(CORNER.values())) == pytest.approx(AREA, abs=1e-3)
