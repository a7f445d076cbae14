"""Epochs of a trial in training are written under its lease, and read back one trial or several at a time."""

from __future__ import annotations

import math

import pytest
from sqlalchemy import select

from storage import curves, epochs, leases, outcomes, trial_rows
from storage.database import Database
from storage.errors import LeaseLost, TermNotFound, TrialNotFound
from storage.models import EPOCH_VALUES, EPOCHS
from storage.records import EpochRecord, Split
from tests.storage import scenes
from tests.storage.scenes import NOW


def test_reported_epochs_come_back(database: Database) -> None:
    running = scenes.running(database, 1)
    first = EpochRecord(0, {"agreement": 1.5}, {"digit.accuracy": 0.1, "agreement.violations": 0.0}, 0.25)
    second = EpochRecord(1, {"agreement": 1.0}, {"digit.accuracy": 0.2, "agreement.violations": 0.0}, 0.75)
    with database.writing() as session:
        for each in (first, second):
            report = (each.epoch, each.train, each.validation, each.seconds)
            epochs.record_epoch(session, running.token, running.cohort, {0: report}, NOW)
    trial = scenes.trial_of(database, running)
    with database.reading() as session:
        assert curves.epochs_of(session, trial.id) == [first, second]
        assert scenes.pace_of(session, running).epochs == 1
    assert trial.epochs == 1


def test_weights_that_move_come_back_with_their_epoch(database: Database) -> None:
    running = scenes.running(database, 2)
    moved = {"digit.crossentropy": 0.5, "parity.crossentropy": math.nan, "agreement": 0.0}  # of a trial that is about to diverge
    for epoch, weights in ((0, {"agreement": 1.0}), (1, moved)):
        with database.writing() as session:
            reports = {0: (epoch, {}, {}, 1.0), 1: epochs.EpochWrite(epoch, {}, {}, 1.0, weights)}
            epochs.record_epoch(session, running.token, running.cohort, reports, NOW)
    ids = [scenes.trial_of(database, running, number).id for number in (0, 1)]
    with database.reading() as session:
        fixed, moving = (curves.epochs_of(session, trial_id) for trial_id in ids)
    assert [epoch.weights for epoch in fixed] == [{}, {}]
    assert [epoch.weights for epoch in moving] == [{"agreement": 1.0}, {"digit.crossentropy": 0.5, "agreement": 0.0}]


def test_the_same_epoch_again_changes_nothing(database: Database) -> None:
    running = scenes.running(database, 1)
    for value in (0.5, 0.75):
        with database.writing() as session:
            report = {0: (1, {}, {"digit.accuracy": value}, 2.0)}
            epochs.record_epoch(session, running.token, running.cohort, report, NOW)
    with database.reading() as session:
        [epoch] = curves.epochs_of(session, scenes.trial_of(database, running).id)
        pace = scenes.pace_of(session, running)
    assert (epoch.validation, pace.seconds) == ({"digit.accuracy": 0.5}, 2.0)


def test_an_epoch_of_a_trial_that_does_not_run_is_not_written(database: Database) -> None:
    running = scenes.running(database, 2)
    report = (1, {}, {"digit.accuracy": 0.5}, 1.0)
    with database.writing() as session:
        outcomes.record_outcomes(session, running.token, [scenes.outcome(0)], NOW)
        left_out = epochs.record_epoch(session, running.token, running.cohort, {0: report, 1: report, 9: report}, NOW)
        written = session.scalars(select(EPOCHS.c.trial_id)).all()
        assert session.scalars(select(EPOCH_VALUES.c.trial_id)).all() == written
    assert left_out == {0, 9}
    assert written == [scenes.trial_of(database, running, 1).id]


def test_an_epoch_of_another_cohort_is_refused(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session, pytest.raises(LeaseLost):
        epochs.record_epoch(session, running.token, running.cohort + 1, {0: (1, {}, {}, 1.0)}, NOW)


def test_an_epoch_of_an_unknown_path_is_refused(database: Database) -> None:
    running = scenes.running(database, 1)
    with pytest.raises(TermNotFound, match=r"'digit\.nothing'"), database.writing() as session:
        epochs.record_epoch(session, running.token, running.cohort, {0: (1, {}, {"digit.nothing": 1.0}, 1.0)}, NOW)


def test_only_the_latest_attempts_epochs_are_read(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        for epoch in (0, 1, 2):
            report = {0: (epoch, {}, {"digit.accuracy": 0.1}, 1.0)}
            epochs.record_epoch(session, running.token, running.cohort, report, NOW)
        leases.release(session, running.token, charge=True, now=NOW)
        again = scenes.start(session, running.study)
        assert again.cohort_id is not None
        epochs.record_epoch(session, again.token, again.cohort_id, {0: (0, {}, {"digit.accuracy": 0.9}, 1.0)}, NOW)
    trial = scenes.trial_of(database, running)
    with database.reading() as session:
        found = curves.curves(session, running.study.id, [0], None, Split.VALIDATION)
        rows = curves.epochs_of(session, trial.id)
    assert [(each.epoch, each.validation) for each in rows] == [(0, {"digit.accuracy": 0.9})]
    assert found == {0: {"digit.accuracy": [(0, 0.9)]}}
    assert (trial.attempt, trial.epochs) == (2, 0)


def with_curves(database: Database) -> scenes.Running:
    running = scenes.running(database, 2)
    with database.writing() as session:
        for epoch in (0, 1):
            report = {
                number: (epoch, {"agreement": 10.0 + number}, {"agreement": number + epoch, "digit.accuracy": math.nan}, 1.0)
                for number in (0, 1)
            }
            epochs.record_epoch(session, running.token, running.cohort, report, NOW)
    return running


def test_curves_of_several_trials_come_at_once(database: Database) -> None:
    running = with_curves(database)
    with database.reading() as session:
        found = curves.curves(session, running.study.id, [1, 0], ["agreement"], Split.VALIDATION)
        train = curves.curves(session, running.study.id, [0], None, Split.TRAIN)
        everything = curves.curves(session, running.study.id, [0], None)
    assert found == {1: {"agreement": [(0, 1.0), (1, 2.0)]}, 0: {"agreement": [(0, 0.0), (1, 1.0)]}}
    assert train == {0: {"agreement": [(0, 10.0), (1, 10.0)]}}
    assert [math.isnan(value) for _, value in everything[0]["digit.accuracy"]] == [True, True]


@pytest.mark.parametrize("number", [2, -1, 2**31, 10**30])
def test_an_unknown_trial_is_not_found(database: Database, number: int) -> None:
    running = scenes.running(database, 1)
    with database.reading() as session:
        with pytest.raises(TrialNotFound, match=f"'study' has no trial {number}"):
            trial_rows.get_trial(session, running.study.id, number)
        with pytest.raises(TrialNotFound):
            curves.curves(session, running.study.id, [0, number], None)


def test_curves_of_an_unknown_path_are_not_found(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.reading() as session, pytest.raises(TermNotFound, match=r"'study' measures no 'x\.y'"):
        curves.curves(session, running.study.id, [0], ["agreement", "x.y"])
