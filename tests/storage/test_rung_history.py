"""Whom a trial is compared with at a rung."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest
from sqlalchemy.orm import Session

from storage import epochs, leases, outcomes, study_rows
from storage.database import Database
from storage.errors import TermNotFound
from storage.records import NO_OBJECTIVE, Reason, Rival, Role, TrialState
from storage.rung_history import rivals, search_indices
from tests.storage import scenes
from tests.storage.scenes import NOW

ACCURACY = "digit.accuracy"


def report(session: Session, running: scenes.Running, epoch: int, accuracies: Mapping[int, float]) -> None:
    written = {n: (epoch, {ACCURACY: 0.0}, {ACCURACY: value, "agreement": 1.0}, 0.1) for n, value in accuracies.items()}
    epochs.record_epoch(session, running.token, running.cohort, written, NOW)


def end(session: Session, running: scenes.Running, numbers: Sequence[int], state: TrialState = TrialState.COMPLETE) -> None:
    outcomes.record_outcomes(session, running.token, [scenes.outcome(number, state=state) for number in numbers], NOW)


def known(database: Database, study_id: int, *, epoch: int = 3, until: int = 99, most: int = 99) -> list[Rival]:
    with database.reading() as session:
        return rivals(session, study_id, epoch=epoch, paths=[ACCURACY], until=until, most=most)


def test_ended_search_trials_are_observed_as_they_were_at_the_epoch(database: Database) -> None:
    running = scenes.running(database, 3)
    with database.writing() as session:
        report(session, running, 3, {0: 0.25, 1: math.nan, 2: 0.75})
        report(session, running, 4, {0: 0.9, 1: 0.9, 2: 0.9})
        end(session, running, [0, 1])
    first, second = known(database, running.study.id)
    assert first == Rival(0, 0, {ACCURACY: 0.25})
    assert (second.number, math.isnan(second.values[ACCURACY])) == (1, True)  # 2 still trains


def test_what_ends_after_the_moment_that_was_asked_for_changes_nothing(database: Database) -> None:
    running = scenes.running(database, 3)
    with database.writing() as session:
        report(session, running, 3, {0: 0.25, 1: 0.5, 2: 0.75})
        end(session, running, [1])
    before = known(database, running.study.id, until=1)
    with database.writing() as session:
        end(session, running, [0, 2])
    assert known(database, running.study.id, until=1) == before == [Rival(1, 1, {ACCURACY: 0.5})]
    assert [each.number for each in known(database, running.study.id, until=2)] == [0, 1]


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (TrialState.COMPLETE, True),
        (TrialState.PRUNED, True),
        (TrialState.DIVERGED, True),
        (TrialState.FAILED, False),  # it may be trained again
        (TrialState.CANCELLED, False),
    ],
)
def test_ends_that_are_for_good_count(database: Database, state: TrialState, counts: bool) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        report(session, running, 3, {0: 0.25})
        end(session, running, [0], state)
    assert bool(known(database, running.study.id)) is counts


def test_a_trial_without_an_objective_has_ended_for_good(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        report(session, running, 3, {0: 0.25})
        lost = scenes.outcome(0, state=TrialState.FAILED, reason=Reason(NO_OBJECTIVE, "digit.accuracy is undefined on validation"))
        outcomes.record_outcomes(session, running.token, [lost], NOW)
    assert known(database, running.study.id) == [Rival(0, 0, {ACCURACY: 0.25})]


def test_a_trial_that_was_not_measured_at_the_epoch_is_left_out(database: Database) -> None:
    running = scenes.running(database, 2)
    with database.writing() as session:
        report(session, running, 3, {0: 0.25})
        end(session, running, [0, 1])
    assert [each.number for each in known(database, running.study.id)] == [0]
    assert known(database, running.study.id, epoch=2) == []


def test_an_earlier_attempt_is_forgotten(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.writing() as session:
        report(session, running, 3, {0: 0.25})
        leases.release(session, running.token, charge=True, now=NOW, reason=scenes.outcome(0).reason)
        again = scenes.Running(running.study, scenes.start(session, running.study))
        report(session, again, 3, {0: 0.75})
        end(session, again, [0])
    assert known(database, running.study.id) == [Rival(0, 0, {ACCURACY: 0.75})]


def test_only_search_trials_are_observed_and_counted(database: Database) -> None:
    with database.writing() as session:
        study = scenes.prepare(session, scenes.create(session))
        for role, count in ((Role.BASELINE, 2), (Role.SEARCH, 1), (Role.REFERENCE, 1), (Role.SEARCH, 2)):
            scenes.add(session, study, count, role)
        running = scenes.Running(study, scenes.start(session, study))
        report(session, running, 3, dict.fromkeys(range(6), 0.5))
        end(session, running, range(6))
        assert search_indices(session, study.id, [0, 2, 3, 5]) == {2: 0, 5: 2}
        assert search_indices(session, study.id, []) == {}
    assert [(each.number, each.index) for each in known(database, study.id)] == [(2, 0), (4, 1), (5, 2)]


def test_of_many_the_latest_are_observed(database: Database) -> None:
    running = scenes.running(database, 4)
    with database.writing() as session:
        report(session, running, 3, dict.fromkeys(range(4), 0.5))
        for number in (3, 0, 2, 1):
            end(session, running, [number])
    assert [each.number for each in known(database, running.study.id, most=2)] == [1, 2]
    assert [each.number for each in known(database, running.study.id, most=2, until=3)] == [0, 2]


def test_studies_do_not_mix(database: Database) -> None:
    running, other = scenes.running(database, 1, "first"), scenes.running(database, 1, "second")
    with database.writing() as session:
        for each in (running, other):
            report(session, each, 3, {0: 0.25})
            end(session, each, [0])
        assert study_rows.get_study(session, "first").sequence == 1
    assert len(known(database, running.study.id)) == 1


def test_a_path_that_is_not_measured_is_reported(database: Database) -> None:
    running = scenes.running(database, 1)
    with database.reading() as session, pytest.raises(TermNotFound):
        rivals(session, running.study.id, epoch=3, paths=["digit.auc"], until=1)
