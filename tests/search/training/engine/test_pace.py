"""How long a graph call may be."""

from __future__ import annotations

from search.training.engine.pace import StepBudget


def test_the_first_call_which_traces_does_one_step_and_teaches_nothing() -> None:
    pace = StepBudget(seconds_a_call=2.0)
    assert pace.steps(1000) == 1
    pace.took(1, seconds=30.0)
    assert pace.steps(1000) == 8


def test_calls_grow_until_they_fill_their_time() -> None:
    pace = StepBudget(seconds_a_call=2.0)
    pace.took(1, seconds=1.0)
    done = []
    for _ in range(5):
        steps = pace.steps(10_000)
        pace.took(steps, seconds=steps * 0.01)
        done.append(steps)
    assert done == [8, 64, 200, 200, 200]


def test_calls_shrink_when_steps_become_slow() -> None:
    pace = StepBudget(seconds_a_call=2.0)
    pace.took(1, seconds=1.0)
    pace.took(8, seconds=0.08)
    pace.took(64, seconds=16.0)
    assert pace.steps(10_000) == 8


def test_a_step_that_fills_the_time_is_a_call() -> None:
    pace = StepBudget(seconds_a_call=2.0)
    pace.took(1, seconds=1.0)
    pace.took(8, seconds=80.0)
    assert pace.steps(100) == 1


def test_a_short_rest_does_not_make_later_calls_short() -> None:
    pace = StepBudget(seconds_a_call=2.0)
    pace.took(1, seconds=1.0)
    pace.took(8, seconds=0.08)
    assert pace.steps(3) == 3
    pace.took(3, seconds=0.03)
    assert pace.steps(1000) == 64
