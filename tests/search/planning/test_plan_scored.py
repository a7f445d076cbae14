"""The plan of a study whose objective is relative: references first, start-up trials beside them, then scores, then the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.objective.anchors import Measurement
from search.planning.plan import End, Run, ScoreStudy, Wait, plan
from search.planning.references import references
from storage.records import AnchorRecord, Reason, Role, StudyState, TrialRecord, TrialState
from tests.search.definitions import Document, changed, define, log_range, study
from tests.search.histories import history, trial

ANCHORS = (AnchorRecord("reference", "t0.mse", 0.5, None, (0,)), AnchorRecord("reference", "t1.mse", 0.4, None, (0,)))


def delta(**search: object) -> Document:
    fields = {"trials": 40, "references": {"seeds": 1}, **search}
    return changed(study(log_range(), 1.0, **fields), {"objective.aggregate": "delta_m"})


def trained(document: Document, state: TrialState = TrialState.COMPLETE) -> list[TrialRecord]:
    """Return the study's references as trials that have come to `state`."""
    planned = references(define(document))
    return [
        trial(number, role=Role.REFERENCE, rule=each.rule, seed=each.seed, state=state, reason=Reason("diverged", "too fast"))
        for number, each in enumerate(planned)
    ]


def test_references_go_first_and_start_up_trials_fill_the_cohort() -> None:
    step = plan(define(delta()), history(define(delta())), 16)
    assert isinstance(step, Run)
    assert [each.role for each in step.trials] == [Role.REFERENCE] * 2 + [Role.SEARCH] * 14


def test_no_more_is_suggested_than_needs_no_score_while_references_are_trained() -> None:
    document = delta()
    begun = [*trained(document, TrialState.RUNNING), *(trial(number, {"t0.error": 1.0}, value=None) for number in range(2, 16))]
    step = plan(define(document), history(define(document), begun), 16)
    assert isinstance(step, Run)
    assert len(step.trials) == 2  # the sixteen of the first cohort, less the fourteen there are
    more = [*begun, *(trial(number, {"t0.error": 1.0}, value=None) for number in range(16, 18))]
    assert isinstance(plan(define(document), history(define(document), more), 16), Wait)


def test_a_sampler_that_does_not_learn_waits_for_nothing() -> None:
    document = delta(sampler={"name": "random"})
    begun = [*trained(document, TrialState.RUNNING), *(trial(number, {"t0.error": 1.0}, value=None) for number in range(2, 32))]
    step = plan(define(document), history(define(document), begun), 64)
    assert isinstance(step, Run)
    assert len(step.trials) == 10


def test_once_the_references_are_in_what_ended_is_scored() -> None:
    document = delta()
    past = history(define(document), trained(document))
    measurements = [
        Measurement(Role.REFERENCE, "alone:t0", 0, {"t0.mse": 0.5, "t1.mse": 9.0}),
        Measurement(Role.REFERENCE, "alone:t1", 0, {"t0.mse": 9.0, "t1.mse": 0.4}),
    ]
    assert plan(define(document), replace(past, measurements=measurements), 16) == ScoreStudy(ANCHORS)


def test_with_the_anchors_the_search_goes_on() -> None:
    document = delta()
    past = replace(history(define(document), trained(document)), anchors=ANCHORS)
    step = plan(define(document), past, 8)
    assert isinstance(step, Run)
    assert {each.role for each in step.trials} == {Role.SEARCH}


def test_a_study_whose_reference_diverged_on_every_seed_fails_and_says_why() -> None:
    document = delta()
    step = plan(define(document), history(define(document), trained(document, TrialState.DIVERGED)), 16)
    assert isinstance(step, End)
    assert step.state is StudyState.FAILED
    assert step.reason is not None
    assert step.reason.code == "no_reference"
    assert "t0.mse" in step.reason.message
    assert "too fast" in step.reason.message


@pytest.mark.parametrize("seeds", [1, 3])
def test_nothing_is_scored_before_every_reference_is_planned(seeds: int) -> None:
    document = delta(references={"seeds": seeds}, trials=1)
    past = history(define(document), trained(delta()))  # those of one seed
    step = plan(define(document), past, 2)
    assert isinstance(step, Run if seeds == 3 else End)


@pytest.mark.parametrize("search", [{"baselines": ["dwa"]}, {"confirmation": None}, {"baselines": ["equal"]}])
def test_equal_weights_that_a_constraint_is_relative_to_are_trained_whatever_else_is(search: Document) -> None:
    """Also where the user's own weights are the same: those are another baseline."""
    metrics = [{"metric": "t0.mse"}, {"metric": "t1.mse", "strategy": "constraint", "at_most": {"of": "equal", "times": 1.1}}]
    yours = {"low": 0.01, "high": 100.0, "current": 1.0}
    document = changed(study(yours, yours, trials=40, **search), {"objective.metrics": metrics})
    step = plan(define(document), history(define(document)), 16)
    assert isinstance(step, Run)
    rules = [each.rule for each in step.trials if each.role is Role.BASELINE]
    assert rules[:2] == ["current", "equal"]
