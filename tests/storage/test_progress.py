"""How far a study is."""

from __future__ import annotations

from sqlalchemy import insert, update

from storage import epochs, leases, outcomes, progress
from storage.database import Database
from storage.models import COHORTS, TRIALS
from storage.records import Role, Throughput, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW, pace_of


def test_progress_counts_every_state_and_the_epochs(database: Database) -> None:
    running = scenes.running(database, 3)
    with database.writing() as session:
        report = {number: (4, {}, {"digit.accuracy": 0.5}, 0.5) for number in (0, 1)}
        epochs.record_epoch(session, running.token, running.cohort, report, NOW)
        outcomes.record_outcomes(session, running.token, [scenes.outcome(2, epochs=10)], NOW)
        totals = progress.study_totals(session, [running.study.id])[running.study.id]
    assert totals.trials == {**dict.fromkeys(TrialState, 0), TrialState.RUNNING: 2, TrialState.COMPLETE: 1}
    assert totals.pace.epochs == 4 + 4 + 10


def test_progress_of_many_studies_comes_at_once(database: Database) -> None:
    first, second = scenes.running(database, 2, "first"), scenes.running(database, 1, "second")
    with database.writing() as session:
        empty = scenes.create(session, "empty")
        found = progress.study_totals(session, [first.study.id, second.study.id, empty.id])
    assert [found[each.id].trials["RUNNING"] for each in (first.study, second.study, empty)] == [2, 1, 0]


def test_the_pace_is_seconds_over_epochs_and_what_trains_now(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        for epoch in (0, 1, 2):
            report = {number: (epoch, {}, {"digit.accuracy": 0.5}, 0.25) for number in (0, 1)}
            epochs.record_epoch(session, running.token, running.cohort, report, NOW)
        assert pace_of(session, running) == Throughput(epochs=4, seconds=1.5, cohorts=1, under_way=4)
        leases.complete(session, running.token, NOW)
        assert pace_of(session, running).cohorts == 0


def test_the_pace_tells_how_long_search_trials_trained(database: Database) -> None:
    running = scenes.running(database, 3)
    with database.writing() as session:
        report = {number: (2, {}, {"digit.accuracy": 0.5}, 0.25) for number in range(3)}
        epochs.record_epoch(session, running.token, running.cohort, report, NOW)
        ends = [scenes.outcome(0, state=TrialState.PRUNED, epochs=2), scenes.outcome(1, epochs=10)]
        outcomes.record_outcomes(session, running.token, ends, NOW)
        pace = pace_of(session, running)
    assert (pace.under_way, pace.searched, pace.searched_epochs) == (2, 2, 12)


def test_a_study_has_trained_while_one_of_its_cohorts_or_more_did(database: Database) -> None:
    """From 0 to 10 and from 5 to 20 s two of them, a pause, and from 30 s on one that still does."""
    with database.writing() as session:
        study = scenes.create(session)
        for began, ended in ((0, 10), (5, 20), (30, None)):
            row = {"study_id": study.id, "worker": "w", "engine": "serial", "size": 1, "started_at": scenes.later(began)}
            session.execute(insert(COHORTS).values(**row, ended_at=None if ended is None else scenes.later(ended)))
        assert progress.trained_seconds(session, study.id, scenes.later(37)) == 27.0
        assert progress.trained_seconds(session, scenes.create(session, "other").id, scenes.later(37)) == 0.0


def test_what_trains_on_fresh_seeds_does_not_count_as_the_search_s_time(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        assert progress.trained_seconds(session, running.study.id, scenes.later(30)) == 30.0
        session.execute(update(TRIALS).where(TRIALS.c.study_id == running.study.id).values(role=Role.CONFIRMATION.value))
        assert progress.trained_seconds(session, running.study.id, scenes.later(30)) == 0.0
