"""What the trials that may win measured."""

from __future__ import annotations

import math

import pytest

from storage import outcomes
from storage.competing_trials import CompetingTrial, standings, trials_numbered
from storage.database import Database
from storage.errors import TermNotFound
from storage.records import NO_OBJECTIVE, Measured, Moment, Reason, Role, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW

ACCURACY, AGREEMENT = "digit.accuracy", "agreement"
PATHS = [ACCURACY, AGREEMENT]


def numbers(accuracy: float, agreement: float) -> Measured:
    return Measured(train={AGREEMENT: 9.0}, validation={ACCURACY: accuracy, AGREEMENT: agreement})


def test_complete_trials_stand_with_their_validation_numbers_at_the_moment(database: Database) -> None:
    running = scenes.running(database, 2)
    measured = {Moment.LAST: numbers(0.5, 0.25), Moment.BEST: numbers(0.75, math.inf)}
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(n, measured=measured) for n in (0, 1)], NOW)
        last, best = (standings(session, running.study, PATHS, moment) for moment in (Moment.LAST, Moment.BEST))
    assert last == [CompetingTrial(n, Role.SEARCH, None, {ACCURACY: 0.5, AGREEMENT: 0.25}) for n in (0, 1)]
    assert [each.values for each in best] == [{ACCURACY: 0.75, AGREEMENT: math.inf}] * 2


def test_only_the_paths_asked_for_are_there(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0, measured={Moment.LAST: numbers(0.5, 0.25)})], NOW)
        assert standings(session, running.study, [AGREEMENT], Moment.LAST)[0].values == {AGREEMENT: 0.25}


def test_a_trial_without_a_number_stands_without_it(database: Database) -> None:
    running = scenes.running(database, 2)
    nan = {Moment.LAST: Measured(validation={AGREEMENT: math.nan})}
    with database.writing() as session:
        ends = [scenes.outcome(0, measured={}), scenes.outcome(1, measured=nan)]
        outcomes.record_outcomes(session, running.token, ends, NOW)
        first, second = standings(session, running.study, PATHS, Moment.LAST)
    assert (first.number, first.values) == (0, {})
    assert list(second.values) == [AGREEMENT]
    assert math.isnan(second.values[AGREEMENT])


def test_a_trial_that_failed_for_want_of_an_objective_alone_stands(database: Database) -> None:
    running = scenes.running(database, 1)
    lost = scenes.outcome(0, state=TrialState.FAILED, reason=Reason(NO_OBJECTIVE, "agreement is undefined on validation"))
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [lost], NOW)
        assert standings(session, running.study, PATHS, Moment.LAST) == [CompetingTrial(0, Role.SEARCH, None, {ACCURACY: 0.5})]


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.DIVERGED, TrialState.FAILED])
def test_only_complete_trials_stand(database: Database, state: TrialState) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0, state=state)], NOW)
        assert standings(session, running.study, PATHS, Moment.LAST) == []


def test_baselines_stand_and_references_and_confirmations_do_not(database: Database) -> None:
    roles = [Role.REFERENCE, Role.BASELINE, Role.CONFIRMATION, Role.SEARCH]
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        for role in roles:
            scenes.add(session, study, 1, role)
        lease = scenes.start(session, study)
        outcomes.record_outcomes(session, lease.token, [scenes.outcome(n) for n in range(len(roles))], NOW)
        found = standings(session, study, PATHS, Moment.LAST)
    assert [(each.number, each.role) for each in found] == [(1, Role.BASELINE), (3, Role.SEARCH)]


def test_other_studies_have_no_part_in_it(database: Database) -> None:
    one, other = scenes.running(database, 1, "one"), scenes.running(database, 1, "other")
    with database.writing() as session:
        outcomes.record_outcomes(session, other.token, [scenes.outcome(0)], NOW)
        assert standings(session, one.study, PATHS, Moment.LAST) == []


def test_a_path_that_is_not_measured_is_not_found(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.reading() as session, pytest.raises(TermNotFound):
        standings(session, running.study, ["digit.acuracy"], Moment.LAST)


def test_trials_are_found_by_their_numbers(database: Database) -> None:
    running = scenes.running(database, 4)
    with database.reading() as session:
        found = trials_numbered(session, running.study.id, [3, 1, 9])
        assert trials_numbered(session, running.study.id, []) == {}
    assert {number: trial.weights["parity.crossentropy"] for number, trial in found.items()} == {1: 1.5, 3: 3.5}
