"""How much parameters matter, on functions where that is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from search.analysis.importance import Importances, importances
from search.definition.schema import StudyDefinition
from storage.records import Role, TrialRecord, TrialState, Values
from tests.search.definitions import define, log_range, study
from tests.search.histories import trial

TWO = define(study(log_range(), log_range()))
A, B = "t0.error", "t1.error"

Law = Callable[[float, float, float], tuple[float, float]]
"""From log10 of both weights and a standard normal number to both tasks' MSE."""


def searched(law: Law, count: int = 40, seed: int = 0) -> list[TrialRecord]:
    """Return trials at random weights, judged by the mean of both."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        (a, b), noise = rng.uniform(-2, 2, 2), rng.normal()
        one, other = law(a, b, noise)
        values = {"t0.mse": one, "t1.mse": other}
        found.append(trial(number, {A: 10**a, B: 10**b}, value=-(one + other) / 2, values=values))
    return found


def shares_of(found: Importances, target: str) -> Values:
    assert target in found.shares, found.untold
    return found.shares[target]


def test_the_parameter_that_a_function_depends_on_has_nearly_all() -> None:
    found = shares_of(importances(TWO, searched(lambda a, b, noise: ((a - 0.3) ** 2, 0.1 * noise))), "objective")
    assert list(found) == [A, B]
    assert found[A] > 0.8
    assert sum(found.values()) == pytest.approx(1.0)


def test_each_metric_has_its_own() -> None:
    found = importances(TWO, searched(lambda a, b, noise: ((a - 0.3) ** 2, (b + 0.5) ** 2)))
    assert shares_of(found, "t0.mse")[A] > 0.8
    assert shares_of(found, "t1.mse")[B] > 0.8
    assert 0.2 < shares_of(found, "objective")[A] < 0.8


def test_a_metric_to_be_maximised_matters_the_same() -> None:
    document = study(log_range(), log_range())
    document["objective"]["metrics"] = [{"metric": "t0.mse", "direction": "maximize"}, {"metric": "t1.mse"}]
    law: Law = lambda a, b, noise: (-((a - 0.3) ** 2), 0.1 * noise)  # noqa: E731 - greatest at 0.3
    upward = shares_of(importances(define(document), searched(law)), "t0.mse")
    downward = shares_of(importances(TWO, searched(lambda a, b, noise: ((a - 0.3) ** 2, 0.1 * noise))), "t0.mse")
    assert upward == downward


def test_where_nothing_matters_nothing_is_claimed() -> None:
    found = importances(TWO, searched(lambda a, b, noise: (noise, noise)))
    assert found.shares == {}
    assert found.untold["objective"] == "no parameter's effect can be distinguished from chance in 40 trials"


def test_it_is_the_same_every_time() -> None:
    trials = searched(lambda a, b, noise: ((a - 0.3) ** 2, noise))
    assert importances(TWO, trials) == importances(TWO, trials)


def test_a_corner_where_nothing_is_learned_does_not_count_for_all() -> None:
    found = shares_of(importances(TWO, searched(lambda a, b, noise: (1000.0 * (a > 1.6), 10 * (b + 0.5) ** 2))), "objective")
    assert found[B] > 0.7


def test_a_single_parameter_has_all_by_definition() -> None:
    trials = [trial(i, {A: 10 ** (i / 10 - 1)}, value=-((i - 8) ** 2), values={"t0.mse": (i - 8.0) ** 2}) for i in range(20)]
    found = importances(define(study(log_range())), trials)
    assert found.shares == {"objective": {A: 1.0}, "t0.mse": {A: 1.0}}


def test_a_few_trials_say_nothing() -> None:
    found = importances(TWO, searched(lambda a, b, noise: (a, 0.0), count=7))
    assert found.untold["objective"] == "7 complete search trials have a finite value; at least 8 are needed"


def test_equal_values_say_nothing() -> None:
    found = importances(TWO, searched(lambda a, b, noise: (a, 0.5)))
    assert found.untold["t1.mse"] == "all 40 complete search trials have the same value"
    assert shares_of(found, "t0.mse")[A] > 0.8


def test_numbers_that_are_not_finite_and_other_trials_are_left_out() -> None:
    law: Law = lambda a, b, noise: ((a - 0.3) ** 2, 0.1 * noise)  # noqa: E731
    others = [
        trial(40, {A: 1.0, B: 1.0}, value=math.nan, values={"t0.mse": math.inf, "t1.mse": math.nan}),
        trial(41, {A: 1.0, B: 1.0}, state=TrialState.DIVERGED),
        trial(42, {A: 1.0, B: 1.0}, value=9.0, values={"t0.mse": 9.0, "t1.mse": 9.0}, role=Role.BASELINE),
    ]
    assert importances(TWO, [*searched(law), *others]).shares == importances(TWO, searched(law)).shares


def test_where_most_share_the_worst_value_those_above_it_decide() -> None:
    found = shares_of(importances(TWO, searched(lambda a, b, noise: (0.0 if abs(a) < 0.6 else 1.0, 0.0))), "t0.mse")
    assert found[A] > 0.8


def test_choices_go_by_their_order() -> None:
    definition = define(study({"values": [4.0, 1.0, 2.0]}, log_range()))
    rng = np.random.default_rng(0)
    trials = [
        trial(i, {A: (1.0, 2.0, 4.0)[i % 3], B: 10 ** rng.uniform(-2, 2)}, value=float(i % 3 == 1) + 0.1 * rng.normal())
        for i in range(30)
    ]
    found = shares_of(importances(definition, trials), "objective")
    assert found[A] > 2 * found[B]


def test_on_a_simplex_the_shares_matter_and_not_what_was_drawn() -> None:
    definition = define(study(log_range(), log_range(), space="simplex"))
    rng = np.random.default_rng(0)
    drawn = [tuple(10 ** rng.uniform(-2, 2, 2)) for _ in range(40)]
    trials = [trial(i, {A: a, B: b}, value=-abs(math.log(a / b) - 1)) for i, (a, b) in enumerate(drawn)]
    found = shares_of(importances(definition, trials), "objective")
    assert found[A] == pytest.approx(0.5, abs=0.02)


def test_a_front_has_no_value_to_matter_for() -> None:
    front: StudyDefinition = TWO.model_copy(update={"objective": TWO.objective.model_copy(update={"aggregate": "pareto"})})
    found = importances(front, searched(lambda a, b, noise: ((a - 0.3) ** 2, (b + 0.5) ** 2)))
    assert set(found.shares) == {"t0.mse", "t1.mse"}
    assert "objective" not in found.untold
