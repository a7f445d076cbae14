"""When a search ends before its trials are spent, as the plan says it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from search.planning.plan import End, History, Run, Wait, plan, wants_gain
from storage.records import Role, StudyState, TrialState
from tests.search.definitions import define, log_range, study
from tests.search.histories import history, trial


def stopping(**stop: float) -> Any:
    return define(study(log_range(), sampler={"name": "random"}, trials=40, stop=stop))


def after(definition: Any, complete: int, *, running: int = 0, **known: Any) -> History:
    trials = [trial(i, {"t0.error": 1.0 + i}, value=float(i)) for i in range(complete)]
    trials += [trial(complete + i, {"t0.error": 50.0 + i}, state=TrialState.RUNNING) for i in range(running)]
    return replace(history(definition, trials), **known)


@pytest.mark.parametrize(
    ("stop", "known", "code"),
    [
        ({"after_seconds": 60.0}, {"seconds": 60.0}, "stopped_after_seconds"),
        ({"no_gain": 0.5}, {"expected_gain": 0.49}, "stopped_no_gain"),
        ({"after_seconds": 60.0, "no_gain": 0.5}, {"seconds": 1.0, "expected_gain": 0.1}, "stopped_no_gain"),
    ],
)
def test_a_stopped_search_is_complete_with_its_reason(stop: dict[str, float], known: dict[str, float], code: str) -> None:
    definition = stopping(**stop)
    step = plan(definition, after(definition, 16, **known), 8)
    assert isinstance(step, End)
    assert (step.state, step.reason and step.reason.code) == (StudyState.COMPLETE, code)
    assert step.reason is not None
    assert "16 of 40 search trials" in step.reason.message


@pytest.mark.parametrize(
    ("stop", "known"),
    [
        ({"after_seconds": 60.0}, {"seconds": 59.9}),
        ({"no_gain": 0.5}, {"expected_gain": 0.5}),
        ({"no_gain": 0.5}, {"expected_gain": math.inf}),
        ({"no_gain": 0.5}, {"expected_gain": None}),
    ],
)
def test_before_that_it_goes_on(stop: dict[str, float], known: dict[str, Any]) -> None:
    definition = stopping(**stop)
    assert isinstance(plan(definition, after(definition, 16, **known), 8), Run)


def test_what_runs_is_waited_for() -> None:
    definition = stopping(after_seconds=60.0)
    assert isinstance(plan(definition, after(definition, 16, running=2, seconds=99.0), 8), Wait)


def test_a_search_without_a_complete_trial_does_not_stop() -> None:
    definition = stopping(after_seconds=60.0)
    assert isinstance(plan(definition, after(definition, 0, seconds=99.0), 8), Run)


def test_what_a_stopped_search_found_is_trained_on_fresh_seeds() -> None:
    document = study(log_range(), sampler={"name": "random"}, trials=40, stop={"after_seconds": 60.0}, baselines=[])
    document["search"]["confirmation"] = {"top": 2, "seeds": 2}
    definition = define(document)
    step = plan(definition, after(definition, 16, seconds=99.0), 8)
    assert isinstance(step, Run)
    assert {planned.role for planned in step.trials} == {Role.CONFIRMATION}


def test_a_search_that_spent_its_trials_has_not_stopped_early() -> None:
    definition = stopping(after_seconds=60.0)
    assert plan(definition, after(definition, 40, seconds=99.0), 8) == End(StudyState.COMPLETE)


def test_the_gain_is_wanted_after_twelve_trials_until_it_is_known() -> None:
    definition = stopping(no_gain=1.0)
    assert not wants_gain(definition, after(definition, 11))
    assert wants_gain(definition, after(definition, 12))
    assert not wants_gain(definition, after(definition, 12, expected_gain=2.0))
    assert not wants_gain(definition, after(definition, 40))
    assert not wants_gain(stopping(after_seconds=1.0), after(definition, 12))
