"""Studies of two quadratic losses, and what any weights of theirs measure, in closed form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scipy.optimize import brentq

from search.definition.schema import StudyDefinition
from search.workloads.quadratics import ROWS, QuadraticsOptions, losses_at, optimum
from storage.records import Measured, PlannedTrial
from tests.search.definitions import Document, define, log_range, task

A, B = "a.error", "b.error"
"""Paths of the two losses, which are what is measured too."""
MOST = 30.0
"""Greatest natural logarithm of a ratio of weights: there the front is at its ends."""


def quadratics(bowls: Mapping[str, Any] | None = None, **fields: Any) -> StudyDefinition:
    """Return the normalised definition of `document`."""
    return define(document(bowls, **fields), {"quadratics": None})


def document(
    bowls: Mapping[str, Any] | None = None,
    *,
    objective: Document | None = None,
    steps: int = ROWS,
    learning_rate: float = 0.1,
    **search: Any,
) -> Document:
    """Return a study of the workload `quadratics` under plain SGD; w_a is 1, and w_b is searched in [0.01, 100]."""
    return {
        "workload": {"name": "quadratics", "options": dict(bowls or {})},
        "tasks": [task("a"), task("b", log_range())],
        "objective": objective or {"aggregate": "mean", "metrics": [{"metric": A}, {"metric": B}]},
        "search": search,
        "training": {
            "epochs": steps // ROWS,
            "batch_size": 1,
            "report_every": steps // ROWS,
            "optimizer": {"name": "sgd", "config": {"learning_rate": learning_rate}},
        },
    }


def as_trained(definition: StudyDefinition, cohort: Sequence[PlannedTrial]) -> list[Measured]:
    """Return what planned trials measure once their training has reached its optimum, on every split."""
    options = QuadraticsOptions.model_validate(dict(definition.workload.options))
    points = [optimum(options, planned.weights[A], planned.weights[B]) for planned in cohort]
    found = [dict(zip((A, B), losses_at(options, point), strict=True)) for point in points]
    return [Measured(each, each, each) for each in found]


def on_the_front(options: QuadraticsOptions, loss_a: float) -> float:
    """Return the least L_b among all points with L_a <= `loss_a`: along the front one grows as the other shrinks."""

    def excess(log_ratio: float) -> float:
        return losses_at(options, optimum(options, 1.0, math.exp(log_ratio)))[0] - loss_a

    ratio = math.exp(brentq(excess, -MOST, MOST, xtol=1e-12))
    return losses_at(options, optimum(options, 1.0, ratio))[1]
