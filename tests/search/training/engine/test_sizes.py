"""How large a stack some settings are trained in."""

from __future__ import annotations

import pytest

from search.training.engine.sizes import SECONDS_A_TRACE, StackSizes
from search.training.engine.stacked_variable import form_of
from search.training.engine.strategies import STRATEGIES
from search.training.problem.problem import TrainingProblem
from tests.search.training.scenes import linear, problem_of, rows, study, task, workload


@pytest.fixture(scope="module")
def problem() -> TrainingProblem:
    """20 rows in batches of 8: 3 steps an epoch."""
    definition = study([task("a"), task("b")], training={"epochs": 2, "batch_size": 8})
    return problem_of(definition, workload(linear({"a": 2, "b": 1}), rows(20, a=2, b=1)))


@pytest.mark.parametrize("short", [0, 1])
def test_a_smaller_stack_is_made_once_it_saves_more_than_its_trace(problem: TrainingProblem, short: int) -> None:
    sizes = StackSizes(problem, STRATEGIES["unrolled"])
    sizes._seconds_a_place = SECONDS_A_TRACE / (3 * 10 * 6)  # 3 steps, 10 epochs, 6 of 8 places free
    assert sizes.chosen(2, size=8, limit=8, epochs=10 - short) == (8 if short else 2)


def test_a_stack_never_grows(problem: TrainingProblem) -> None:
    sizes = StackSizes(problem, STRATEGIES["vectorized"])
    sizes._seconds_a_place = 1e9
    assert sizes.chosen(2, size=2, limit=16, epochs=100) == 2


def test_a_problems_form_is_found_out_once(problem: TrainingProblem) -> None:
    assert form_of(problem, problem.network(0)) is form_of(problem, problem.network(1))


def test_a_network_that_nobody_changes_is_made_once_a_seed_and_begins_as_a_new_one(problem: TrainingProblem) -> None:
    kept = problem.untouched_network(3)
    assert problem.untouched_network(0) is problem.opened.example
    assert problem.untouched_network(3) is kept
    for mine, new in zip(kept.trainable, problem.network(3).trainable, strict=True):
        assert (mine.numpy() == new.numpy()).all()
