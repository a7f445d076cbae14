"""How large a stack some settings are trained in."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from search.training.engine.cost import Cost
from search.training.engine.sizes import SECONDS_A_TRACE, chosen_size, more_cost_less
from search.training.engine.stacked_variable import form_of
from search.training.engine.strategies import STRATEGIES
from search.training.problem.problem import TrainingProblem
from tests.search.training.scenes import linear, problem_of, rows, study, task, workload

COST = Cost(trained_flops=1e6, shared_flops=0.0, own_convolutions=False, bytes_a_setting=2**20, shared_bytes=2**14)


@pytest.fixture(scope="module")
def problem() -> TrainingProblem:
    """20 rows in batches of 8: 3 steps an epoch."""
    definition = study([task("a"), task("b")], training={"epochs": 2, "batch_size": 8})
    return problem_of(definition, workload(linear({"a": 2, "b": 1}), rows(20, a=2, b=1)))


@pytest.mark.parametrize("short", [0, 1])
def test_a_smaller_stack_is_made_once_it_saves_more_than_its_trace(short: int) -> None:
    unrolled = STRATEGIES["unrolled"]
    saved_a_step = 6 * unrolled.cost_of_a_place * COST.seconds_a_step  # 6 of 8 places are free
    steps = math.ceil(SECONDS_A_TRACE / saved_a_step) - short
    assert chosen_size(2, 8, 8, steps, unrolled, COST) == (8 if short else 2)


def test_a_stack_never_grows() -> None:
    assert chosen_size(2, 2, 16, 10**9, STRATEGIES["vectorized"], COST) == 2


@pytest.mark.parametrize(
    ("going_on", "tried", "pays"),
    [
        (6, 16, True),  # 6 of 8 places would be 12 of 16
        (8, 16, True),  # 8 of 8 would be 16 of 16, which cost less each
        (8, 32, False),  # 8 of 8 would be 12 of 16
        (11, 32, True),  # 11 of 16 would be 16 of 16
        (13, 16, False),  # 13 of 16 would be 26 of 32
        (16, 16, False),
        (20, 64, False),  # they have two stacks anyway
        (0, 16, False),
    ],
)
def test_more_settings_are_waited_for_where_those_that_go_on_then_cost_less_each(going_on: int, tried: int, pays: bool) -> None:
    assert more_cost_less(going_on, tried, 16, 10**6, STRATEGIES["vectorized"], COST) == pays


def test_copies_of_a_large_model_wait_for_none() -> None:
    large = replace(COST, trained_flops=1e9)
    assert not more_cost_less(4, 8, 8, 10**6, STRATEGIES["unrolled"], large)
    assert more_cost_less(2, 8, 8, 1, STRATEGIES["unrolled"], COST)  # no smaller stack is worth its trace: 2 of 8 would be 4 of 8


def test_a_problems_form_is_found_out_once(problem: TrainingProblem) -> None:
    assert form_of(problem, problem.network(0)) is form_of(problem, problem.network(1))


def test_a_network_that_nobody_changes_is_made_once_a_seed_and_begins_as_a_new_one(problem: TrainingProblem) -> None:
    kept = problem.untouched_network(3)
    assert problem.untouched_network(0) is problem.opened.example
    assert problem.untouched_network(3) is kept
    for mine, new in zip(kept.trainable, problem.network(3).trainable, strict=True):
        assert (mine.numpy() == new.numpy()).all()
