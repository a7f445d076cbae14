"""Cohorts shrink when memory runs out, and grow back after cohorts of the full size that were trained to their end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import cohort_sizes, leases, outcomes, study_rows, trial_rows, trials
from storage.cohort_sizes import FEWEST_SUCCESSES
from storage.database import Database
from storage.records import StudyRecord, TrialState
from tests.storage import scenes
from tests.storage.scenes import NOW


@pytest.fixture
def study(database: Database) -> StudyRecord:
    """A study whose cohorts have 8 trials."""
    with database.writing() as session:
        return scenes.prepare(session, scenes.create(session))


def halve(database: Database, study: StudyRecord, lost: int) -> None:
    with database.writing() as session:
        cohort_sizes.halve(session, study.id, lost, NOW)


def train(database: Database, study: StudyRecord, size: int, count: int, seeds: tuple[int, ...] = ()) -> None:
    """Train so many cohorts of so many trials, each on these seeds, to their end."""
    for _ in range(count):
        with database.writing() as session:
            planned = [replace(scenes.planned(place), seeds=seeds) for place in range(size)]
            trials.add_trials(session, study_rows.lock_study(session, study.id), planned, beside=(), now=NOW)
            waiting = trial_rows.waiting_trials(session, study.id)
            lease = scenes.start(session, study)
            outcomes.record_outcomes(session, lease.token, [scenes.outcome(trial.number) for trial in waiting], NOW)
            leases.complete(session, lease.token, NOW)


def size(database: Database, study: StudyRecord) -> int | None:
    with database.reading() as session:
        return study_rows.get_study_by_id(session, study.id).cohort_size


@pytest.mark.parametrize(("lost", "left"), [(8, 4), (5, 2), (1, 1)])
def test_half_of_what_was_too_much_is_allowed(database: Database, study: StudyRecord, lost: int, left: int) -> None:
    halve(database, study, lost)
    assert size(database, study) == left


def test_a_cohort_that_was_smaller_than_allowed_raises_nothing(database: Database, study: StudyRecord) -> None:
    halve(database, study, 4)
    halve(database, study, 8)
    assert size(database, study) == 2


def test_enough_whole_cohorts_double_the_size_up_to_that_of_the_preflight(database: Database, study: StudyRecord) -> None:
    halve(database, study, 8)
    train(database, study, 4, FEWEST_SUCCESSES - 1)
    assert size(database, study) == 4
    train(database, study, 4, 1)
    assert size(database, study) == 8
    train(database, study, 8, FEWEST_SUCCESSES)
    assert size(database, study) == 8


def test_a_cohort_that_failed_for_want_of_memory_within_its_process_is_no_success(database: Database, study: StudyRecord) -> None:
    halve(database, study, 8)
    train(database, study, 4, FEWEST_SUCCESSES - 1)
    with database.writing() as session:
        scenes.add(session, study, 4)
        waiting = trial_rows.waiting_trials(session, study.id)
        lease = scenes.start(session, study)
        ends = [scenes.outcome(trial.number, state=TrialState.FAILED) for trial in waiting]
        outcomes.record_outcomes(session, lease.token, ends, NOW)
        leases.complete(session, lease.token, NOW)
    assert size(database, study) == 4


def test_smaller_cohorts_say_nothing(database: Database, study: StudyRecord) -> None:
    halve(database, study, 8)
    train(database, study, 3, FEWEST_SUCCESSES)
    assert size(database, study) == 4


def test_trials_that_joined_a_smaller_cohort_make_it_no_full_one(database: Database, study: StudyRecord) -> None:
    """Two and then three trained at a time, where four may."""
    halve(database, study, 8)
    for _ in range(FEWEST_SUCCESSES):
        with database.writing() as session:
            scenes.add(session, study, 2)
            lease = scenes.start(session, study)
            scenes.add(session, study, 3)
            joined = trial_rows.waiting_trials(session, study.id)
            trials.join_cohort(session, study_rows.lock_study(session, study.id), joined, lease.cohort_id or 0, NOW)
            assert cohort_sizes.most_at_once(session, lease.cohort_id or 0) == 3
            running = [trial.number for trial in trial_rows.unfinished_trials(session, study.id)]
            outcomes.record_outcomes(session, lease.token, [scenes.outcome(number) for number in running], NOW)
            leases.complete(session, lease.token, NOW)
    assert size(database, study) == 4


def test_after_every_halving_it_takes_twice_as_many(database: Database, study: StudyRecord) -> None:
    halve(database, study, 8)
    halve(database, study, 4)
    train(database, study, 2, 2 * FEWEST_SUCCESSES - 1)
    assert size(database, study) == 2
    train(database, study, 2, 1)
    assert size(database, study) == 4


@pytest.mark.parametrize(("count", "then"), [(1, 7), (2, 8)])
def test_a_cohort_on_several_seeds_is_full_where_no_other_trial_has_room(
    database: Database, study: StudyRecord, count: int, then: int
) -> None:
    """Of 7 trainings two trials on three seeds are all that fit; one of them leaves room."""
    halve(database, study, 8)
    with database.writing() as session:
        study_rows.change_study(session, study.id, NOW, cohort_size=7)
    train(database, study, count, FEWEST_SUCCESSES, seeds=(7, 8, 9))
    assert size(database, study) == then
