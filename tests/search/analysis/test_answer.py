"""Which trial a study is answered with, from records alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from search.analysis import answer
from search.analysis.answer import NoFeasibleTrial, NoTrialEver, NoTrialYet
from search.analysis.evidence import Evidence
from search.definition.schema import StudyDefinition
from search.objective.fronts import Front
from search.planning.candidates import Candidate
from storage.records import Measured, Reason, StudyRecord, StudyState, TrialRecord
from tests.search.definitions import define, log_range, study
from tests.search.histories import NOW, trial

METRIC = "t0.mse"
FRESH = {"confirmation": {"top": 2, "seeds": 4}}


def record(state: StudyState, reason: Reason | None = None) -> StudyRecord:
    fields: dict[str, Any] = dict.fromkeys(StudyRecord.__dataclass_fields__)
    given = {"id": 1, "name": "s", "state": state, "reason": reason, "definition": {}, "created_at": NOW, "updated_at": NOW}
    return StudyRecord(**{**fields, **given})


def evidence(
    *trials: TrialRecord,
    state: StudyState = StudyState.COMPLETE,
    leader: int | None = None,
    candidates: Sequence[Candidate] = (),
    definition: StudyDefinition | None = None,
    **fields: Any,
) -> Evidence:
    by_number = {each.number: each for each in trials}
    return Evidence(
        study=fields.pop("study", record(state)),
        definition=definition or define(study(log_range(), **FRESH)),
        trials=by_number,
        measured={},
        leader=None if leader is None else by_number[leader],
        candidates=candidates,
        **fields,
    )


def fresh(one: TrialRecord, *errors: float) -> Candidate:
    """Return a trial with its mean squared errors on fresh seeds: the less, the better."""
    return Candidate(one, {seed: Measured(validation={METRIC: error}) for seed, error in enumerate(errors)})


LUCKY, STEADY = trial(3, value=-0.1), trial(5, value=-0.2)
AGAIN = [fresh(LUCKY, 0.4, 0.5), fresh(STEADY, 0.2, 0.3)]


def test_the_leader_of_the_search_is_the_answer_where_nothing_was_confirmed() -> None:
    found = answer.best(evidence(LUCKY, STEADY, leader=3))
    assert (found.trial, found.picked_by, found.verdict) == (LUCKY, "objective", None)


def test_a_confirmed_winner_replaces_the_leader() -> None:
    found = answer.best(evidence(LUCKY, STEADY, leader=3, candidates=AGAIN))
    assert (found.trial, found.picked_by) == (STEADY, "confirmation")
    assert found.verdict is not None
    assert found.verdict.optimism == pytest.approx(-0.2 - -0.25)


@pytest.mark.parametrize(
    ("baselines", "why"),
    [
        ({}, "every baseline failed, so there is none to hold them against"),
        ({"baselines": []}, "there is no baseline to hold them against"),
    ],
)
def test_a_winner_that_meets_no_baseline_has_none_or_all_failed(baselines: dict[str, Any], why: str) -> None:
    definition = define(study({"values": [1.0, 2.0]}, **FRESH, **baselines))
    verdict = answer.best(evidence(LUCKY, STEADY, leader=3, candidates=AGAIN, definition=definition)).verdict
    assert verdict is not None
    assert f"; {why}" in verdict.sentence


@pytest.mark.parametrize("state", [StudyState.RUNNING, StudyState.STOPPED])
def test_before_the_plan_has_ended_nothing_is_confirmed(state: StudyState) -> None:
    assert answer.best(evidence(LUCKY, STEADY, leader=3, candidates=AGAIN, state=state)).trial is LUCKY


@pytest.mark.parametrize("state", [StudyState.RUNNING, StudyState.PAUSED])
def test_a_study_without_a_complete_trial_has_no_answer_yet(state: StudyState) -> None:
    with pytest.raises(NoTrialYet) as raised:
        answer.best(evidence(state=state))
    assert raised.value.members == {"state": state.value}
    assert str(raised.value) == f"study 's' ({state.value}) has no complete trial yet"


def test_a_study_that_ended_without_a_complete_trial_says_why() -> None:
    with pytest.raises(NoTrialEver) as raised:
        answer.best(evidence(study=record(StudyState.FAILED, Reason("no_trial_complete", "all diverged"))))
    assert str(raised.value) == "study 's' ended FAILED without a complete trial: all diverged"


def test_an_infeasible_leader_is_no_answer_and_the_closest_trial_is_named() -> None:
    broken = trial(1, value=9.0, feasible=False, violations={METRIC: math.inf})
    closest = trial(2, value=0.5, feasible=False, violations={METRIC: 0.25}, weights={"t0.error": 2.0}, values={METRIC: 0.75})
    with pytest.raises(NoFeasibleTrial) as raised:
        answer.best(evidence(broken, closest, leader=1, closest=closest))
    assert raised.value.members["closest"] == {
        "trial": 2,
        "weights": {"t0.error": 2.0},
        "value": 0.5,
        "values": {METRIC: 0.75},
        "violations": {METRIC: 0.25},
    }
    assert answer.best_of_search(broken) is None


FRONT = Front(
    directions={"a": "maximize", "b": "minimize"},
    trials={1: {"a": 0.9, "b": 0.9}, 4: {"a": 0.5, "b": 0.1}},
    reference={},
    hypervolume=None,
    picks={"knee": 4, "nearest_ideal": 1},
)
EMPTY = Front({"a": "maximize"}, {}, {}, 0.0, {"knee": None, "nearest_ideal": None})


def test_a_front_has_several_best_trials_and_all_picks_are_named_the_confirmed_one_first() -> None:
    chosen = answer.Answer(trial(7), answer.CONFIRMED)
    found = answer.several_best(record(StudyState.COMPLETE), FRONT, chosen)
    assert found is not None
    named = {"confirmed": 7, "knee": 4, "nearest_ideal": 1, "metric:a": 1, "metric:b": 4}
    assert list(found.members["picks"].items()) == list(named.items())
    assert answer.several_best(record(StudyState.COMPLETE), EMPTY, None) is None


@pytest.mark.parametrize(("pick", "number"), [("knee", 4), ("nearest_ideal", 1), ("metric:a", 1), ("metric:b", 4)])
def test_a_pick_of_a_front_is_one_of_its_trials(pick: str, number: int) -> None:
    assert answer.picked(FRONT, pick) == number


def test_nothing_is_picked_from_an_empty_front() -> None:
    assert answer.picks(EMPTY, None) == {"knee": None, "nearest_ideal": None}
    assert answer.picked(EMPTY, "metric:a") is None
