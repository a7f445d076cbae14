"""How long a training process may be silent."""

from __future__ import annotations

from search.worker.progress_deadlines import ProgressDeadlines


def test_before_the_first_graph_call_it_is_as_long_as_the_worker_says() -> None:
    deadlines = ProgressDeadlines(600)
    deadlines.learn(1, 5.0)
    assert deadlines.before_calls() == 600


def test_fast_graph_calls_leave_a_minute() -> None:
    deadlines = ProgressDeadlines(600)
    deadlines.learn(1, 2.0)
    assert deadlines.between_calls(1) == 60


def test_the_slowest_graph_call_of_the_study_counts_twentyfold() -> None:
    deadlines = ProgressDeadlines(600)
    for seconds in (2.0, 40.0, 3.0):
        deadlines.learn(1, seconds)
    assert deadlines.between_calls(1) == 800
    assert deadlines.between_calls(2) == 60


def test_less_than_a_minute_before_is_as_little_afterwards() -> None:
    deadlines = ProgressDeadlines(5)
    deadlines.learn(1, 0.01)
    assert deadlines.between_calls(1) == 5
