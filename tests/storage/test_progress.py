"""How far a study is, and which trial is the best."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import insert

from storage import epochs, leases, outcomes, progress
from storage.database import Database
from storage.models import COHORTS
from storage.records import Role, Throughput, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW


def test_progress_counts_every_state_and_the_epochs(database: Database) -> None:
    running = scenes.running(database, 3)
    with database.writing() as session:
        report = {number: (4, {}, {"digit.accuracy": 0.5}, 0.5) for number in (0, 1)}
        epochs.record_epoch(session, running.token, running.cohort, report, NOW)
        outcomes.record_outcomes(session, running.token, [scenes.outcome(2, epochs=10)], NOW)
        counts, done = progress.progress_counts(session, running.study.id)
    assert counts == {**dict.fromkeys(TrialState, 0), TrialState.RUNNING: 2, TrialState.COMPLETE: 1}
    assert done == 4 + 4 + 10


def test_progress_of_many_studies_comes_at_once(database: Database) -> None:
    first, second = scenes.running(database, 2, "first"), scenes.running(database, 1, "second")
    with database.writing() as session:
        empty = scenes.create(session, "empty")
        found = progress.progress_counts_of(session, [first.study.id, second.study.id, empty.id])
    assert [found[each.id][0]["RUNNING"] for each in (first.study, second.study, empty)] == [2, 1, 0]


def test_the_pace_is_seconds_over_epochs_and_what_trains_now(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        for epoch in (0, 1, 2):
            report = {number: (epoch, {}, {"digit.accuracy": 0.5}, 0.25) for number in (0, 1)}
            epochs.record_epoch(session, running.token, running.cohort, report, NOW)
        assert progress.trial_durations(session, running.study.id) == Throughput(epochs=4, seconds=1.5, cohorts=1, under_way=4)
        leases.complete(session, running.token, NOW)
        assert progress.trial_durations(session, running.study.id).cohorts == 0


def test_the_pace_tells_how_long_search_trials_trained(database: Database) -> None:
    running = scenes.running(database, 3)
    with database.writing() as session:
        report = {number: (2, {}, {"digit.accuracy": 0.5}, 0.25) for number in range(3)}
        epochs.record_epoch(session, running.token, running.cohort, report, NOW)
        ends = [scenes.outcome(0, state=TrialState.PRUNED, epochs=2), scenes.outcome(1, epochs=10)]
        outcomes.record_outcomes(session, running.token, ends, NOW)
        pace = progress.trial_durations(session, running.study.id)
    assert (pace.under_way, pace.searched, pace.searched_epochs) == (2, 2, 12)


@pytest.mark.parametrize(
    ("ends", "best"),
    [
        ([(0.5, True), (0.75, True), (0.75, True)], 1),  # the lowest number of the greatest
        ([(0.9, False), (0.5, True)], 1),  # feasible before better
        ([(0.5, False), (0.9, False)], 1),  # where none is feasible, the greatest
        ([(math.nan, True), (-3.0, True), (math.inf, True)], 1),  # only finite values compete
        ([(math.nan, True)], None),
        ([], None),
    ],
)
def test_the_best_trial(database: Database, ends: list[tuple[float, bool]], best: int | None) -> None:
    running = scenes.running(database, 3)
    with database.writing() as session:
        ends = [scenes.outcome(number, value, feasible=feasible) for number, (value, feasible) in enumerate(ends)]
        outcomes.record_outcomes(session, running.token, ends, NOW)
        found = progress.best_trial(session, running.study.id)
    assert (None if found is None else found.number) == best


@pytest.mark.parametrize("role", [Role.REFERENCE, Role.CONFIRMATION])
def test_references_and_confirmations_do_not_win(database: Database, role: Role) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        scenes.add(session, study, 1, role)
        scenes.add(session, study, 1, Role.BASELINE)
        lease = scenes.start(session, study)
        outcomes.record_outcomes(session, lease.token, [scenes.outcome(0, 0.9), scenes.outcome(1, 0.1)], NOW)
        found = progress.best_trial(session, study.id)
    assert found is not None
    assert found.number == 1


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.DIVERGED, TrialState.FAILED])
def test_only_complete_trials_win(database: Database, state: TrialState) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0, 0.9, state)], NOW)
        assert progress.best_trial(session, running.study.id) is None


def test_the_closest_trial_misses_its_constraints_by_the_least(database: Database) -> None:
    running = scenes.running(database, 4)
    missed = [{"digit.accuracy": 0.2, "agreement": 0.2}, {"digit.accuracy": 0.3}, {"agreement": 0.3}, {"agreement": math.inf}]
    with database.writing() as session:
        ends = [scenes.outcome(number, feasible=False, violations=each) for number, each in enumerate(missed)]
        outcomes.record_outcomes(session, running.token, ends, NOW)
        found = progress.closest_trial(session, running.study.id)
    assert found is not None
    assert found.number == 1


def test_a_study_has_trained_while_one_of_its_cohorts_or_more_did(database: Database) -> None:
    """From 0 to 10 and from 5 to 20 s two of them, a pause, and from 30 s on one that still does."""
    with database.writing() as session:
        study = scenes.create(session)
        for began, ended in ((0, 10), (5, 20), (30, None)):
            row = {"study_id": study.id, "worker": "w", "engine": "serial", "size": 1, "started_at": scenes.later(began)}
            session.execute(insert(COHORTS).values(**row, ended_at=None if ended is None else scenes.later(ended)))
        assert progress.trained_seconds(session, study.id, scenes.later(37)) == 27.0
        assert progress.trained_seconds(session, scenes.create(session, "other").id, scenes.later(37)) == 0.0
